"""A bound on how often something is done."""

from collections.abc import Callable


class TokenBucket:
    """Allows `rate` events a second and bursts of one second's worth; clock: seconds, monotonic."""

    __slots__ = ("_at", "_clock", "_rate", "_size", "_tokens")

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._size = max(rate, 1.0) if rate > 0 else 0.0
        self._tokens = self._size
        self._clock = clock
        self._at = clock()

    def take(self, cost: float = 1.0) -> bool:
        """Whether one more event is allowed now; `cost`: how many events it stands for."""
        now = self._clock()
        self._tokens = min(self._size, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True
