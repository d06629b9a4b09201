"""Whether traffic should come here."""

import asyncio
from collections.abc import Awaitable, Callable


class Readiness:
    """Asks the backend now and then, and tells at once when the process drains.

    check: tells why the backend does not serve, or None; it is cut off after timeout seconds.
    draining: whether the process takes no more clients. clock: seconds, monotonic.
    An answer is good for max_age seconds and whoever asks meanwhile shares it: MySQL counts a connection that only
    looks at its greeting as a failed one, and blocks a host that makes many (max_connect_errors).
    """

    def __init__(
        self,
        check: Callable[[], Awaitable[str | None]],
        *,
        draining: Callable[[], bool],
        clock: Callable[[], float],
        max_age: float = 1.0,
        timeout: float = 5.0,
    ) -> None:
        self._check = check
        self._draining = draining
        self._clock = clock
        self._max_age = max_age
        self._timeout = timeout
        self._lock = asyncio.Lock()
        self._answer: str | None = None
        self._answered_at = float("-inf")

    async def __call__(self) -> str | None:
        """Return why no traffic should come here, or None if it may."""
        if self._draining():
            return "Keyclash is draining."
        async with self._lock:
            if self._clock() - self._answered_at >= self._max_age:
                self._answer = await self._ask()
                self._answered_at = self._clock()
        return self._answer

    async def _ask(self) -> str | None:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._check()
        except TimeoutError:
            return f"The backend did not answer within {self._timeout:g} s."
