"""Time that stands still until it is told to pass."""

from dataclasses import dataclass


@dataclass
class Clock:
    """A clock that a test moves, in seconds."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now
