"""The server's greeting (Protocol::HandshakeV10).

Layout: version 0x0A, server version NUL, thread id (4), nonce part 1 (8), 0x00, capabilities low (2), charset (1),
status (2), capabilities high (2), nonce length (1), reserved (10; MariaDB keeps its own capabilities in the last 4),
nonce part 2 (max(13, length - 8)), plugin name NUL.
"""

from dataclasses import dataclass

from proxy.wire import capabilities as cap
from proxy.wire.errors import ProtocolError
from proxy.wire.lenenc import read_nul

_FIXED = 31  # bytes from the thread id to the end of the reserved part


@dataclass(frozen=True, slots=True)
class Greeting:
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
    if len(payload) < at + _FIXED:
        raise ProtocolError("the backend's greeting is cut")
    low = at + 13
    high = low + 5
    flags = int.from_bytes(payload[low : low + 2], "little") | int.from_bytes(payload[high : high + 2], "little") << 16
    has_mariadb = not flags & cap.LONG_PASSWORD
    second = high + 13
    second_end = second + max(13, payload[high + 2] - 8)
    plugin = payload[second_end:].split(b"\0", 1)[0] if flags & cap.PLUGIN_AUTH else b""
    return Greeting(
        payload=payload,
        version=version.decode("latin-1"),
        thread_id=int.from_bytes(payload[at : at + 4], "little"),
        nonce=(payload[at + 4 : at + 12] + payload[second:second_end])[:20],
        capabilities=flags,
        mariadb_capabilities=int.from_bytes(payload[high + 9 : high + 13], "little") if has_mariadb else 0,
        status=int.from_bytes(payload[low + 3 : low + 5], "little"),
        plugin=plugin.decode("latin-1"),
        low_offset=low,
    )
