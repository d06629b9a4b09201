"""The backend's bytes on their way to the client.

Replies are followed to their end. Dull packets are passed on as they come; one that matters is read whole, and may be
replaced. A reply to a command of the proxy's own is swallowed.
"""

from collections.abc import Callable
from typing import Protocol

from proxy.session.reply_gate import ReplyGate
from proxy.wire.errors import ProtocolError
from proxy.wire.framing import HEADER
from proxy.wire.replies import ReplyTracker


class Reader(Protocol):
    """Who reads the packets that matter."""

    def read(self, payload: bytes, sequence: int) -> bytes | None:
        """Read one; return None to pass it on, or the bytes that the client gets in its place."""

    def ended(self) -> bool:
        """Take note that a reply may have ended with a packet that does not matter; tell whether one was due."""


class ReplyStream:
    """Cuts the backend's bytes into packets.

    Args:
        tracker: knows where in a reply they are.
        reader: reads them.
        gate: sends them to the client; what the reader returns has the sequence ids that the client is to see.
        lost: called with the reason when the bytes cannot be followed any more; tells whether they may be passed on.
    """

    __slots__ = ("_gate", "_lost", "_reader", "_rest", "_tracker")

    def __init__(self, tracker: ReplyTracker, reader: Reader, gate: ReplyGate, lost: Callable[[str], bool]) -> None:
        self._tracker = tracker
        self._reader = reader
        self._gate = gate
        self._lost = lost
        self._rest = b""  # the start of a packet that must be read whole

    @property
    def empty(self) -> bool:
        """Whether no packet waits to become whole."""
        return not self._rest

    def data(self, data: bytes) -> None:
        """Take bytes that the backend sent.

        Raises:
            ProtocolError: they are not of the protocol, and may not be passed on.
        """
        if self._rest:
            data = self._rest + data
            self._rest = b""
        start = position = 0  # start: the first byte that has not been passed on
        try:
            while True:
                before = position
                position = self._tracker.pass_over(data, position)
                if self._gate.swallowing:
                    self._send_stretch(data, start, before)
                    start = position
                if self._tracker.ended and self._reader.ended():
                    continue
                end = self._tracker.measure(data, position) if position < len(data) else 0
                if not end:
                    break
                start = self._keep_back(data, start, position)
                instead = self._reader.read(data[position + HEADER : end], data[position + 3])
                if instead is not None:
                    self._send_stretch(data, start, position)
                    if instead:
                        self._gate.send(instead)
                    start = end
                position = end
        except ProtocolError as error:
            if not self._lost(str(error)):
                raise
            self._send_stretch(data, start, len(data))
            return
        self._rest = data[position:]
        self._send_stretch(data, start, position)

    def flush(self) -> None:
        """Pass on what waits to become a whole packet."""
        rest, self._rest = self._rest, b""
        if rest:
            self._gate.send(rest)

    def end(self) -> None:
        """Pass on what has come of a packet that will never be whole, unless the client is not to see it as it is."""
        gate = self._gate
        if not gate.swallowing and not gate.keeping and gate.shift is None:
            self.flush()

    def _keep_back(self, data: bytes, start: int, position: int) -> int:
        """Send what comes before a packet, if that may have it dropped or change the shift; return where to go on."""
        if not self._gate.keeping and self._gate.shift is None:
            return start
        self._send_stretch(data, start, position)
        return position

    def _send_stretch(self, data: bytes, start: int, end: int) -> None:
        if start < end:
            self._gate.pass_on(data if end - start == len(data) else data[start:end])
