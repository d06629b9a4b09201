"""What a table's definition says about an insert and a rule: the columns offered, and the keys that a guard compares.

A definition may be a little old. Whatever is chosen here by an old one must end in an error of the server's or in the
guard's, never in a wrong row: a guard compares values, and a column that is gone is an unknown one (error 1054).
"""

import re
from collections.abc import Iterable
from typing import Final

from proxy.rules.rule import Action, Rule
from proxy.rules.table import Column, KeyPart, Table, UniqueKey
from proxy.sql.form import Form
from proxy.sql.insert import Insert
from proxy.sql.names import fold
from proxy.sql.reason import Reason

INTEGERS: Final = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})

Group = tuple[KeyPart, ...]
"""The parts of one key."""


def columns_of(insert: Insert, table: Table | None) -> tuple[str, ...] | Reason | None:
    """Give the columns that an insert offers a value for; None: all, whatever their names.

    Without a column list they are the table's own, but for the invisible ones. `VALUES ()` offers none.
    """
    if insert.columns is not None or table is None:
        return insert.columns
    listed = tuple(column.name for column in table.listed)
    if insert.form is Form.VALUES and insert.values not in (0, len(listed)):
        return Reason.DEFINITION
    return None if insert.form is Form.VALUES and not insert.values else listed


def check_columns(rule: Rule, table: Table) -> Reason | None:
    """Tell what makes a rule's columns unfit for a table."""
    if rule.return_id is not None and not table.view:
        column = table.column(rule.return_id)
        if column is None or not column.auto_increment or column.type not in INTEGERS:
            return Reason.RETURN_ID
    written = [table.column(line.column) for line in rule.set]
    if any(column is None or column.generated for column in written):
        return Reason.DEFINITION
    return None


def groups_of(rule: Rule, table: Table | None, columns: tuple[str, ...] | None, mariadb: bool) -> list[Group] | Reason:
    """Give the keys that the row met may have been met on; none at all: any.

    Args:
        rule: it names keys, columns, both or neither.
        table: the definition; without it the file must name the columns of the keys.
        columns: those that the insert offers; None: all.
        mariadb: the server is MariaDB.
    """
    if rule.action is Action.REPLACE:
        return []
    if table is None or table.view:
        if rule.keys and not rule.columns:
            return Reason.COLUMNS_UNKNOWN
        return [_whole(group) for group in rule.columns]
    if not rule.keys:
        return _of_columns(rule, table) if rule.columns else _of_any_key(table, columns, mariadb)
    keys = [key for name in rule.keys if (key := table.key(name)) is not None]
    return _usable(keys, table, columns) if keys else Reason.KEY_UNKNOWN


def _whole(columns: Iterable[str]) -> Group:
    return tuple(KeyPart(column) for column in columns)


def _of_columns(rule: Rule, table: Table) -> list[Group] | Reason:
    """Take the file's own groups, but each as the key of these columns has it: a prefix makes more rows duplicates."""
    if any(table.column(column) is None for group in rule.columns for column in group):
        return Reason.DEFINITION
    return [_as_defined(group, table) for group in rule.columns]


def _as_defined(columns: tuple[str, ...], table: Table) -> Group:
    names = set(map(fold, columns))
    for key in table.keys:
        if not key.without_overlaps and names == {fold(part.column) for part in key.parts if part.column is not None}:
            return key.parts if all(part.column for part in key.parts) else _whole(columns)
    return _whole(columns)


def _of_any_key(table: Table, columns: tuple[str, ...] | None, mariadb: bool) -> list[Group] | Reason:
    """Any key will do, but for one: MySQL reports an AUTO_INCREMENT column that has come to its end as a duplicate.

    The row that has the last id is not a duplicate of the one offered, and must not be taken for it.
    """
    if mariadb or not any(_is_filled(key, table, columns) for key in table.keys):
        return []
    return _usable(table.keys, table, columns)


def _usable(keys: Iterable[UniqueKey], table: Table, columns: tuple[str, ...] | None) -> list[Group] | Reason:
    """Give the keys that a guard can compare; a row met on another is refused."""
    reason = Reason.KEY_UNKNOWN
    groups: list[Group] = []
    for key in keys:
        if _is_filled(key, table, columns):
            reason = Reason.AUTO_INCREMENT
        elif key.without_overlaps or not all(is_provable(part, table) for part in key.parts):
            reason = Reason.FUNCTIONAL_KEY
        else:
            groups.append(key.parts)
    return groups or reason


