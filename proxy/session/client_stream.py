"""The client's bytes on their way to the backend.

Packets are passed on as they come, in the largest stretches that are whole or need not be. What must be seen whole is
gathered, what has to wait is kept, and of what is passed on unseen only the number of bytes still to come is known.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from proxy.wire.framing import HEADER


class Pass(Enum):
    """What becomes of a packet that was read, where nothing goes in its place."""

    ON = auto()  # it is passed on
    LATER = auto()  # it is kept, with all behind it, and read again after `ClientStream.release`
    ALL = auto()  # it is passed on, and so is all behind it, unseen


class Reader(Protocol):
    """Who reads the packets."""

    def needed(self, data: bytes, position: int) -> int:
        """Return how many bytes from a packet's start must have come before it can be read.

        The bytes behind them are passed on as they come.
        """

    def read(self, data: bytes, position: int, end: int) -> bytes | Pass:
        """Read a packet; return what becomes of it, or the bytes that go to the backend in its place.

        Args:
            data: bytes that hold as much of it as is needed.
            position: where it begins in them.
            end: where it ends, which may lie behind them.
        """


class ClientStream:
    """Cuts the client's bytes into packets.

    Args:
        send: sends bytes to the backend.

    Attributes:
        reader: reads the packets; set before the first byte comes.
    """

    __slots__ = ("_held", "_need", "_parts", "_relaying", "_send", "_size", "_unseen", "reader")

    reader: Reader

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._parts: list[bytes] = []  # what waits
        self._size = 0
        self._need = 0  # how much of it there must be before it is read
        self._held = False
        self._unseen = 0  # bytes of a packet that are passed on when they come
        self._relaying = False

    @property
    def empty(self) -> bool:
        """Whether nothing waits and no packet is under way."""
        return not self._parts and not self._unseen

    @property
    def held(self) -> bool:
        """Whether packets wait for `release`."""
        return self._held

    @property
    def waiting(self) -> bool:
        """Whether some do that have come."""
        return self._held and bool(self._parts)

    def data(self, data: bytes) -> None:
        """Take bytes that the client sent.

        Raises:
            ProtocolError: they are not of the protocol.
        """
        if self._relaying:
            self._send(data)
            return
        if self._parts or self._held:
            self._parts.append(data)
            self._size += len(data)
            if self._held or self._size < self._need:
                return
            data = self._take()
        self._run(data)

    def relay(self) -> None:
        """Pass on everything unseen from here on, beginning with what was kept."""
        self._relaying = True
        self._held = False
        if self._parts:
            self._send(self._take())

    def hold(self) -> None:
        """Keep what comes from now on."""
        self._held = True

    def release(self) -> None:
        """Read on, beginning with what was kept."""
        self._held = False
        if self._parts:
            self._run(self._take())

    def _take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts = []
        self._size = 0
        return data

    def _keep(self, data: bytes, position: int, need: int) -> None:
        self._parts = [data[position:]] if position < len(data) else []
        self._size = len(data) - position
        self._need = need

    def _run(self, data: bytes) -> None:
        size = len(data)
        start = 0  # the first byte that has not been passed on
        position = min(size, self._unseen)
        self._unseen -= position
        while position < size:
            need = 0 if self._held else self.reader.needed(data, position)
            if self._held or position + need > size:
                self._keep(data, position, need)
                break
            end = position + HEADER + int.from_bytes(data[position : position + 3], "little")
            instead = self.reader.read(data, position, end)
            if instead is Pass.LATER:
                self._held = True
                continue
            if instead is Pass.ALL:
                self._relaying = True
                position = size
            elif instead is Pass.ON:
                position = end
            else:
                self._send_stretch(data, start, position)
                if instead:
                    self._send(instead)
                start = position = end
        self._unseen += max(0, position - size)
        self._send_stretch(data, start, min(position, size))

    def _send_stretch(self, data: bytes, start: int, end: int) -> None:
        if start < end:
            self._send(data if end - start == len(data) else data[start:end])
