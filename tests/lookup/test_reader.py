"""The connection of the lookup: made, kept, lost, refused, slow."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretBytes

from proxy.config import Address, BackendTls, BackendTlsMode, ProxyProtocolVersion, UnixAddress
from proxy.lookup.cache import TableCache
from proxy.lookup.definition import LookupFailedError
from proxy.lookup.reader import FIRST_PAUSE, LONGEST_PAUSE, Reader
from proxy.lookup.source import Source
from proxy.net.tls import backend_context
from proxy.rules.table import Absence, Missing, Table
from tests.clock import Clock
from tests.lookup.readers import TIMEOUT, execute, reading, source
from tests.servers.accounts import Account, AccountMaker
from tests.servers.launch import Server

MODES = BackendTlsMode


@pytest.fixture
def account(server: Server, database: str, make_account: AccountMaker) -> Account:
    execute(server, f"CREATE TABLE {database}.t (a INT, UNIQUE KEY k (a))")
    return make_account(grants=f"REFERENCES, TRIGGER ON {database}.*")


def logins(server: Server, account: Account) -> list[int]:
    """Give the ids of the account's connections."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = %s", (account.user,))
        return [number for (number,) in cursor.fetchall()]


async def reads(reader: Reader, database: str) -> None:
    found = await reader.read(database, "t")
    assert isinstance(found, Table)
    assert found.key_columns("k") == ("a",)


async def test_one_connection_is_kept(server: Server, database: str, account: Account) -> None:
    async with reading(source(server, account)) as reader:
        await reads(reader, database)
        first = logins(server, account)
        await reads(reader, database)
        assert logins(server, account) == first
        assert len(first) == 1


async def test_a_connection_that_was_killed_is_made_again(server: Server, database: str, account: Account) -> None:
    async with reading(source(server, account)) as reader:
        await reads(reader, database)
        [number] = logins(server, account)
        execute(server, f"KILL {number}")
        await reads(reader, database)


@pytest.mark.own_server
async def test_a_server_that_was_restarted(server: Server, database: str, account: Account) -> None:
    clock = Clock()
    reader = Reader(source(server, account), clock)
    await reads(reader, database)
    server.restart()
    await reads(reader, database)
    server.stop()
    try:
        for _ in range(2):
            with pytest.raises(LookupFailedError, match="Connection refused"):
                await reader.read(database, "t")
    finally:
        server.restart()
    clock.now += FIRST_PAUSE
    await reads(reader, database)
    await reader.close()


async def test_ddl_and_forget(server: Server, database: str, account: Account) -> None:
    cache = TableCache(Reader(source(server, account)), 300, TIMEOUT)
    try:
        found = await cache.fetch(database, "t")
        assert found is not None
        assert found.key_columns("k") == ("a",)
        execute(server, f"ALTER TABLE {database}.t ADD b INT, DROP KEY k, ADD UNIQUE KEY k (a, b)")
        assert cache.peek(database, "t") == found
        cache.forget(database, "t")
        assert cache.peek(database, "t") is None
        found = await cache.fetch(database, "t")
        assert found is not None
        assert found.key_columns("k") == ("a", "b")
        execute(server, f"DROP TABLE {database}.t")
        cache.forget(database, "t")
        assert await cache.fetch(database, "t") is None
        assert cache.peek(database, "t") == Missing(Absence.NO_TABLE)
    finally:
        await cache.close()


async def test_the_first_backend_that_can_be_reached(server: Server, database: str, account: Account) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        gone = Address(*taken.getsockname())
    nowhere = UnixAddress(Path("/nowhere"))
    both = (gone, nowhere, Address(server.host, server.port))
    async with reading(source(server, account, backends=both)) as reader:
        await reads(reader, database)
    async with reading(source(server, account, backends=both[:2])) as reader:
        with pytest.raises(LookupFailedError, match="Connection refused"):
            await reader.read(database, "t")


@pytest.mark.own_server
@pytest.mark.parametrize("mode", [MODES.DISABLED, MODES.PREFERRED])
async def test_a_unix_socket(server: Server, database: str, account: Account, mode: BackendTlsMode) -> None:
    assert server.socket is not None
    backends = (UnixAddress(server.socket),)
    async with reading(source(server, account, backends=backends, tls_mode=mode)) as reader:
        await reads(reader, database)


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
@pytest.mark.parametrize("version", ProxyProtocolVersion)
async def test_the_proxy_protocol(
    server: Server, database: str, account: Account, version: ProxyProtocolVersion
) -> None:
    execute(server, "SET GLOBAL proxy_protocol_networks = '*'")
    try:
        async with reading(source(server, account, proxy_protocol=version)) as reader:
            await reads(reader, database)
    finally:
        execute(server, "SET GLOBAL proxy_protocol_networks = ''")


