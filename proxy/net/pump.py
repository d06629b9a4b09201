"""Connections that are driven by the shortest way, with no event loop in between, and what drives them.

    event loop ──selector──▶ a pump ──▶ the sockets of all pumped transports, those that listen, and the loop's own

The event loop waits at a pump, see `proxy.net.loop`. What has arrived on pumped sockets is read, handed on and sent at
once, again and again, and the loop hears nothing of it until there is something for itself: another descriptor, a
callback, or a timer. There are two pumps: `epoll_pump.py` works everywhere, `ring_pump.py` costs less.
"""

import errno
import os
import select
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

import cython

from proxy.net.guarded import call_guarded
from proxy.net.poller import make_poller

if not cython.compiled:
    from proxy.net.kernel import CHUNK, accept, receive, send

_READ: Final = select.POLLIN  # of the same value for epoll
_WRITE: Final = select.POLLOUT
_ENDS: Final = getattr(select, "EPOLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class PumpedReader(Protocol):
    """Is told of what happens to a pumped transport."""

    feed: Callable[[bytes], None]
    """Takes what arrives; of a transport that exists already, `PumpedTransport.feed` must be exchanged too."""

    def fault(self, error: Exception) -> None:
        """Take note of an exception that `feed` has raised."""

    def connection_lost(self, error: Exception | None) -> None:
        """Take note of the end; error: None after a regular one."""

    def eof_received(self) -> bool:
        """Take note that the peer will send no more; return whether the connection stays open for writing."""

    def pause_writing(self) -> None:
        """Take note that no more should be written just now."""

    def resume_writing(self) -> None:
        """Take note that more may be written."""


def discard(_data: bytes) -> None:
    """Take what is for nobody: read for who is not there, or written to a side that is not, or no longer."""


class _Nobody:
    """Is told of a connection until it has a pair, or in place of one, and when its end has been told."""

    def __init__(self) -> None:
        self.feed: Callable[[bytes], None] = discard

    def fault(self, error: Exception) -> None:
        """Nothing is done that could go wrong."""

    def connection_lost(self, error: Exception | None) -> None:
        """Nobody waits for it."""

    def eof_received(self) -> bool:
        """Close it."""
        return False

    def pause_writing(self) -> None:
        """Nothing is written that could be too much."""

    def resume_writing(self) -> None:
        """Nothing is written that could be too much."""


NOBODY: Final = _Nobody()


class Pump:
    """Waits for one event loop, and drives its pumped transports meanwhile.

    Attributes:
        due: the event loop has something to do: the pump is not to wait for anything else.
        calls: whom to call back before the pump waits, see `soon`.
        lost: the transports whose readers are still to be told of their end.
        listening: whom to call back when a client waits at a listening socket, by its descriptor.
        watched: the descriptors that are no transports', those that listen among them.
        batches: what is written is sent with all else that is written meanwhile, before the pump waits.
    """

    __slots__ = ("batches", "calls", "due", "listening", "lost", "poller", "watched")

    def __init__(self, *, batches: bool) -> None:
        self.poller = make_poller()
        self.due = False
        self.calls: list[Callable[[], object]] = []
        self.lost: deque[PumpedTransport] = deque()
        self.listening: dict[int, Callable[[], None]] = {}
        self.watched: set[int] = set()
        self.batches = batches

    def close(self) -> None:
        """End; all transports must have been closed before."""
        self.poller.close()

    def register(self, fd: int, events: int) -> None:
        """Watch a descriptor that is no transport's; events: as of `select.poll`."""
        self.poller.register(fd, events)
        self.watched.add(fd)

    def modify(self, fd: int, events: int) -> None:
        """Watch a descriptor for other events."""
        self.poller.modify(fd, events)

    def unregister(self, fd: int) -> None:
        """Watch a descriptor no longer."""
        self.watched.discard(fd)
        self.poller.unregister(fd)

    def listen(self, fd: int, callback: Callable[[], None]) -> None:
        """Call back, with no turn of the event loop in between, as long as clients wait at a listening socket."""
        self.register(fd, _READ)
        self.listening[fd] = callback

    def listen_no_more(self, fd: int) -> None:
        """Let those wait that come to a listening socket; does nothing if it was not listened at."""
        if self.listening.pop(fd, None) is not None:
            self.unregister(fd)

    def next_client(self, sock: socket.socket) -> int:
        """Return the descriptor of a client that waits at a listening socket, which does not block; -1 if none does.

        Raises OSError if it cannot be had.
        """
        return accept(sock)

    def watch(self, transport: "PumpedTransport", before: int, events: int) -> None:
        """Wait for other events of a transport than before; for none, not even for the connection's end.

        The same events once more let those be told again that were told already.
        """
        raise NotImplementedError

    def forget(self, transport: "PumpedTransport", before: int) -> None:
        """Watch a transport no longer: it is about to close its socket; before: for what it was watched."""
        raise NotImplementedError

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """Wait until something happens that is the event loop's to do, or something is `due`, or time is over.

        Args:
            seconds: for so long at most; negative: for any time.

        Returns:
            The descriptors that are no transports' and do not listen, with what happened to them.
        """
        raise NotImplementedError

    def soon(self, callback: Callable[[], object]) -> None:
        """Call back, with no turn of the event loop in between, once what has been written by now is on its way.

        So work that nobody waits for is done while others work at what they have been sent.
        """
        self.calls.append(callback)

    def call_back(self) -> None:
        """Call back those who have asked for it by now; a pump does so when it has sent what was written."""
        calls, self.calls = self.calls, []
        for callback in calls:
            call_guarded(callback)

    def tell_losses(self) -> None:
        """Tell of the transports that are lost; a pump does so before it waits."""
        while self.lost:
            transport = self.lost.popleft()
            transport.tell_loss()

    def not_listening(self, found: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Call back for the listening sockets among descriptors that are no transports'; return the others.

        What is not watched was a transport's, which has been closed because of what another one was told just now.
        """
        others: list[tuple[int, int]] = []
        for fd, events in found:
            callback = self.listening.get(fd)
            if callback is not None:
                call_guarded(callback)
            elif fd in self.watched:
                others.append((fd, events))
        return others


_HIGH_WATER: Final = 1 << 16
_SMALL: Final = 1 << 14
"""Bytes that may be sent with others; of more it is known at once whether the kernel takes them."""
_PIECE: Final = 1 << 18
"""Bytes that wait in one piece, at most: of what the kernel takes a part of, the rest is copied."""


class PumpedTransport:
    """A connection that a pump drives, first at rest: nothing is read before `resume_reading`.

    It owns its socket, so that no descriptor is used after its end.

    Args:
        pump: the event loop's.
        sock: a connected socket.
        reader: is told of what happens.

    Attributes:
        fd: the socket's descriptor.
        handle: what the pump keeps of it; None if nothing.
        events: what the pump is to wait for, see `Pump.watch`.
        lost: the socket is closed.
        feed: takes what arrives.
        high_water: how many bytes may wait to be sent before the reader is told that no more should be written.
    """

    __slots__ = (
        "_closing",
        "_dropped",
        "_ending",
        "_full",
        "_loss",
        "_pump",
        "_reader",
        "_socket",
        "_waiting",
        "_waiting_size",
        "events",
        "fd",
        "feed",
        "handle",
        "high_water",
        "lost",
    )

    def __init__(self, pump: Pump, sock: socket.socket, reader: PumpedReader) -> None:
        if sock.gettimeout() != 0:
            sock.setblocking(False)
        self._pump = pump
        self._socket = sock
        self.fd = sock.fileno()
        self._waiting: list[bytes] = []  # what the kernel did not take yet
        self._waiting_size = 0
        self.high_water = _HIGH_WATER
        self._full = False  # the reader has been told that no more should be written
        self._closing = False
        self._ending = False  # nothing will be written any more
        self.lost = False
        self._loss: OSError | None = None
        self._dropped = False
        self.events = 0
        self.handle: Any = None
        self._reader = reader
        self.feed = reader.feed

    # ----------------------------------------------------------------------------------------------------------------
    # What the pump calls

    def ready(self, events: int) -> None:
        """Read or write: the kernel is ready for it, or has an end or an error to tell."""
        if events & ~_WRITE and self.events & _READ:
            self._read(events)  # first: a server says why it leaves before it does
        if self.events & _WRITE:
            self._send_waiting()

    def _read(self, events: int) -> None:
        try:
            data = receive(self.fd)
        except OSError as error:
            self._lose(error)
            return
        if data is None:
            return
        self.arrived(data)
        if data and (len(data) == CHUNK or events & _ENDS) and self.events & _READ:
            # there is more, of which the kernel has told
            self._pump.watch(self, self.events, self.events)

    def arrived(self, data: bytes) -> None:
        """Hand on what has been read; b"": the stream's end."""
        try:
            if data:
                self.feed(data)
            else:
                self.pause_reading()
                if self._closing or not self._reader.eof_received():
                    self.close()
        except Exception as error:  # of a reader's; out of here it would end the event loop, and all other connections
            self._reader.fault(error)

    def next_piece(self) -> bytes:
        """Return what is to be sent next; there must be something that waits."""
        waiting = self._waiting
        size = len(waiting[0])
        count = 1
        while count < len(waiting) and size + len(waiting[count]) <= _PIECE:
            size += len(waiting[count])
            count += 1
        if count > 1:
            waiting[:count] = [b"".join(waiting[:count])]
        return waiting[0]

    def goes_on(self) -> bool:
        """Tell whether there is something to do once the next piece has been sent."""
        return len(self._waiting) > 1 or self._full or self._closing or self._ending

    def sent(self, size: int) -> None:
        """Take note that so many bytes of the next piece have been sent; negative: that the connection is broken."""
        try:
            if self.lost:
                return
            if size < 0:
                self._send_no_more()
                return
            self._let_go(size)
            if not self._waiting:
                self._watch(self.events & ~_WRITE)
            self._make_room()
            if not self._waiting:
                self._all_sent()
        except Exception as error:
            self._reader.fault(error)

    def send_at_once(self) -> None:
        """Send what the kernel takes of what waits: nothing else will be."""
        if self._waiting:
            send(self.fd, self.next_piece())

    # ----------------------------------------------------------------------------------------------------------------
    # Writing

    def write(self, data: bytes) -> None:
        """Send at once what the kernel takes, and the rest when it can; nothing comes of it once it is closed."""
        if self._waiting or self._closing or self._ending or (self._pump.batches and len(data) <= _SMALL):
            self._wait_to_send(data)
            return
        sent = send(self.fd, data)
        if sent != len(data):
            self._wait_to_send(data[sent:] if sent > 0 else data)

    def _wait_to_send(self, data: bytes) -> None:
        if self._closing or self._ending or not data:
            return
        self._keep(data)
        self._waiting_size += len(data)
        self._watch(self.events | _WRITE)  # if the connection is broken, this tells of it
        if self._waiting_size > self.high_water and not self._full:
            self._full = True
            self._reader.pause_writing()

    def _keep(self, data: bytes) -> None:
        if len(data) <= _PIECE:
            self._waiting.append(data)
        else:
            self._waiting += [data[begin : begin + _PIECE] for begin in range(0, len(data), _PIECE)]

    def _send_waiting(self) -> None:
        """Send until the kernel takes no more."""
        while self._waiting:
            data = self._waiting[0]
            size = send(self.fd, data)
            self.sent(size)
            if size < len(data):
                return

    def _let_go(self, size: int) -> None:
        """Let go of the first so many bytes that wait."""
        self._waiting_size -= size
        data = self._waiting[0]
        if size < len(data):
            self._waiting[0] = data[size:]
        else:
            del self._waiting[0]

    def _send_no_more(self) -> None:
        """Give up what waits: the connection is broken. What has arrived of it is still read, its end last."""
        if self._closing or not self.events & _READ:
            self._lose(self._error())
            return
        self._closing = True
        self._waiting.clear()
        self._waiting_size = 0
        self._watch(self.events & ~_WRITE)
        self._make_room()

    def _make_room(self) -> None:
        if self._full and self._waiting_size <= self.high_water // 4:
            self._full = False
            self._reader.resume_writing()

    def _all_sent(self) -> None:
        """Do what was to be done after everything had been sent."""
        if self._closing:
            self._lose(None)
        elif self._ending:
            self._shut_down()

    def _shut_down(self) -> None:
        # Of a connection that is broken the reader is told behind what has arrived of it: the server's last words.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def _error(self) -> OSError:
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or errno.EPIPE
        return OSError(number, os.strerror(number))

    def write_eof(self) -> None:
        """Tell the peer that nothing more comes, once what waits is sent."""
        if not self._ending and not self._closing:
            self._ending = True
            if not self._waiting:
                self._shut_down()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait to be sent."""
        return self._waiting_size

    # ----------------------------------------------------------------------------------------------------------------
    # Reading

    def pause_reading(self) -> None:
        """Read no more."""
        self._watch(self.events & ~_READ)

    def resume_reading(self) -> None:
        """Read again."""
        if not self.lost:
            self._watch(self.events | _READ)

    def read_for(self, reader: PumpedReader) -> None:
        """Tell another reader of what happens from now on."""
        self._reader = reader
        self.feed = reader.feed

    # ----------------------------------------------------------------------------------------------------------------
    # The end

    def is_closing(self) -> bool:
        """Tell whether it is closed, or will be once everything is sent."""
        return self._closing

    def close(self) -> None:
        """Send what waits, then close; `feed` should discard what still arrives meanwhile.

        What is not read when the socket is closed would break the connection, and the peer lose what was said last.
        """
        if not self._waiting:
            self._lose(None)
        elif not self._closing:
            self._closing = True
            self.resume_reading()

    def abort(self) -> None:
        """Close at once."""
        self._lose(None)

    def fail(self, error: OSError) -> None:
        """Close at once because of an error, of which the reader is told."""
        self._lose(error)

    def drop(self) -> None:
        """Close at once; the reader is told of nothing any more."""
        self._dropped = True
        self._lose(None)

    def _lose(self, error: OSError | None) -> None:
        """Close the socket; the pump has the reader told before it waits, never from within a call of its own."""
        if self.lost:
            return
        self.lost = self._closing = True
        self._loss = error
        before, self.events = self.events, 0
        self._pump.forget(self, before)
        self._waiting.clear()
        self._waiting_size = 0
        self._socket.close()
        self._pump.lost.append(self)

    def tell_loss(self) -> None:
        """Tell the reader of the end, and let go of it."""
        reader = self._reader
        self.read_for(NOBODY)
        if not self._dropped:
            call_guarded(reader.connection_lost, self._loss)

    def _watch(self, events: int) -> None:
        before, self.events = self.events, events
        if before != events:
            self._pump.watch(self, before, events)
