"""How a session comes by its backend."""

import asyncio
import socket
from typing import Protocol

from proxy.config import Endpoint
from proxy.net.backends import Backend
from proxy.net.client import Client
from proxy.net.dial import UnreachableError, dial
from proxy.net.loop import running_pump
from proxy.net.proxy_header import proxy_header
from proxy.net.pump import PumpedTransport
from proxy.net.settings import PairSettings
from proxy.net.side import Side, tune


class Searcher(Protocol):
    """For whom a backend is searched; one of the first four is told, and always the last."""

    def backend_found(self, endpoint: Endpoint, greeting: bytes) -> None:
        """Take the first bytes of a backend: from now on it is this one."""

    def backend_missed(self, reason: str) -> None:
        """Take note that there is none to talk to."""

    def turn_missed(self) -> None:
        """Take note that other logins of the client's host have left no time for this one."""

    def fault(self, error: Exception) -> None:
        """Take note of an exception that should not be."""

    def search_ended(self) -> None:
        """Take note that nothing of the search runs any more."""


class Search:
    """Waits for the turn of a login, then tries one backend after the other until one greets.

    Args:
        settings: the pair's.
        client: for whom.
        side: the side of the backend, which is attached to each that takes the connection.
        searcher: is told what comes of it.

    Attributes:
        chosen: the backend that has greeted.
    """

    __slots__ = ("_client", "_greeted", "_searcher", "_settings", "_side", "_task", "_trying", "_turn", "chosen")

    def __init__(self, settings: PairSettings, client: Client, side: Side, searcher: Searcher) -> None:
        self._settings = settings
        self._client = client
        self._side = side
        self._searcher = searcher
        self._turn = False  # it is among the logins of its host that are under way
        self._trying: Backend | None = None
        self.chosen: Backend | None = None
        loop = asyncio.get_running_loop()
        self._greeted: asyncio.Future[None] = loop.create_future()
        self._task: asyncio.Task[None] | None = loop.create_task(self._run())
        self._task.add_done_callback(self._done)

    @property
    def under_way(self) -> bool:
        """Whether something of it runs."""
        return self._task is not None

    def stop(self) -> None:
        """Search no more."""
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    def give_turn(self) -> None:
        """Let another login of the host begin."""
        if self._turn:
            self._turn = False
            self._settings.turns.give(self._client.host)

    def lost(self, reason: str) -> bool:
        """Take note that the connection to a backend is gone; return whether that is all that it means."""
        if self._trying is None or self.chosen is not None:
            return False
        if not self._greeted.done():
            self._greeted.set_exception(UnreachableError(self._trying.endpoint, f"{reason} before the greeting"))
        return True

    async def _run(self) -> None:
        limits = self._settings.limits
        try:
            async with asyncio.timeout(limits.login_timeout):
                await self._settings.turns.take(self._client.host, limits.logins_per_host)
        except TimeoutError:
            self._searcher.turn_missed()
            return
        self._turn = True
        backends, reasons = self._settings.backends, []
        for backend in backends.candidates():
            self._trying = backend
            try:
                await self._try(backend.endpoint)
            except UnreachableError as error:
                backend.failed(error.reason)
                reasons.append(str(error))
            else:
                return
        backends.refused()
        self._searcher.backend_missed("; ".join(reasons))

    async def _try(self, backend: Endpoint) -> None:
        loop = asyncio.get_running_loop()
        timeout = self._settings.limits.connect_timeout
        until = loop.time() + timeout
        self._greeted = loop.create_future()
        sock = await dial(backend, timeout)
        self._attach(sock)
        try:
            async with asyncio.timeout_at(until):
                await self._greeted
        except TimeoutError:
            self._side.drop()
            raise UnreachableError(backend, f"no greeting within {timeout:g} s") from None

    def _attach(self, sock: socket.socket) -> None:
        tune(sock)
        settings = self._settings
        self._side.feed_to(self._take)
        self._side.attach(PumpedTransport(running_pump(), sock, self._side), settings.limits.write_buffer)
        if header := proxy_header(settings.backend_proxy_protocol, self._client.announcement):
            self._side.write(header)

    def _take(self, greeting: bytes) -> None:
        backend = self._trying
        if backend is None or self._greeted.done():  # given up in this very turn of the loop
            return
        self.chosen = backend
        self._settings.backends.reached(backend)
        self._greeted.set_result(None)
        self._searcher.backend_found(backend.endpoint, greeting)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._searcher.fault(error)
        self._searcher.search_ended()
