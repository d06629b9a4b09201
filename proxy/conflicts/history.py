"""How many conflicts there were in each of the last minutes."""

from array import array
from typing import Final

MINUTES: Final = 360
"""Six hours."""


class History:
    """Counts per minute over the last hours, in 1.4 KiB."""

    __slots__ = ("_counts", "_minute")

    def __init__(self) -> None:
        self._counts = array("I", bytes(4 * MINUTES))
        self._minute = 0  # of the last count, since the epoch

    def add(self, at: float, count: int = 1) -> None:
        """Count something that happened then, in seconds since the epoch; what is older than the last one is now."""
        minute = int(at // 60)
        if minute > self._minute:
            self._forget(minute)
        at_index = self._minute % MINUTES
        self._counts[at_index] = min(self._counts[at_index] + count, 0xFFFFFFFF)

    def last(self, at: float, minutes: int = MINUTES) -> list[int]:
        """Give the counts of the last minutes up to then, the oldest first."""
        now = max(int(at // 60), self._minute)
        wanted = range(now - min(minutes, MINUTES) + 1, now + 1)
        oldest = self._minute - MINUTES
        return [self._counts[minute % MINUTES] if oldest < minute <= self._minute else 0 for minute in wanted]

    def _forget(self, minute: int) -> None:
        """Set the minutes since the last count to zero."""
        gone = min(minute - self._minute, MINUTES)
        for passed in range(minute - gone + 1, minute + 1):
            self._counts[passed % MINUTES] = 0
        self._minute = minute
