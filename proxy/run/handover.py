"""The way of a connection from the supervisor, which accepts it, to the worker that serves it.

Sockets that every worker accepts from on its own spread connections unevenly, and those of SO_REUSEPORT are lost with
the worker in whose queue they wait. So the supervisor accepts, and hands each connection to the worker that has the
fewest. It keeps its own copy until the worker says that it has it: what a dying worker leaves behind, another one gets.
So does what a worker does not come to. The supervisor can read the worker's end of the pair, too: a connection is taken
by the one or by the other, never by both.
"""

import asyncio
import errno
import itertools
import math
import os
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

import structlog

from proxy.net.listening import Listening
from proxy.net.side import describe

_log = structlog.get_logger(__name__)

_AT_ONCE: Final = 32
"""Connections that are accepted, or taken, before something else has its turn."""
_STALLED: Final = 1.0
"""Seconds after which a worker that does not take a connection gets no more if another one does."""
_PAUSE: Final = 0.05
"""Seconds until it is tried again when no worker has room, or no file can be opened."""
_TELL: Final = 10.0
"""Seconds between two lines about connections that cannot be accepted, or taken."""

Passed = tuple[int, socket.socket]
"""The index of the address that a client has come by, and its connection."""

_GIVEN: Final = struct.Struct("=BQ")
"""With a connection: the index of its address, and its serial number."""
_TAKEN: Final = struct.Struct("=?Q")
"""The answer: whether the connection has come along, and its serial number."""


class Handover:
    """Hands connections to one worker.

    sock, workers_end: a pair of SOCK_SEQPACKET sockets; the worker has a copy of the latter. give_back: takes a
    connection that the worker could not take.

    Attributes:
        ready: whether the worker takes any.
        given: how many it was given.
        open: how many it has, as far as is known.
    """

    def __init__(
        self, sock: socket.socket, workers_end: socket.socket, give_back: Callable[[Passed], None] = lambda passed: None
    ) -> None:
        self.ready = False
        self.given = 0
        self.open = 0
        self._sock = sock
        self._workers_end = workers_end
        self._give_back = give_back
        self._serials = itertools.count()
        self._waiting: dict[int, Passed] = {}
        self._since = 0.0
        self._passed_over = False
        for end in (sock, workers_end):
            end.setblocking(False)
        asyncio.get_running_loop().add_reader(sock, self._told)

    @property
    def stalled(self) -> bool:
        """Whether the worker does not come to take what it was given."""
        return self._passed_over or (bool(self._waiting) and time.monotonic() - self._since > _STALLED)

    @property
    def burden(self) -> tuple[bool, int, int]:
        """What makes another worker the better choice, the greatest reason first."""
        return self.stalled, self.open, self.given

    def give(self, passed: Passed) -> bool:
        """Give the worker a connection; False: it has no room for it."""
        number, connection = passed
        serial = next(self._serials)
        try:
            socket.send_fds(self._sock, [_GIVEN.pack(number, serial)], [connection.fileno()])
        except OSError:
            return False
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting[serial] = passed
        self.given += 1
        self.open += 1
        return True

    def take_back(self) -> tuple[Passed, ...]:
        """Take back what the worker has not taken, and pass it over until it is heard of."""
        self._passed_over = True
        found = []
        with suppress(BlockingIOError):
            while True:
                data, files, _flags, _address = socket.recv_fds(self._workers_end, _GIVEN.size, 1)
                for file in files:
                    os.close(file)
                if not data:  # nothing more comes
                    break
                _number, serial = _GIVEN.unpack(data)
                found.append(self._forget(serial))
        return tuple(found)

    def heard(self) -> None:
        """Take note that the worker goes on."""
        self._passed_over = False

    def _forget(self, serial: int) -> Passed:
        """Take a connection out that the worker has not."""
        self.given -= 1
        self.open -= 1
        return self._waiting.pop(serial)

    def counted(self, taken: int, still_open: int) -> None:
        """Take note of the worker's own count: of connections taken so far, and of those that are open."""
        self.open = still_open + self.given - taken

    def finish(self) -> None:
        """Tell the worker that nothing more comes."""
        self.ready = False
        self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> tuple[Passed, ...]:
        """Close it, and give back what the worker has not taken."""
        self.ready = False
        self._told()
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()
        self._workers_end.close()
        left = tuple(self._waiting.values())
        self._waiting.clear()
        return left

    def _told(self) -> None:
        try:
            while told := self._sock.recv(_TAKEN.size):
                taken, serial = _TAKEN.unpack(told)
                self._since = time.monotonic()
                if taken:
                    self._waiting.pop(serial)[1].close()
                else:
                    self._passed_over = True
                    self._give_back(self._forget(serial))
        except BlockingIOError:
            return
        except OSError:
            pass
        asyncio.get_running_loop().remove_reader(self._sock)


