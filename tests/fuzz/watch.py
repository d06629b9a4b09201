"""Holds a target to its bounds: no input may take longer than a second of CPU time, and memory may not grow."""

import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Final

from tests.fuzz.target import Target

SECONDS: Final = 1.0
"""CPU time that an input may take."""
GROWTH: Final = 32 << 20
"""Bytes by which the peak of memory may rise once a tenth of the inputs has been taken."""


class HangError(BaseException):
    """An input takes too long; nobody but the test may catch it."""


@dataclass(slots=True)
class Watch:
    """What was seen of a target.

    Attributes:
        count: how many inputs it has taken.
        slowest: the CPU time in seconds that one of them took at most, and that one.
    """

    target: Target
    count: int = 0
    slowest: tuple[float, bytes] = field(default=(0.0, b""))

    def check(self, data: bytes) -> None:
        """Have the target take an input.

        Raises:
            HangError: it takes too long.
        """
        started = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            self.target.check(data)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        took = time.process_time() - started
        if took > self.slowest[0]:
            self.slowest = (took, data)
        self.count += 1


@contextmanager
def watching(target: Target) -> Iterator[Watch]:
    """Watch a target."""
    before = signal.signal(signal.SIGPROF, _hang)
    try:
        yield Watch(target)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _hang(number: int, frame: FrameType | None) -> None:
    raise HangError(f"more than {SECONDS:g} s of CPU time")


def peak() -> int:
    """Return the peak of this process's memory, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
