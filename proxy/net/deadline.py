"""The moments by which something must have happened."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from proxy.net.guarded import call_guarded


class Deadlines:
    """All deadlines of an event loop's connections, with one timer for each length of time that is given to them.

    There are few lengths: they are limits. So those of one length come in the order in which they are set, and to set,
    put off or lift one of thousands costs no timer.
    """

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[float, OrderedDict[Deadline, float]] = {}

    def add(self, deadline: "Deadline", seconds: float) -> "OrderedDict[Deadline, float]":
        """Have a deadline come after so many seconds; returns what to take it out of before."""
        waiting = self._waiting.get(seconds)
        if waiting is None:
            waiting = self._waiting[seconds] = OrderedDict()
            asyncio.get_running_loop().call_later(seconds, self._come, seconds)
        waiting[deadline] = monotonic() + seconds
        return waiting

    def _come(self, seconds: float) -> None:
        """Let the deadlines of this length come whose moment it is, and wait for the next one."""
        waiting, now = self._waiting[seconds], monotonic()
        while waiting:
            deadline, at = next(iter(waiting.items()))
            if at > now:
                asyncio.get_running_loop().call_at(at, self._come, seconds)
                return
            del waiting[deadline]
            call_guarded(deadline.come)
        del self._waiting[seconds]


class Deadline:
    """Does something at a moment, unless that is put off or lifted before; there is one at a time.

    Args:
        deadlines: those of all others.
    """

    __slots__ = ("_action", "_args", "_deadlines", "_waiting")

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._waiting: OrderedDict[Deadline, float] | None = None
        self._action: Callable[..., object] | None = None
        self._args: tuple[str, ...] = ()

    def set(self, seconds: float, action: Callable[..., object], *args: str) -> None:
        """Do this after so many seconds, in place of what was to be done."""
        if self._waiting is not None:
            del self._waiting[self]
        self._action, self._args = action, args
        self._waiting = self._deadlines.add(self, seconds)

    def lift(self) -> None:
        """Do nothing."""
        if self._waiting is not None:
            del self._waiting[self]
            self._waiting = self._action = None

    def come(self) -> None:
        """Do it."""
        action, self._waiting, self._action = self._action, None, None
        if action is not None:
            action(*self._args)
