"""What is right in a rules file and may still surprise whoever wrote it."""

from collections.abc import Iterator, Mapping

from proxy.config import Problem
from proxy.rules.definition import INTEGERS, is_provable
from proxy.rules.match import RuleSet, shadowed
from proxy.rules.rule import Action, Rule, When
from proxy.rules.table import Table, UniqueKey
from proxy.sql.names import fold

_GUARDED = frozenset({Action.IDEMPOTENT, Action.IGNORE, Action.UPDATE})


_NO_TABLES: Mapping[str, Table] = {}


def warnings(ruleset: RuleSet, lookup: bool = False, tables: Mapping[str, Table] = _NO_TABLES) -> list[Problem]:
    """Give the warnings of `keyclash check`, in the order of the file; `key` is the name of the rule.

    Args:
        ruleset: the rules.
        lookup: definitions of tables are looked up, so that the file need not name the columns of keys.
        tables: the definitions of the tables of rules, as far as they are known, by the rules' names.
    """
    found = [(rule, message) for rule in ruleset.rules for message in _of_one(rule, lookup)]
    found += [
        (rule, message)
        for rule in ruleset.rules
        if (table := tables.get(rule.name)) is not None
        for message in _of_table(rule, table)
    ]
    found += [
        (rule, f"never asked: {first.name} in line {first.line} takes it all") for rule, first in _covered(ruleset)
    ]
    found.sort(key=lambda item: item[0].line)
    return [Problem(ruleset.source, rule.line, rule.name, message) for rule, message in found]


def _covered(ruleset: RuleSet) -> list[tuple[Rule, Rule]]:
    return shadowed(ruleset.rules)


def _of_one(rule: Rule, lookup: bool) -> Iterator[str]:
    if rule.action in _GUARDED and rule.keys and not rule.columns and not lookup:
        yield f"no columns for the key {', '.join(rule.keys)}: without them every insert is passed on as it is"
    if rule.action not in _GUARDED and rule.columns:
        yield f"columns say nothing to the action {rule.action}"
    if rule.action is Action.UPDATE and not rule.keys and not rule.columns:
        yield "update without key changes the row of a conflict on any unique key, PRIMARY too"
    if rule.when is When.ALWAYS and rule.effective_when is When.CONFLICT:
        yield f"when: always is followed as conflict: {_WHY_NOT_ALWAYS[rule.action]}"
    if _may_wait_for_a_conflict(rule, lookup):
        where = "tables with AUTO_INCREMENT" if lookup else "every table"
        yield f"when: always is followed as conflict on MySQL, for {where}: {_LAST_ID}"


def _may_wait_for_a_conflict(rule: Rule, lookup: bool) -> bool:
    """Tell whether MySQL's counters keep a rule from being followed in the first place."""
    if rule.effective_when is not When.ALWAYS or rule.keys or rule.columns or rule.action is Action.IDEMPOTENT:
        return False
    return rule.action is Action.REPLACE or not lookup


_LAST_ID = "without columns nothing tells a duplicate from a counter at its end"
_WHY_NOT_ALWAYS = {
    Action.OBSERVE: "observe changes no statement",
    Action.REPLACE: "REPLACE would delete rows met on keys that the rule does not name",
}


# --------------------------------------------------------------------------------------------------------------------
# What the table makes of a rule


def _of_table(rule: Rule, table: Table) -> Iterator[str]:
    if rule.action is Action.OBSERVE:
        return
    for name in rule.keys:
        key = table.key(name)
        if key is not None:
            yield from _of_key(rule, key, table)
        elif not table.view:
            yield f"{table.name} has no unique key {name}"
    yield from _of_columns(rule, table)
    if not table.transactional and not table.view:
        yield f"{table.engine} undoes nothing: inserts of several rows are passed on as they are"
    yield from _of_triggers(rule, table)


def _of_key(rule: Rule, key: UniqueKey, table: Table) -> Iterator[str]:
    if rule.action is Action.REPLACE:
        named = set(map(fold, rule.keys))
        auto = table.auto_increment
        filled = None if auto is None else (auto.name,)
        for other in table.keys:
            if fold(other.name) not in named and other.columns != filled:
                unsafe = "and might delete a row met there: inserts are passed on"
                yield f"replace does not name the key {other.name}, {unsafe}"
        return
    if key.without_overlaps or not all(is_provable(part, table) for part in key.parts):
        yield f"the key {key.name} is made of expressions or periods that are not compared: its conflicts are returned"
    elif table.auto_increment is not None and key.columns == (table.auto_increment.name,):
        yield f"the server fills the key {key.name} for inserts that do not name {table.auto_increment.name}"
    if rule.columns and key.columns is not None:
        written = rule.columns[[fold(name) for name in rule.keys].index(fold(key.name))]
        if set(map(fold, written)) != set(map(fold, key.columns)):
            yield f"the key {key.name} is on {', '.join(key.columns)}, not on {', '.join(written)}"


def _of_columns(rule: Rule, table: Table) -> Iterator[str]:
    for name in [line.column for line in rule.set]:
        column = table.column(name)
        if column is None:
            yield f"set writes {name}, which {table.name} does not have"
        elif column.generated:
            yield f"set writes {name}, which is generated"
    for name in (*rule.compare_except, *rule.compare_json):
        if table.column(name) is None:
            yield f"compare names {name}, which {table.name} does not have"
    if rule.return_id is not None and not table.view:
        column = table.column(rule.return_id)
        if column is None or not column.auto_increment or column.type not in INTEGERS:
            yield f"return_id names {rule.return_id}, which is no AUTO_INCREMENT column of integers"


def _of_triggers(rule: Rule, table: Table) -> Iterator[str]:
    if rule.action is Action.REPLACE:
        yield "REPLACE resets the columns that an insert does not name, and deletes or changes rows that refer to it"
        if table.triggers is None:
            yield "REPLACE fires DELETE triggers, and whether there are any is not visible"
        elif "delete" in table.triggers:
            yield "REPLACE fires the DELETE triggers"
    elif table.triggers is not None and "insert" in table.triggers:
        yield "a row that is kept or updated has fired the BEFORE INSERT triggers, and fires those of UPDATE"
