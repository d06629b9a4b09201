"""What is right in a rules file and may still surprise whoever wrote it."""

from collections.abc import Iterator

from proxy.config import Problem
from proxy.rules.match import RuleSet, shadowed
from proxy.rules.rule import Action, Rule, When

_GUARDED = frozenset({Action.IDEMPOTENT, Action.IGNORE, Action.UPDATE})


def warnings(ruleset: RuleSet) -> list[Problem]:
    """Give the warnings of `keyclash check`, in the order of the file; `key` is the name of the rule."""
    found = [(rule, message) for rule in ruleset.rules for message in _of_one(rule)]
    found += [
        (rule, f"never asked: {first.name} in line {first.line} takes it all") for rule, first in _covered(ruleset)
    ]
    found.sort(key=lambda item: item[0].line)
    return [Problem(ruleset.source, rule.line, rule.name, message) for rule, message in found]


def _covered(ruleset: RuleSet) -> list[tuple[Rule, Rule]]:
    return shadowed(ruleset.rules)


def _of_one(rule: Rule) -> Iterator[str]:
    if rule.action in _GUARDED and rule.keys and not rule.columns:
        yield f"no columns for the key {', '.join(rule.keys)}: without them every insert is passed on as it is"
    if rule.action not in _GUARDED and rule.columns:
        yield f"columns say nothing to the action {rule.action}"
    if rule.action is Action.UPDATE and not rule.keys and not rule.columns:
        yield "update without key changes the row of a conflict on any unique key, PRIMARY too"
    if rule.when is When.ALWAYS and rule.effective_when is When.CONFLICT:
        yield f"when: always is followed as conflict: {_WHY_NOT_ALWAYS[rule.action]}"


_WHY_NOT_ALWAYS = {
    Action.OBSERVE: "observe changes no statement",
    Action.REPLACE: "REPLACE would delete rows met on keys that the rule does not name",
}
