"""ON DUPLICATE KEY UPDATE, as the rules write it.

    [AS new] ON DUPLICATE KEY UPDATE
        a = IF(IF(<guard>,1,18446744073709551615+7001062),t.a,NULL)[, <set>]

The clause fires on any unique key. The guard says whether the row that was met is one that the rule is for; if not, the
addition is evaluated, which no BIGINT UNSIGNED holds: error 1690 undoes the whole statement, and its text shows the
marker. Where the id of the row met is to be told, `IF(LAST_INSERT_ID(t.id),1,1)` stands for the 1. What was learned
from MySQL 9.7 and MariaDB 10.11 about its shape:

* It stands in the first assignment: later ones see what earlier ones wrote, and would compare a row that has changed.
* Two IFs: in one, the type of the addition mixes with the column's, and the server evaluates it while it resolves.
* It is never an operand of OR, which is folded while the statement is resolved.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from proxy.rules.definition import Group, anchor_of, check_columns, groups_of, pieces_of
from proxy.rules.rule import Action, Rule
from proxy.rules.table import Column, KeyPart, Table
from proxy.sql.dialect import Dialect
from proxy.sql.names import fold, quote, same_name
from proxy.sql.reason import Reason

MARKER: Final = 7001062
"""The number in the text of the guard's own error 1690."""

_RAISE: Final = b"18446744073709551615+%d" % MARKER
_ALIASES: Final = (b"new", b"offered")
"""Names for the row offered; the second for a table that bears the first (error 1066)."""

_NORMALIZE_SINCE: Final = (10, 7, 1)
"""MariaDB has JSON_NORMALIZE from this version on (MDEV-16375)."""
_TEXTS: Final = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})


class Clause(NamedTuple):
    """A clause, to be spliced in right after the values.

    `guarded`: it may end in the guard's own error, 1690 with the marker in its text.
    """

    text: bytes
    guarded: bool


class Target(NamedTuple):
    """What all inserts have in common that get the same clause from a rule.

    Args:
        written: the table as the insert writes it.
        name: the table's name alone.
        columns: those that the insert offers; None: all, whatever their names.
        aliasable: the row offered may be given a name, on servers that know of that.
    """

    written: bytes
    name: str
    columns: tuple[str, ...] | None
    aliasable: bool


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


def make_clause(rule: Rule, dialect: Dialect, target: Target, table: Table | None) -> Clause | Reason:
    """Make the clause of a rule, or tell why there is none.

    Args:
        rule: of an action that updates or keeps the row that is there.
        dialect: the server's.
        target: the insert.
        table: the table's definition, if it is known.
    """
    unfit = check_columns(rule, table) if table is not None else None
    groups = unfit or groups_of(rule, table, target.columns, dialect.mariadb)
    if isinstance(groups, Reason):
        return groups
    if rule.action is Action.IDEMPOTENT and target.columns is None:
        return Reason.NO_COLUMNS
    anchor = anchor_of(rule, groups, table, target.columns)
    if anchor is None or isinstance(anchor, Reason):
        return anchor or Reason.NO_COLUMNS
    rows = _rows(dialect, target)
    conditions = [_any_key(groups, rows, table)] if groups else []
    if rule.action is Action.IDEMPOTENT:
        conditions += _all_identical(rule, dialect, _left_to_compare(target.columns or (), groups, table), rows, table)
    return _written(rule, rows, anchor, b" AND ".join(conditions))


def _rows(dialect: Dialect, target: Target) -> _Rows:
    alias = None
    if dialect.row_alias and target.aliasable:
        alias = next(name for name in _ALIASES if not same_name(name.decode(), target.name))
    return _Rows(target.written, alias, None if target.columns is None else frozenset(map(fold, target.columns)))


def _written(rule: Rule, rows: _Rows, anchor: str, guard: bytes) -> Clause:
    assignments: list[tuple[str, bytes]] = []
    met = _row_met(rule, rows, anchor)
    if guard:
        met = b"IF(%b,%b,%b)" % (guard, met or b"1", _RAISE)
    if met:
        assignments.append((anchor, b"IF(%b,%b,NULL)" % (met, rows.old(anchor))))
    elif rule.return_id is not None:
        assignments.append((anchor, b"LAST_INSERT_ID(%b)" % rows.old(anchor)))
    assignments += [(line.column, line.expression.render(rows.new, rows.old)) for line in rule.set]
    if not assignments:
        assignments.append((anchor, rows.old(anchor)))
    offered = bool(guard) or bool(rule.set)
    alias = b" AS " + rows.alias if rows.alias is not None and offered else b""
    assigned = b", ".join(quote(column) + b" = " + value for column, value in assignments)
    return Clause(alias + b" ON DUPLICATE KEY UPDATE " + assigned, bool(guard))