# --------------------------------------------------------------------------------------------------------------------
# Refused


async def test_a_wrong_password(
    server: Server, database: str, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = source(server, account, password=SecretBytes(b"not the password"))
    async with reading(wrong) as reader:
        with pytest.raises(LookupFailedError, match="1045: Access denied") as caught:
            await reader.read(database, "t")
    assert "not the password" not in f"{caught.value!r} {caught.value.__cause__!r} {wrong!r} {caplog.text}"


async def test_the_pause_between_attempts_grows_and_ends() -> None:
    clock = Clock()
    attempts: list[float] = []

    def refuse(connection: socket.socket) -> None:
        attempts.append(clock.now)
        connection.close()

    with listening(refuse) as address:
        reader = Reader(Source((address,), "u", SecretBytes(b"p"), TIMEOUT), clock)
        for _ in range(400):
            with pytest.raises(LookupFailedError):
                await reader.read("s", "t")
            clock.now += FIRST_PAUSE / 2
        await reader.close()
    pauses = [later - earlier for earlier, later in pairwise(attempts)]
    assert pauses[:5] == [FIRST_PAUSE * 2**power for power in range(5)]
    assert set(pauses[5:]) == {LONGEST_PAUSE}


# --------------------------------------------------------------------------------------------------------------------
# Slow


@contextmanager
def listening(serve: Any) -> Iterator[Address]:
    """Listen, and hand each connection to `serve` in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield Address(*listener.getsockname())
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


async def test_a_server_that_says_nothing_is_given_up() -> None:
    held: list[socket.socket] = []
    with listening(held.append) as address:
        cache = TableCache(Reader(Source((address,), "u", SecretBytes(b"p"), 60)), 300, 0.1)
        assert await cache.fetch("s", "t") is None
        assert cache.peek("s", "t") == Missing(Absence.FAILED)
        await cache.close()
    for connection in held:
        connection.close()


async def test_the_wait_for_one_answer_is_bounded() -> None:
    held: list[socket.socket] = []
    with listening(held.append) as address:
        async with reading(Source((address,), "u", SecretBytes(b"p"), 0.1)) as reader:
            with pytest.raises(LookupFailedError, match="timed out"):
                await reader.read("s", "t")
    for connection in held:
        connection.close()


class Relay:
    """Stands between a reader and a server; while the gate is closed, the server's answers do not pass."""

    def __init__(self) -> None:
        self.address = Address("", 0)
        self.gate = asyncio.Event()
        self.gate.set()
        self.held = asyncio.Event()
        self.connections = 0


@asynccontextmanager
async def relaying(server: Server) -> AsyncIterator[Relay]:
    relay = Relay()
    writers: list[asyncio.StreamWriter] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gated: bool) -> None:
        while data := await reader.read(65536):
            if gated and not relay.gate.is_set():
                relay.held.set()
                await relay.gate.wait()
            writer.write(data)
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay.connections += 1
        server_reader, server_writer = await asyncio.open_connection(server.host, server.port)
        writers.extend((writer, server_writer))
        await asyncio.gather(pump(reader, server_writer, False), pump(server_reader, writer, True))

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    relay.address = Address(*listener.sockets[0].getsockname())
    try:
        yield relay
    finally:
        relay.gate.set()
        listener.close()
        await listener.wait_closed()
        for writer in writers:
            writer.close()
            await writer.wait_closed()


@pytest.mark.parametrize("mode", [MODES.DISABLED, MODES.REQUIRED])
async def test_an_answer_that_does_not_come(
    server: Server, database: str, account: Account, mode: BackendTlsMode
) -> None:
    """Fail in time, end the connection, with TLS and without, and find the table once the server answers again."""
    async with relaying(server) as relay:
        tls = backend_context(BackendTls(mode=mode))
        changes = {"backends": (relay.address,), "tls_mode": mode, "tls": tls.context if tls else None, "timeout": 60}
        reader = Reader(source(server, account, **changes))
        await reads(reader, database)
        relay.gate.clear()
        reading = asyncio.create_task(reader.read(database, "t"))
        await relay.held.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        relay.gate.set()
        await reads(reader, database)
        assert relay.connections == 2
        await reader.close()


