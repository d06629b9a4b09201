"""The recogniser against real servers: what it takes for an INSERT must be read by the server in the very same way.

Each text is sent as it is and with a clause spliced in where the recogniser says that the values end. The server must
accept both or neither, answer both with as many results, and write the same rows.
"""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.constants import CLIENT
from pymysql.cursors import Cursor

from proxy.sql.insert import Insert, recognise
from proxy.sql.lexing import Lexing
from tests.servers.launch import Server

_CLAUSE = b" ON DUPLICATE KEY UPDATE a = t.a"
_VALUES = (
    *(b"1", b"-1", b"'a'", b"''", b"'it''s'", rb"'it\'s'", rb"'a\\'", rb"'\'", b"'), ('", b"'a\x00b'", b"'a' 'b'"),
    *(b'"a"', b'"it""s"', rb'"a\"', b"'\"'", b'"\'"', b"N'a'", b"_binary'a,b'", b"x'2729'", b"b'01'", b"0x2729"),
    *(
        b"NULL",
        b"DEFAULT",
        b"CONCAT('a,', REPEAT(')', 2))",
        b"(SELECT MAX(1) FROM (SELECT ',') AS u)",
        b"@a",
        b"@'a b'",
    ),
    *(b"CASE WHEN 1 THEN 'x' ELSE (2) END", b"1 /* , ' */", b"1 -- , '\n", b"1 # )\n", b"/*/ , */1", b"1 - -1"),
    *(
        b"1--1",
        b"1 --\t,\n",
        b"1 --\x01,\n",
        b"4//**/2",
        b"1 --\xa0 2",
        b"'\xe9\\'",
        b"'\x95\\'",
        b"'\xc3\xa9'",
        b"{d '2020-01-01'}",
    ),
    *(
        b"'-- '",
        b"'/*'",
        b"'#'",
        b"';'",
        b"1.5e-3",
        b"DATE '2020-01-01'",
        b"INTERVAL 1 DAY + '2020-01-01'",
        b"'a' IS NOT NULL",
    ),
)
_STARTS = (
    *(b"INSERT INTO t (a, b) VALUES ", b"INSERT t(a,`b`)VALUES", b"insert low_priority into `t` (t.a, `t`.b) value "),
    *(b"/* x */ INSERT -- '\n INTO/**/t (a /* , c */, b) VALUES\n", b'INSERT INTO "t" ("a", b) VALUES '),
)
_TAILS = (
    *(b"", b"", b";", b" ;; ", b" -- x", b"-- x\n", b"# x", b" /* x */", b"; -- x", b" --", b"--\n"),
    b"\x00",
    b" /*! */",
)
_NOISE = (
    *(
        b"'",
        b'"',
        b"`",
        b"\\",
        b"--",
        b"-- ",
        b"#",
        b"/*",
        b"*/",
        b"/*!",
        b"\n",
        b" ",
        b",",
        b"(",
        b")",
        b";",
        b"?",
        b"-",
        b"/",
    ),
    *(
        b"1",
        b"a",
        b"\x00",
        b"\x01",
        b"\xa0",
        b"\x95",
        b"\xc3\xa9",
        b"$$",
        b":=",
        b"@",
        b"N",
        b"x",
        b"_latin1",
        b"AS",
        b"ON",
        b"[",
        b"{",
    ),
)
_MODES = ((b"", False, False), (b"ANSI_QUOTES", True, False), (b"NO_BACKSLASH_ESCAPES", False, True))
_CHARSETS = (("utf8mb4", True), ("latin1", True), ("sjis", False), ("gbk", False), ("big5", False))


def _text(choice: random.Random) -> bytes:
    if choice.random() < 0.3:
        body = b"INSERT INTO t SET a = " + choice.choice(_VALUES) + b", b=" + choice.choice(_VALUES)
    else:
        rows = [(choice.choice(_VALUES), choice.choice(_VALUES)) for _ in range(choice.choice((1, 1, 2, 7)))]
        body = choice.choice(_STARTS) + b", ".join(b"(" + b", ".join(row) + b")" for row in rows)
    text = body + choice.choice(_TAILS)
    for _ in range(choice.choice((0, 1, 1, 2))):
        place = choice.randrange(len(text) + 1)
        text = text[:place] + choice.choice(_NOISE) + text[place + choice.choice((0, 0, 1, 3)) :]
    return text


def _rows_after(connection: Connection[Cursor], text: bytes) -> tuple[list[int], Sequence[object]] | None:
    """Run a text and undo it; return how many rows each of its results touched and the rows, or None for an error."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(cast(str, text))  # it sends bytes as they are
            counts = [cursor.rowcount]
            while cursor.nextset():
                counts.append(cursor.rowcount)
            cursor.execute("SELECT HEX(a), HEX(b) FROM t ORDER BY id")
        except (pymysql.err.MySQLError, UnicodeDecodeError):
            connection.rollback()
            return None
        rows = cursor.fetchall()
    connection.rollback()
    return counts, rows


@contextmanager
def _session(server: Server, database: str, charset: str, mode: bytes) -> Iterator[Connection[Cursor]]:
    connection = server.connect(
        database=database, charset=charset, client_flag=CLIENT.MULTI_STATEMENTS, autocommit=False
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS t (a BLOB, b BLOB, id INT AUTO_INCREMENT PRIMARY KEY)")
        cursor.execute("SET SESSION sql_mode = %s", (mode.decode(),))
        yield connection


def check(connection: Connection[Cursor], text: bytes, lexing: Lexing) -> tuple[bool, bool]:
    """Hold the recogniser to the server for one text; return whether it was recognised and whether it was accepted."""
    insert = recognise(text, lexing)
    if not isinstance(insert, Insert):
        return False, False
    before = _rows_after(connection, text)
    after = _rows_after(connection, text[: insert.body_end] + _CLAUSE + text[insert.body_end :])
    assert before == after, text
    if before is not None:
        assert before[0][0] == insert.rows == len(before[1]), text
        assert insert.columns is None or set(insert.columns) <= {"a", "b", "id"}, text
    return True, before is not None


@pytest.mark.parametrize(("charset", "safe"), _CHARSETS)
@pytest.mark.parametrize(("mode", "ansi_quotes", "no_backslash_escapes"), _MODES)
def test_reads_as_the_server_does(
    server: Server, database: str, charset: str, safe: bool, mode: bytes, ansi_quotes: bool, no_backslash_escapes: bool
) -> None:
    choice = random.Random(f"{charset} {mode!r}")
    lexing = Lexing(ansi_quotes, no_backslash_escapes, safe)
    with _session(server, database, charset, mode) as connection:
        found = [check(connection, _text(choice), lexing) for _ in range(300)]
    assert sum(recognised for recognised, _ in found) > 30
    assert sum(accepted for _, accepted in found) > 20
