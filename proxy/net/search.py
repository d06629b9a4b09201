"""How a session comes by its backend."""

import asyncio
import socket
from collections.abc import Iterator
from functools import partial
from typing import Final, Protocol

from proxy.config import Address, Endpoint
from proxy.net.backends import Backend
from proxy.net.client import Client
from proxy.net.deadline import Deadline
from proxy.net.dial import Dial, UnreachableError
from proxy.net.loop import running_pump
from proxy.net.proxy_header import proxy_header
from proxy.net.pump import PumpedTransport
from proxy.net.settings import PairSettings
from proxy.net.side import Side, tune

_MOMENT: Final = 0.01
"""Seconds until a dial whose time is over has told so itself."""


class Searcher(Protocol):
    """For whom a backend is searched."""

    def backend_found(self, endpoint: Endpoint, greeting: bytes) -> None:
        """Take the first bytes of a backend: from now on it is this one."""

    def backend_missed(self, reason: str) -> None:
        """Take note that there is none to talk to."""

    def time_out(self) -> None:
        """Take note that other logins of the client's host have left no time for this one."""

    def fault(self, error: Exception) -> None:
        """Take note of an exception that should not be."""

    def search_ended(self) -> None:
        """Take note that nothing is under way any more, if the search has been stopped."""


class Search:
    """Waits for the turn of a login, then tries one backend after the other until one greets.

    Args:
        settings: the pair's.
        client: for whom.
        side: the side of the backend, which is attached to each that takes the connection.
        deadline: of the login; free again once a backend has greeted.
        searcher: is told what comes of it.

    Attributes:
        chosen: the backend that has greeted.
    """

    __slots__ = (
        "_client",
        "_deadline",
        "_left",
        "_reasons",
        "_searcher",
        "_settings",
        "_side",
        "_stopped",
        "_task",
        "_trying",
        "_turn",
        "_waiting",
        "chosen",
    )

    def __init__(
        self, settings: PairSettings, client: Client, side: Side, deadline: Deadline, searcher: Searcher
    ) -> None:
        self._settings = settings
        self._client = client
        self._side = side
        self._deadline = deadline
        self._searcher = searcher
        self._stopped = False
        self._waiting = False  # for a turn
        self._turn = False  # it is among the logins of its host that are under way
        self._reasons: list[str] = []
        self._trying: Backend | None = None
        self._task: asyncio.Task[socket.socket] | None = None
        self.chosen: Backend | None = None

    @property
    def under_way(self) -> bool:
        """Whether something of it has to come to its end yet."""
        return self._task is not None

    def begin(self) -> None:
        """Search; the searcher may be told before this returns that there is none."""
        limits = self._settings.limits
        if self._settings.turns.take(self._client.host, limits.logins_per_host, self._turn_comes):
            self._turn = True
            self._begin_trying()
        else:
            self._waiting = True
            self._deadline.set(limits.login_timeout, self._searcher.time_out)

    def stop(self) -> None:
        """Search no more."""
        self._stopped = True
        if self._waiting:
            self._waiting = False
            self._settings.turns.leave(self._client.host, self._turn_comes)
        if self._task is not None:
            self._task.cancel()

    def give_turn(self) -> None:
        """Let another login of the host begin."""
        if self._turn:
            self._turn = False
            self._settings.turns.give(self._client.host)

    def lost(self, reason: str) -> bool:
        """Take note that the connection to a backend is gone; return whether that is all that it means."""
        if self._stopped or self._trying is None or self.chosen is not None:
            return False
        self._miss(self._trying, f"{reason} before the greeting")
        self._try_next()
        return True

    def _turn_comes(self) -> None:
        self._waiting = False
        self._turn = True
        self._deadline.lift()
        asyncio.get_running_loop().call_soon(self._begin_trying)

    def _begin_trying(self) -> None:
        self._left: Iterator[Backend] = iter(self._settings.backends.candidates())
        self._try_next()

    def _try_next(self) -> None:
        """Try those that are left, until one does not refuse at once."""
        try:
            for backend in self._left:
                if self._stopped or self._try(backend):
                    return
            self._settings.backends.refused()
            self._searcher.backend_missed("; ".join(self._reasons))
        except Exception as error:
            self._searcher.fault(error)

    def _try(self, backend: Backend) -> bool:
        """Connect, and wait for the greeting; return whether there is something to wait for."""
        self._trying = backend
        timeout = self._settings.limits.connect_timeout
        self._deadline.set(timeout, self._give_up)
        dial = Dial(backend.endpoint)
        try:
            sock = dial.at_once()
        except UnreachableError as error:
            self._miss(backend, error.reason)
            return False
        if sock is not None:
            self._attach(backend, sock)
        else:
            self._task = asyncio.get_running_loop().create_task(dial.in_time(timeout))
            self._task.add_done_callback(partial(self._dialled, backend, dial))
        return True

    def _dialled(self, backend: Backend, dial: Dial, task: asyncio.Task[socket.socket]) -> None:
        """Go on with what has become of a connection."""
        self._task = None
        dial.hang_up()
        try:
            if self._stopped:
                if not task.cancelled() and task.exception() is None:
                    task.result().close()
            else:
                self._attach(backend, task.result())
        except UnreachableError as error:
            self._miss(backend, error.reason)
            self._try_next()
        except Exception as error:
            self._searcher.fault(error)
        self._searcher.search_ended()

    def _attach(self, backend: Backend, sock: socket.socket) -> None:
        """Use a connection, on which the greeting has to come in what is left of the time."""
        if isinstance(backend.endpoint, Address):
            tune(sock)
        side, settings = self._side, self._settings
        side.feed_to(self._take)
        side.attach(PumpedTransport(running_pump(), sock, side), settings.limits.write_buffer)
        if header := proxy_header(settings.backend_proxy_protocol, self._client.announcement):
            side.write(header)

    def _give_up(self) -> None:
        if self._task is not None:
            self._deadline.set(_MOMENT, self._give_up)
            return
        self._side.drop()
        if self._trying is not None:
            self._miss(self._trying, f"no greeting within {self._settings.limits.connect_timeout:g} s")
        self._try_next()

    def _miss(self, backend: Backend, reason: str) -> None:
        backend.failed(reason)
        self._reasons.append(str(UnreachableError(backend.endpoint, reason)))

    def _take(self, greeting: bytes) -> None:
        if self._trying is not None:
            self.chosen = backend = self._trying
            self._settings.backends.reached(backend)
            self._searcher.backend_found(backend.endpoint, greeting)
