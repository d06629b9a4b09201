"""What a server answers to a statement, as a client sees it, in a form that two servers can be compared by."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

Answer = tuple[object, ...]


def ask(connection: Connection[Cursor], statement: str) -> Answer:
    """Runs a statement: its rows; or affected rows, insert id, information text, status, warnings; or the error."""
    with connection.cursor() as cursor:
        try:
            affected = cursor.execute(statement)
        except pymysql.MySQLError as error:
            return ("error", *error.args)
        result = getattr(cursor, "_result")  # noqa: B009 -- the information text has no other way out, and no type
        if cursor.description is not None:
            return ("rows", sorted(map(str, cursor.fetchall())))
        status = vars(connection)["server_status"] & 0x0003  # IN_TRANS, AUTOCOMMIT
        return ("ok", affected, cursor.lastrowid, result.message.decode(), status, result.warning_count)


def ask_all(connection: Connection[Cursor], statements: list[str]) -> list[tuple[str, Answer]]:
    """Runs statements one after the other; each comes back with its answer."""
    return [(statement, ask(connection, statement)) for statement in statements]
