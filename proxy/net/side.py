"""One of the two connections of a session: its transport, its encryption, and the reasons not to read from it."""

import os
import socket
import ssl
from collections.abc import Callable
from typing import Final

from proxy.net.encryption import Encryption
from proxy.net.pump import PumpedTransport, discard


class Hold:
    """Why a side is not read from; it is read again when no reason is left.

    Plain numbers: to set and clear each of them as a `Flag` takes ten times as long.
    """

    NONE: Final = 0
    CONNECTING: Final = 1
    """The backend is not connected yet: what the client sends could go nowhere."""
    FULL: Final = 2
    """The other side takes its bytes more slowly than this one sends them."""
    SESSION: Final = 4
    """The session asked for it."""
    SWITCHING: Final = 8
    """The login is over, and what follows it is about to be read in another way."""
    ENDED: Final = 16
    """The peer will send no more."""


class Side:
    """Holds one transport for as long as it lives, hands on what it reads, and tells its owner of the end.

    Args:
        on_lost: called once with the reason when the connection is gone.
        on_ended: called when the peer will send no more; returns whether the connection stays open for writing.
        on_fault: called with an exception that `feed` raised.
        feed: takes what arrives.
        hold: why it is not to be read from at first.

    Attributes:
        peer: the other side, which is held while this one has too much to send.
        connected: whether there is a connection.
        write: sends bytes; does nothing if they can go nowhere.
        feed: takes what arrives; exchanged by `feed_to`.
    """

    __slots__ = (
        "_encryption",
        "_ended",
        "_holds",
        "_transport",
        "connected",
        "feed",
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
        feed: Callable[[bytes], None] = discard,
        hold: int = Hold.NONE,
    ) -> None:
        self.on_lost = on_lost
        self.on_ended = on_ended
        self.on_fault = on_fault
        self.peer = self
        self.connected = False
        self.write: Callable[[bytes], None] = discard
        self.feed = feed
        self._transport: PumpedTransport | None = None
        self._encryption: Encryption | None = None
        self._holds = hold
        self._ended = False  # the peer has said so under TLS

    @property
    def encrypted(self) -> bool:
        """Whether what is written goes through TLS, or would have if the handshake had not failed."""
        return self._encryption is not None and not self._encryption.handshaking

    @property
    def handshaking(self) -> bool:
        """Whether a TLS handshake is under way."""
        return self._encryption is not None and self._encryption.handshaking

    def attach(self, transport: PumpedTransport, write_buffer: int) -> None:
        """Use a connection from now on; write_buffer: bytes that may wait to be sent before the peer is held."""
        transport.high_water = write_buffer
        transport.read_for(self)
        self.connected = True
        self._transport = transport
        self.write = transport.write
        if not self._holds:
            transport.resume_reading()

    def encrypt(
        self,
        context: ssl.SSLContext,
        done: Callable[[OSError | None], None],
        *,
        server_side: bool,
        server_name: str | None = None,
    ) -> Callable[[bytes], None]:
        """Begin a TLS handshake; writes go nowhere until it is over.

        Args:
            context: how to encrypt.
            done: called when it is over, with None or the reason why there is no encryption.
            server_side: whether the peer is to begin.
            server_name: the name to ask for and, if the context says so, to verify.

        Returns:
            What takes bytes of the handshake that have been read already.
        """
        transport = self._transport
        if transport is None:
            raise RuntimeError("TLS asked for on a connection that is not there")

        def over(error: OSError | None) -> None:
            if error is None:
                self.write = encryption.write
            done(error)

        encryption = Encryption(
            transport,
            context,
            server_side=server_side,
            server_name=server_name,
            feed=self.feed,
            done=over,
            ended=self._encryption_ended,
        )
        self._encryption = encryption
        self.write = discard
        transport.feed = encryption.take
        if not server_side:
            encryption.begin()
        return encryption.take

    def give_up_handshake(self, error: OSError) -> None:
        """End a handshake that takes too long."""
        if self._encryption is not None:
            self._encryption.give_up(error)

    def feed_to(self, feed: Callable[[bytes], None]) -> None:
        """Hand what arrives to another function from now on."""
        self.feed = feed
        if self._encryption is not None:
            self._encryption.feed = feed
        elif self._transport is not None:
            self._transport.feed = feed

    def ignore(self) -> None:
        """Read on until the end, whatever held it, and throw away what arrives."""
        self.feed_to(discard)
        self._holds = Hold.NONE
        if self._transport is not None:
            self._transport.resume_reading()

    # ----------------------------------------------------------------------------------------------------------------
    # Reading, or not

    def hold(self, reason: int) -> None:
        """Stop reading."""
        if not self._holds and self._transport is not None:
            self._transport.pause_reading()
        self._holds |= reason

    def release(self, reason: int) -> None:
        """Take one reason back; read again if it was the last one."""
        if not self._holds & reason:
            return
        self._holds &= ~reason
        if not self._holds and self._transport is not None:
            self._transport.resume_reading()
            if self._ended:
                self._encryption_ended()

    # ----------------------------------------------------------------------------------------------------------------
    # The end

    def end_writing(self) -> bool:
        """Tell the peer that nothing more comes, keeping its own direction open; False if there is no connection."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        if self._encryption is not None:
            self._encryption.end()
        transport.write_eof()
        self.write = discard
        return True

    def close(self) -> None:
        """Send what waits, then close."""
        self.write = discard
        if self._transport is not None:
            if self._encryption is not None:
                self._encryption.end()
            self._transport.close()

    def abort(self) -> None:
        """Close at once; what waits is thrown away."""
        self.write = discard
        if self._transport is not None:
            if self._encryption is not None:
                self._encryption.abandon()
            self._transport.abort()

    def drop(self) -> None:
        """Let go of the connection, closing at once what is left of it; nobody is told."""
        if self._transport is not None:
            self._transport.drop()
        self._forget()

    @property
    def closed(self) -> bool:
        """Whether nothing is left to be sent, or to be waited for."""
        transport = self._transport
        return transport is None or (transport.is_closing() and not transport.get_write_buffer_size())

    def let_go(self) -> None:
        """Let go of the owner and of the other side, which refer to this one: nothing happens here any more."""
        del self.on_lost, self.on_ended, self.on_fault, self.feed, self.peer

    def _forget(self) -> None:
        self.write = discard
        self.connected = False
        if self._encryption is not None:
            self._encryption.release()
        self._transport = self._encryption = None
        self.peer.release(Hold.FULL)

    # ----------------------------------------------------------------------------------------------------------------
    # What the transport tells

    def fault(self, error: Exception) -> None:
        """Take note of an exception that `feed` has raised."""
        self.on_fault(error)

    def connection_lost(self, error: Exception | None) -> None:
        """Take note that the connection is gone."""
        encryption = self._encryption
        self._forget()
        if encryption is not None and encryption.handshaking:
            unfinished = ConnectionResetError("connection closed during the handshake")
            encryption.give_up(error if isinstance(error, OSError) else unfinished)
        else:
            self.on_lost(describe(error))

    def eof_received(self) -> bool:
        """Take note that the peer will send no more; return whether the connection stays open for writing."""
        return not self.handshaking and self.on_ended()

    def pause_writing(self) -> None:
        """Hold the other side: more bytes wait to be sent than the limit allows."""
        self.peer.hold(Hold.FULL)

    def resume_writing(self) -> None:
        """Release the other side: the bytes that waited have been sent."""
        self.peer.release(Hold.FULL)

    def _encryption_ended(self) -> None:
        self._ended = True
        if not self._holds and not self.on_ended():
            self.close()


def tune(sock: socket.socket) -> None:
    """Send small packets by TCP at once, and notice a peer whose machine has vanished."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def describe(error: BaseException | None) -> str:
    """Say in words what ended a connection."""
    if error is None:
        return "connection closed"
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError | socket.gaierror) and error.errno:
        return os.strerror(error.errno)  # asyncio says "[Errno 111] Connect call failed ('127.0.0.1', 3307)"
    return str(error) or type(error).__name__
