"""Which rule would help with a key, how sure that is, and what it would have done to the conflicts that were seen."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from proxy.advice.evidence import Evidence
from proxy.advice.rule_text import RuleText
from proxy.conflicts.conflict import Cause, Outcome
from proxy.conflicts.journal import Record
from proxy.conflicts.message import ER_DUP_ENTRY, ER_DUP_ENTRY_WITH_KEY_NAME
from proxy.rules.match import RuleSet
from proxy.rules.rule import Action, Rule
from proxy.sql.names import same_name

_ENOUGH: Final = 20
"""Conflicts from which on their number adds nothing to the confidence."""
_HIGH, _MEDIUM = 0.75, 0.45
_BUSY: Final = 60
"""Conflicts in a minute from which on `when: always` is spoken of."""
_ERRORS: Final = frozenset({ER_DUP_ENTRY, ER_DUP_ENTRY_WITH_KEY_NAME})
_HANDLED: Final = frozenset({Outcome.KEPT, Outcome.UPDATED, Outcome.REPLACED, Outcome.INSERTED})
_SIMPLE: Final = re.compile(r"[A-Za-z_][0-9A-Za-z_]*")


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a rule would have done to the conflicts that are kept.

    answered: the client would have had an OK. depends: it depends on the row that was there. left: the client would
    have had the error all the same. handled: a rule had answered them.
    """

    answered: int
    depends: int
    left: int
    handled: int


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to do about a key.

    action: the rule's; "" where no rule is suggested. rule: the YAML, one item of the list `rules`; None where none is.
    confidence: 0 to 1; level: the same as low, medium or high. reasons: in words, the weightiest first.
    """

    action: str
    rule: str | None
    confidence: float
    level: str
    reasons: tuple[str, ...]
    dry_run: DryRun | None


@dataclass(frozen=True, slots=True)
class _Choice:
    action: Action | None
    reasons: tuple[str, ...]
    certainty: float = 0.0


def suggest(evidence: Evidence, ruleset: RuleSet) -> Suggestion:
    """Suggest a rule for a key, to be put among those that are in force."""
    rules = _candidates(evidence, ruleset)
    choice = _choose(evidence, rules)
    if choice.action is None:
        return Suggestion("", None, 0.0, _level(0.0), choice.reasons, None)
    text = RuleText(
        name=_name(evidence, ruleset),
        schema=evidence.stats.name.schema,
        table=evidence.stats.name.table,
        key=evidence.stats.name.key,
        columns=evidence.columns,
        action=choice.action,
        set=_assignments(evidence) if choice.action is Action.UPDATE else {},
        return_id=_return_id(evidence),
    )
    confidence = _confidence(evidence, choice.certainty)
    return Suggestion(
        action=choice.action,
        rule=str(text),
        confidence=confidence,
        level=_level(confidence),
        reasons=(*choice.reasons, *_remarks(evidence, rules)),
        dry_run=dry_run(choice.action, evidence.records),
    )


def dry_run(action: Action, records: Iterable[Record]) -> DryRun:
    """Tell what an action would have done to conflicts."""
    answered = depends = left = handled = 0
    for record in records:
        if record.outcome in _HANDLED:
            handled += record.rows
        elif record.statement != "insert" or record.errno not in _ERRORS or record.cause is Cause.SEQUENCE:
            left += record.rows
        elif action is Action.IDEMPOTENT and record.cause is not Cause.RETRY:
            depends += record.rows
        else:
            answered += record.rows
    return DryRun(answered, depends, left, handled)


# --------------------------------------------------------------------------------------------------------------------
# Which action


def _choose(evidence: Evidence, rules: tuple[Rule, ...]) -> _Choice:
    name = evidence.stats.name
    if not evidence.is_named or any("*" in part or "\\" in part for part in name):
        return _Choice(None, ("The table or the key is not known by name, so that no rule can name it.",))
    rule = _in_charge(rules, name.key)
    if rule is not None and not _only_looks_on(rule):
        return _Choice(None, (f"The rule {rule.name} is in charge of this key already ({rule.action}).",))
    if evidence.share(Cause.SEQUENCE) > 0:
        return _Choice(None, _SEQUENCE)
    if evidence.records and not any(record.statement == "insert" for record in evidence.records):
        return _Choice(None, (_NO_INSERTS,))
    if evidence.counters:
        columns = ", ".join(evidence.counters)
        reason = f"The same entries come again and again, and {columns} looks like a counter: the row is counted up."
        return _Choice(Action.UPDATE, (reason,), 0.7)
    return _by_cause(evidence)


_SEQUENCE: Final = (
    "The server itself made the value up: the AUTO_INCREMENT counter is behind the data (as after restoring a backup),"
    " or at the end of its type. A rule would drop new rows; set the counter right instead:"
    " ALTER TABLE ... AUTO_INCREMENT = <greater than the largest value>.",
)


_NO_INSERTS: Final = (
    "None of the conflicts that are remembered was met by an INSERT: rules answer no other statement, but for LOAD DATA"
    " with when: always."
)


def _by_cause(evidence: Evidence) -> _Choice:
    known = {cause: count for cause, count in evidence.stats.causes.items() if cause is not Cause.UNKNOWN}
    if not known:
        return _Choice(None, ("Why the conflicts happen is not known yet.",))
    cause = max(known, key=lambda each: known[each])
    share = evidence.share(cause)
    told = f"{known[cause]} of {evidence.stats.count} conflicts are {_WORDS[cause]}."
    if cause is Cause.RETRY and not evidence.is_volatile:
        return _Choice(
            Action.IDEMPOTENT, (told, "A repeated statement is one statement; another one stays an error."), share
        )
    if cause is Cause.RETRY:
        why = (
            "It writes the time or a random value, so that the row there never equals the one offered: the first stays."
        )
        return _Choice(Action.IGNORE, (told, why), 0.7 * share)
    if cause is Cause.RACE:
        return _Choice(Action.IGNORE, (told, "Whoever comes second is to have the row that is there."), share)
    if cause is Cause.BULK:
        return _Choice(Action.IGNORE, (told, "The first of the same rows stays."), 0.9 * share)
    why = "It is the application's to say whether the row there or the one offered is right; this keeps the one there."
    return _Choice(Action.IGNORE, (told, why), 0.4 * share)


_WORDS: Final = {
    Cause.RETRY: "statements that were sent before, with the same values",
    Cause.RACE: "races: two sessions inserted the same entry at about the same time",
    Cause.BULK: "statements that offer the same entry twice themselves",
    Cause.EXISTING: "on rows that had been there for a while",
    Cause.SEQUENCE: "on values that the server made up",
}


def _candidates(evidence: Evidence, ruleset: RuleSet) -> tuple[Rule, ...]:
    name, users = evidence.stats.name, evidence.stats.users.top(1)
    return ruleset.candidates(name.schema or None, name.table, users[0].value if users else "")


def _in_charge(rules: tuple[Rule, ...], key: str) -> Rule | None:
    """Give the rule that conflicts on a key go to."""
    for rule in rules:
        if not rule.keys or any(same_name(name, key) for name in rule.keys):
            return rule
    return None


def _only_looks_on(rule: Rule) -> bool:
    return rule.action is Action.OBSERVE or rule.dry_run


def _name(evidence: Evidence, ruleset: RuleSet) -> str:
    name = evidence.stats.name
    wanted = f"{name.table}-{name.key}".lower()
    wanted = wanted if wanted.isprintable() else f"key-{name.id}"
    taken = {rule.name for rule in ruleset.rules}
    return wanted if wanted not in taken else f"{wanted}-{name.id}"


def _assignments(evidence: Evidence) -> dict[str, str]:
    return {name: f"old.{_reference(name)} + new.{_reference(name)}" for name in evidence.counters}


def _reference(name: str) -> str:
    return name if _SIMPLE.fullmatch(name) else "`" + name.replace("`", "``") + "`"


def _return_id(evidence: Evidence) -> str | None:
    column = evidence.auto_increment
    return None if column is None else column.name


# --------------------------------------------------------------------------------------------------------------------
# How sure


def _confidence(evidence: Evidence, certainty: float) -> float:
    seen = math.sqrt(min(1.0, evidence.stats.count / _ENOUGH))
    known = 1.0 if evidence.key is not None else 0.85
    return round(certainty * seen * known, 2)


def _level(confidence: float) -> str:
    return "high" if confidence >= _HIGH else "medium" if confidence >= _MEDIUM else "low"


def _remarks(evidence: Evidence, rules: tuple[Rule, ...]) -> list[str]:
    remarks = []
    rule = _in_charge(rules, evidence.stats.name.key)
    if rule is not None:
        remarks.append(f"It has to stand before the rule {rule.name}, which takes these conflicts and only looks on.")
    if evidence.definition is None:
        remarks.append(
            "The table's definition is not known: whether an id can be given back (return_id) is not, either."
        )
    if not evidence.columns:
        remarks.append("The key's columns are not known: the rule needs the proxy's look-up of tables (lookup).")
    if max(evidence.stats.outcome_history.total(evidence.stats.last, 10)) >= _BUSY:
        remarks.append("There are many conflicts: when: always spares each of them a second statement.")
    return remarks
