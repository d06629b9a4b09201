"""INSERT, INSERT IGNORE, INSERT ... ON DUPLICATE KEY UPDATE and REPLACE on the embedded backend.

Affected rows, insert ids and the information text are those that MySQL 9.7 was measured to answer.
https://dev.mysql.com/doc/c-api/8.4/en/mysql-affected-rows.html
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from sqlglot import exp

from proxy.demo import rows, translate
from proxy.demo.catalog import Column, Table
from proxy.demo.errors import ServerError, syntax, unknown_column, unsupported


class Mode(Enum):
    """What an insert does about a row that is in its way."""

    FAIL = auto()
    IGNORE = auto()
    UPDATE = auto()
    REPLACE = auto()


@dataclass(frozen=True, slots=True)
class Offer:
    """One row that a statement offers: an expression per column that it names, and what their `?` stand for."""

    expressions: tuple[str, ...]
    parameters: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT or REPLACE, read.

    `offers` are the rows; `counted` tells whether the reply has an information text (more than one row, or SELECT);
    `deprecations` counts the uses of VALUES(), for each of which MySQL warns (1287).
    """

    table: Table
    columns: tuple[Column, ...]
    offers: tuple[Offer, ...]
    counted: bool
    mode: Mode
    assignments: tuple[rows.Assignment, ...]
    deprecations: int


@dataclass(slots=True)
class Ids:
    """The AUTO_INCREMENT values of one table; a statement takes its values from an interval that it reserves."""

    next: int = 1
    _interval: list[int] = field(default_factory=list)

    def reserve(self, count: int) -> None:
        """Open a statement's interval: values in it are used up even if the statement fails."""
        self._interval = list(range(self.next + count - 1, self.next - 1, -1))

    def take(self) -> int:
        """Take the next value of the statement's interval."""
        value = self._interval.pop()
        self.next = max(self.next, value + 1 + len(self._interval))
        return value

    def give_back(self, value: int) -> None:
        """Return a value to the interval, for the statement's next row: its row was not inserted."""
        self._interval.append(value)

    def seen(self, value: int) -> None:
        """Move on past a value that a statement gave itself."""
        self.next = max(self.next, value + 1)


@dataclass(slots=True)
class Tally:
    """What an insert has done so far."""

    affected: int = 0
    touched: int = 0
    duplicates: int = 0
    warnings: int = 0
    generated: int = 0
    generated_rows: set[int] = field(default_factory=set)
    explicit: int = 0
    updated: int = 0


class Inserter:
    """Carry out one insert.

    Args:
        store: SQLite.
        insert: what to do.
        ids: the table's AUTO_INCREMENT values.
    """

    def __init__(self, store: sqlite3.Connection, insert: Insert, ids: Ids) -> None:
        self._store = store
        self._insert = insert
        self._ids = ids
        self.tally = Tally(warnings=insert.deprecations)

    def run(self) -> None:
        """Insert every row; what was done is in `tally`, also after an error.

        Raises:
            ServerError: what MySQL would answer.
        """
        self._ids.reserve(len(self._insert.offers))
        for position, offer in enumerate(self._insert.offers, 1):
            self._row(offer, position)

    def _row(self, offer: Offer, position: int) -> None:
        table = self._insert.table
        generated = self._offer(offer, position)
        taken = rows.met(self._store, table, table.offered)
        if taken is not None and self._insert.mode is Mode.REPLACE:
            self._make_way(taken)
        elif taken is not None:
            if generated:
                self._ids.give_back(generated)
            self._meet(taken, position)
            return
        row = rows.keep_offered(self._store, table)
        self.tally.affected += 1
        if generated:
            self.tally.generated = self.tally.generated or generated
            self.tally.generated_rows.add(row)

    def _offer(self, offer: Offer, position: int) -> int:
        """Make the offered row; returns the AUTO_INCREMENT value that was generated for it, 0 without one."""
        table = self._insert.table
        given = dict(zip((column.name for column in self._insert.columns), offer.expressions, strict=True))
        values = {column.name: given.get(column.name, _default(column)) for column in table.columns}
        # The parameters' order is that of the columns named; a row with parameters names them first.
        ordered = {name: values[name] for name in (*given, *(name for name in values if name not in given))}
        rows.offer(self._store, table, ordered, offer.parameters)
        generated = self._number(table)
        named = frozenset(name.lower() for name in given)
        rows.check(self._store, table, table.offered, named, position)
        return generated

    def _number(self, table: Table) -> int:
        column = table.auto_increment
        if column is None:
            return 0
        value = rows.offered_value(self._store, table, column)
        if isinstance(value, int) and value:
            self._ids.seen(value)
            self.tally.explicit = value
            return 0
        if value:  # a text that is no number: `check` refuses it
            return 0
        generated = self._ids.take()
        rows.set_offered(self._store, table, column, generated)
        return generated

    def _make_way(self, taken: rows.Met | None) -> None:
        """REPLACE deletes every row that is in the way, not only the first."""
        table = self._insert.table
        while taken is not None:
            rows.delete(self._store, table, taken.row)
            self.tally.affected += 1
            self.tally.duplicates += 1
            taken = rows.met(self._store, table, table.offered)

    def _meet(self, taken: rows.Met, position: int) -> None:
        table = self._insert.table
        if self._insert.mode is Mode.FAIL:
            raise rows.duplicate_error(self._store, table, table.offered, taken.key)
        if self._insert.mode is Mode.IGNORE:
            self.tally.warnings += 1
            self.tally.duplicates += 1
            return
        if taken.row in self.tally.generated_rows and any(to.column.auto_increment for to in self._insert.assignments):
            # A row of this very statement, whose number the clause would write: not even with the value it has.
            raise ServerError(1869, "Auto-increment value in UPDATE conflicts with internally generated values")
        self.tally.touched += 1
        if rows.change(
            self._store,
            table,
            taken.row,
            self._insert.assignments,
            known_as=table.name,
            position=position,
        ):
            self.tally.affected += 2
            self.tally.duplicates += 1
            self.tally.updated = self._id_of(taken.row)

    def _id_of(self, row: int) -> int:
        column = self._insert.table.auto_increment
        if column is None:
            return 0
        return rows.stored_value(self._store, self._insert.table, column, row)


