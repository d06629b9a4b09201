"""The moment by which something must have happened."""

import asyncio
from collections.abc import Callable


class Deadline:
    """Does something at a moment, unless that is put off or lifted before; there is one at a time.

    To put it off costs no new timer: the one that runs is too early then, and is set again.

    Args:
        loop: whose clock counts.
    """

    __slots__ = ("_action", "_args", "_at", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0
        self._action: Callable[..., object] = self.lift
        self._args: tuple[str, ...] = ()

    def set(self, seconds: float, action: Callable[..., object], *args: str) -> None:
        """Do this after so many seconds, in place of what was to be done."""
        self._at = self._loop.time() + seconds
        self._action, self._args = action, args
        if self._timer is None or self._at < self._timer.when():
            self._stop()
            self._timer = self._loop.call_at(self._at, self._due)

    def lift(self) -> None:
        """Do nothing."""
        self._stop()
        self._action, self._args = self.lift, ()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and self._at > timer.when():
            self._timer = self._loop.call_at(self._at, self._due)
        else:
            self._action(*self._args)
