"""Ends sessions that have said nothing for long, without a timer for each."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from proxy.net.pair import Pair

_LOOKS: Final = 8
"""How many times it looks in the length of the limit: a session may be silent for an eighth longer."""
_PAUSE: Final = 1.0
"""Seconds until it looks again whether there is a limit by now."""


class Idleness:
    """Looks now and then at which sessions have moved no byte.

    pairs: gives those that live. limit: gives the seconds after which an idle one ends; None: never.
    clock: seconds, monotonic.
    """

    def __init__(
        self,
        pairs: Callable[[], Iterable[Pair]],
        limit: Callable[[], float | None],
        clock: Callable[[], float],
    ) -> None:
        self._pairs = pairs
        self._limit = limit
        self._clock = clock
        self._silent: dict[Pair, tuple[int, float]] = {}

    async def watch(self) -> None:
        """Go on until cancelled."""
        while True:
            limit = self._limit()
            if limit is None:
                self._silent.clear()
                await asyncio.sleep(_PAUSE)
            else:
                self.look(limit)
                await asyncio.sleep(limit / _LOOKS)

    def look(self, limit: float) -> None:
        """End those whose clients, though it is their turn, have been silent for so many seconds."""
        now = self._clock()
        before, self._silent = self._silent, {}
        for pair in self._pairs():
            moved = pair.bytes_moved
            known = before.get(pair)
            since = known[1] if known is not None and known[0] == moved else now
            if now - since >= limit and pair.waits_for_client:
                pair.idle_out()
            else:
                self._silent[pair] = moved, since
