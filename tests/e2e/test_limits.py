"""Limits as drivers meet them, on real servers: they see the errors that the server itself has for such cases."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import re
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

import pymysql
import pytest

from proxy.config import Limits
from tests.e2e.ends import everything
from tests.e2e.process import served
from tests.e2e.running import Proxy, in_front_of, proxied
from tests.servers.launch import Server


def _code(error: pymysql.MySQLError) -> int:
    return int(error.args[0])


def test_too_many_sessions(server: Server) -> None:
    with proxied(in_front_of(server, limits=Limits(sessions=2)), server) as proxy:
        first, _ = proxy.connect(), proxy.connect()
        with pytest.raises(pymysql.OperationalError, match="Too many connections") as refused:
            proxy.connect()
        assert _code(refused.value) == 1040
        first.close()
        _connect_patiently(proxy)
        assert set(proxy.counted("keyclash_sessions_total")) == {("limit_sessions",), ("quit",)}
        assert "\nkeyclash_sessions_limit 2.0\n" in proxy.fetch("/metrics")[1]


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
def test_workers_share_the_sessions(server: Server, tmp_path: Path) -> None:
    with served(server, tmp_path, workers=2, limits={"sessions": 4}) as proxy, ExitStack() as opened:
        for _ in range(4):
            opened.enter_context(proxy.as_server.connect())
        with pytest.raises(pymysql.OperationalError) as refused:
            proxy.as_server.connect()
        assert _code(refused.value) == 1040
        with urlopen(f"http://{proxy.admin}/metrics", timeout=10) as response:
            text = response.read().decode()
        assert "\nkeyclash_sessions_limit 4.0\n" in text
        assert '\nkeyclash_sessions_total{result="limit_sessions"} 1.0\n' in text


def test_too_many_sessions_of_a_host(server: Server) -> None:
    with proxied(in_front_of(server, limits=Limits(sessions_per_host=1)), server) as proxy:
        proxy.connect()
        with pytest.raises(pymysql.OperationalError) as refused:
            proxy.connect()
        assert _code(refused.value) == 1040
        proxy.connect(bind_address="127.0.0.2")
        assert proxy.counted("keyclash_sessions_total") == {("limit_sessions_per_host",): 1}


def test_too_many_logins_in_a_second(server: Server) -> None:
    with proxied(in_front_of(server, limits=Limits(logins_per_second=1)), server) as proxy:
        codes = set()
        for _ in range(5):
            try:
                proxy.connect()
            except pymysql.OperationalError as error:
                codes.add(_code(error))
        assert codes == {1040}
        assert set(proxy.counted("keyclash_sessions_total")) == {("limit_logins_per_second",)}


def test_too_many_sessions_of_a_user(server: Server) -> None:
    with proxied(in_front_of(server, limits=Limits(sessions_per_user=1)), server) as proxy:
        first = proxy.connect()
        with pytest.raises(pymysql.OperationalError, match="max_user_connections") as refused:
            proxy.connect()
        assert _code(refused.value) == 1203
        with pytest.raises(pymysql.OperationalError) as wrong:
            proxy.connect(password="wrong")
        assert _code(wrong.value) == 1045  # who is not who it says it is learns nothing of the others
        first.close()
        _connect_patiently(proxy)
        assert proxy.counted("keyclash_sessions_total", result="limit_sessions_per_user")[()] >= 1


def test_a_session_that_says_nothing(server: Server) -> None:
    with proxied(in_front_of(server, limits=Limits(idle_timeout=0.4)), server) as proxy:
        silent = proxy.connect(autocommit=False)
        with silent.cursor() as cursor:
            cursor.execute("SELECT SLEEP(1)")  # a reply is due: that is not silence
            cursor.execute("BEGIN")
        busy, until = proxy.connect(), time.monotonic() + 1.5
        while time.monotonic() < until:
            busy.ping(reconnect=False)
        with pytest.raises(pymysql.OperationalError) as ended, silent.cursor() as cursor:
            cursor.execute("SELECT 1")
        assert _code(ended.value) in (4031, 2006, 2013)
        assert proxy.counted("keyclash_sessions_total") == {("idle_timeout",): 1}


@pytest.mark.parametrize("said", [b"\x30\0", b"\x30\0\0\0\x03INSERT INTO t"], ids=["header", "statement"])
def test_a_session_that_stops_in_the_middle_of_a_command(server: Server, said: bytes) -> None:
    with proxied(in_front_of(server, limits=Limits(idle_timeout=0.4)), server) as proxy:
        silent = proxy.raw()
        silent.send(said)
        assert everything(silent) == b""
        assert proxy.counted("keyclash_sessions_total") == {("idle_timeout",): 1}


def test_clients_that_never_log_in_leave_the_server_to_the_others(server: Server) -> None:
    with proxied(in_front_of(server, limits=Limits(logins_per_host=3)), server) as proxy:
        address = proxy.running.address
        silent = [
            socket.create_connection((address.host, address.port), source_address=("127.0.0.3", 0)) for _ in range(20)
        ]
        try:
            with proxy.connect().cursor() as cursor:
                cursor.execute(
                    "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'unauthenticated user'"
                )
                row = cursor.fetchone()
            assert row is not None
            assert row[0] <= 3
        finally:
            for each in silent:
                each.close()


def test_the_log_tells_of_a_crowd_and_is_not_filled_by_it(
    server: Server, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with proxied(in_front_of(server, limits=Limits(sessions=1)), server) as proxy:
        proxy.connect()
        for _ in range(20):
            with pytest.raises(pymysql.OperationalError):
                proxy.connect()
    out, err = capfd.readouterr()
    assert len(re.findall("clients turned away", out + err)) == 1


def _connect_patiently(proxy: Proxy) -> None:
    """Connect as soon as there is room: a session counts until the server has closed its side, too."""
    for _ in range(500):
        try:
            proxy.connect()
        except pymysql.OperationalError:
            time.sleep(0.01)
        else:
            return
    raise AssertionError("there is no room again")
