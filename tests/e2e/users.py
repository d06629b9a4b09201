"""The seed scenario: a table of users, one row of which is in the way of a second one with the same e-mail address."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

ALICE = "INSERT INTO users (email, name) VALUES ('alice@example.com','Alice')"
USERS = """CREATE TABLE users (
    id INT PRIMARY KEY AUTO_INCREMENT,
    email VARCHAR(80) NOT NULL,
    name VARCHAR(80) NOT NULL,
    logins INT NOT NULL DEFAULT 1,
    UNIQUE KEY ux_email (email),
    UNIQUE KEY ux_name (name)
)"""

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Answer:
    """What a client reads in an OK packet, and what LAST_INSERT_ID() says afterwards."""

    affected_rows: int
    insert_id: int
    last_insert_id: int


def rule(name: str, table: str, more: str, *, key: bool = True) -> str:
    """Write a rules file of one rule, for ux_email or any key; `more` are the rule's other lines, parted by `;`."""
    keys = ["key: ux_email", "columns: [email]"] if key else []
    lines = [f"name: {name}", f"table: {table}", *keys, *more.split(";")]
    return "rules:\n  - " + "\n    ".join(line.strip() for line in lines) + "\n"


def offer(connection: Connection[Cursor], statement: str, before: int = 77) -> Answer | int:
    """Run an INSERT on a session whose LAST_INSERT_ID() is `before`; return the answer, or the error's number."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT LAST_INSERT_ID(%s)", (before,))
        cursor.fetchall()
        try:
            affected_rows = cursor.execute(statement)
        except pymysql.MySQLError as error:
            number: int = error.args[0]
            return number
        return Answer(affected_rows, cursor.lastrowid, last_insert_id(connection))


def last_insert_id(connection: Connection[Cursor]) -> int:
    """Ask for LAST_INSERT_ID()."""
    [(number,)] = rows(connection, "SELECT LAST_INSERT_ID()")
    return int(number)


def rows(connection: Connection[Cursor], query: str = "SELECT * FROM users ORDER BY id") -> list[Row]:
    """Return the rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def run(connection: Connection[Cursor], *statements: str) -> None:
    """Run statements."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
