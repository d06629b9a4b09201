"""Rows of the embedded backend: offering one, meeting those that are there, changing one.

SQLite's own ON CONFLICT wants to be told the key, so the upsert is done by hand, as MySQL does it: the first unique
key in MySQL's order that is taken decides which row is changed, and assignments are evaluated from left to right.
https://dev.mysql.com/doc/refman/8.4/en/insert-on-duplicate.html
"""

# ruff: noqa: S608 -- the names come from `quoted`, the expressions from `translate`, and SQLite takes no parameters there

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from proxy.demo import translate
from proxy.demo.catalog import Column, Key, Table
from proxy.demo.errors import ServerError, duplicate


@dataclass(frozen=True, slots=True)
class Met:
    """A row that is there and has the same values in a unique key."""

    row: int
    key: Key


@dataclass(frozen=True, slots=True)
class Assignment:
    """`column = expression`, the expression in SQLite's words."""

    column: Column
    expression: str


def quoted(name: str) -> str:
    """Quote a name so that SQLite takes it whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def create(store: sqlite3.Connection, table: Table) -> None:
    """Make the table, and the two that hold one row each while a statement works on it."""
    columns = ", ".join(f"{quoted(column.name)} {_affinity(column)}" for column in table.columns)
    for name in (table.storage, table.offered, table.changed):
        store.execute(f"CREATE TABLE {quoted(name)} ({columns})")


def drop(store: sqlite3.Connection, table: Table) -> None:
    """Remove what `create` made."""
    for name in (table.storage, table.offered, table.changed):
        store.execute(f"DROP TABLE {quoted(name)}")


def _affinity(column: Column) -> str:
    if column.affinity != "TEXT":
        return column.affinity
    return f"TEXT COLLATE {'BINARY' if column.binary else translate.COLLATION}"


def offer(store: sqlite3.Connection, table: Table, values: dict[str, str], parameters: Sequence[object]) -> None:
    """Put the row that a statement offers into its place, converted to the columns' types.

    Args:
        store: SQLite.
        table: the table that it is for.
        values: column name to expression, for every column of the table.
        parameters: what the expressions' `?` stand for.
    """
    names = ", ".join(quoted(name) for name in values)
    store.execute(f"DELETE FROM {quoted(table.offered)}")
    store.execute(f"INSERT INTO {quoted(table.offered)} ({names}) SELECT {', '.join(values.values())}", parameters)


def offered_value(store: sqlite3.Connection, table: Table, column: Column) -> Any:
    """Read what the offered row holds in a column."""
    return store.execute(f"SELECT {quoted(column.name)} FROM {quoted(table.offered)}").fetchone()[0]


def stored_value(store: sqlite3.Connection, table: Table, column: Column, row: int) -> int:
    """Read the integer that a row of the table holds in a column."""
    statement = f"SELECT {quoted(column.name)} FROM {quoted(table.storage)} WHERE rowid = ?"
    return int(store.execute(statement, (row,)).fetchone()[0])


def set_offered(store: sqlite3.Connection, table: Table, column: Column, value: object) -> None:
    """Write one value of the offered row: the AUTO_INCREMENT value that it was given."""
    store.execute(f"UPDATE {quoted(table.offered)} SET {quoted(column.name)} = ?", (value,))


def met(store: sqlite3.Connection, table: Table, row_table: str, but: int = -1) -> Met | None:
    """Find the row, if any, that stands in the way of another: the first by MySQL's order of keys. NULLs never do.

    Args:
        store: SQLite.
        table: the table to look in.
        row_table: the table that holds the one row to compare with.
        but: the id of a row to leave out: the one that is being changed.
    """
    for key in table.keys:
        same = " AND ".join(f"there.{quoted(name)} = here.{quoted(name)}" for name in key.columns)
        found = store.execute(
            f"SELECT there.rowid FROM {quoted(table.storage)} there JOIN {quoted(row_table)} here ON {same} "
            "WHERE there.rowid <> ?",
            (but,),
        ).fetchone()
        if found is not None:
            return Met(found[0], key)
    return None


def duplicate_error(store: sqlite3.Connection, table: Table, row_table: str, key: Key) -> ServerError:
    """Make the 1062 for the row in `row_table`, which found its place in `key` taken."""
    columns = ", ".join(quoted(name) for name in key.columns)
    values = store.execute(f"SELECT {columns} FROM {quoted(row_table)}").fetchone()
    return duplicate(list(values), table.name, key.name)


def keep_offered(store: sqlite3.Connection, table: Table) -> int:
    """Insert the offered row; returns its id."""
    cursor = store.execute(f"INSERT INTO {quoted(table.storage)} SELECT * FROM {quoted(table.offered)}")
    return cursor.lastrowid or 0


def delete(store: sqlite3.Connection, table: Table, row: int) -> None:
    """Delete one row."""
    store.execute(f"DELETE FROM {quoted(table.storage)} WHERE rowid = ?", (row,))


def delete_all(store: sqlite3.Connection, table: Table) -> None:
    """Delete every row."""
    store.execute(f"DELETE FROM {quoted(table.storage)}")


def check(store: sqlite3.Connection, table: Table, row_table: str, named: frozenset[str], position: int) -> None:
    """Refuse a row that the table's columns do not admit.

    Args:
        store: SQLite.
        table: the table whose columns decide.
        row_table: the table that holds the row.
        named: the columns that the statement names, in lower case: a NULL in another one is a missing default.
        position: the row's number in the statement, from 1, as MySQL tells it.

    Raises:
        ServerError: 1048, 1364, 1366 or 1406, as in strict SQL mode.
    """
    row = store.execute(f"SELECT * FROM {quoted(row_table)}").fetchone()
    for column, value in zip(table.columns, row, strict=True):
        if value is None and not column.nullable:
            if column.name.lower() in named:
                raise ServerError(1048, f"Column '{column.name}' cannot be null")
            raise ServerError(1364, f"Field '{column.name}' doesn't have a default value")
        if column.affinity == "INTEGER" and isinstance(value, str):
            raise ServerError(1366, f"Incorrect integer value: '{value}' for column '{column.name}' at row {position}")
        if column.length is not None and isinstance(value, str) and len(value) > column.length:
            raise ServerError(1406, f"Data too long for column '{column.name}' at row {position}")


def change(
    store: sqlite3.Connection,
    table: Table,
    row: int,
    assignments: Sequence[Assignment],
    *,
    known_as: str,
    position: int = 1,
) -> bool:
    """Change one row by assignments; each sees what those before it wrote.

    Args:
        store: SQLite.
        table: the row's table.
        row: the row's id.
        assignments: what to write, from left to right.
        known_as: the name by which the assignments call the row that is there.
        position: the number that an error gives the row.

    Returns:
        Whether any value differs now, byte for byte.

    Raises:
        ServerError: 1062 if the changed row meets another, 1048, 1366, 1406.
    """
    changed, storage = quoted(table.changed), quoted(table.storage)
    store.execute(f"DELETE FROM {changed}")
    store.execute(f"INSERT INTO {changed} SELECT * FROM {storage} WHERE rowid = ?", (row,))
    before = store.execute(f"SELECT * FROM {changed}").fetchone()
    for assignment in assignments:
        store.execute(
            f"UPDATE {changed} AS {quoted(known_as)} SET {quoted(assignment.column.name)} = {assignment.expression} "
            f"FROM (SELECT 1) LEFT JOIN {quoted(table.offered)} AS {quoted(translate.OFFERED)}"
        )
    if store.execute(f"SELECT * FROM {changed}").fetchone() == before:
        return False
    named = frozenset(assignment.column.name.lower() for assignment in assignments)
    check(store, table, table.changed, named, position)
    if (taken := met(store, table, table.changed, but=row)) is not None:
        raise duplicate_error(store, table, table.changed, taken.key)
    columns = ", ".join(quoted(column.name) for column in table.columns)
    store.execute(f"UPDATE {storage} SET ({columns}) = (SELECT * FROM {changed}) WHERE rowid = ?", (row,))
    return True
