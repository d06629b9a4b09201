"""What the client gets of the backend's bytes: all of them, some later, some with other sequence ids, or none.

MariaDB's INSERT ... RETURNING begins its reply with definitions, and perhaps rows, before it meets a duplicate: the
error comes in the middle of a result set (measured on MariaDB 10.11). Whoever has seen the beginning cannot be given
another statement's reply any more, so it is kept back until it is known to be the answer.
"""

from collections.abc import Callable

from proxy.wire.sequence import Shift


class ReplyGate:
    """Stands before the client.

    Args:
        to_client: sends bytes to the client.
        limit: so many bytes are kept at most; with more, all go to the client, and nothing is kept any longer.

    Attributes:
        keeping: what is sent is kept.
        swallowing: the backend's bytes are those of a reply to a command of the proxy's own, and are not sent.
        shift: raises the sequence ids of what is passed on, where a reply goes on with that to another command, or
            another command took more packets than the client's.
    """

    __slots__ = ("_limit", "_pieces", "_size", "_to_client", "keeping", "shift", "swallowing")

    def __init__(self, to_client: Callable[[bytes], None], limit: int) -> None:
        self._to_client = to_client
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0
        self.keeping = False
        self.swallowing = False
        self.shift: Shift | None = None

    def pass_on(self, data: bytes) -> None:
        """Send bytes of the backend's to the client, or keep them."""
        self.send(data if self.shift is None else self.shift.raised(data))

    def send(self, data: bytes) -> None:
        """Send bytes to the client, or keep them; they have the sequence ids that the client is to see."""
        if not self.keeping:
            self._to_client(data)
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._size > self._limit:
            self.release()

    def drop(self) -> None:
        """Forget what was kept: another reply will be the answer."""
        self._pieces = []
        self._size = 0

    def release(self) -> None:
        """Send what was kept, and keep no more."""
        self.keeping = False
        pieces = self._pieces
        self.drop()
        for piece in pieces:
            self._to_client(piece)