async def test_close_does_not_wait_for_the_server(server: Server, database: str, account: Account) -> None:
    async with relaying(server) as relay:
        cache = TableCache(Reader(source(server, account, backends=(relay.address,), timeout=60)), 300, 60)
        assert await cache.fetch(database, "t") is not None
        relay.gate.clear()
        assert cache.peek(database, "u") is None
        await relay.held.wait()
        await cache.close()


async def test_a_table_that_is_locked(server: Server, database: str, account: Account) -> None:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLES {database}.t WRITE")
        async with reading(source(server, account, timeout=1)) as reader:
            await reads(reader, database)


# --------------------------------------------------------------------------------------------------------------------
# TLS


def encrypted(server: Server, account: Account, tls: BackendTls) -> Source:
    context = backend_context(tls)
    return source(
        server,
        account,
        tls_mode=tls.mode,
        tls=context.context if context else None,
        server_name=context.server_name if context else None,
        client_certificate=tls.cert is not None,
    )


@pytest.mark.parametrize("mode", [MODES.DISABLED, MODES.PREFERRED, MODES.REQUIRED, MODES.VERIFY_CA, MODES.AS_CLIENT])
async def test_tls(server: Server, database: str, account: Account, mode: BackendTlsMode) -> None:
    ca = server.ca if mode is MODES.VERIFY_CA else None
    if mode is not MODES.DISABLED:
        execute(server, f"ALTER USER {account.user}@'%' REQUIRE SSL")
    async with reading(encrypted(server, account, BackendTls(mode=mode, ca=ca))) as reader:
        await reads(reader, database)


async def test_a_certificate_that_is_not_trusted(
    server: Server, database: str, account: Account, mariadb: Server, mysql: Server
) -> None:
    other = mysql if server.mariadb else mariadb
    async with reading(encrypted(server, account, BackendTls(mode=MODES.VERIFY_CA, ca=other.ca))) as reader:
        with pytest.raises(LookupFailedError, match="certificate verify failed"):
            await reader.read(database, "t")


async def test_a_certificate_of_another_name(server: Server, database: str, account: Account) -> None:
    tls = BackendTls(mode=MODES.VERIFY_IDENTITY, ca=server.ca, server_name="another.example")
    async with reading(encrypted(server, account, tls)) as reader:
        with pytest.raises(LookupFailedError, match="certificate verify failed"):
            await reader.read(database, "t")


GREETING = (
    b"\x0a8.4.0\0\x07\0\0\0abcdefgh\0"
    + (0xF7FF).to_bytes(2, "little")
    + b"\xff\x02\0"
    + (0x00FF).to_bytes(2, "little")
    + b"\x15"
    + bytes(10)
    + b"ijklmnopqrst\0mysql_native_password\0"
)
CLEAR_PASSWORD = b"\xfemysql_clear_password\0\0"


def packet(payload: bytes, sequence: int) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


async def test_tls_that_is_required_and_not_offered() -> None:
    heard: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.sendall(packet(GREETING, 0))
            heard.append(connection.recv(4096))

    with listening(serve) as address:
        tls = backend_context(BackendTls(mode=MODES.REQUIRED))
        assert tls is not None
        required = Source((address,), "u", SecretBytes(b"p"), TIMEOUT, MODES.REQUIRED, tls.context)
        async with reading(required) as reader:
            with pytest.raises(LookupFailedError, match="SSL is required"):
                await reader.read("s", "t")
    assert heard == [b""]


@pytest.mark.parametrize("mode", [MODES.DISABLED, MODES.PREFERRED])
async def test_the_password_is_not_sent_in_clear_text_to_whoever_asks(mode: BackendTlsMode) -> None:
    heard: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.sendall(packet(GREETING, 0))
            heard.append(connection.recv(4096))
            connection.sendall(packet(CLEAR_PASSWORD, 2))
            heard.append(connection.recv(4096))

    with listening(serve) as address:
        async with reading(Source((address,), "u", SecretBytes(b"secret"), TIMEOUT, mode)) as reader:
            with pytest.raises(LookupFailedError, match="in clear text"):
                await reader.read("s", "t")
    assert heard[1] == b""
    assert b"secret" not in heard[0]


async def test_an_answer_that_makes_no_sense() -> None:
    def serve(connection: socket.socket) -> None:
        with connection:
            connection.sendall(packet(b"\x0a", 0))

    with listening(serve) as address:
        async with reading(Source((address,), "u", SecretBytes(b"p"), TIMEOUT)) as reader:
            with pytest.raises(LookupFailedError):
                await reader.read("s", "t")
