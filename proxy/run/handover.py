"""The way of a connection from the supervisor, which accepts it, to the worker that serves it.

Sockets that every worker accepts from on its own spread connections unevenly, and those of SO_REUSEPORT are lost with
the worker in whose queue they wait. So the supervisor accepts, and hands each connection to the worker that has the
fewest. It keeps its own copy until the worker says that it has it: what a dying worker leaves behind, another one gets.
"""

import asyncio
import errno
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
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
_TAKEN: Final = b"+"

Passed = tuple[int, socket.socket]
"""The index of the address that a client has come by, and its connection."""


class Handover:
    """Hands connections to one worker; sock: one end of a pair of SOCK_SEQPACKET sockets.

    Attributes:
        ready: whether the worker takes any.
        given: how many it was given.
        open: how many it has, as far as is known.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.ready = False
        self.given = 0
        self.open = 0
        self._sock = sock
        self._waiting: deque[Passed] = deque()
        self._since = 0.0
        sock.setblocking(False)
        asyncio.get_running_loop().add_reader(sock, self._told)

    @property
    def burden(self) -> tuple[bool, int, int]:
        """What makes another worker the better choice, the greatest reason first."""
        stalled = bool(self._waiting) and time.monotonic() - self._since > _STALLED
        return stalled, self.open, self.given

    def give(self, passed: Passed) -> bool:
        """Give the worker a connection; False: it has no room for it."""
        number, connection = passed
        try:
            socket.send_fds(self._sock, [bytes((number,))], [connection.fileno()])
        except OSError:
            return False
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append(passed)
        self.given += 1
        self.open += 1
        return True

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
        left = tuple(self._waiting)
        self._waiting.clear()
        return left

    def _told(self) -> None:
        try:
            while told := self._sock.recv(4096):
                for _ in told:
                    self._waiting.popleft()[1].close()
                self._since = time.monotonic()
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
        self._unsaid = b""
        sock.setblocking(False)
        asyncio.get_running_loop().add_reader(sock, self._receive)

    def _receive(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, files, _flags, _address = socket.recv_fds(self._sock, 1, 1)
            except BlockingIOError:
                return
            except OSError as error:
                _log.error("connection not taken", reason=describe(error))
                data, files = b"", []
            if not data or not files:
                asyncio.get_running_loop().remove_reader(self._sock)
                self.finished.set()
                return
            # Said before a byte has gone either way: whoever dies before this has not touched the connection.
            self._say(_TAKEN)
            self.taken += 1
            self._take(data[0], socket.socket(fileno=files[0]))

    def _say(self, what: bytes) -> None:
        self._unsaid += what
        loop = asyncio.get_running_loop()
        try:
            self._sock.send(self._unsaid)
        except BlockingIOError:
            loop.add_writer(self._sock, self._say, b"")
            return
        except OSError:
            pass
        self._unsaid = b""
        loop.remove_writer(self._sock)


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
                _log.error("connections not accepted", reason=describe(error))
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
