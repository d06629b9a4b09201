"""A backend without a database, for what needs none: it greets, takes any login, and answers every command with OK."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from proxy.config import Address
from proxy.wire import capabilities as cap

LOCALHOST = "127.0.0.1"
OFFERED = cap.LONG_PASSWORD | cap.PROTOCOL_41 | cap.SECURE_CONNECTION | cap.PLUGIN_AUTH | cap.CONNECT_WITH_DB
OK = b"\x00\x00\x00\x02\x00\x00\x00"
QUIT = b"\x01"


def packet(payload: bytes, sequence: int) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


def greeting() -> bytes:
    nonce = secrets.token_hex(10).encode()
    low, high = (OFFERED & 0xFFFF).to_bytes(2, "little"), (OFFERED >> 16).to_bytes(2, "little")
    middle = low + b"\xff\x02\x00" + high + b"\x15" + bytes(10)
    return b"\x0a8.4.0\0" + b"\x07\0\0\0" + nonce[:8] + b"\0" + middle + nonce[8:] + b"\0mysql_native_password\0"


class Backend:
    """Where it listens, and a gate: while it is closed, commands get no answer."""

    def __init__(self) -> None:
        self.address = Address(LOCALHOST, 0)
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        with suppress(OSError, EOFError):
            writer.write(packet(greeting(), 0))
            await self._read(reader)
            writer.write(packet(OK, 2))
            while await self._read(reader) != QUIT:
                self.asked.set()
                await self.gate.wait()
                writer.write(packet(OK, 1))
        writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        header = await reader.readexactly(4)
        return await reader.readexactly(int.from_bytes(header[:3], "little"))


@asynccontextmanager
async def backend() -> AsyncIterator[Backend]:
    double = Backend()
    server = await asyncio.start_server(double.converse, LOCALHOST, 0)
    double.address = Address(LOCALHOST, server.sockets[0].getsockname()[1])
    try:
        yield double
    finally:
        server.close()
        for writer in double.writers:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()
