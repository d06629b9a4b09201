"""The PROXY protocol in front of the proxy and behind it; of the two servers only MariaDB speaks it."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor
from structlog.testing import capture_logs

from proxy.config import (
    BackendTls,
    BackendTlsMode,
    ProxyProtocol,
    ProxyProtocolVersion,
    UnixAddress,
)
from tests.e2e.running import ANYWHERE, Proxy, in_front_of, proxied, transport
from tests.e2e.users import rows
from tests.servers.launch import Server

LOOPBACK = ProxyProtocol((ipaddress.ip_network("127.0.0.0/8"),))
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
HEADERS = {
    "v1": b"PROXY TCP4 203.0.113.7 198.51.100.2 40000 3306\r\n",
    "v1 over IPv6": b"PROXY TCP6 2001:db8::7 2001:db8::8 40000 3306\r\n",
    "v2": SIGNATURE + bytes.fromhex("2111000ccb007107c63364029c400cea"),
    "v2 with TLVs": SIGNATURE + bytes.fromhex("21110014cb007107c63364029c400cea0400050000000000"),
}
ANNOUNCED = {name: "2001:db8::7" if "IPv6" in name else "203.0.113.7" for name in HEADERS}
VERSIONS = [ProxyProtocolVersion.V1, ProxyProtocolVersion.V2]


def connect(proxy: Proxy, header: bytes, tls: bool = False) -> Connection[Cursor]:
    """Log in through a load balancer's connection."""
    address = proxy.running.address
    stream = socket.create_connection((address.host, address.port), timeout=30)
    stream.sendall(header)
    server = proxy.server
    connection = pymysql.connect(
        host=address.host,
        user=server.user,
        password=server.password,
        defer_connect=True,
        autocommit=True,
        **transport(tls),
    )
    connection.connect(stream)
    return connection


@pytest.fixture(scope="module")
def listening(mariadb: Server) -> Iterator[Server]:
    """A MariaDB server that takes headers from this machine."""
    with mariadb.connect() as connection:
        connection.query("SET GLOBAL proxy_protocol_networks = '127.0.0.0/8, localhost'")
        yield mariadb
        connection.query("SET GLOBAL proxy_protocol_networks = ''")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_server_sees_the_announced_client(
    listening: Server, version: ProxyProtocolVersion, header: str, tls: bool
) -> None:
    mode = BackendTls(BackendTlsMode.REQUIRED if tls else BackendTlsMode.DISABLED)
    config = in_front_of(listening, proxy_protocol=LOOPBACK, backend_proxy_protocol=version, backend_tls=mode)
    with listening.connect() as direct:
        direct.query("CREATE USER IF NOT EXISTS root@'%' IDENTIFIED BY 'root-secret'")
        try:
            with proxied(config, listening) as proxy, connect(proxy, HEADERS[header], tls) as connection:
                assert rows(connection, "SELECT USER()") == [(f"root@{ANNOUNCED[header]}",)]
                own = rows(connection, "SELECT HOST FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()")
                assert own == [(f"{ANNOUNCED[header]}:40000",)]
                assert bool(rows(connection, "SHOW STATUS LIKE 'Ssl_cipher'")[0][1]) is tls
                assert proxy.fetch("/-/ready")[0] == 200
        finally:
            direct.query("DROP USER root@'%'")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_server_sees_a_client_that_announces_nothing(listening: Server, version: ProxyProtocolVersion) -> None:
    config = in_front_of(listening, backend_proxy_protocol=version)
    with proxied(config, listening) as proxy, proxy.connect() as connection:
        port = vars(connection)["_sock"].getsockname()[1]
        own = rows(connection, "SELECT HOST FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()")
        assert own == [(f"127.0.0.1:{port}",)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.own_server
def test_unix_sockets(listening: Server, version: ProxyProtocolVersion, tmp_path: Path) -> None:
    assert listening.socket is not None
    here = UnixAddress(tmp_path / "k")
    config = in_front_of(listening, backend_proxy_protocol=version)
    of_client = replace(config, listen=(ANYWHERE, here))
    with proxied(of_client, listening) as proxy, proxy.connect(unix_socket=str(here.path)) as connection:
        assert rows(connection, "SELECT USER()") == [("root@127.0.0.1",)]
    to_backend = replace(config, backend=UnixAddress(listening.socket))
    with proxied(to_backend, listening) as proxy, proxy.connect() as connection:
        assert rows(connection, "SELECT USER()") == [("root@127.0.0.1",)]


def test_a_conflict_tells_the_announced_client(server: Server, database: str) -> None:
    config = in_front_of(server, proxy_protocol=LOOPBACK)
    with capture_logs() as logs, proxied(config, server) as proxy, connect(proxy, HEADERS["v2"]) as connection:
        connection.query(f"CREATE TABLE {database}.t (id INT PRIMARY KEY)")
        connection.query(f"INSERT INTO {database}.t VALUES (1)")
        with pytest.raises(pymysql.err.IntegrityError):
            connection.query(f"INSERT INTO {database}.t VALUES (1)")
    [told] = [log for log in logs if log["event"] == "conflict"]
    assert told["client"] == "203.0.113.7:40000"


def test_who_may_not_send_a_header(server: Server) -> None:
    elsewhere = ProxyProtocol((ipaddress.ip_network("10.0.0.0/8"),))
    with proxied(in_front_of(server, proxy_protocol=elsewhere), server) as proxy:
        for header in HEADERS.values():
            with pytest.raises(pymysql.err.OperationalError, match="Lost connection"):
                connect(proxy, header)
        assert proxy.counted("keyclash_sessions_total", result="malformed") == {(): len(HEADERS)}
        with proxy.connect() as connection:
            assert rows(connection, "SELECT 1") == [(1,)]


def test_who_must_send_a_header(server: Server) -> None:
    with proxied(in_front_of(server, proxy_protocol=LOOPBACK), server) as proxy:
        address = proxy.running.address
        with socket.create_connection((address.host, address.port), timeout=30) as stream:
            stream.sendall(b"\x20\0\0\1 a login")
            assert stream.recv(1) == b""
        assert proxy.counted("keyclash_sessions_total", result="malformed") == {(): 1}
