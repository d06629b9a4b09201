"""What a rule does to one insert: the statement that is sent for it.

A plan only splices: the client's bytes stay as they are, and a clause goes in right after the last value.

    INSERT INTO t (a, b) VALUES (...) [AS new] ON DUPLICATE KEY UPDATE
        a = IF(IF(<guard>,1,18446744073709551615+7001062),t.a,NULL)[, id = LAST_INSERT_ID(t.id)][, <set>]

ON DUPLICATE KEY UPDATE fires on any unique key. The guard says whether the row that was met is one that the rule is
for; if not, the addition is evaluated, which no BIGINT UNSIGNED holds: error 1690 undoes the whole statement, and its
text shows the marker. What was learned from MySQL 9.7 and MariaDB 10.11 about its shape:

* It stands in the first assignment: later ones see what earlier ones wrote, and would compare a row that has changed.
* Two IFs: in one, the type of the addition mixes with the column's, and the server evaluates it while it resolves.
* It is never an operand of OR, which is folded while the statement is resolved.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from proxy.rules.rule import Action, Rule
from proxy.sql.dialect import Dialect
from proxy.sql.insert import Insert, Skip
from proxy.sql.names import fold, quote, same_name
from proxy.sql.reason import Reason

MARKER: Final = 7001062
"""The number in the text of the guard's own error 1690."""

_RAISE: Final = b"18446744073709551615+%d" % MARKER
_ALIASES: Final = (b"new", b"offered")
"""Names for the row offered; the second for a table that bears the first (error 1066)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The statement that stands for one insert under one rule; `rows` is the number of rows that it offers.

    `guarded`: the statement may end in the guard's own error, 1690 with the marker in its text.
    """

    rule: Rule
    statement: bytes
    guarded: bool
    rows: int


def plan(insert: Insert, rule: Rule, dialect: Dialect) -> Plan | Skip:
    """Make the statement that does what a rule says about a duplicate of an insert, or tell why there is none.

    The number of `?` and the bytes of the values stay the same. An `observe` rule has no statement.
    """
    if rule.action is Action.OBSERVE:
        return Skip(Reason.OBSERVE)
    if "delayed" in insert.modifiers:
        return Skip(Reason.DELAYED)
    if rule.action is Action.REPLACE:
        return Plan(rule, _replace(insert), False, insert.rows)
    if rule.keys and not rule.columns:
        return Skip(Reason.COLUMNS_UNKNOWN)
    anchor = _anchor(insert, rule)
    if anchor is None or (rule.action is Action.IDEMPOTENT and insert.columns is None):
        return Skip(Reason.NO_COLUMNS)
    rows = _rows(insert, dialect)
    guard = _guard(insert, rule, rows)
    clause = _clause(rule, rows, guard, anchor)
    text = insert.text
    return Plan(rule, text[: insert.body_end] + clause + text[insert.body_end :], guard is not None, insert.rows)


# --------------------------------------------------------------------------------------------------------------------
# The two rows


@dataclass(frozen=True, slots=True)
class _Rows:
    """How the clause writes the columns of the row that is there and of the row offered.

    `offered` is None if the insert names no columns, which offers all of them.
    """

    table: bytes
    alias: bytes | None
    offered: frozenset[str] | None

    def old(self, column: str) -> bytes:
        """Write a column of the row that is there; bare it would be ambiguous (error 1052)."""
        return self.table + b"." + quote(column)

    def new(self, column: str) -> bytes:
        """Write a column of the row offered; MySQL's alias knows only the columns that the insert names (1054)."""
        if self.alias is not None and (self.offered is None or fold(column) in self.offered):
            return self.alias + b"." + quote(column)
        return b"VALUES(" + quote(column) + b")"


def _rows(insert: Insert, dialect: Dialect) -> _Rows:
    start, end = insert.table_span
    alias = next(name for name in _ALIASES if not same_name(name.decode(), insert.table)) if dialect.row_alias else None
    offered = None if insert.columns is None else frozenset(map(fold, insert.columns))
    return _Rows(insert.text[start:end], alias, offered)


# --------------------------------------------------------------------------------------------------------------------
# ON DUPLICATE KEY UPDATE


def _clause(rule: Rule, rows: _Rows, guard: bytes | None, anchor: str) -> bytes:
    assignments: list[tuple[str, bytes]] = []
    if guard is not None:
        assignments.append((anchor, b"IF(IF(%b,1,%b),%b,NULL)" % (guard, _RAISE, rows.old(anchor))))
    if rule.return_id is not None:
        assignments.append((rule.return_id, b"LAST_INSERT_ID(%b)" % rows.old(rule.return_id)))
    assignments += [(line.column, line.expression.render(rows.new, rows.old)) for line in rule.set]
    if not assignments:
        assignments.append((anchor, rows.old(anchor)))
    alias = b" AS " + rows.alias if rows.alias is not None else b""
    written = b", ".join(quote(column) + b" = " + value for column, value in assignments)
    return alias + b" ON DUPLICATE KEY UPDATE " + written


def _anchor(insert: Insert, rule: Rule) -> str | None:
    """Choose the column that carries the guard, or the no-op, and keeps its value.

    One that the insert names is best: it is no generated column (error 3105), and not an AUTO_INCREMENT column that
    the server fills, unless the client itself names one.
    """
    key_columns = [column for group in rule.columns for column in group]
    if insert.columns:
        named = frozenset(map(fold, insert.columns))
        return next((column for column in key_columns if fold(column) in named), insert.columns[0])
    return next(iter([*key_columns, *(line.column for line in rule.set), *filter(None, [rule.return_id])]), None)


def _guard(insert: Insert, rule: Rule, rows: _Rows) -> bytes | None:
    conditions: list[bytes] = []
    if rule.columns:
        conditions.append(_any_key(rule.columns, rows))
    if rule.action is Action.IDEMPOTENT:
        conditions += [_identical(rows.old(column), rows.new(column)) for column in insert.columns or ()]
    return b" AND ".join(conditions) or None


def _any_key(groups: Sequence[Sequence[str]], rows: _Rows) -> bytes:
    """Compare the columns of each key by `=`, not by `<=>`.

    Two NULLs never conflict, so a row that has one in this key was met on another key.
    """
    keys = [b" AND ".join(b"%b = %b" % (rows.old(c), rows.new(c)) for c in group) for group in groups]
    return keys[0] if len(keys) == 1 else b"(%b)" % b" OR ".join(b"(%b)" % key for key in keys)


def _identical(old: bytes, new: bytes) -> bytes:
    """Compare text byte by byte, and all else by value."""
    return b"IF(CHARSET(%b)='binary',%b <=> %b,CAST(%b AS BINARY) <=> CAST(%b AS BINARY))" % (old, old, new, old, new)


# --------------------------------------------------------------------------------------------------------------------
# REPLACE


def _replace(insert: Insert) -> bytes:
    """Write REPLACE for INSERT, without HIGH_PRIORITY, which REPLACE does not take."""
    text, pieces, done = insert.text, [], 0
    dropped = [
        span for word, span in zip(insert.modifiers, insert.modifier_spans, strict=True) if word == "high_priority"
    ]
    for span, written in [(insert.verb, b"REPLACE"), *((span, b"") for span in dropped)]:
        pieces += [text[done : span.start], written]
        done = span.end
    return b"".join([*pieces, text[done:]])
