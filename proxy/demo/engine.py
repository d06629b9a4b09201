"""The embedded backend's engine: MySQL's statements carried out by SQLite in memory, for one statement at a time."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from proxy.demo import functions, rows, translate
from proxy.demo.catalog import Table, read_table
from proxy.demo.errors import ServerError, from_sqlite, unknown_column, unsupported
from proxy.demo.inserts import Ids, Inserter, Mode, Tally, read_insert

_SCHEMAS = frozenset({"DATABASE", "SCHEMA"})


@dataclass(slots=True)
class Attendance:
    """What the backend keeps of one session between its statements."""

    schema: str | None = None
    autocommit: bool = True
    found_rows: bool = False
    in_transaction: bool = False
    last_insert_id: int = 0
    row_count: int = -1


@dataclass(frozen=True, slots=True)
class Effect:
    """What an OK packet tells."""

    affected: int = 0
    insert_id: int = 0
    warnings: int = 0
    info: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """A result set."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Engine:
    """Schemas, tables and rows that all sessions share. Not for use from two threads."""

    def __init__(self) -> None:
        self._store = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._tables: dict[str, Table] = {}
        self._ids: dict[str, Ids] = {}
        self._schemas: set[str] = set()
        self._error: ServerError | None = None
        self._expressed_id: int | None = None
        self._session = Attendance()
        # SQLite's Bloom filters take texts of different lengths for different, which no collation of ours promises.
        self._store.execute("PRAGMA automatic_index = OFF")
        self._store.create_collation(translate.COLLATION, functions.collate)
        self._store.create_function(translate.ARITHMETIC, 4, self._arithmetic)
        self._store.create_function("CHARSET", 1, functions.charset)
        self._store.create_function("LAST_INSERT_ID", 0, lambda: self._session.last_insert_id)
        self._store.create_function("LAST_INSERT_ID", 1, self._remember_id)
        self._store.create_function("ROW_COUNT", 0, lambda: self._session.row_count)

    def close(self) -> None:
        """Forgets everything."""
        self._store.close()

    def schemas(self) -> dict[str, dict[str, dict[str, str]]]:
        """Map schema to table to column to type, for SHOW and INFORMATION_SCHEMA."""
        found: dict[str, dict[str, dict[str, str]]] = {schema: {} for schema in self._schemas}
        for table in self._tables.values():
            found[table.schema][table.name] = {column.name: column.kind for column in table.columns}
        return found

    def use(self, schema: str, session: Attendance) -> None:
        """Make a schema the session's default.

        Raises:
            ServerError: 1049 if there is none of that name.
        """
        if schema not in self._schemas and schema.lower() != "information_schema":
            raise ServerError(1049, f"Unknown database '{schema}'")
        session.schema = schema

    def execute(self, statement: exp.Expr, session: Attendance, *, replace: bool = False) -> Effect | Rows:
        """Carry out one statement.

        Args:
            statement: the statement, parsed by sqlglot's MySQL dialect.
            session: whose it is.
            replace: that an INSERT was written as REPLACE, which sqlglot does not know.

        Raises:
            ServerError: the error that MySQL would answer; only AUTO_INCREMENT values are then used up.
        """
        self._session, self._error, self._expressed_id = session, None, None
        try:
            result = self._dispatch(statement, session, replace=replace)
        except sqlite3.Error as error:
            session.row_count = -1
            raise (self._error or from_sqlite(error, session.schema)) from error
        except ServerError:
            session.row_count = -1
            raise
        session.row_count = result.affected if isinstance(result, Effect) else -1
        return result

    def end(self, session: Attendance) -> None:
        """Roll back what a session that goes away has left open."""
        self._finish(session, "ROLLBACK")

    def set_autocommit(self, session: Attendance, *, autocommit: bool) -> None:
        """SET autocommit; turning it on commits."""
        if autocommit and not session.autocommit:
            self._finish(session, "COMMIT")
        session.autocommit = autocommit

    def _dispatch(self, statement: exp.Expr, session: Attendance, *, replace: bool) -> Effect | Rows:
        if isinstance(statement, exp.Insert):
            return self._change_rows(session, lambda: self._insert(statement, session, replace=replace))
        handler = self._handlers.get(type(statement))
        if handler is not None:
            return handler(self, statement, session)
        if isinstance(statement, exp.Query):
            return self._select(statement, session)
        raise unsupported(statement.sql("mysql")[:80])

    # transactions

    def _begin(self, statement: exp.Expr, session: Attendance) -> Effect:
        self._finish(session, "COMMIT")
        self._store.execute("BEGIN")
        session.in_transaction = True
        return Effect()

    def _commit(self, statement: exp.Expr, session: Attendance) -> Effect:
        self._finish(session, "COMMIT")
        return Effect()

    def _rollback(self, statement: exp.Expr, session: Attendance) -> Effect:
        if statement.args.get("savepoint"):
            raise unsupported("ROLLBACK TO SAVEPOINT")
        self._finish(session, "ROLLBACK")
        return Effect()

    def _finish(self, session: Attendance, how: str) -> None:
        if session.in_transaction:
            session.in_transaction = False
            self._store.execute(how)

    def _change_rows(self, session: Attendance, action: Callable[[], Effect]) -> Effect:
        """Run a statement that writes, as a whole or not at all; opens a transaction if need be."""
        if not session.autocommit and not session.in_transaction:
            self._store.execute("BEGIN")
            session.in_transaction = True
        with self._as_a_whole():
            return action()

    @contextlib.contextmanager
    def _as_a_whole(self) -> Iterator[None]:
        self._store.execute("SAVEPOINT statement")
        try:
            yield
        except BaseException:
            self._store.execute("ROLLBACK TO statement")
            raise
        finally:
            self._store.execute("RELEASE statement")

    # definitions

    def _create(self, statement: exp.Expr, session: Attendance) -> Effect:
        self._finish(session, "COMMIT")
        kind = statement.text("kind").upper()
        if kind in _SCHEMAS:
            return self._create_schema(statement.this.name, exists=bool(statement.args.get("exists")))
        if kind != "TABLE" or not isinstance(statement, exp.Create):
            raise unsupported(f"CREATE {kind}")
        table = read_table(statement, session.schema or "")
        if table.schema not in self._schemas:
            raise ServerError(1049, f"Unknown database '{table.schema}'") if table.schema else _no_schema()
        if table.storage in self._tables:
            if statement.args.get("exists"):
                return Effect(warnings=1)
            raise ServerError(1050, f"Table '{table.name}' already exists")
        rows.create(self._store, table)
        self._tables[table.storage] = table
        self._ids[table.storage] = Ids()
        return Effect()

    def _create_schema(self, name: str, *, exists: bool) -> Effect:
        if name in self._schemas:
            if exists:
                return Effect(affected=1, warnings=1)
            raise ServerError(1007, f"Can't create database '{name}'; database exists")
        self._schemas.add(name)
        return Effect(affected=1)

    def _drop(self, statement: exp.Expr, session: Attendance) -> Effect:
        self._finish(session, "COMMIT")
        kind, exists = statement.text("kind").upper(), bool(statement.args.get("exists"))
        named = statement.args.get("tables") or [statement.this]
        if kind in _SCHEMAS:
            return self._drop_schema(named[0].name, session, exists=exists)
        if kind != "TABLE":
            raise unsupported(f"DROP {kind}")
        missing = sum(
            not self._drop_table(table.text("db") or session.schema or "", table.name, exists=exists) for table in named
        )
        return Effect(warnings=missing)

    def _drop_schema(self, name: str, session: Attendance, *, exists: bool) -> Effect:
        if name not in self._schemas:
            if exists:
                return Effect(warnings=1)
            raise ServerError(1008, f"Can't drop database '{name}'; database doesn't exist")
        tables = [table for table in self._tables.values() if table.schema == name]
        for table in tables:
            self._drop_table(name, table.name, exists=True)
        self._schemas.remove(name)
        session.schema = None if session.schema == name else session.schema
        return Effect(affected=len(tables))

    def _drop_table(self, schema: str, name: str, *, exists: bool) -> bool:
        """Drop a table; tells whether it was there, which it may not be with IF EXISTS."""
        table = self._tables.pop(f"{schema}.{name}", None)
        if table is not None:
            rows.drop(self._store, table)
        elif not exists:
            raise ServerError(1051, f"Unknown table '{schema}.{name}'")
        return table is not None

    def _truncate(self, statement: exp.Expr, session: Attendance) -> Effect:
        self._finish(session, "COMMIT")
        for named in statement.expressions:
            table = self._table(named, session)
            rows.delete_all(self._store, table)
            self._ids[table.storage] = Ids()
        return Effect()

    def _table(self, named: exp.Expr, session: Attendance) -> Table:
        schema = named.text("db") or session.schema
        if not schema:
            raise _no_schema()
        table = self._tables.get(f"{schema}.{named.name}")
        if table is None:
            raise ServerError(1146, f"Table '{schema}.{named.name}' doesn't exist")
        return table

    # rows

    def _select(self, statement: exp.Expr, session: Attendance) -> Rows:
        cursor = self._store.execute(translate.write_select(statement, lambda named: self._table(named, session)))
        columns = tuple(description[0] for description in cursor.description)
        return Rows(columns, cursor.fetchall())

    def _insert(self, statement: exp.Insert, session: Attendance, *, replace: bool) -> Effect:
        target = statement.this.this if isinstance(statement.this, exp.Schema) else statement.this
        table = self._table(target, session)
        source = statement.expression
        selected = self._select(source, session).rows if isinstance(source, exp.Query) else None
        insert = read_insert(statement, table, replace=replace, selected=selected)
        inserter = Inserter(self._store, insert, self._ids[table.storage])
        try:
            inserter.run()
        finally:
            # A statement that fails has set LAST_INSERT_ID() all the same: MySQL keeps the id of a row rolled back.
            if inserter.tally.generated:
                session.last_insert_id = inserter.tally.generated
        effect = self._insert_effect(inserter.tally, session, found_rows=insert.mode is Mode.UPDATE)
        if not insert.counted:
            return effect
        return _with_info(effect, f"Records: {len(insert.offers)}", f"Duplicates: {inserter.tally.duplicates}")

    def _insert_effect(self, tally: Tally, session: Attendance, *, found_rows: bool) -> Effect:
        affected = tally.affected
        if found_rows and session.found_rows:
            unchanged = tally.touched - tally.duplicates
            affected += unchanged
            tally.duplicates += unchanged
        insert_id = tally.generated or self._expressed_id or tally.updated or tally.explicit
        return Effect(affected, insert_id, tally.warnings)

    def _update(self, statement: exp.Expr, session: Attendance) -> Effect:
        return self._change_rows(session, lambda: self._update_rows(statement, session))

    def _update_rows(self, statement: exp.Expr, session: Attendance) -> Effect:
        table = self._table(statement.this, session)
        known_as = statement.this.alias or table.name
        scope = translate.Scope(table, known_as, None, {})
        assignments = []
        for assignment in statement.expressions:
            column = table.column(assignment.this.name)
            if column is None:
                raise unknown_column(assignment.this.name)
            assignments.append(rows.Assignment(column, translate.write(assignment.expression, scope)))
        found = self._found(statement, session)
        changes = [
            rows.change(self._store, table, row, assignments, known_as=known_as, position=position)
            for position, row in enumerate(found, 1)
        ]
        affected = len(found) if session.found_rows else sum(changes)
        effect = Effect(affected, self._expressed_id or 0)
        return _with_info(effect, f"Rows matched: {len(found)}", f"Changed: {sum(changes)}")

    def _delete(self, statement: exp.Expr, session: Attendance) -> Effect:
        return self._change_rows(session, lambda: self._delete_rows(statement, session))

    def _delete_rows(self, statement: exp.Expr, session: Attendance) -> Effect:
        table = self._table(statement.this, session)
        found = self._found(statement, session)
        for row in found:
            rows.delete(self._store, table, row)
        return Effect(len(found))

    def _found(self, statement: exp.Expr, session: Attendance) -> list[int]:
        """Find the ids of the rows that an UPDATE or DELETE is about."""
        select = exp.select(exp.column("rowid", table=statement.this.alias_or_name, quoted=True))
        select = select.from_(statement.this.copy())
        for part in ("where", "order", "limit"):
            select.set(part, statement.args.get(part))
        text = translate.write_select(select, lambda named: self._table(named, session))
        return [row for (row,) in self._store.execute(text)]

    # functions that SQLite calls

    def _arithmetic(self, sign: str, left: functions.Value, right: functions.Value, text: str) -> functions.Value:
        # SQLite forgets what a function of ours raised: keep it, to be raised again in its place.
        try:
            return functions.arithmetic(sign, left, right, text)
        except ServerError as error:
            self._error = error
            raise

    def _remember_id(self, value: Any) -> Any:
        self._expressed_id = self._session.last_insert_id = 0 if value is None else int(functions.number(value))
        return value

    _handlers: dict[type[exp.Expr], Callable[[Engine, exp.Expr, Attendance], Effect | Rows]] = {  # noqa: RUF012
        exp.Transaction: _begin,
        exp.Commit: _commit,
        exp.Rollback: _rollback,
        exp.Create: _create,
        exp.Drop: _drop,
        exp.TruncateTable: _truncate,
        exp.Update: _update,
        exp.Delete: _delete,
    }


def _no_schema() -> ServerError:
    return ServerError(1046, "No database selected")


def _with_info(effect: Effect, first: str, second: str) -> Effect:
    return replace(effect, info=f"{first}  {second}  Warnings: {effect.warnings}")