def _row_met(rule: Rule, rows: _Rows, anchor: str) -> bytes:
    """Write a condition that is always true and makes the id of the row met the one of LAST_INSERT_ID().

    It stands behind the guard, for MariaDB goes on evaluating assignments after the first has failed; and the id is
    not assigned, which MySQL refuses if the row was inserted by the very same statement (error 1869). Empty: there is
    nothing to do, or nothing but the id's column to do it with.
    """
    if rule.return_id is None or same_name(rule.return_id, anchor):
        return b""
    return b"IF(LAST_INSERT_ID(%b),1,1)" % rows.old(rule.return_id)


# --------------------------------------------------------------------------------------------------------------------
# The key that the row was met on


def _any_key(groups: list[Group], rows: _Rows, table: Table | None) -> bytes:
    """Compare the parts of each key by `=`, not by `<=>`.

    Two NULLs never conflict, so a row that has one in this key was met on another key.
    """
    keys = [
        b" AND ".join(
            b"%b = %b" % (_part(part, rows.old, table), _part(part, rows.new, table)) for part in group
        )
        for group in groups
    ]  # fmt: skip
    return keys[0] if len(keys) == 1 else b"(%b)" % b" OR ".join(b"(%b)" % key for key in keys)


def _part(part: KeyPart, write: Callable[[str], bytes], table: Table | None) -> bytes:
    """Write one part of a key, of the row that `write` writes the columns of."""
    if part.expression is not None and table is not None:
        pieces = pieces_of(part.expression, table) or []
        inner = b"".join(
            write(piece.column or "") if isinstance(piece, KeyPart) else piece.encode("ascii") for piece in pieces
        )
        return b"(" + inner + b")"
    column = write(part.column or "")
    return column if part.prefix is None else b"LEFT(%b,%d)" % (column, part.prefix)


# --------------------------------------------------------------------------------------------------------------------
# The same row


def _left_to_compare(columns: tuple[str, ...], groups: list[Group], table: Table | None) -> tuple[str, ...]:
    """Leave out what the key's comparison has told already: that whole columns are equal which are no text."""
    if table is None or len(groups) != 1:
        return columns
    told = {
        fold(part.column)
        for part in groups[0]
        if part.column is not None and part.prefix is None and not _is_text(table.column(part.column))
    }
    return tuple(column for column in columns if fold(column) not in told)


def _is_text(column: Column | None) -> bool:
    """Whether a column may be text, whose equality is that of a collation."""
    return column is None or column.type in _TEXTS


def _all_identical(
    rule: Rule, dialect: Dialect, columns: tuple[str, ...], rows: _Rows, table: Table | None
) -> list[bytes]:
    ignored = frozenset(map(fold, rule.compare_except))
    documents = frozenset(map(fold, rule.compare_json))
    conditions = []
    for name in columns:
        column = table.column(name) if table is not None else None
        # A generated column follows from others, which are compared or are not to be.
        if fold(name) in ignored or (column is not None and column.generated):
            continue
        old, new = rows.old(name), rows.new(name)
        same = _identical(old, new, column)
        conditions.append(_same_document(old, new, same, dialect) if fold(name) in documents else same)
    return conditions


def _identical(old: bytes, new: bytes, column: Column | None) -> bytes:
    """Compare text byte by byte, and all else by value; without the type, by a form that is right for every one.

    What is no text has the charset binary on both servers, as numbers, times, JSON (MySQL) and binary strings; numbers
    must not go through a cast, which shortens them. The introducer keeps the comparison out of the session's collation
    (error 1267). A cast beyond max_allowed_packet is NULL, which must not equal another such NULL; a column that has no
    NULL needs no more than that. On MySQL 9.7, with a form for every type a row of three columns takes 60 us longer.
    """
    by_value = b"%b <=> %b" % (old, new)
    if not _is_text(column):
        return by_value
    cast = b"CAST(%b AS BINARY) = CAST(%b AS BINARY)" % (old, new)
    if column is not None and not column.nullable:
        return cast
    by_bytes = b"COALESCE(%b,%b IS NULL AND %b IS NULL)" % (cast, old, new)
    if column is not None:
        return by_bytes
    return b"IF(CHARSET(%b)=_binary'binary',%b,%b)" % (old, by_value, by_bytes)


def _same_document(old: bytes, new: bytes, same: bytes, dialect: Dialect) -> bytes:
    """Compare JSON documents, whatever the order of their keys and the spaces between them.

    MySQL's JSON type compares so by itself. Text of MySQL's is cast; MariaDB's JSON is text and is normalised. What is
    no JSON is compared as it is.
    """
    if not dialect.mariadb:
        documents = b"CAST(%b AS JSON) = CAST(%b AS JSON)" % (old, new)
        return b"IF(JSON_VALID(%b) AND JSON_VALID(%b),%b,%b)" % (old, new, documents, same)
    if dialect.version < _NORMALIZE_SINCE:
        return same
    normal = b"CAST(JSON_NORMALIZE(%b) AS BINARY) = CAST(JSON_NORMALIZE(%b) AS BINARY)" % (old, new)
    return b"COALESCE(%b,%b)" % (normal, same)
