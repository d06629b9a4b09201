"""The log's lines of sessions that have ended."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

import structlog

from proxy.conflicts.labels import REMARKABLE

_log = structlog.get_logger(__name__)

_MANY: Final = 32
_MOMENT: Final = 0.02
"""Seconds that a line may wait for others."""


class Endings:
    """Tells of the ends of a listener's sessions, those of a moment together.

    Where each is told of alone, what makes a line is in none of the processor's caches: that took three times as long,
    which was a tenth of all that a connection costs.
    """

    __slots__ = ("_timer", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[tuple[str, dict[str, object]]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, client: str, result: str | None, reason: str, account: Mapping[str, object], *, usual: str) -> None:
        """Tell of a session soon, and at once of one that has ended as few do.

        Args:
            client: its client's address.
            result: how it has ended.
            reason: why, in words.
            account: what it was and did, by names.
            usual: the level of a line that is not remarkable, as the logger names it.
        """
        said = {"client": client, "result": result, "reason": reason, **account, "timestamp": time.time()}
        remarkable = result in REMARKABLE
        self._waiting.append(("warning" if remarkable else usual, said))
        if remarkable or len(self._waiting) >= _MANY:
            self.tell()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_MOMENT, self._tell_in_time)

    def tell(self) -> None:
        """Tell of those that wait."""
        waiting, self._waiting = self._waiting, []
        for level, said in waiting:
            getattr(_log, level)("session ended", **said)

    def _tell_in_time(self) -> None:
        self._timer = None
        self.tell()
