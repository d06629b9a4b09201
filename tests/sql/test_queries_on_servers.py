"""INSERT ... SELECT against real servers: a clause behind the query must change nothing where there is no duplicate.

Each text is sent as it is and with a clause spliced in where the recogniser says that the query ends. The server must
accept both or neither, and write the same rows.
"""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import random
from collections.abc import Iterator
from typing import cast

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from proxy.sql.insert import Insert, recognise
from tests.servers.launch import Server
from tests.sql.texts import KNOWN

CLAUSE = b" ON DUPLICATE KEY UPDATE b = t.b"
TABLES = (b"u", b"v", b"`u`", b"u AS q", b"v w", b"(SELECT 1 AS a, 'x' AS b) AS d", b"t AS s", b"t", b"u AS t", b"(u)")
JOINS = (b" JOIN ", b" LEFT JOIN ", b", ", b" STRAIGHT_JOIN ", b" NATURAL JOIN ", b" CROSS JOIN ", b" INNER JOIN ")
ON = (b"", b"", b" ON 1", b" ON (TRUE)", b" USING (a)", b" ON 1 = 1 AND 2 = 2")
BEHIND = (
    *(b"", b"", b"", b" WHERE 1", b" WHERE 1 IN (SELECT a FROM t)", b" GROUP BY 1, 2", b" HAVING 1", b" ORDER BY 1"),
    *(b" LIMIT 3", b" LIMIT 1, 2", b" FOR UPDATE", b" LOCK IN SHARE MODE", b" WHERE EXISTS (SELECT 1 FROM u JOIN v)"),
    *(b" WHERE 1 ORDER BY 2 LIMIT 2 FOR UPDATE", b" GROUP BY 1, 2 WITH ROLLUP", b" FOR SHARE", b" WINDOW x AS ()"),
)
VALUES = (b"1, 'a'", b"7, 'it''s'", b'2, "q;"', b"NULL, CONCAT('x', (SELECT MAX(a) FROM u))", b"-1, 0x41", b"3, t.b")
STARTS = (
    b"INSERT INTO t (a, b) ",
    b"INSERT t(a,b)",
    b"insert low_priority into `t` (a, t.b) ",
    b"INSERT INTO t(a,b)/**/",
)
TAILS = (b"", b"", b";", b" -- x", b" # x", b" /* x */", b" /*! */", b"; -- x")
NOISE = (*b"()'\"`;,-#/*@\\", *b" a1")


def query(choice: random.Random, depth: int = 0) -> bytes:
    kind = choice.random()
    if depth < 2 and kind < 0.15:
        return b"(" + query(choice, depth + 1) + b")"
    if depth < 2 and kind < 0.3:
        union = choice.choice((b" UNION ", b" UNION ALL ", b" EXCEPT "))
        return query(choice, depth + 1) + union + query(choice, depth + 1)
    if kind < 0.35:
        return b"WITH c AS (SELECT 5, 'c' FROM t) SELECT * FROM c" + choice.choice(BEHIND)
    if kind < 0.4:
        return choice.choice((b"TABLE v", b"VALUES ROW(8, 'r'), ROW(9, 's')", b"VALUES ROW(8, 'r')"))
    text = b"SELECT " + choice.choice((b"", b"", b"DISTINCT ", b"/*!40001 SQL_NO_CACHE */ ")) + choice.choice(VALUES)
    if choice.random() < 0.8:
        text += b" FROM " + choice.choice(TABLES)
        for _ in range(choice.choice((0, 0, 1, 1, 2))):
            text += choice.choice(JOINS) + choice.choice(TABLES) + choice.choice(ON)
    return text + choice.choice(BEHIND)


def text(choice: random.Random) -> bytes:
    whole = choice.choice(STARTS) + query(choice) + choice.choice(TAILS)
    kind = choice.random()
    if kind < 0.2:
        return whole[: choice.randrange(20, len(whole) + 1)]
    if kind < 0.4:
        place = choice.randrange(len(whole) + 1)
        return whole[:place] + bytes([choice.choice(NOISE)]) + whole[place + choice.choice((0, 1)) :]
    return whole


@pytest.fixture
def connection(server: Server, database: str) -> Iterator[Connection[Cursor]]:
    with server.connect(database=database, autocommit=False) as found, found.cursor() as cursor:
        for name in ("t", "u", "v"):
            cursor.execute(f"CREATE TABLE {name} (a INT, b VARCHAR(30), c INT, UNIQUE k (c))")
        cursor.execute("INSERT INTO u (a, b) VALUES (1, 'u1'), (2, 'u2')")
        cursor.execute("INSERT INTO v (a, b) VALUES (1, 'v1')")
        cursor.execute("ALTER TABLE v DROP COLUMN c")
        found.commit()
        yield found


def rows_after(connection: Connection[Cursor], statement: bytes) -> list[object] | None:
    with connection.cursor() as cursor:
        try:
            cursor.execute(cast(str, statement))  # it sends bytes as they are
            cursor.execute("SELECT a, b FROM t ORDER BY a, b")
            return list(cursor.fetchall())
        except (pymysql.err.MySQLError, UnicodeDecodeError):
            return None
        finally:
            connection.rollback()


@pytest.mark.parametrize("seed", range(6))
def test_a_clause_behind_a_query_changes_nothing(connection: Connection[Cursor], seed: int) -> None:
    choice = random.Random(seed)
    accepted = 0
    for _ in range(150):
        statement = text(choice)
        insert = recognise(statement, KNOWN)
        if not isinstance(insert, Insert) or insert.self_select:
            continue
        before = rows_after(connection, statement)
        where = b" WHERE TRUE" if insert.open_join else b""
        spliced = statement[: insert.body_end] + where + CLAUSE + statement[insert.body_end :]
        assert rows_after(connection, spliced) == before, (statement, spliced)
        accepted += before is not None
    assert accepted > 10
