"""How many conflicts there were in each of the last minutes, and of which kinds."""

from array import array
from typing import Final, Generic, TypeVar

MINUTES: Final = 360
"""Six hours."""
_MOST: Final = 0xFFFF_FFFF

_Kind = TypeVar("_Kind")


class History(Generic[_Kind]):
    """Counts per minute over the last hours, in 1.4 KiB for each kind that occurs."""

    __slots__ = ("_counts", "_minute")

    def __init__(self) -> None:
        self._counts: dict[_Kind, array[int]] = {}
        self._minute = 0  # of the last count, since the epoch

    def add(self, kind: _Kind, at: float, count: int = 1) -> None:
        """Count something that happened then, in seconds since the epoch; what is older than the last one is now."""
        minute = int(at // 60)
        if minute > self._minute:
            self._forget(minute)
        if kind not in self._counts:
            self._counts[kind] = array("I", bytes(4 * MINUTES))
        counts = self._counts[kind]
        index = self._minute % MINUTES
        counts[index] = min(counts[index] + count, _MOST)

    def last(self, at: float, minutes: int = MINUTES) -> dict[_Kind, list[int]]:
        """Give the counts of the last minutes up to then by their kinds, the oldest first."""
        now = max(int(at // 60), self._minute)
        wanted = range(now - min(minutes, MINUTES) + 1, now + 1)
        oldest = self._minute - MINUTES
        return {
            kind: [counts[minute % MINUTES] if oldest < minute <= self._minute else 0 for minute in wanted]
            for kind, counts in self._counts.items()
        }

    def total(self, at: float, minutes: int = MINUTES) -> list[int]:
        """Give the counts of the last minutes up to then, of all kinds together, the oldest first."""
        nothing = [0] * min(minutes, MINUTES)
        return [sum(counts) for counts in zip(nothing, *self.last(at, minutes).values(), strict=True)]

    def _forget(self, minute: int) -> None:
        """Set the minutes since the last count to zero."""
        gone = min(minute - self._minute, MINUTES)
        for counts in self._counts.values():
            for passed in range(minute - gone + 1, minute + 1):
                counts[passed % MINUTES] = 0
        self._minute = minute
