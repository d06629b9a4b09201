"""The asyncio protocols that hand a connection's bytes to its session: one for the login, one for all that follows."""

import asyncio
from collections.abc import Callable
from typing import cast

from proxy.net.proxy_header import STARTS
from proxy.net.side import Hold, Side

_HEADER = 4
_SCRATCH = 4096


class Reader(asyncio.BaseProtocol):
    """What both readers do alike: tell the side of its ends, and the other side of a full write buffer."""

    __slots__ = ("_feed", "_side")

    def __init__(self, side: Side, feed: Callable[[bytes], None]) -> None:
        self._side = side
        self._feed = feed

    def feed_to(self, feed: Callable[[bytes], None]) -> None:
        """Hand what arrives to another function from now on."""
        self._feed = feed

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
            self._feed(data)
        except Exception as error:
            self._side.on_fault(error)


class RefusedLoginError(Exception):
    """A client sent what no login begins with."""


class OversizedLoginError(RefusedLoginError):
    """A client announced a login packet beyond the limit."""


class UnexpectedProxyHeaderError(RefusedLoginError):
    """A client sent a PROXY header from where none is accepted."""


class LoginReader(Reader, asyncio.BufferedProtocol):
    """Reads one packet after the other and never a byte past it.

    The bytes behind an SSLRequest packet belong to the TLS handshake: taken out of the socket here, they would be
    missing there. limit: the largest payload, in bytes. hold: keep the packets until `release`.
    """

    __slots__ = ("_first", "_limit", "_missing", "_packet", "_scratch", "_waiting")

    def __init__(self, side: Side, feed: Callable[[bytes], None], limit: int, hold: bool = False) -> None:
        super().__init__(side, feed)
        self._first = True
        self._limit = limit
        self._scratch = memoryview(bytearray(_SCRATCH))
        self._packet = bytearray()
        self._missing = _HEADER
        self._waiting: list[bytes] | None = [] if hold else None

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where the next bytes go, and by its length how many may be read."""
        return self._scratch[: self._missing]

    def buffer_updated(self, nbytes: int) -> None:
        """Take so many bytes out of the buffer; hand on a packet that is whole."""
        self._packet += self._scratch[:nbytes]
        self._missing -= nbytes
        if self._missing:
            return
        if len(self._packet) == _HEADER:
            if self._first and self._packet in STARTS:
                self._side.on_fault(UnexpectedProxyHeaderError("a PROXY header from an address that may not send one"))
                return
            self._first = False
            self._missing = int.from_bytes(self._packet[:3], "little")
            if self._missing > self._limit:
                self._refuse(self._missing)
                return
        if not self._missing:
            self._deliver(self.take())

    def _refuse(self, size: int) -> None:
        # The session sees the header too: it may have an answer for the client.
        self._deliver(self.take())
        self._side.on_fault(OversizedLoginError(f"login packet of {size} bytes, limit {self._limit}"))

    def take(self) -> bytes:
        """Hand out what is there of a packet and begin anew."""
        data = bytes(self._packet)
        self._packet.clear()
        self._missing = _HEADER
        return data

    def release(self) -> None:
        """Deliver what arrived since the beginning, and what will arrive at once."""
        waiting, self._waiting = self._waiting or [], None
        for packet in waiting:
            self._deliver(packet)

    def _deliver(self, packet: bytes) -> None:
        if self._waiting is not None:
            self._waiting.append(packet)
            return
        try:
            self._feed(packet)
        except Exception as error:
            self._side.on_fault(error)
