"""The YAML of config/rules.yaml into rules; every mistake of the file is told at once, with its line."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from proxy.config import FORBID, ConfigError, Document, Flag, Loc, Problem, in_yaml, read_yaml, validate
from proxy.rules.expression import Expression
from proxy.rules.match import RuleSet
from proxy.rules.rule import Action, AffectedRows, Assignment, Returning, Rule, TablePattern, When

__all__ = ["Action", "AffectedRows", "Assignment", "Rule", "RuleSet", "TablePattern", "When", "load_rules"]


def load_rules(path: Path) -> RuleSet:
    """Read config/rules.yaml; raises ConfigError with every mistake of the file."""
    document = read_yaml(path)
    _, problems = validate(document, _File)
    listed = document.data.get("rules") if isinstance(document.data, Mapping) else None
    entries = listed if isinstance(listed, list) else []
    rules: list[Rule] = []
    for position, entry in enumerate(entries):
        rule, found = _read_rule(document, ("rules", position), entry)
        problems += found
        if rule is not None:
            rules.append(rule)
    problems += _twice(document, entries)
    if problems:
        raise ConfigError(problems)
    return RuleSet(tuple(rules), str(path), document.version)


# --------------------------------------------------------------------------------------------------------------------
# The shape of the file


def _expected(message: str) -> PydanticCustomError:
    return PydanticCustomError("expected", "{message}", {"message": message})


_PART: Final = r"[0-9A-Za-z$_*\-\u0080-\U0010ffff]+|`(?:[^`\x00]|``)+`"
_TABLE: Final = re.compile(rf"(?:(?P<schema>{_PART})\.)?(?P<table>{_PART})")
_NAME_LENGTH: Final = 64
"""Characters in a schema's, table's, column's or index's name (MySQL manual, Identifier Length Limits)."""


def _table(value: object) -> object:
    match = _TABLE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _expected(f"{in_yaml(value)} is no table (expected schema.table or table; * is the wildcard)")
    return TablePattern(match["schema"] and _unquoted(match["schema"]), _unquoted(match["table"]))


def _unquoted(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") else name


def _rule_name(value: object) -> object:
    if isinstance(value, str) and value.strip() and value.isprintable():
        return value
    raise _expected(f"{in_yaml(value)} is no name (expected text such as signup-email)")


def _name(value: object) -> str:
    if isinstance(value, str) and 0 < len(value.strip()) <= _NAME_LENGTH:
        return value
    raise _expected(f"{in_yaml(value)} is no name (expected 1 to {_NAME_LENGTH} characters of text)")


def _names(value: object) -> object:
    names = tuple(map(_name, value)) if isinstance(value, list) and value else (_name(value),)
    if len({name.lower() for name in names}) < len(names):
        raise _expected(f"{in_yaml(value)} names one twice (expected each name once)")
    return names


def _columns(value: object) -> object:
    """Read one group of columns (a name or a list of names), or a list of groups."""
    if isinstance(value, list) and any(isinstance(item, list) for item in value):
        return tuple(map(_names, value))
    return (_names(value),)


def _expression(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _expected(f"{in_yaml(value)} is no expression (expected SQL such as new.name or old.hits + 1)")
    from proxy.rules.expression_parser import ExpressionError, parse  # slow to load, and most files do not need it

    try:
        return parse(str(value))
    except ExpressionError as error:
        raise _expected(str(error)) from None


def _set(value: object) -> object:
    if not isinstance(value, Mapping) or not value:
        raise _expected(f"{in_yaml(value)} does not fit (expected a mapping of columns to expressions)")
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Groups = Annotated[tuple[tuple[str, ...], ...], BeforeValidator(_columns)]
Sets = Annotated[
    dict[Annotated[str, BeforeValidator(_name)], Annotated[Expression, BeforeValidator(_expression)]],
    BeforeValidator(_set),
]


@dataclass(frozen=True, slots=True)
class _File:
    __pydantic_config__ = FORBID
    rules: list[object]


@dataclass(frozen=True, slots=True)
class _Match:
    __pydantic_config__ = FORBID
    users: Names = ()


@dataclass(frozen=True, slots=True)
class _Compare:
    __pydantic_config__ = FORBID
    except_: Annotated[Names, Field(alias="except")] = ()
    json: Names = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    __pydantic_config__ = FORBID
    name: Annotated[str, BeforeValidator(_rule_name)]
    table: Annotated[TablePattern, BeforeValidator(_table)]
    action: Action
    key: Names = ()
    columns: Groups = ()
    set: Sets = field(default_factory=dict)
    return_id: Annotated[str, BeforeValidator(_name)] | None = None
    affected_rows: AffectedRows = AffectedRows.NATIVE
    returning: Returning = Returning.ONE
    when: When = When.CONFLICT
    compare: _Compare = field(default_factory=_Compare)
    match: _Match = field(default_factory=_Match)
    dry_run: Flag = False
    allow_replace: Flag = False


# --------------------------------------------------------------------------------------------------------------------
# One rule


def _read_rule(document: Document, loc: Loc, raw: object) -> tuple[Rule | None, list[Problem]]:
    entry, problems = validate(document, _Entry, loc)
    if isinstance(raw, Mapping):
        problems += [document.problem((*loc, *at), message) for at, message in _contradictions(raw)]
    if entry is None:
        return None, problems
    problems += [document.problem((*loc, *at), message) for at, message in _misfits(entry)]
    assignments, circle = _in_order(entry.set)
    if circle:
        message = (
            f"{' and '.join(circle)} read each other's old value, but are assigned one by one (expected no circle)"
        )
        problems.append(document.problem((*loc, "set", circle[0]), message))
    return _rule(entry, document.line(loc), assignments), problems


def _rule(entry: _Entry, line: int, assignments: tuple[Assignment, ...]) -> Rule:
    return Rule(
        name=entry.name,
        line=line,
        table=entry.table,
        action=entry.action,
        keys=entry.key,
        columns=entry.columns,
        set=assignments,
        return_id=entry.return_id,
        affected_rows=entry.affected_rows,
        returning=entry.returning,
        when=entry.when,
        users=entry.match.users,
        dry_run=entry.dry_run,
        allow_replace=entry.allow_replace,
        compare_except=entry.compare.except_,
        compare_json=entry.compare.json,
    )


def _contradictions(raw: Mapping[str, object]) -> Iterator[tuple[Loc, str]]:
    """Find keys that do not go together, whatever their values; read from the file, so that no typo hides one."""
    action = raw.get("action")
    if action == Action.UPDATE and "set" not in raw:
        yield ("action",), "update without set (expected set: what is written to the row that is there)"
    if action in set(Action) - {Action.UPDATE} and "set" in raw:
        yield ("set",), f"the action {action} sets nothing (expected action: update, or no set)"
    if action == Action.REPLACE and raw.get("allow_replace") is not True:
        yield ("action",), "replace deletes rows (expected allow_replace: true to confirm it)"
    if action in (Action.OBSERVE, Action.REPLACE) and raw.get("return_id") is not None:
        yield ("return_id",), f"the action {action} keeps no row's id (expected ignore, idempotent or update)"
    if action in set(Action) - {Action.IDEMPOTENT} and "compare" in raw:
        yield ("compare",), f"the action {action} compares no rows (expected action: idempotent, or no compare)"
    if action == Action.REPLACE and "columns" in raw and "key" not in raw:
        yield ("columns",), "replace cannot compare columns (expected key instead)"


def _misfits(entry: _Entry) -> Iterator[tuple[Loc, str]]:
    """Find values that are right alone and wrong together."""
    if entry.key and entry.columns and len(entry.key) != len(entry.columns):
        groups, keys = _count(entry.columns, "list"), _count(entry.key, "key")
        yield ("columns",), f"{groups} of columns for {keys} (expected one list for each key)"
    names = [name.lower() for name in entry.set]
    for position, name in enumerate(entry.set):
        if names.index(name.lower()) < position:
            yield ("set", name), "given twice, but for its case (expected each column once)"
    ignored = {name.lower() for name in entry.compare.except_}
    for name in entry.compare.json:
        if name.lower() in ignored:
            yield ("compare", "json"), f"{name} is not compared at all (expected it in one of the two lists)"
    if entry.return_id is not None and entry.return_id.lower() in names:
        yield ("return_id",), f"set writes {entry.return_id} as well (expected the id to stay as it is)"


def _count(things: Sequence[object], noun: str) -> str:
    return f"{len(things)} {noun}" if len(things) == 1 else f"{len(things)} {noun}s"


def _in_order(sets: Mapping[str, Expression]) -> tuple[tuple[Assignment, ...], tuple[str, ...]]:
    """Put each assignment before the one that overwrites what it reads.

    ON DUPLICATE KEY UPDATE assigns from left to right and lets later assignments see what earlier ones wrote; `old`
    promises the row as it was. Returns the assignments, and the columns of a circle that no order can serve.
    """
    left = {name.lower(): Assignment(name, expression) for name, expression in sets.items()}
    ordered: list[Assignment] = []
    while left:
        free = next((name for name in left if not any(name in reads for reads in _reads(left, name))), None)
        if free is None:
            return (), tuple(
                left[name].column for name in left if any(left.keys() & left[name].expression.reads - {name})
            )
        ordered.append(left.pop(free))
    return tuple(ordered), ()


def _reads(left: Mapping[str, Assignment], but: str) -> Iterator[frozenset[str]]:
    return (line.expression.reads for name, line in left.items() if name != but)


def _twice(document: Document, entries: Sequence[object]) -> Iterator[Problem]:
    """Find names that two rules bear."""
    seen: dict[str, int] = {}
    for position, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if not isinstance(name, str):
            continue
        loc = ("rules", position, "name")
        if name in seen:
            message = f"{in_yaml(name)} is the rule of line {seen[name]} already (expected a name of its own)"
            yield document.problem(loc, message)
        seen.setdefault(name, document.line(loc))
