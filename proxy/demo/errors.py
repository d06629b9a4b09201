"""MySQL's errors, as the embedded backend raises them: number, SQLSTATE, text.

Numbers and texts: https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
"""

from __future__ import annotations

import re
import sqlite3

_ENTRY_BYTES = 64
_SQLSTATES = {
    1046: "3D000",
    1048: "23000",
    1049: "42000",
    1050: "42S01",
    1051: "42S02",
    1052: "23000",
    1054: "42S22",
    1062: "23000",
    1064: "42000",
    1065: "42000",
    1136: "21S01",
    1146: "42S02",
    1231: "42000",
    1235: "42000",
    1305: "42000",
    1406: "22001",
    1690: "22003",
}


class ServerError(Exception):
    """An error that the embedded backend answers with.

    Args:
        code: MySQL's error number.
        message: its text, as MySQL words it.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    @property
    def sqlstate(self) -> str:
        """The five characters that go with the number."""
        return sqlstate(self.code)


def sqlstate(code: int) -> str:
    """Find the SQLSTATE of an error number; HY000 for those without one of their own."""
    return _SQLSTATES.get(code, "HY000")


def duplicate(values: list[object], table: str, key: str) -> ServerError:
    """Make a 1062, worded as MySQL 8.0.19 and later do: the key is named `table.key`, the entry is cut at 64 bytes."""
    entry = "-".join(str(value) for value in values).encode()[:_ENTRY_BYTES].decode(errors="ignore")
    return ServerError(1062, f"Duplicate entry '{entry}' for key '{table}.{key}'")


def unknown_column(name: str) -> ServerError:
    """Make the 1054 for a column that a statement names and the table does not have."""
    return ServerError(1054, f"Unknown column '{name}' in 'field list'")


def syntax(near: str) -> ServerError:
    """Make a 1064, quoting the text at which parsing stopped."""
    return ServerError(
        1064,
        "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version "
        f"for the right syntax to use near '{near[:80]}' at line 1",
    )


def unsupported(what: str) -> ServerError:
    """Make the 1235 for what MySQL can do and the embedded backend cannot."""
    return ServerError(1235, f"This version of MySQL doesn't yet support '{what}' (the demo's embedded backend)")


def from_sqlite(error: sqlite3.Error, schema: str | None) -> ServerError:
    """Find the MySQL error that stands nearest to one of SQLite's.

    Args:
        error: what SQLite raised.
        schema: the session's default schema, which MySQL names in some texts.
    """
    text = str(error)
    for pattern, code, message in _SQLITE_TEXTS:
        if match := pattern.search(text):
            return ServerError(code, message.format(match[1], schema=schema))
    return unsupported(text)


_SQLITE_TEXTS = (
    (re.compile(r"no such column: (.+)"), 1054, "Unknown column '{0}' in 'field list'"),
    (re.compile(r"ambiguous column name: (.+)"), 1052, "Column '{0}' in field list is ambiguous"),
    (re.compile(r"no such function: (.+)"), 1305, "FUNCTION {schema}.{0} does not exist"),
)
