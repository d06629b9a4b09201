"""Sequence ids of a stream of packets.

Each side counts on from the id that it got last. Inside the compressed protocol a server counts compressed packets into
the ids of the plain ones, where nobody checks them; a side that is not compressed does check, and needs them anew.
"""

from collections.abc import Iterator
from typing import Final

from proxy.wire.framing import HEADER, MAX_PAYLOAD

LAST: Final = 0xFF
"""The id after which they start from 0 again."""


class Headers:
    """Finds the headers in a stream of packets that comes in chunks.

    Attributes:
        continued: whether the newest header is that of a packet which continues the payload before it. MariaDB's
            clients number all packets of a long command 0 inside the compressed protocol.
    """

    __slots__ = ("_header", "_left", "_size", "continued")

    def __init__(self) -> None:
        self.continued = False
        self._header = b""  # the part of a header that has passed
        self._left = 0  # bytes of a payload that are still to pass
        self._size = 0  # bytes of that payload in all

    @property
    def unfinished(self) -> int:
        """How many bytes of a packet have passed that is not whole yet; 0 between packets."""
        return HEADER + self._size - self._left if self._left else len(self._header)

    def walk(self, data: bytes) -> Iterator[int]:
        """Yield the offset of each packet's sequence id, the last byte of its header."""
        position = 0
        while position < len(data):
            if self._left:
                step = min(self._left, len(data) - position)
                self._left -= step
                position += step
                continue
            part = data[position : position + HEADER - len(self._header)]
            position += len(part)
            self._header += part
            if len(self._header) == HEADER:
                self.continued = self._size == MAX_PAYLOAD
                self._left = self._size = int.from_bytes(self._header[:3], "little")
                self._header = b""
                yield position - 1


class Sequencer:
    """Gives the packets for one side the sequence ids that it expects.

    Args:
        commands: whether the packets for it are commands, of which each starts from 0, and not replies.
    """

    __slots__ = ("_commands", "_got", "_in", "_next", "_out")

    def __init__(self, *, commands: bool) -> None:
        self._commands = commands
        self._in = Headers()
        self._out = Headers()
        self._next = 0
        self._got = False

    def received(self, data: bytes) -> None:
        """Take note of what the side has sent."""
        for at in self._in.walk(data):
            self._next = data[at] + 1
            self._got = True

    def renumbered(self, data: bytes) -> bytes:
        """Return what is sent to the side with the ids that it expects."""
        patched: bytearray | None = None
        for at in self._out.walk(data):
            begins = data[at] == 0 and not self._out.continued and (self._got or self._next <= LAST)
            if self._commands and begins:
                self._next = 0
            self._got = False
            wanted = self._next & LAST
            self._next += 1
            if data[at] != wanted:
                patched = patched or bytearray(data)
                patched[at] = wanted
        return data if patched is None else bytes(patched)


class Shift:
    """Raises the ids of a stream of packets, so that they go on from where those of another one have ended.

    Attributes:
        by: by how much, which may be negative; it may change between two packets.
    """

    __slots__ = ("_headers", "by")

    def __init__(self, by: int = 0) -> None:
        self._headers = Headers()
        self.by = by

    def raised(self, data: bytes) -> bytes:
        """Return bytes of the stream with their ids raised."""
        if not self.by:
            for _ in self._headers.walk(data):
                pass
            return data
        patched = bytearray(data)
        for at in self._headers.walk(data):
            patched[at] = (data[at] + self.by) & LAST
        return bytes(patched)
