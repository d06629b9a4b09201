import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from proxy.config import Address, UnixAddress
from proxy.net.probe import probe, probe_any
from tests.net.doubles import LOCALHOST, packet

GREETING = b"\x0a8.4.0\0" + bytes(4) + b"8 bytes." + b"\0\xff\xf7\xff\x02\0\xff\xdf\x15" + bytes(10) + b"12 bytes....\0"
PLUGIN = b"caching_sha2_password\0"


class Answering(asyncio.Protocol):
    """A server that sends its first answer at once and each other after it was sent something.

    patient: whether it then waits for more, or hangs up.
    """

    def __init__(self, answers: tuple[bytes, ...], patient: bool) -> None:
        self.answers = list(answers)
        self.patient = patient
        self.heard: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._answer()

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)
        self._answer()

    def _answer(self) -> None:
        if self.answers:
            self.transport.write(self.answers.pop(0))
        if not (self.answers or self.patient):
            self.transport.close()


@asynccontextmanager
async def answering(*answers: bytes, patient: bool = True) -> AsyncIterator[tuple[Address, list[bytes]]]:
    """A server for one connection, and what it is sent."""
    double = Answering(answers, patient)
    server = await asyncio.get_running_loop().create_server(lambda: double, LOCALHOST, 0)
    try:
        yield Address(LOCALHOST, server.sockets[0].getsockname()[1]), double.heard
    finally:
        server.close()
        double.transport.abort()


async def test_a_server_that_greets_serves() -> None:
    refused = packet(b"\xff\x15\x04#28000Access denied", 2)
    async with answering(packet(GREETING + PLUGIN), refused) as (address, heard):
        assert await probe(address) is None
    assert b"keyclash_probe\0" in heard[0]


async def test_an_auth_switch_is_answered() -> None:
    switch, refused = packet(b"\xfemysql_native_password\0", 2), packet(b"\xff\x15\x04#28000Access denied", 4)
    async with answering(packet(GREETING + PLUGIN), switch, refused) as (address, heard):
        assert await probe(address) is None
    assert heard[1] == b"\0\0\0\3"


async def test_an_anonymous_account_is_left_politely() -> None:
    ok = packet(b"\0\0\0\2\0\0\0", 2)
    async with answering(packet(GREETING + PLUGIN), ok, b"", patient=False) as (address, heard):
        assert await probe(address) is None
    assert heard[1] == packet(b"\x01")


async def test_a_refusal_is_told() -> None:
    async with answering(packet(b"\xff\x10\x04Too many connections")) as (address, _heard):
        assert await probe(address) == "The backend refuses connections: 1040 Too many connections."


@pytest.mark.parametrize("noise", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", packet(b"\x09old"), packet(b"\xff")])
async def test_something_else_is_no_server(noise: bytes) -> None:
    async with answering(noise, patient=False) as (address, heard):
        assert str(await probe(address)).startswith(f"The backend {address} does not greet: ")
        assert heard == []


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
async def test_a_real_server_counts_no_failed_handshake(server: Any) -> None:
    def failed() -> Any:
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW GLOBAL STATUS LIKE 'Aborted_connects_preauth'")
            return cursor.fetchone()

    before = await asyncio.to_thread(failed)
    assert await probe(Address(server.host, server.port)) is None
    assert await asyncio.to_thread(failed) == before


async def test_one_of_several_is_enough() -> None:
    refused = packet(b"\xff\x15\x04#28000Access denied", 2)
    gone, missing = Address(LOCALHOST, 1), UnixAddress(Path("/missing"))
    async with answering(packet(GREETING + PLUGIN), refused) as (address, heard):
        assert await probe_any([gone, address, missing], b"PROXY UNKNOWN\r\n") is None
    assert heard[0].startswith(b"PROXY UNKNOWN\r\n")
    assert await probe_any([gone, missing]) == (
        "The backend 127.0.0.1:1 cannot be reached: Connection refused. "
        "The backend unix:/missing cannot be reached: No such file or directory."
    )


async def test_one_that_is_silent_is_not_waited_for() -> None:
    refused = packet(b"\xff\x15\x04#28000Access denied", 2)
    with socket.create_server((LOCALHOST, 0)) as silent:
        async with answering(packet(GREETING + PLUGIN), refused) as (address, _heard):
            assert await probe_any([Address(*silent.getsockname()), address]) is None
