"""The server's greeting (Protocol::HandshakeV10).

Layout: version 0x0A, server version NUL, thread id (4), nonce part 1 (8), 0x00, capabilities low (2), charset (1),
status (2), capabilities high (2), nonce length (1), reserved (10; MariaDB keeps its own capabilities in the last 4),
nonce part 2 (max(13, length - 8)), plugin name NUL.
"""

import struct
from typing import NamedTuple

from proxy.wire import capabilities as cap
from proxy.wire.errors import ProtocolError
from proxy.wire.lenenc import read_nul

_FIXED = struct.Struct("<I8sxHBHHB6xI")  # from the thread id to the end of the reserved part


class Greeting(NamedTuple):
    """A parsed greeting; ``payload`` keeps the server's own bytes."""

    payload: bytes
    version: str
    thread_id: int
    nonce: bytes  # 20 bytes, without the NUL that ends it
    capabilities: int
    mariadb_capabilities: int
    status: int
    plugin: str
    low_offset: int  # where the lower two capability bytes lie in the payload

    def offering(self, capabilities: int, mariadb_capabilities: int) -> bytes:
        """Return the greeting's payload with other capability flags and every other byte as the server sent it."""
        low, high = self.low_offset, self.low_offset + 5
        patched = bytearray(self.payload)
        patched[low : low + 2] = (capabilities & 0xFFFF).to_bytes(2, "little")
        patched[high : high + 2] = (capabilities >> 16).to_bytes(2, "little")
        if not self.capabilities & cap.LONG_PASSWORD:
            patched[high + 9 : high + 13] = mariadb_capabilities.to_bytes(4, "little")
        return bytes(patched)


def parse_greeting(payload: bytes) -> Greeting:
    """Parse a greeting.

    Raises:
        ProtocolError: it is cut, of another protocol version, or without the capabilities' upper half.
    """
    if not payload or payload[0] != 10:
        raise ProtocolError("the backend's greeting is not of protocol version 10")
    version, at = read_nul(payload, 1)
    second = at + _FIXED.size
    if len(payload) < second:
        raise ProtocolError("the backend's greeting is cut")
    thread_id, nonce, low, _charset, status, high, nonce_length, mariadb_flags = _FIXED.unpack_from(payload, at)
    flags = low | high << 16
    second_end = second + max(13, nonce_length - 8)
    plugin = payload[second_end:].partition(b"\0")[0] if flags & cap.PLUGIN_AUTH else b""
    return Greeting(
        payload=payload,
        version=version.decode("latin-1"),
        thread_id=thread_id,
        nonce=(nonce + payload[second:second_end])[:20],
        capabilities=flags,
        mariadb_capabilities=0 if flags & cap.LONG_PASSWORD else mariadb_flags,
        status=status,
        plugin=plugin.decode("latin-1"),
        low_offset=at + 13,
    )
