"""One of the two connections of a session: its transport, and the reasons not to read from it just now."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from enum import Flag, auto
from typing import cast

from proxy.net.pump import Pump, PumpedReader, PumpedTransport


class Hold(Flag):
    """Why a side is not read from; it is read again when no reason is left."""

    NONE = 0
    CONNECTING = auto()
    """The backend is not connected yet: what the client sends could go nowhere."""
    FULL = auto()
    """The other side takes its bytes more slowly than this one sends them."""
    SESSION = auto()
    """The session asked for it."""
    SWITCHING = auto()
    """The reader is about to be exchanged."""
    ENDED = auto()
    """The peer will send no more. Reading on would report the end again and again."""


def discard(_data: bytes) -> None:
    """Write to nobody: to a side that is not there, or no longer."""


class Side:
    """Holds one transport for as long as it lives, and tells its owner of the end.

    on_lost: called once with the reason when the connection is gone. on_ended: called when the peer will send no more;
    returns whether the connection stays open for writing. on_fault: called with an exception that the session raised.
    """

    __slots__ = (
        "_holds",
        "_pumped",
        "_raw",
        "_transport",
        "connected",
        "handshaking",
        "on_ended",
        "on_fault",
        "on_lost",
        "peer",
        "write",
    )

    def __init__(
        self,
        on_lost: Callable[[str], None],
        on_ended: Callable[[], bool],
        on_fault: Callable[[Exception], None],
    ) -> None:
        self.on_lost = on_lost
        self.on_ended = on_ended
        self.on_fault = on_fault
        self.peer = self
        self.connected = False
        self.handshaking = False
        """Whether a TLS handshake runs: then its coroutine answers for the connection's end, not the reader."""
        self.write: Callable[[bytes], object] = discard
        self._transport: asyncio.Transport | None = None
        self._raw: asyncio.Transport | None = None
        self._pumped: PumpedTransport | None = None
        self._holds = Hold.NONE

    @property
    def encrypted(self) -> bool:
        """Whether what is written goes through TLS."""
        return self._transport is not self._raw

    def attach(self, transport: asyncio.Transport, write_buffer: int) -> None:
        """Use a transport from now on; write_buffer: the bytes that may wait to be sent before the peer is held."""
        if not self.connected:
            tune(transport)
            self._raw = transport
        self.connected = True
        self.handshaking = False
        self._transport = transport
        self.write = transport.write
        transport.set_write_buffer_limits(high=write_buffer)
        # A transport that is full says so itself; what its predecessor said is no longer true.
        self.peer.release(Hold.FULL)
        if self._holds:
            self._pause()

    def move_to(self, pump: Pump, reader: PumpedReader, write_buffer: int) -> Callable[[bytes], None] | None:
        """Let a pump drive the connection from now on, unless it is encrypted or has something to send just now.

        Args:
            pump: the event loop's.
            reader: is told of what arrives.
            write_buffer: as of `attach`.

        Returns:
            Where to write if it does; once the connection is closed, that does nothing.
        """
        if self._transport is None or self.encrypted:
            return None
        moved = pump.take_over(self._transport, reader, write_buffer)
        if moved is None:
            return None
        self._pumped = moved
        self._transport = self._raw = cast(asyncio.Transport, moved)  # it does as one
        self.write = moved.write
        if self._holds:
            self._pause()
        return moved.write

    def detach(self) -> asyncio.Transport:
        """Hand the transport out for a TLS handshake: until `attach`, nothing is read, and writes go nowhere."""
        transport = self._transport
        if transport is None:
            raise RuntimeError("TLS asked for on a connection that is not there")
        transport.pause_reading()
        self._transport = None
        self.write = discard
        return transport

    def set_reader(self, reader: asyncio.BaseProtocol) -> None:
        """Exchange the protocol that is called with what arrives."""
        if self._transport is not None:
            self._transport.set_protocol(reader)

    def feed_to(self, feed: Callable[[bytes], None]) -> None:
        """Take note that the reader hands what arrives to another function from now on."""
        if self._pumped is not None:
            self._pumped.feed = feed

    def hold(self, reason: Hold) -> None:
        """Stop reading."""
        if not self._holds:
            self._pause()
        self._holds |= reason

    def release(self, reason: Hold) -> None:
        """Take one reason back; read again if it was the last one."""
        if reason not in self._holds:
            return
        self._holds &= ~reason
        if not self._holds:
            self._resume()

    # Under TLS both layers pause. The TLS layer alone would go on reading from the socket, and when that ends both
    # event loops drop what is decrypted and not yet delivered.

    def _pause(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.pause_reading()
        if self._raw is not None and self._raw is not self._transport:
            self._raw.pause_reading()

    def _resume(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.resume_reading()
        if self._raw is not None and self._raw is not self._transport:
            self._raw.resume_reading()

    def end_writing(self) -> bool:
        """Tell the peer that nothing more comes, keeping its own direction open; False if the transport cannot."""
        transport = self._transport
        if transport is None or transport.is_closing() or not transport.can_write_eof():
            return False
        transport.write_eof()
        self.write = discard
        return True

    def close(self) -> None:
        """Send what waits, then close. What still arrives meanwhile goes to the reader, who should discard it."""
        self.write = discard
        # Under TLS the peer's answer to the shutdown must be read.
        self._resume()
        if self._transport is not None:
            self._transport.close()
        elif self._raw is not None:
            self._raw.close()

    def abort(self) -> None:
        """Close at once; what waits is thrown away."""
        self.write = discard
        for transport in (self._transport, self._raw):
            if transport is not None:
                transport.abort()

    def drop(self) -> None:
        """Let go of the connection, closing at once what is left of it; nobody is told."""
        # A TLS transport whose socket is gone still wants to be closed, and so does a socket whose handshake failed.
        self.abort()
        self.connected = self.handshaking = False
        self._transport = self._raw = self._pumped = None
        self.peer.release(Hold.FULL)

    def lost(self, error: Exception | None) -> None:
        """Take note that the connection is gone; called by the reader."""
        # During a handshake uvloop tells the reader of some ends, asyncio of none.
        if self.connected and not self.handshaking:
            self.drop()
            self.on_lost(describe(error))


def tune(transport: asyncio.Transport) -> None:
    """Send small packets at once, and notice a peer whose machine has vanished."""
    sock: socket.socket = transport.get_extra_info("socket")
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def describe(error: BaseException | None) -> str:
    """Say in words what ended a connection."""
    if error is None:
        return "connection closed"
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError | socket.gaierror) and error.errno:
        # Else asyncio says "[Errno 111] Connect call failed ('127.0.0.1', 3307)" where uvloop says what is wrong.
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
