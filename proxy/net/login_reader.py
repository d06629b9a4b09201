"""What hands a client's bytes to its session as long as the login lasts."""

from collections.abc import Callable

from proxy.net.proxy_header import STARTS
from proxy.wire.framing import HEADER


class UnexpectedProxyHeaderError(Exception):
    """A client sent a PROXY header from where none is accepted."""


class LoginReader:
    """Hands on packet by packet, of the newest what there is: its header may say already that this is no login.

    The bytes behind an SSLRequest packet belong to the TLS handshake, and those behind the login to what follows it:
    `redirect` takes them away from here, even in the middle of what has arrived.

    Attributes:
        feed: takes packets and pieces of them.
    """

    __slots__ = ("_begun", "_first", "_missing", "_onward", "_taking", "feed")

    def __init__(self, feed: Callable[[bytes], None]) -> None:
        self.feed = feed
        self._onward: Callable[[bytes], None] | None = None
        self._first = True
        self._begun = b""  # a header, as far as it is there
        self._missing = 0  # bytes of the packet that has been handed on in part
        self._taking = False

    def take(self, data: bytes) -> None:
        """Take bytes that have arrived.

        Raises:
            UnexpectedProxyHeaderError: they are the beginning of a PROXY header.
        """
        self._taking = True
        try:
            self._take(data)
        finally:
            self._taking = False

    @property
    def idle(self) -> bool:
        """Whether nothing has come of a packet that is not whole, and nothing comes just now."""
        return not (self._taking or self._begun or self._missing)

    def _take(self, data: bytes) -> None:
        while self._onward is None:
            if not self._missing:
                data = self._begun + data
                if len(data) < HEADER:
                    self._begun = data
                    return
                self._begun = b""
                self._missing = self._size(data)
            piece, data = data[: self._missing], data[self._missing :]
            self._missing -= len(piece)
            self.feed(piece)
            if not data:
                return
        self._onward(data)

    def redirect(self, onward: Callable[[bytes], None] | None) -> None:
        """Hand on what comes behind the newest packet as it comes, to somebody else; None: go on here."""
        self._onward = onward

    def rest(self) -> bytes:
        """Hand out what is there of a header, and begin anew."""
        begun, self._begun = self._begun, b""
        self._missing = 0
        return begun

    def _size(self, data: bytes) -> int:
        """Return the size of a packet by its header, in bytes."""
        if self._first and data[:HEADER] in STARTS:
            raise UnexpectedProxyHeaderError("a PROXY header from an address that may not send one")
        self._first = False
        return HEADER + int.from_bytes(data[:3], "little")
