"""A table on a real server, and what becomes of it under a rule."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from proxy.lookup.definition import read_definition
from proxy.rules import table as definitions
from proxy.rules.plan import MARKER, Plan, plan
from proxy.rules.rule import Rule
from proxy.sql.dialect import Dialect
from proxy.sql.insert import Skip
from proxy.sql.lexing import Lexing
from proxy.sql.reason import Reason
from tests.rules.making import PLAIN, insert, planned

Rows = list[tuple[Any, ...]]


@dataclass
class Reply:
    """What a server answered: an error number, or the fields of OK."""

    error: int = 0
    message: str = ""
    affected: int = 0
    insert_id: int = 0
    warnings: int = 0

    @property
    def raised(self) -> bool:
        """Whether it is the guard's own error."""
        return self.error == 1690 and str(MARKER) in self.message


class Table:
    """A schema on a real server, with the table `t` of the test in it."""

    def __init__(self, connection: Connection[Cursor], version: str) -> None:
        self.connection = connection
        self.dialect = Dialect.parse(version)

    def run(self, statement: str | bytes) -> Reply:
        """Execute one statement."""
        with self.connection.cursor() as cursor:
            try:
                affected = cursor.execute(statement)  # type: ignore[arg-type]  # bytes are sent as they are
            except pymysql.MySQLError as error:
                return Reply(error.args[0], error.args[1])
            result = cursor._result  # type: ignore[attr-defined]  # the only place that has the count of warnings
            return Reply(affected=affected, insert_id=cursor.lastrowid or 0, warnings=result.warning_count)

    def setup(self, *statements: str) -> None:
        """Execute statements that must succeed."""
        for statement in statements:
            reply = self.run(statement)
            assert not reply.error, (statement, reply)

    def rows(self, query: str = "SELECT * FROM t") -> Rows:
        """Give the rows of a query."""
        with self.connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def definition(self, name: str = "t") -> definitions.Table:
        """Read the definition of a table."""

        def ask(statement: str, values: Any = ()) -> list[tuple[object, ...]]:
            with self.connection.cursor() as cursor:
                cursor.execute(statement, values)
                return list(cursor.fetchall())

        schema = str(self.rows("SELECT DATABASE()")[0][0])
        found = read_definition(ask, self.dialect, schema, name)
        assert isinstance(found, definitions.Table), found
        return found

    def known(self, statement: str | bytes, own: Rule, name: str = "t") -> Plan | Reason:
        """Plan a statement whose table's definition is known."""
        found = plan(insert(statement), own, self.dialect, self.definition(name))
        return found.reason if isinstance(found, Skip) else found

    def follow_known(self, statement: str | bytes, own: Rule, name: str = "t") -> Reply:
        """Execute what a rule makes of a statement whose table's definition is known."""
        found = self.known(statement, own, name)
        assert isinstance(found, Plan), found
        return self.run(found.statement)

    def follow(self, statement: str | bytes, own: Rule, lexing: Lexing = PLAIN) -> Reply:
        """Execute what a rule makes of a statement."""
        return self.run(planned(statement, own, self.dialect, lexing).statement)
