"""The backends of a proxy, and the memory of which of them are in trouble."""

import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from proxy.config import Endpoint

_log = structlog.get_logger(__name__)

SHORTEST_REST: Final = 1.0
LONGEST_REST: Final = 30.0
"""Seconds for which a backend that failed is tried last; they double each time that it is tried in vain after them."""


class Trouble:
    """Something that may be wrong with a backend; its begin and its end are logged, not each session that meets it."""

    __slots__ = ("_backend", "_began", "_clock", "_event", "_met", "_over")

    def __init__(self, backend: Endpoint, event: str, over: str, clock: Callable[[], float]) -> None:
        self._backend = str(backend)
        self._event = event
        self._over = over
        self._clock = clock
        self._met = 0
        self._began = 0.0

    def __bool__(self) -> bool:
        return bool(self._met)

    def met(self, reason: str) -> None:
        """Note that a session has met it."""
        if not self._met:
            self._began = self._clock()
            _log.warning(self._event, backend=self._backend, reason=reason)
        self._met += 1

    def over(self, **more: int) -> None:
        """Note that a session has not met it; more: what else to say of the time since it began."""
        if self._met:
            seconds = round(self._clock() - self._began, 1)
            _log.warning(self._over, backend=self._backend, seconds=seconds, failed_connections=self._met, **more)
            self._met = 0


class Backend:
    """One backend.

    Attributes:
        endpoint: where it is.
        down: it cannot be reached.
        tls: it is reached, and TLS with it fails.
    """

    __slots__ = ("_clock", "_rest", "_retry_at", "down", "endpoint", "tls")

    def __init__(self, endpoint: Endpoint, clock: Callable[[], float]) -> None:
        self.endpoint = endpoint
        self.down = Trouble(endpoint, "backend unreachable", "backend reachable again", clock)
        self.tls = Trouble(endpoint, "TLS with the backend fails", "TLS with the backend works again", clock)
        self._clock = clock
        self._rest = SHORTEST_REST
        self._retry_at = 0.0

    def failed(self, reason: str) -> None:
        """Note that it could not be reached."""
        if not self.down:
            self._rest = SHORTEST_REST
            self._retry_at = self._clock() + self._rest
        self.down.met(reason)

    def takes_its_turn(self) -> bool:
        """Whether to try it in its place; of the sessions that come while it is down, one after each rest."""
        if not self.down:
            return True
        now = self._clock()
        if now < self._retry_at:
            return False
        self._rest = min(2 * self._rest, LONGEST_REST)
        self._retry_at = now + self._rest
        return True


class Backends:
    """The backends, in the order of preference."""

    __slots__ = ("_all", "_refused")

    def __init__(self, endpoints: Sequence[Endpoint], clock: Callable[[], float] = time.monotonic) -> None:
        self._all = [Backend(endpoint, clock) for endpoint in endpoints]
        self._refused = 0

    def candidates(self) -> list[Backend]:
        """Give all of them in the order in which a session should try them; call it once for each session."""
        first = [backend for backend in self._all if backend.takes_its_turn()]
        if len(first) == len(self._all):
            return first
        return first + [backend for backend in self._all if backend not in first]

    def reached(self, backend: Backend) -> None:
        """Note that a backend has greeted."""
        if backend.down:
            backend.down.over(refused_sessions=self._refused)
            self._refused = 0

    def refused(self) -> None:
        """Note that a session has found no backend at all."""
        self._refused += 1
