"""Each way in which a side can go away, and orders from a second connection to end what a first one does."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import secrets

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from tests.e2e.ends import wait_until_it_is_gone
from tests.e2e.raw import QUERY, RawClient, command
from tests.e2e.running import Proxy, in_front_of, proxied, thread_id
from tests.e2e.users import rows, run
from tests.servers.launch import Server

LOST = (2006, 2013)  # what PyMySQL says when the connection is gone
UNKNOWN_THREAD = 1094


def error_of(connection: Connection[Cursor], statement: str) -> int:
    with pytest.raises(pymysql.err.Error) as caught:
        run(connection, statement)
    return int(caught.value.args[0])


def wait_until_ready_is(proxy: Proxy, status: int) -> None:
    """Ask until the proxy says so; what it says may be a moment old."""
    while proxy.fetch("/-/ready")[0] != status:
        pass


@pytest.mark.own_server
def test_the_server_dies_and_comes_back(mortal: Server) -> None:
    server = mortal
    with proxied(in_front_of(server), server) as proxy:
        wait_until_ready_is(proxy, 200)
        busy, idle = proxy.connect(), proxy.connect()
        run(busy, "BEGIN")
        server.kill()
        assert error_of(busy, "DO 1") in LOST
        assert error_of(idle, "DO 1") in LOST
        with pytest.raises(pymysql.err.OperationalError) as caught:
            proxy.connect()
        assert caught.value.args[0] == 2003
        assert str(server.port) in caught.value.args[1]
        wait_until_ready_is(proxy, 503)
        assert proxy.fetch("/-/healthy")[0] == 200
        assert proxy.counted("keyclash_sessions_total") == {("backend_closed",): 2, ("backend_unreachable",): 1}
        server.restart()
        assert rows(proxy.connect(), "SELECT 1") == [(1,)]
        wait_until_ready_is(proxy, 200)


def held_lock(client: RawClient) -> str:
    name = f"lock_{secrets.token_hex(6)}"
    assert client.query(f"SELECT GET_LOCK('{name}', 0)")[-2][1] == b"\x011"
    return name


@pytest.mark.parametrize(
    "last_words", [b"", b"\x30\0", b"\x30\0\0\0\x03INSERT INTO t"], ids=["idle", "header", "command"]
)
def test_a_client_that_vanishes_takes_its_session_along(proxy: Proxy, last_words: bytes) -> None:
    client = proxy.raw()
    lock = held_lock(client)
    if last_words:
        client.send(last_words)
    client.vanish()
    # the server gives the lock to the next one as soon as the session is over
    assert rows(proxy.connect_directly(), f"SELECT GET_LOCK('{lock}', 30)") == [(1,)]


def test_a_client_that_vanishes_leaves_no_transaction(proxy: Proxy, database: str) -> None:
    onlooker = proxy.connect_directly(database=database)
    run(onlooker, "CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    client = proxy.raw(database=database)
    lock = held_lock(client)
    client.query("BEGIN")
    client.query("UPDATE t SET id = 2")
    client.vanish()
    assert rows(onlooker, f"SELECT GET_LOCK('{lock}', 30)") == [(1,)]
    assert rows(onlooker, "SELECT id FROM t FOR UPDATE") == [(1,)]


def test_a_client_that_vanishes_while_its_result_comes(proxy: Proxy) -> None:
    client = proxy.raw()
    lock = held_lock(client)
    client.send(command(QUERY, b"SELECT REPEAT('x', 8000000)"))
    client.packet()
    client.vanish()
    assert rows(proxy.connect_directly(), f"SELECT GET_LOCK('{lock}', 30)") == [(1,)]


def test_the_connection_id_is_the_servers(proxy: Proxy) -> None:
    connection = proxy.connect()
    assert rows(connection, "SELECT CONNECTION_ID()") == [(thread_id(connection),)]


def test_kill_connection(proxy: Proxy) -> None:
    victim, second = proxy.connect(), proxy.connect()
    run(second, f"KILL {thread_id(victim)}")
    assert error_of(victim, "DO 1") in (*LOST, 1927)  # MariaDB says so first, if it is still heard
    wait_until_it_is_gone(second, thread_id(victim))
    assert error_of(second, f"KILL {thread_id(victim)}") == UNKNOWN_THREAD
