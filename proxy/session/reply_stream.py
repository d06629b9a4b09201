"""The backend's bytes on their way to the client.

Replies are followed to their end. Dull packets are passed on as they come; one that matters is read whole, and may be
replaced. A reply to a command of the proxy's own is swallowed.
"""

from collections.abc import Callable

from proxy.session.withheld import Withheld
from proxy.wire.errors import ProtocolError
from proxy.wire.framing import HEADER
from proxy.wire.replies import ReplyTracker
from proxy.wire.sequence import Shift


class ReplyStream:
    """Cuts the backend's bytes into packets.

    Args:
        tracker: knows where in a reply they are.
        read: called with the payload and sequence id of a packet that matters; returns None to pass it on, or the
            bytes that the client gets in its place.
        ended: called when a reply may have ended with a packet that does not matter; tells whether one was due.
        lost: called with the reason when the bytes cannot be followed any more; tells whether they may be passed on.
        withheld: sends bytes to the client, or keeps them.

    Attributes:
        swallowing: nothing is passed on.
        shift: raises the sequence ids of what is passed on, where a reply goes on with that to another command; what
            `read` returns has the ids that the client is to see.
    """

    __slots__ = ("_ended", "_lost", "_read", "_rest", "_send", "_tracker", "_withheld", "shift", "swallowing")

    def __init__(
        self,
        tracker: ReplyTracker,
        read: Callable[[bytes, int], bytes | None],
        ended: Callable[[], bool],
        lost: Callable[[str], bool],
        withheld: Withheld,
    ) -> None:
        self._lost = lost
        self._tracker = tracker
        self._read = read
        self._ended = ended
        self._withheld = withheld
        self._send = withheld.send
        self._rest = b""  # the start of a packet that must be read whole
        self.swallowing = False
        self.shift: Shift | None = None

    @property
    def empty(self) -> bool:
        """Whether no packet waits to become whole."""
        return not self._rest

    def expect(self, code: int) -> None:
        """Expect the reply to a command of this code."""
        self._tracker.begin(code)

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
                if self.swallowing:
                    self._send_stretch(data, start, before)
                    start = position
                if self._tracker.ended and self._ended():
                    continue
                end = self._tracker.measure(data, position) if position < len(data) else 0
                if not end:
                    break
                start = self._keep_back(data, start, position)
                instead = self._read(data[position + HEADER : end], data[position + 3])
                if instead is not None:
                    self._send_stretch(data, start, position)
                    if instead:
                        self._send(instead)
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
            self._send(rest)

    def _keep_back(self, data: bytes, start: int, position: int) -> int:
        """Send what comes before a packet, if that may have it dropped or change the shift; return where to go on."""
        if not self._withheld.active and self.shift is None:
            return start
        self._send_stretch(data, start, position)
        return position

    def _send_stretch(self, data: bytes, start: int, end: int) -> None:
        if start < end:
            stretch = data if end - start == len(data) else data[start:end]
            self._send(stretch if self.shift is None else self.shift.raised(stretch))
