"""Ask the backend whether it takes connections, as a client would: by its greeting."""

import asyncio

from proxy.config import Address
from proxy.net.side import describe
from proxy.wire.answers import ERR, parse_err
from proxy.wire.errors import ProtocolError
from proxy.wire.framing import HEADER
from proxy.wire.greeting import parse_greeting


async def probe(backend: Address) -> str | None:
    """Connect and read the greeting; tell why the backend does not serve, or None. The caller limits the time."""
    try:
        reader, writer = await asyncio.open_connection(backend.host, backend.port)
    except OSError as error:
        return f"The backend {backend} cannot be reached: {describe(error)}."
    try:
        return _judge(await _read_packet(reader))
    except (OSError, EOFError, ProtocolError) as error:
        return f"The backend {backend} does not greet: {describe(error)}."
    finally:
        # Nothing waits to be sent: no time is lost on a polite end.
        writer.transport.abort()


async def _read_packet(reader: asyncio.StreamReader) -> bytes:
    header = await reader.readexactly(HEADER)
    return await reader.readexactly(int.from_bytes(header[:3], "little"))


def _judge(payload: bytes) -> str | None:
    if payload[:1] == bytes((ERR,)):
        error = parse_err(payload)
        return f"The backend refuses connections: {error.number} {error.message.decode('utf-8', 'replace')}."
    parse_greeting(payload)
    return None
