"""The most frequent values of a stream in bounded memory."""

from dataclasses import dataclass
from typing import Final

CAPACITY: Final = 16


@dataclass(frozen=True, slots=True)
class Hitter:
    """One frequent value: it came at most `count` times, and at least `count - error`."""

    value: str
    count: int
    error: int


class SpaceSaving:
    """Counts the values of a stream and keeps the most frequent ones.

    A value that has no place takes that of the rarest and inherits its count as its error, so that none is ever
    under-counted, and none of a share above 1/capacity is missing (Metwally, Agrawal, El Abbadi: "Efficient Computation
    of Frequent and Top-k Elements in Data Streams", 2005).
    """

    __slots__ = ("_capacity", "_counts", "_errors")

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._counts: dict[str, int] = {}
        self._errors: dict[str, int] = {}

    def add(self, value: str, count: int = 1) -> None:
        """Count a value."""
        counts = self._counts
        if value in counts:
            counts[value] += count
            return
        if len(counts) < self._capacity:
            counts[value] = count
            return
        rarest = min(counts, key=counts.__getitem__)
        inherited = counts.pop(rarest)
        self._errors.pop(rarest, None)
        counts[value] = inherited + count
        self._errors[value] = inherited

    def top(self, number: int) -> tuple[Hitter, ...]:
        """Give the most frequent values, the first one first."""
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return tuple(Hitter(value, count, self._errors.get(value, 0)) for value, count in ranked[:number])