def _default(column: Column) -> str:
    return "NULL" if column.default is None else translate.write(column.default)


def read_insert(
    statement: exp.Insert, table: Table, *, replace: bool, selected: Sequence[Sequence[object]] | None
) -> Insert:
    """Read a parsed INSERT or REPLACE.

    Args:
        statement: the statement.
        table: the table that it names.
        replace: whether it was a REPLACE.
        selected: the rows of its SELECT, None if it has VALUES or SET.

    Raises:
        ServerError: 1054, 1064, 1136 or 1235.
    """
    if (returning := statement.args.get("returning")) is not None:
        raise syntax(returning.sql("mysql").strip())
    if statement.find(exp.Partition) is not None:
        raise unsupported("PARTITION")
    columns = _columns(statement, table)
    offers = tuple(_offers(statement, columns, selected))
    conflict = statement.args.get("conflict")
    mode = _mode(statement, replace=replace)
    assignments = tuple(_assignments(statement, table, columns)) if conflict else ()
    return Insert(
        table, columns, offers, selected is not None or len(offers) > 1, mode, assignments, _deprecations(conflict)
    )


def _deprecations(conflict: exp.Expr | None) -> int:
    if conflict is None:
        return 0
    return sum(function.name.upper() == "VALUES" for function in conflict.find_all(exp.Anonymous))


def _mode(statement: exp.Insert, *, replace: bool) -> Mode:
    if replace:
        return Mode.REPLACE
    if statement.args.get("conflict"):
        return Mode.UPDATE
    return Mode.IGNORE if statement.args.get("ignore") else Mode.FAIL


def _columns(statement: exp.Insert, table: Table) -> tuple[Column, ...]:
    target = statement.this
    if not isinstance(target, exp.Schema) or not target.expressions:
        # `VALUES ()` offers the defaults of all columns.
        first = next(iter(statement.expression.expressions), None)
        return () if isinstance(first, exp.Tuple) and not first.expressions else table.columns
    return tuple(_known(table, name.name) for name in target.expressions)


def _known(table: Table, name: str) -> Column:
    column = table.column(name)
    if column is None:
        raise unknown_column(name)
    return column


def _offers(
    statement: exp.Insert, columns: tuple[Column, ...], selected: Sequence[Sequence[object]] | None
) -> Iterator[Offer]:
    offered = statement.expression.expressions if selected is None else selected
    for position, row in enumerate(offered, 1):
        values = row.expressions if isinstance(row, exp.Tuple) else row
        if len(values) != len(columns):
            raise ServerError(1136, f"Column count doesn't match value count at row {position}")
        if selected is not None:
            yield Offer(("?",) * len(columns), tuple(values))
        else:
            yield Offer(tuple(_value(value, column) for value, column in zip(values, columns, strict=True)), ())


def _value(value: exp.Expr, column: Column) -> str:
    if isinstance(value, exp.Var) and value.name.upper() == "DEFAULT":
        return _default(column)
    return translate.write(value)


def _assignments(statement: exp.Insert, table: Table, columns: tuple[Column, ...]) -> Iterator[rows.Assignment]:
    alias = statement.expression.args.get("alias")
    renamed = [name.name for name in alias.args.get("columns") or ()] if alias else []
    names = renamed or [column.name for column in columns]
    offered = {name.lower(): column.name for name, column in zip(names, columns, strict=True)}
    scope = translate.Scope(table, table.name, alias.name if alias else None, offered)
    for assignment in statement.args["conflict"].expressions:
        yield rows.Assignment(_known(table, assignment.this.name), translate.write(assignment.expression, scope))
