"""The beginning of a reply that the client gets only once it is known to be the answer.

MariaDB's INSERT ... RETURNING begins its reply with definitions, and perhaps rows, before it meets a duplicate: the
error comes in the middle of a result set (measured on MariaDB 10.11). Whoever has seen the beginning cannot be given
another statement's reply any more.
"""

from collections.abc import Callable


class Withheld:
    """Keeps bytes for the client back while it is active.

    Args:
        send: sends bytes to the client.
        limit: so many bytes are kept at most; with more, all go to the client, and it is active no longer.

    Attributes:
        active: what is sent is kept.
    """

    __slots__ = ("_limit", "_pieces", "_send", "_size", "active")

    def __init__(self, send: Callable[[bytes], None], limit: int) -> None:
        self._send = send
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0
        self.active = False

    def send(self, data: bytes) -> None:
        """Send bytes to the client, or keep them."""
        if not self.active:
            self._send(data)
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
        self.active = False
        pieces = self._pieces
        self.drop()
        for piece in pieces:
            self._send(piece)