class Taker:
    """The worker's end. take: serves a connection that came by the address of an index.

    Attributes:
        taken: how many connections have come.
        finished: whether nothing more comes.
    """

    def __init__(self, sock: socket.socket, take: Callable[[int, socket.socket], None]) -> None:
        self.taken = 0
        self.finished = asyncio.Event()
        self._sock = sock
        self._take = take
        self._unsaid: deque[bytes] = deque()
        self._troubles = Troubles("connections not taken")
        sock.setblocking(False)
        self._listen()

    def _listen(self) -> None:
        asyncio.get_running_loop().add_reader(self._sock, self._receive)

    def _receive(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_AT_ONCE):
            try:
                data, files, _flags, _address = socket.recv_fds(self._sock, _GIVEN.size, 1)
            except BlockingIOError:
                return
            except OSError as error:
                self._troubles.met(describe(error))
                data, files = b"", []
            if not data:
                loop.remove_reader(self._sock)
                self.finished.set()
                return
            number, serial = _GIVEN.unpack(data)
            # Said before a byte has gone either way: whoever dies before this has not touched the connection.
            self._say(_TAKEN.pack(bool(files), serial))
            if not files:  # the kernel drops what there is no descriptor for
                self._troubles.met(os.strerror(errno.EMFILE))
                loop.remove_reader(self._sock)
                loop.call_later(_PAUSE, self._listen)
                return
            self.taken += 1
            self._take(number, socket.socket(fileno=files[0]))

    def _say(self, *what: bytes) -> None:
        self._unsaid += what
        loop = asyncio.get_running_loop()
        try:
            while self._unsaid:
                self._sock.send(self._unsaid[0])
                self._unsaid.popleft()
        except BlockingIOError:
            loop.add_writer(self._sock, self._say)
            return
        except OSError:
            self._unsaid.clear()
        loop.remove_writer(self._sock)


class Troubles:
    """Tells of what goes on going wrong, now and then; event: what the log calls it."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._times = 0
        self._told = -math.inf

    def met(self, reason: str) -> None:
        """Count it, and tell of all those that have not been told."""
        self._times += 1
        now = time.monotonic()
        if now - self._told >= _TELL:
            _log.error(self._event, reason=reason, times=self._times)
            self._times, self._told = 0, now


class Dispatcher:
    """Accepts clients, and gives each to the worker with the fewest.

    listenings: where. workers: gives those that there are now.
    """

    def __init__(self, listenings: Sequence[Listening], workers: Callable[[], Iterable[Handover]]) -> None:
        self._listenings = listenings
        self._workers = workers
        self._held: deque[Passed] = deque()
        self._accepting = False
        self._stopped = False
        self._again: asyncio.TimerHandle | None = None
        self._troubles = Troubles("connections not accepted")

    def start(self) -> None:
        """Accept clients."""
        self._accepting = True
        loop = asyncio.get_running_loop()
        for number, listening in enumerate(self._listenings):
            for sock in listening.sockets:
                loop.add_reader(sock, self._accept, number, sock)

    def give(self, passed: Passed) -> None:
        """Give a connection to a worker; it waits while none has room, and so does whoever has not been accepted."""
        if not self._held and self._try(passed):
            return
        if self._stopped:
            passed[1].close()
            return
        self._held.append(passed)
        self._pause()

    def stop(self) -> None:
        """Accept no more, and close the sockets; what has been accepted and waits for a worker is closed, too."""
        self._stopped = True
        self._stop_reading()
        if self._again is not None:
            self._again.cancel()
        for listening in self._listenings:
            listening.close()
        for _number, connection in self._held:
            connection.close()
        self._held.clear()

    def _try(self, passed: Passed) -> bool:
        ready = sorted((worker for worker in self._workers() if worker.ready), key=lambda worker: worker.burden)
        return any(worker.give(passed) for worker in ready)

    def _accept(self, number: int, sock: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            if not self._accepting:
                return
            try:
                connection, _address = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
                self._troubles.met(describe(error))
                self._pause()
                return
            self.give((number, connection))

    def _pause(self) -> None:
        self._stop_reading()
        if self._again is None:
            self._again = asyncio.get_running_loop().call_later(_PAUSE, self._go_on)

    def _go_on(self) -> None:
        self._again = None
        while self._held and self._try(self._held[0]):
            self._held.popleft()
        if self._held:
            self._pause()
        else:
            self.start()

    def _stop_reading(self) -> None:
        if not self._accepting:
            return
        self._accepting = False
        for listening in self._listenings:
            for sock in listening.sockets:
                asyncio.get_running_loop().remove_reader(sock)
