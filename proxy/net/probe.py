"""Ask the backend whether it takes connections."""

import asyncio
import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from proxy.config import Endpoint
from proxy.net.dial import UnreachableError, dial
from proxy.net.side import describe
from proxy.wire import capabilities as cap
from proxy.wire.answers import ERR, OK, parse_err
from proxy.wire.errors import ProtocolError
from proxy.wire.framing import HEADER, frame
from proxy.wire.greeting import parse_greeting

_AUTH_SWITCH: Final = 0xFE
_QUIT: Final = frame(b"\x01", 0)
_FLAGS: Final = cap.LONG_PASSWORD | cap.PROTOCOL_41 | cap.SECURE_CONNECTION | cap.PLUGIN_AUTH
_LOGIN: Final = frame(
    _FLAGS.to_bytes(4, "little")
    + (1 << 24).to_bytes(4, "little")  # largest packet
    + b"\x2d"  # utf8mb4
    + bytes(23)
    + b"keyclash_probe\0"
    + b"\0"  # no password
    + b"caching_sha2_password\0",
    1,
)


async def probe_any(backends: Sequence[Endpoint], header: bytes = b"") -> str | None:
    """Probe all backends at once; tell why none of them serves, or None as soon as one does."""
    probes = [asyncio.ensure_future(probe(backend, header)) for backend in backends]
    try:
        reasons = []
        for answer in asyncio.as_completed(probes):
            if (reason := await answer) is None:
                return None
            reasons.append(reason)
        return " ".join(sorted(reasons))
    finally:
        for task in probes:
            task.cancel()
        await asyncio.gather(*probes, return_exceptions=True)


async def probe(backend: Endpoint, header: bytes = b"") -> str | None:
    """Connect and read the greeting; tell why the backend does not serve, or None. The caller limits the time.

    header: the PROXY header that the backend wants first.

    A client that leaves after the greeting is a failed handshake, and 100 of them in a row get a host blocked (1129;
    MySQL manual, "max_connect_errors"). A refused login is none: measured on MariaDB 10.11, where
    Aborted_connects_preauth does not grow. Hence the probe logs in, as a user that nobody has.
    """
    try:
        sock = await dial(backend, math.inf)
    except UnreachableError as error:
        return f"The backend {backend} cannot be reached: {error.reason}."
    reader, writer = await asyncio.open_connection(sock=sock)
    try:
        writer.write(header)
        _sequence, greeting = await _read_packet(reader)
        if greeting[:1] == bytes((ERR,)):
            refusal = parse_err(greeting)
            return f"The backend refuses connections: {refusal.number} {refusal.message.decode('utf-8', 'replace')}."
        parse_greeting(greeting)
        await _be_refused(reader, writer)
    except (OSError, EOFError, ProtocolError) as error:
        return f"The backend {backend} does not greet: {describe(error)}."
    finally:
        # Nothing is left to be sent: a polite end would only take time.
        writer.transport.abort()
    return None


async def _be_refused(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, EOFError):
        writer.write(_LOGIN)
        sequence, answer = await _read_packet(reader)
        if answer[:1] == bytes((_AUTH_SWITCH,)):
            writer.write(frame(b"", sequence + 1))
            sequence, answer = await _read_packet(reader)
        if answer[:1] == bytes((OK,)):  # an anonymous account
            writer.write(_QUIT)
            await reader.read()


async def _read_packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    header = await reader.readexactly(HEADER)
    return header[3], await reader.readexactly(int.from_bytes(header[:3], "little"))
