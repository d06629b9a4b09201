"""What hands a client's bytes to its session as long as the login lasts."""

from collections.abc import Callable

from proxy.net.proxy_header import STARTS

_HEADER = 4


class UnexpectedProxyHeaderError(Exception):
    """A client sent a PROXY header from where none is accepted."""


class LoginReader:
    """Hands on one packet after the other: first its header, which may say already that this is no login.

    The bytes behind an SSLRequest packet belong to the TLS handshake, and those behind the login to what follows it:
    `redirect` takes them away from here, even in the middle of what has arrived.

    Attributes:
        feed: takes headers and payloads.
    """

    __slots__ = ("_begun", "_first", "_missing", "_onward", "_payload", "_taking", "feed")

    def __init__(self, feed: Callable[[bytes], None]) -> None:
        self.feed = feed
        self._onward: Callable[[bytes], None] | None = None
        self._first = True
        self._begun = bytearray()
        self._missing = _HEADER
        self._payload = False  # what is missing is a payload's
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
        """Whether nothing has come of a packet that has not been handed on, and nothing comes just now."""
        return not (self._taking or self._begun or self._payload)

    def _take(self, data: bytes) -> None:
        position = 0
        while self._onward is None:
            end = position + self._missing - len(self._begun)
            if end > len(data):
                self._begun += data[position:]
                return
            piece = bytes(self._begun) + data[position:end]
            self._begun.clear()
            position = end
            if self._payload:
                self._missing, self._payload = _HEADER, False
            else:
                self._take_header(piece)
            self.feed(piece)
        if position < len(data):
            self._onward(data[position:])

    def redirect(self, onward: Callable[[bytes], None] | None) -> None:
        """Hand on what comes behind the newest packet as it comes, to somebody else; None: go on here."""
        self._onward = onward

    def rest(self) -> bytes:
        """Hand out what is there of a header or a payload, and begin anew."""
        data = bytes(self._begun)
        self._begun.clear()
        self._missing, self._payload = _HEADER, False
        return data

    def _take_header(self, header: bytes) -> None:
        if self._first and header in STARTS:
            raise UnexpectedProxyHeaderError("a PROXY header from an address that may not send one")
        self._first = False
        length = int.from_bytes(header[:3], "little")
        self._missing, self._payload = length or _HEADER, length > 0
