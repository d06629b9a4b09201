"""The embedded backend's server: logins, transactions, prepared statements, packets that mysql-mimic stumbles over."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import logging
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.constants import FIELD_TYPE
from pymysql.cursors import Cursor

from proxy.demo import embedded
from proxy.demo.embedded import VERSION, embedded_server
from proxy.sql.dialect import Dialect
from tests.demo.answers import ask, ask_all
from tests.demo.conftest import Connect
from tests.e2e.raw import CLOSE, EXECUTE, PREPARE, QUERY, RawClient, command, framed

TABLE = "CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, k VARCHAR(40) UNIQUE)"
AUTOCOMMIT = 0x0002
LOGIN_41, SECURE_CONNECTION, PLUGIN_AUTH = 0x0200, 0x8000, 0x80000


@contextmanager
def raw(port: int) -> Iterator[RawClient]:
    with closing(
        pymysql.connect(host="127.0.0.1", port=port, user="demo", database="shop", autocommit=True)
    ) as connection:
        yield RawClient(vars(connection)["_sock"])


def test_it_looks_like_a_mysql_that_knows_the_row_alias(connect: Connect) -> None:
    connection = connect()
    assert ask(connection, "SELECT VERSION()") == ("rows", [str((VERSION,))])
    assert vars(connection)["server_version"] == VERSION
    assert vars(connection)["server_status"] == AUTOCOMMIT
    assert Dialect.parse(VERSION).row_alias


def test_what_clients_ask_when_they_connect(connect: Connect) -> None:
    connection = connect()
    for statement in ("SELECT @@version_comment LIMIT 1", "SET NAMES utf8mb4", "SELECT DATABASE()", "SHOW WARNINGS"):
        assert ask(connection, statement)[0] in {"ok", "rows"}
    assert ask(connection, "SELECT DATABASE(), USER()") == ("rows", ["('shop', 'demo')"])
    ask(connection, TABLE)
    assert ask(connection, "SHOW TABLES") == ("rows", ["('t',)"])
    assert "ANSI_QUOTES" not in str(ask(connection, "SELECT @@sql_mode"))


def test_a_schema_that_does_not_exist(port: int) -> None:
    with pytest.raises(pymysql.OperationalError, match=r"1049.*Unknown database 'nowhere'"):
        pymysql.connect(host="127.0.0.1", port=port, user="demo", database="nowhere")


@pytest.mark.parametrize(
    ("statement", "code"),
    [("", 1065), ("/* */", 1065), ("SELEC 1", 1064), ("SELECT 1; SELECT 2", 1064), ("SELECT FOO()", 1305)],
)
def test_statements_that_are_none(connect: Connect, statement: str, code: int) -> None:
    assert ask(connect(), statement)[:2] == ("error", code)


@pytest.mark.parametrize(
    "statement",
    [
        "EXPLAIN SELECT 1",
        "ROLLBACK TO SAVEPOINT s",
        "CREATE INDEX i ON t (k)",
        "DROP VIEW v",
        "INSERT INTO t PARTITION (p0) (k) VALUES ('a')",
        "CREATE TABLE u AS SELECT 1",
    ],
)
def test_what_it_cannot_do_is_said(connect: Connect, statement: str) -> None:
    connection = connect()
    ask(connection, TABLE)
    code, text = ask(connection, statement)[1:]
    assert code == 1235
    assert "the demo's embedded backend" in str(text)


def test_databases_come_and_go(connect: Connect) -> None:
    statements = ["CREATE DATABASE shop", "CREATE DATABASE IF NOT EXISTS shop", TABLE, "DROP DATABASE shop"]
    answers = [answer for _, answer in ask_all(connect(), [*statements, "DROP DATABASE shop", TABLE])]
    assert [answer[:2] for answer in answers] == [
        ("error", 1007),
        ("ok", 1),
        ("ok", 0),
        ("ok", 1),
        ("error", 1008),
        ("error", 1046),
    ]


def test_a_transaction_keeps_the_others_waiting(connect: Connect) -> None:
    first, second = connect(), connect()
    ask_all(first, [TABLE, "BEGIN", "INSERT INTO t (k) VALUES ('a')"])
    answers: list[object] = []
    waiting = threading.Thread(target=lambda: answers.append(ask(second, "INSERT INTO t (k) VALUES ('a')")))
    waiting.start()
    ask_all(first, ["INSERT INTO t (k) VALUES ('b')", "COMMIT"])
    waiting.join()
    assert answers == [("error", 1062, "Duplicate entry 'a' for key 't.k'")]


def test_a_wait_has_an_end(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_LOCK_WAIT", 0.05)
    first, second = connect(), connect()
    ask_all(first, [TABLE, "BEGIN", "INSERT INTO t (k) VALUES ('a')"])
    assert ask(second, "SELECT * FROM t")[:2] == ("error", 1205)
    assert ask(second, "SELECT 1") == ("rows", ["(1,)"])
    ask(first, "ROLLBACK")
    assert ask(second, "SELECT * FROM t") == ("rows", [])


def test_a_client_that_goes_away_leaves_no_transaction_behind(connect: Connect) -> None:
    first, second = connect(), connect()
    ask_all(first, [TABLE, "BEGIN", "INSERT INTO t (k) VALUES ('a')"])
    first.close()
    assert ask(second, "SELECT * FROM t") == ("rows", [])


def test_many_clients_at_once(connect: Connect) -> None:
    ask(connect(), TABLE)
    connections = [connect() for _ in range(8)]
    answers: list[tuple[object, ...]] = []

    def insert(connection: Connection[Cursor]) -> None:
        answers.extend(ask(connection, f"INSERT INTO t (k) VALUES ('{number}')") for number in range(10))

    threads = [threading.Thread(target=insert, args=(connection,)) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(answer[0] == "ok" for answer in answers) == 10
    assert sum(answer[:2] == ("error", 1062) for answer in answers) == 70


def test_prepared_statements(port: int, connect: Connect) -> None:
    ask(connect(), TABLE)
    with raw(port) as client:
        (_, prepared), *rest = client.ask(command(PREPARE, b"INSERT INTO t (k) VALUES (?)"))
        statement = prepared[1:5]
        assert len(rest) == 2  # one parameter's definition, and one EOF
        types = struct.pack("<BBB", 1, FIELD_TYPE.VAR_STRING, 0)
        bound = command(EXECUTE, statement + b"\x00\x01\x00\x00\x00\x00" + types + b"\x05O'\\?n")
        unbound = command(EXECUTE, statement + b"\x00\x01\x00\x00\x00\x00\x00" + b"\x01x")
        assert [packet[:3] for _, packet in client.ask(bound)] == [b"\x00\x01\x01"]
        assert [packet[:3] for _, packet in client.ask(unbound)] == [b"\x00\x01\x02"]
        ((_, error),) = client.ask(bound)
        assert error[:9] == b"\xff\x26\x04#23000"
        client.send(command(CLOSE, statement))
    assert ask(connect(), "SELECT k FROM t") == ("rows", sorted(map(str, [("O'\\?n",), ("x",)])))


def test_a_packet_in_pieces(port: int) -> None:
    with raw(port) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in command(QUERY, b"SELECT 'whole'"):
            client.send(bytes((byte,)))
        assert b"whole" in b"".join(packet for _, packet in (client.packet() for _ in range(5)))


def test_a_login_without_the_end_of_the_users_name(port: int, connect: Connect) -> None:
    flags = LOGIN_41 | SECURE_CONNECTION | PLUGIN_AUTH
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.recv(4096)
        client.sendall(framed(struct.pack("<IIB23x", flags, 1 << 24, 45) + b"demo", 1))
        assert client.recv(4096)
    assert ask(connect(), "SELECT 1") == ("rows", ["(1,)"])


def test_a_client_that_says_nothing(port: int, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
        assert ask(connect(), "SELECT 1") == ("rows", ["(1,)"])
    assert caplog.records == []


def test_it_ends_while_clients_are_connected() -> None:
    with embedded_server() as port:
        connection = pymysql.connect(host="127.0.0.1", port=port, user="demo")
    assert ask(connection, "SELECT 1")[:2] == ("error", 2013)
