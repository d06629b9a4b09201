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
from functools import lru_cache
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
    if rule.action is Action.IDEMPOTENT and insert.columns is None:
        return Skip(Reason.NO_COLUMNS)
    text, end = insert.text, insert.body_end
    small = end <= _REMEMBERED_TEXT and len(insert.columns or ()) <= _REMEMBERED_COLUMNS
    make = _remembered_clause if small else _clause
    clause = make(rule, dialect, text[insert.table_span.start : insert.table_span.end], insert.table, insert.columns)
    if clause is None:
        return Skip(Reason.NO_COLUMNS)
    return Plan(rule, text[:end] + clause.text + text[end:], clause.guarded, insert.rows)


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


def _rows(dialect: Dialect, written: bytes, table: str, columns: tuple[str, ...] | None) -> _Rows:
    alias = next(name for name in _ALIASES if not same_name(name.decode(), table)) if dialect.row_alias else None
    return _Rows(written, alias, None if columns is None else frozenset(map(fold, columns)))


# --------------------------------------------------------------------------------------------------------------------
# ON DUPLICATE KEY UPDATE


@dataclass(frozen=True, slots=True)
class _Clause:
    text: bytes
    guarded: bool


def _clause(
    rule: Rule, dialect: Dialect, written: bytes, table: str, columns: tuple[str, ...] | None
) -> _Clause | None:
    """Make the clause for all inserts that write their table and columns alike; None: no column is known for it."""
    anchor = _anchor(columns, rule)
    if anchor is None:
        return None
    rows = _rows(dialect, written, table, columns)
    guard = _guard(columns, rule, rows)
    assignments: list[tuple[str, bytes]] = []
    if guard is not None:
        assignments.append((anchor, b"IF(IF(%b,1,%b),%b,NULL)" % (guard, _RAISE, rows.old(anchor))))
    if rule.return_id is not None:
        assignments.append((rule.return_id, b"LAST_INSERT_ID(%b)" % rows.old(rule.return_id)))
    assignments += [(line.column, line.expression.render(rows.new, rows.old)) for line in rule.set]
    if not assignments:
        assignments.append((anchor, rows.old(anchor)))
    offered = guard is not None or bool(rule.set)
    alias = b" AS " + rows.alias if rows.alias is not None and offered else b""
    assigned = b", ".join(quote(column) + b" = " + value for column, value in assignments)
    return _Clause(alias + b" ON DUPLICATE KEY UPDATE " + assigned, guard is not None)


_REMEMBERED_TEXT: Final = 4096
_REMEMBERED_COLUMNS: Final = 64
# With `when: always` every INSERT is planned: a remembered clause saves 10 of 12 microseconds. The client chooses the
# names in a clause, so only short ones are kept: a clause has at most some 60 KiB, all of them some 15 MiB.
_remembered_clause: Final = lru_cache(maxsize=256)(_clause)


def _anchor(columns: tuple[str, ...] | None, rule: Rule) -> str | None:
    """Choose the column that carries the guard, or the no-op, and keeps its value.

    One that the insert names is best: it is no generated column (error 3105), and not an AUTO_INCREMENT column that
    the server fills, unless the client itself names one.
    """
    key_columns = [column for group in rule.columns for column in group]
    if columns:
        named = frozenset(map(fold, columns))
        return next((column for column in key_columns if fold(column) in named), columns[0])
    return next(iter([*key_columns, *(line.column for line in rule.set), *filter(None, [rule.return_id])]), None)


def _guard(columns: tuple[str, ...] | None, rule: Rule, rows: _Rows) -> bytes | None:
    conditions: list[bytes] = []
    if rule.columns:
        conditions.append(_any_key(rule.columns, rows))
    if rule.action is Action.IDEMPOTENT:
        conditions += [_identical(rows.old(column), rows.new(column)) for column in columns or ()]
    return b" AND ".join(conditions) or None


def _any_key(groups: Sequence[Sequence[str]], rows: _Rows) -> bytes:
    """Compare the columns of each key by `=`, not by `<=>`.

    Two NULLs never conflict, so a row that has one in this key was met on another key.
    """
    keys = [b" AND ".join(b"%b = %b" % (rows.old(c), rows.new(c)) for c in group) for group in groups]
    return keys[0] if len(keys) == 1 else b"(%b)" % b" OR ".join(b"(%b)" % key for key in keys)


def _identical(old: bytes, new: bytes) -> bytes:
    """Compare text byte by byte, and all else by value; right for every type without knowing it.

    What is no text has the charset binary on both servers, as numbers, times, JSON (MySQL) and binary strings; numbers
    must not go through a cast, which shortens them. The introducer keeps the comparison out of the session's collation
    (error 1267). A cast beyond max_allowed_packet is NULL, which must not equal another such NULL.
    """
    cast = b"CAST(%b AS BINARY) = CAST(%b AS BINARY)" % (old, new)
    text = b"COALESCE(%b,%b IS NULL AND %b IS NULL)" % (cast, old, new)
    return b"IF(CHARSET(%b)=_binary'binary',%b <=> %b,%b)" % (old, old, new, text)


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
