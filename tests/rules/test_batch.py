"""Texts of several statements: which of them are planned, and what goes on after one has failed."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

from collections.abc import Iterator
from typing import Any, cast

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.constants import CLIENT
from pymysql.cursors import Cursor

from proxy.rules.batch import Batch, plan_batch
from proxy.rules.plan import Plan
from proxy.rules.rule import Rule, When
from proxy.sql.dialect import Dialect
from proxy.sql.head import Head
from proxy.sql.insert import Skip
from proxy.sql.reason import Reason
from proxy.sql.split import split
from tests.rules.making import MARIADB, MYSQL, PLAIN, rule
from tests.servers.launch import Server

KEEP = rule("ignore", when=When.ALWAYS)
DRY = rule("ignore", when=When.ALWAYS, dry_run=True)
BY_A = rule("update", {"v": "new.v"}, columns=["a"], when=When.ALWAYS, name="by-a")


def batch(text: str, own: Rule = KEEP, dialect: Dialect = MYSQL) -> Batch:
    found = plan_batch(text.encode(), PLAIN, only(own), dialect)
    assert isinstance(found, Batch), found
    return found


def left(text: str, own: Rule = KEEP) -> Reason:
    found = plan_batch(text.encode(), PLAIN, only(own), MYSQL)
    assert isinstance(found, Skip), found
    return found.reason


def only(own: Rule) -> Any:
    def candidates(head: Head) -> tuple[Rule, ...]:
        return (own,) if head.table == "t" else ()

    return candidates


CLAUSE = " ON DUPLICATE KEY UPDATE `a` = t.`a`"


def test_each_insert_of_a_text() -> None:
    found = batch(
        "BEGIN; INSERT INTO t (a) VALUES (1) ; INSERT INTO u (a) VALUES (2); INSERT INTO t (a) VALUES (3); COMMIT"
    )
    assert found.statement.decode() == (
        f"BEGIN; INSERT INTO t (a) VALUES (1){CLAUSE} ; INSERT INTO u (a) VALUES (2); "
        f"INSERT INTO t (a) VALUES (3){CLAUSE}; COMMIT"
    )
    assert [isinstance(part.plan, Plan) for part in found.parts] == [False, True, False, True, False]
    assert [part.rule for part in found.parts] == [None, KEEP, None, KEEP, None]


def test_what_goes_on_after_a_statement_that_failed() -> None:
    text = "INSERT INTO t (a) VALUES (1);\nINSERT INTO t (a) VALUES (2) -- x\n; INSERT INTO t (a) VALUES (3); -- end"
    found = batch(text)
    assert found.resumed(0).decode() == text.replace("(2)", f"(2){CLAUSE}").replace("(3)", f"(3){CLAUSE}")
    assert found.resumed(1).decode() == text[text.index("\n") :].replace("(3)", f"(3){CLAUSE}")
    assert found.resumed(2).decode() == " INSERT INTO t (a) VALUES (3); -- end"


def test_a_single_statement() -> None:
    assert batch("INSERT INTO t (a) VALUES (1);").statement.decode() == f"INSERT INTO t (a) VALUES (1){CLAUSE};"


def test_a_statement_that_is_left_alone_does_not_keep_the_others() -> None:
    found = batch("INSERT IGNORE INTO t (a) VALUES (1); INSERT INTO t VALUES (1); INSERT INTO t (a) VALUES (2)")
    assert [part.plan.reason if isinstance(part.plan, Skip) else "" for part in found.parts] == [
        Reason.IGNORE,
        Reason.NO_COLUMNS,
        "",
    ]
    assert found.statement.decode().startswith("INSERT IGNORE INTO t (a) VALUES (1); INSERT INTO t VALUES (1);")


@pytest.mark.parametrize(
    ("text", "own", "reason"),
    [
        ("SELECT 1; INSERT INTO u VALUES (1)", KEEP, Reason.MULTI_STATEMENT),
        ("SELECT 1; INSERT INTO t (a) VALUES (1)", rule("ignore"), Reason.MULTI_STATEMENT),
        ("SELECT 1; INSERT INTO t (a) VALUES (1)", DRY, Reason.MULTI_STATEMENT),
        ("SELECT 1; INSERT INTO t VALUES (1)", KEEP, Reason.NO_COLUMNS),
        ("SELECT 1; INSERT INTO t (a) VALUES (1", KEEP, Reason.MALFORMED),
        ("SELECT 1; INSERT INTO t (a) VALUES ('1", KEEP, Reason.UNTERMINATED),
        ("USE u; INSERT INTO t (a) VALUES (1)", KEEP, Reason.MULTI_STATEMENT),
        ("CREATE TRIGGER g BEFORE INSERT ON u FOR EACH ROW BEGIN INSERT INTO t (a) VALUES (1); END", KEEP,
         Reason.MULTI_STATEMENT),
    ],
)  # fmt: skip
def test_all_or_nothing_where_a_text_is_not_understood(text: str, own: Rule, reason: Reason) -> None:
    assert left(text, own) in (reason, Reason.UNTERMINATED)


def test_returning_is_not_followed_in_a_batch() -> None:
    text = b"SELECT 1; INSERT INTO t (a) VALUES (1) RETURNING a"
    assert plan_batch(text, PLAIN, only(KEEP), MARIADB) == Skip(Reason.MULTI_STATEMENT)


# --- on servers -----------------------------------------------------------------------------------------------------


@pytest.fixture
def connection(server: Server, database: str) -> Iterator[Connection[Cursor]]:
    with server.connect(database=database, client_flag=CLIENT.MULTI_STATEMENTS) as found, found.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT UNIQUE, b INT UNIQUE, v INT)")
        cursor.execute("INSERT INTO t (a, b, v) VALUES (1, 1, 1)")
        yield found


def results(connection: Connection[Cursor], text: bytes) -> list[int]:
    """Run a text; give the affected rows of each result, and at last the number of an error."""
    counts: list[int] = []
    with connection.cursor() as cursor:
        try:
            cursor.execute(cast(str, text))  # bytes are sent as they are
            counts.append(cursor.rowcount)
            while cursor.nextset():
                counts.append(cursor.rowcount)
        except pymysql.MySQLError as error:
            counts.append(error.args[0])
    return counts


def rows(connection: Connection[Cursor]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT a, b, v FROM t ORDER BY id")
        return list(cursor.fetchall())


TEXT = "INSERT INTO t (a, v) VALUES (1, 5); INSERT INTO t (a, v) VALUES (2, 6); UPDATE t SET v = v + 1 WHERE a = 2;"


def test_a_batch_runs_whole(server: Server, connection: Connection[Cursor]) -> None:
    found = batch(TEXT, BY_A, Dialect.parse(server.version_text))
    assert results(connection, TEXT.encode()) == [1062]
    assert results(connection, found.statement) == [2, 1, 1]
    assert rows(connection) == [(1, 1, 5), (2, None, 7)]


def test_a_guard_in_a_batch_and_what_goes_on(server: Server, connection: Connection[Cursor]) -> None:
    text = (
        "INSERT INTO t (a, v) VALUES (1, 5); SELECT 1; INSERT INTO t (a, b, v) VALUES (9, 1, 6); "
        "INSERT INTO t (a, v) VALUES (1, 7)"
    )
    found = batch(text, BY_A, Dialect.parse(server.version_text))
    counts = results(connection, found.statement)
    assert counts == [2, 1, 1690]
    failed = len(counts) - 1
    assert results(connection, found.resumed(failed)) == [1062]
    assert rows(connection) == [(1, 1, 5)]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE t SET b = NULL")
    assert results(connection, found.resumed(failed)) == [1, 2]
    assert [row[2] for row in rows(connection)] == [7, 6]


def test_each_statement_of_a_text_has_one_result(connection: Connection[Cursor]) -> None:
    for text in (
        b"SELECT 1; DO 1; -- x",
        b"SELECT 1;;SELECT 2",
        b"BEGIN;SELECT 1;COMMIT;\n",
        b"SET @a = 1; SHOW TABLES",
    ):
        spans = split(text, PLAIN)
        assert not isinstance(spans, Skip)
        counts = results(connection, text)
        assert len(counts) == len(spans) or (counts[-1] == 1064 and len(counts) < len(spans)), text
