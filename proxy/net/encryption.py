"""TLS on a pumped connection: OpenSSL in between, fed with what arrives and giving what is to be sent."""

import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from proxy.net.pump import PumpedTransport

_RECORD: Final = 1 << 14  # bytes of plain text, at most
_PIECE: Final = 1 << 16
"""Bytes that are encrypted at a time: 16 MiB at once take five times as long, in a buffer that grows and grows."""


class Encryption:
    """One TLS connection, from its handshake to its end.

        what arrives ──take──▶ incoming ──▶ OpenSSL ──feed──▶ the reader
        the socket ◀──write── outgoing ◀── OpenSSL ◀──write── the session

    Args:
        transport: the connection, which carries nothing else from now on.
        context: how to encrypt.
        server_side: whether the peer is to begin.
        server_name: the name to ask for and, if the context says so, to verify.
        done: called once, when the handshake is over: with None or the reason why there is no encryption.
        ended: called when the peer says that it will send no more.

    Attributes:
        feed: takes what arrives, decrypted.
    """

    __slots__ = ("_deaf", "_done", "_ended", "_incoming", "_outgoing", "_over", "_ssl", "_transport", "feed")

    def __init__(
        self,
        transport: PumpedTransport,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_name: str | None,
        feed: Callable[[bytes], None],
        done: Callable[[OSError | None], None],
        ended: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ssl = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_name
        )
        self._done: Callable[[OSError | None], None] | None = done
        self._ended = ended
        self._over = False  # nothing will be written any more
        self._deaf = False  # what arrives is of no interest any more
        self.feed = feed

    @property
    def handshaking(self) -> bool:
        """Whether the handshake is still under way."""
        return self._done is not None

    def begin(self) -> None:
        """Say what is to be said first."""
        self._shake_hands()

    def take(self, data: bytes) -> None:
        """Take what has arrived; nothing is of interest behind the peer's end, nor after a handshake that failed."""
        if self._deaf:
            return
        self._incoming.write(data)
        if self._done is not None:
            self._shake_hands()
        if self._done is None and not self._deaf:
            self._decrypt()

    def write(self, data: bytes) -> None:
        """Encrypt and send; nothing comes of it once the end has been told."""
        if self._over:
            return
        try:
            for begin in range(0, len(data), _PIECE):
                self._ssl.write(data[begin : begin + _PIECE])
                self._transport.write(self._outgoing.read())
        except ssl.SSLError as error:
            self._transport.fail(error)

    def end(self) -> None:
        """Tell the peer that nothing more comes; what it sends is still heard."""
        self.abandon()
        if not self._over:
            self._over = True
            with suppress(OSError):  # it does not wait until the peer has said so, too
                self._ssl.unwrap()
            self._flush()

    def abandon(self) -> None:
        """Go on with no handshake; nobody is told."""
        if self._done is not None:
            self._done = None
            self._deaf = True

    def give_up(self, error: OSError) -> None:
        """End a handshake that the peer does not go on with, or that cannot go on."""
        done, self._done = self._done, None
        if done is not None:
            self._deaf = self._over = True
            done(error)

    def release(self) -> None:
        """Free OpenSSL's memory at once, as the connection is gone: Python's collector does not know how much it is."""
        self._over = self._deaf = True
        del self._ssl, self._incoming, self._outgoing

    def _shake_hands(self) -> None:
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except OSError as error:
            self._flush()  # the peer is told why
            self.give_up(error)
        else:
            self._flush()
            done, self._done = self._done, None
            if done is not None:
                done(None)

    def _decrypt(self) -> None:
        parts: list[bytes] = []
        failure: OSError | None = None
        ended = False
        while (self._incoming.pending or self._ssl.pending()) and not ended:
            try:
                part = self._ssl.read(_RECORD)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:  # instead of nothing, behind the own end
                part = b""
            except OSError as error:
                failure = error
                break
            ended = not part
            parts.append(part)
        self._deaf = ended or failure is not None
        self._flush()
        if data := parts[0] if len(parts) == 1 else b"".join(parts):
            self.feed(data)
        if failure is not None:
            self._transport.fail(failure)
        elif ended:
            self._ended()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())
