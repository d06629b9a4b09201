"""A replica, or a program that reads the binary log, gets the server's stream of events as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.raw import RawClient, command
from tests.e2e.running import Proxy, in_front_of, proxied
from tests.e2e.users import run
from tests.raw import logged_in
from tests.servers.launch import Server, running
from tests.servers.recipes import ServerName

REGISTER, DUMP = 0x15, 0x12
NON_BLOCK = 1  # the stream ends where the log does
SERVER_ID = 4711
HOST = b"\x04host" + b"\x04user" + b"\x08password" + bytes(2)  # what SHOW REPLICAS shows
SET_UP = {
    "mysql": ["SET @source_binlog_checksum = 'NONE'", "SET @replica_uuid = '00000000-0000-0000-0000-000000004711'"],
    "mariadb": ["SET @master_binlog_checksum = 'NONE'", "SET @mariadb_slave_capability = 4"],
}


@pytest.fixture(scope="module", params=["mysql", "mariadb"])
def logging(request: pytest.FixtureRequest) -> Iterator[Proxy]:
    """A proxy in front of a server with a binary log that tells of something."""
    name: ServerName = request.param
    with running(name, ["--log-bin=binlog", "--server-id=1"]) as server:
        with server.connect() as connection:
            run(connection, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v LONGTEXT)")
            run(connection, *(f"INSERT INTO d.t VALUES ({number}, REPEAT('x', 30000))" for number in range(50)))
        with proxied(in_front_of(server), server) as proxy:
            yield proxy


def events(server: Server) -> bytes:
    """Act as a replica; return all that the server says to that."""
    with logged_in(server) as raw:
        client = RawClient(raw.stream)
        for statement in SET_UP[server.name]:
            client.query(statement)
        number = SERVER_ID.to_bytes(4, "little")
        registered = client.ask_bytes(command(REGISTER, number + HOST + bytes(8)))
        client.send(
            command(DUMP, (4).to_bytes(4, "little") + NON_BLOCK.to_bytes(2, "little") + number + b"binlog.000001")
        )
        stream = b""
        while True:
            sequence, payload = client.packet()
            stream += bytes((sequence,)) + payload
            if payload[:1] in (b"\xfe", b"\xff"):
                return registered + stream


@pytest.mark.own_server
def test_the_stream_of_the_binary_log(logging: Proxy) -> None:
    logging.count_anew()
    direct, through = events(logging.server), events(logging.as_server)
    rows = b"INSERT INTO d.t" if logging.server.mariadb else b"x" * 30_000  # by statement, or row by row
    assert direct.count(rows) == 50
    assert through == direct
    assert logging.counted("keyclash_commands_total", command="binlog_dump") == {(): 1}