def replace_refused(insert: Insert, rule: Rule, table: Table | None) -> Reason | None:
    """Tell why a REPLACE is not sent: it would delete the rows met on every key, also on those the rule does not name.

    Without a definition only one row is replaced, on the word of the rule's `allow_replace`: the conflict that it met
    was on a key of the rule. The rows behind that of several may meet any.
    """
    if not rule.keys:
        return None
    if table is None or table.view:
        return None if insert.rows == 1 else Reason.OTHER_KEYS
    named = set(map(fold, rule.keys))
    others = [key for key in table.keys if fold(key.name) not in named]
    columns = columns_of(insert, table)
    if isinstance(columns, Reason):
        return columns
    return None if all(_is_filled(key, table, columns) for key in others) else Reason.OTHER_KEYS


def _is_filled(key: UniqueKey, table: Table, columns: tuple[str, ...] | None) -> bool:
    """Tell whether the server fills a key: it is one AUTO_INCREMENT column that the insert does not name."""
    auto = table.auto_increment
    if auto is None or key.columns is None or [fold(name) for name in key.columns] != [fold(auto.name)]:
        return False
    return columns is not None and fold(auto.name) not in map(fold, columns)


def may_meet_last_id(rule: Rule, table: Table | None, columns: tuple[str, ...] | None, *, guarded: bool) -> bool:
    """Tell whether a rule's statement may take the row with the last id of an AUTO_INCREMENT column for a duplicate.

    MySQL reports a column that has come to its end as a duplicate of that id: the row that has it is not the one
    offered. Nothing tells them apart where no guard compares them, or one that compares the very id that the server
    has filled in; `idempotent` compares the rest of the row as well.
    """
    if table is not None and not table.view:
        filled = [key.columns for key in table.keys if _is_filled(key, table, columns)]
        if not guarded:
            return bool(filled)
        groups = [tuple(map(fold, group)) for group in rule.columns]
        return rule.action is not Action.IDEMPOTENT and any(tuple(map(fold, key or ())) in groups for key in filled)
    if not guarded:
        return True
    named = frozenset(map(fold, columns)) if columns is not None else None
    return (
        rule.action is not Action.IDEMPOTENT
        and named is not None
        and any(len(group) == 1 and fold(group[0]) not in named for group in rule.columns)
    )


def anchor_of(
    rule: Rule, groups: list[Group], table: Table | None, columns: tuple[str, ...] | None
) -> str | Reason | None:
    """Choose the column that carries the guard, or the no-op, and keeps its value.

    One that the insert names is best: it is no generated column (error 3105), and not an AUTO_INCREMENT column that
    the server fills, unless the client itself names one. None: there is none.
    """
    key_columns = [part.column for group in groups for part in group if part.column is not None]
    named = columns or ()
    known = frozenset(map(fold, named))
    candidates = [column for column in key_columns if fold(column) in known] + [*named]
    if not candidates:
        candidates = [*key_columns, *(line.column for line in rule.set), *filter(None, [rule.return_id])]
    if table is None:
        return next(iter(candidates), None)
    candidates += [column.name for column in table.columns]
    fit = [column for name in candidates if (column := table.column(name)) is not None and _carries(column, known)]
    # An assignment to a column keeps ON UPDATE CURRENT_TIMESTAMP from it, and the rule may change the row.
    fit.sort(key=lambda column: column.type in ("timestamp", "datetime"))
    return fit[0].name if fit else Reason.DEFINITION


def _carries(column: Column, named: frozenset[str]) -> bool:
    return not column.generated and (not column.auto_increment or fold(column.name) in named)


# --------------------------------------------------------------------------------------------------------------------
# Functional key parts


# What the server itself writes into information_schema: lower-case functions and operators, columns in backticks,
# strings with introducers. Nothing that reads otherwise in another sql_mode or character set.
_PIECE: Final = re.compile(r"`((?:[^`]|``)+)`|(_[0-9a-z]+'[ !#-&(-\[\]-~]*'|[a-z_][0-9a-z_]*|[0-9]+|[ (),.+\-*/%])")


def pieces_of(expression: str, table: Table) -> list[str | KeyPart] | None:
    """Cut the expression of a functional key part at its columns (MySQL manual, "Functional Key Parts").

    None: it is not proven to mean the same in a statement of any session.
    """
    pieces: list[str | KeyPart] = []
    at = 0
    while at < len(expression):
        found = _PIECE.match(expression, at)
        if found is None:
            return None
        name = found[1]
        if name is not None and table.column(name.replace("``", "`")) is None:
            return None
        pieces.append(found[2] if name is None else KeyPart(name.replace("``", "`")))
        at = found.end()
    return pieces


def is_provable(part: KeyPart, table: Table) -> bool:
    """Tell whether two rows that are equal in this part of a key can be told by an expression."""
    if part.multi_valued:
        return False
    return part.expression is None or pieces_of(part.expression, table) is not None
