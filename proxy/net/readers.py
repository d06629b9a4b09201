"""The asyncio protocols that hand a connection's bytes to its session: one for the login, one for all that follows."""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from proxy.net.proxy_header import STARTS
from proxy.net.side import Hold, Side

_HEADER = 4
_SCRATCH = 4096
_DECRYPTED = 1 << 19
"""Bytes, more than uvloop reads at once (256 KiB): what finds no room piles up where no back-pressure is felt."""


class Reader(asyncio.BaseProtocol):
    """What both readers do alike: tell the side of its ends, and the other side of a full write buffer."""

    __slots__ = ("_side", "feed")

    def __init__(self, side: Side, feed: Callable[[bytes], None]) -> None:
        self._side = side
        self.feed = feed

    def feed_to(self, feed: Callable[[bytes], None]) -> None:
        """Hand what arrives to another function from now on."""
        self.feed = feed
        self._side.feed_to(feed)

    def fault(self, error: Exception) -> None:
        """Take note of an exception that `feed` has raised."""
        self._side.on_fault(error)

    def hand_on(self, data: bytes) -> None:
        """Hand on bytes that have arrived."""
        try:
            self.feed(data)
        except Exception as error:
            self.fault(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone; exc: None after a regular end."""
        self._side.lost(exc)

    def eof_received(self) -> bool:
        """Note that the peer will send no more; returns whether the connection stays open for writing."""
        return self._side.on_ended()

    def pause_writing(self) -> None:
        """Hold the other side: more bytes wait to be sent than the limit allows."""
        self._side.peer.hold(Hold.FULL)

    def resume_writing(self) -> None:
        """Release the other side: the bytes that waited have been sent."""
        self._side.peer.release(Hold.FULL)


class BulkReader(Reader, asyncio.Protocol):
    """Hands on what arrives as it arrives; connected: called with the transport of a new connection."""

    __slots__ = ("_connected",)

    def __init__(
        self,
        side: Side,
        feed: Callable[[bytes], None],
        connected: Callable[[asyncio.Transport], None] | None = None,
    ) -> None:
        super().__init__(side, feed)
        self._connected = connected

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand on the transport of a connection that is there."""
        if self._connected is not None:
            self._connected(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        """Hand on bytes that have arrived."""
        try:
            self.feed(data)
        except Exception as error:
            self.fault(error)


class EncryptedBulkReader(Reader, asyncio.BufferedProtocol):
    """Hands on what arrives by TLS as it arrives.

    Into a buffer of the protocol's own, the event loop decrypts one record behind the other. Otherwise it allocates
    256 KiB for each of them and joins them afterwards; a session with a large flow then took up to 1.3 MiB more. What
    is in the buffer is handed on before anything else is decrypted, so all sessions share it.
    """

    __slots__ = ()

    _buffer: Final = memoryview(bytearray(_DECRYPTED))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Hand on bytes that have arrived."""
        self.hand_on(bytes(self._buffer[:nbytes]))


class UnexpectedProxyHeaderError(Exception):
    """A client sent a PROXY header from where none is accepted."""


class LoginReader(Reader, asyncio.BufferedProtocol):
    """Reads one packet after the other and never a byte past it: first its header, then its whole payload.

    The bytes behind an SSLRequest packet belong to the TLS handshake: taken out of the socket here, they would be
    missing there. A header may say already that this is no login. hold: keep all until `release`.
    """

    __slots__ = ("_begun", "_first", "_missing", "_payload", "_scratch", "_waiting")

    def __init__(self, side: Side, feed: Callable[[bytes], None], hold: bool = False) -> None:
        super().__init__(side, feed)
        self._first = True
        self._scratch = memoryview(bytearray(_SCRATCH))
        self._begun = bytearray()
        self._missing = _HEADER
        self._payload = False  # what is missing is a payload's
        self._waiting: list[bytes] | None = [] if hold else None

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where the next bytes go, and by its length how many may be read."""
        return self._scratch[: self._missing]

    def buffer_updated(self, nbytes: int) -> None:
        """Take so many bytes out of the buffer; hand on a header or a payload that is whole."""
        self._begun += self._scratch[:nbytes]
        self._missing -= nbytes
        if self._missing:
            return
        header = not self._payload
        data = self.take()
        if header:
            if self._first and data in STARTS:
                self._side.on_fault(UnexpectedProxyHeaderError("a PROXY header from an address that may not send one"))
                return
            self._first = False
            length = int.from_bytes(data[:3], "little")
            self._missing, self._payload = length or _HEADER, length > 0
        self._deliver(data)

    def take(self) -> bytes:
        """Hand out what is there of a header or a payload, and begin anew."""
        data = bytes(self._begun)
        self._begun.clear()
        self._missing, self._payload = _HEADER, False
        return data

    def release(self) -> None:
        """Deliver what arrived since the beginning, and what will arrive at once."""
        waiting, self._waiting = self._waiting or [], None
        for data in waiting:
            self._deliver(data)

    def _deliver(self, data: bytes) -> None:
        if self._waiting is not None:
            self._waiting.append(data)
        else:
            self.hand_on(data)
