"""A server that answers with garbage: the client gets it as it is, or an error; other sessions notice nothing."""

import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from enum import Enum
from typing import Final

import pymysql
import pytest

from proxy.config import Address, ProxyConfig
from tests.e2e.running import ANYWHERE, proxied
from tests.faults.relay import LOCALHOST
from tests.faults.states import leave, named
from tests.run.doubles import OK, greeting, packet
from tests.servers.launch import Server

NOBODY: Final = Server("mysql", LOCALHOST, 0, None, "u", "", (0, 0, 0), "", None, None, None)
"""Nobody logs in to it directly."""
RANDOM: Final = random.Random(1)
SELECT: Final = b"\x03SELECT 1"
ANYTHING: Final = [
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    bytes(100),
    b"\xff" * 100,
    *[RANDOM.randbytes(RANDOM.randrange(1, 300)) for _ in range(20)],
]


CONFUSED: Final = (pymysql.err.Error, AssertionError, IndexError, RuntimeError, struct.error)
"""What the driver raises where it does not understand."""


class Stage(Enum):
    """When the garbage comes."""

    GREETING = 0
    LOGIN = 1
    REPLY = 2


GARBAGE: Final = {
    Stage.GREETING: [
        packet(b"", 0),
        packet(b"\x0a5.5.5\0", 0),
        packet(b"\x095.5\0\1\0\0\0abcdefgh\0", 0),
        packet(greeting(), 7),
        packet(greeting(), 0)[:30],
        packet(greeting(), 0) + packet(OK, 1) + b"behind it",
        packet(b"\xff\x69\x04Host 'x' is blocked", 0),
        b"\xff\xff\xff\x00" + bytes(100),
        *ANYTHING,
    ],
    Stage.LOGIN: [
        packet(b"", 2),
        packet(OK, 9),
        packet(OK, 2)[:5],
        packet(OK, 2) * 2,
        packet(b"\xfe", 2),
        packet(b"\xfenonsense\0xxx\0", 2),
        packet(b"\x01\x07\x07", 2),
        packet(greeting(), 2),
        b"\xff\xff\xff\x02" + bytes(100),
        *ANYTHING,
    ],
    Stage.REPLY: [
        packet(b"", 1),
        packet(OK, 9),
        packet(OK, 1)[:5],
        packet(OK, 1) * 2,
        packet(b"\0", 1),
        packet(b"\xff", 1),
        packet(b"\xfe\0\0\2\0", 1),
        packet(b"\xfe" + b"\xff" * 8, 1),
        packet(b"\xfb/etc/passwd", 1),
        packet(b"\1", 1) + packet(b"no column", 2),
        b"\xff\xff\xff\x01" + bytes(100),
        *ANYTHING,
    ],
}


class GarbageServer:
    """Does as a server does up to a stage, sends garbage then, and closes its direction.

    Attributes:
        stage, garbage: for the connections that come from now on; None: it does all as a server does.
    """

    def __init__(self) -> None:
        self.stage: Stage | None = None
        self.garbage = b""
        self._listening = socket.create_server((LOCALHOST, 0))
        self.address = Address(*self._listening.getsockname())
        threading.Thread(target=self._accept, name="garbage", daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                arguments = (connection, self.stage, self.garbage)
                threading.Thread(target=self._converse, args=arguments, name="garbage", daemon=True).start()

    def _converse(self, connection: socket.socket, stage: Stage | None, garbage: bytes) -> None:
        with connection, suppress(OSError, EOFError):
            if stage is not Stage.GREETING:
                connection.sendall(packet(greeting(), 0))
                self._receive(connection)
            if stage not in (Stage.GREETING, Stage.LOGIN):
                connection.sendall(packet(OK, 2))
                while self._receive(connection) != SELECT or stage is None:
                    connection.sendall(packet(OK, 1))
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass

    def _receive(self, connection: socket.socket) -> bytes:
        data = b""
        while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:3], "little"):
            if not (more := connection.recv(4096)):
                raise EOFError
            data += more
        return data[4:]


def outcome(address: Address) -> str:
    """Log in and ask something; return what comes of it."""
    try:
        client = pymysql.connect(
            host=address.host, port=address.port, user="u", ssl_disabled=True, autocommit=None, read_timeout=30
        )
    except CONFUSED as error:
        return f"no login: {type(error).__name__}: {error}"
    try:
        with client.cursor() as cursor:
            cursor.execute(SELECT[1:].decode())
            return str(cursor.fetchall())
    except CONFUSED as error:
        return f"{type(error).__name__}: {error}"
    finally:
        leave(client)


@contextmanager
def unharmed(address: Address) -> Iterator[None]:
    """Have another session, which goes on after all."""
    client = pymysql.connect(host=address.host, port=address.port, user="u", ssl_disabled=True, autocommit=None)
    with closing(client) as other:
        yield
        other.ping(reconnect=False)


@pytest.mark.parametrize("stage", Stage, ids=named)
def test_a_server_that_answers_with_garbage(stage: Stage) -> None:
    with closing(GarbageServer()) as server:
        config = ProxyConfig(listen=ANYWHERE, backend=server.address, admin=ANYWHERE)
        with proxied(config, NOBODY) as proxy, unharmed(proxy.running.address):
            counters = proxy.running.counters
            server.stage = stage
            for server.garbage in GARBAGE[stage]:
                direct, through = outcome(server.address), outcome(proxy.running.address)
                if stage is Stage.REPLY:
                    assert direct == through, server.garbage
                else:  # the proxy reads what comes before the login is over
                    assert all("Error" in told or "error" in told for told in (direct, through)), server.garbage
            until = time.monotonic() + 5
            while counters.sessions > 1:
                assert time.monotonic() < until
            assert "failed" not in counters.sessions_total
            assert sum(counters.sessions_total.values()) == len(GARBAGE[stage])


def test_a_greeting_that_is_none_is_told() -> None:
    with closing(GarbageServer()) as server:
        server.stage, server.garbage = Stage.GREETING, ANYTHING[0] * 20
        with proxied(ProxyConfig(listen=ANYWHERE, backend=server.address, admin=ANYWHERE), NOBODY) as proxy:
            assert "2003, \"Can't connect to the MySQL server behind the proxy: " in outcome(proxy.running.address)
