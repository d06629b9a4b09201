"""How many clients come in: at once, from one host, in a second; and how many of a host's logins are under way."""

from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from proxy.config import Limits
from proxy.conflicts.labels import Result
from proxy.wire.answers import err
from proxy.wire.framing import frame

TOO_MANY: Final = frame(err(1040, "", "Too many connections"), 0)
"""What the server sends in place of its greeting: an error without an SQL state, as no protocol is agreed on yet."""


class Gate:
    """Counts the clients that are in, and turns away those that would be too many.

    limits: may be exchanged; those who are in stay. clock: seconds, monotonic.
    """

    __slots__ = ("_by_host", "_clock", "_filled_at", "_inside", "_logins", "limits")

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._clock = clock
        self._inside = 0
        self._by_host: Counter[str] = Counter()
        self._logins = float(limits.logins_per_second)
        self._filled_at = clock()

    def enter(self, host: str) -> Result | None:
        """Let a client in and return None, or return which limit forbids it; whoever enters has to leave."""
        limits = self.limits
        if limits.sessions and self._inside >= limits.sessions:
            return Result.LIMIT_SESSIONS
        if limits.sessions_per_host and self._by_host[host] >= limits.sessions_per_host:
            return Result.LIMIT_SESSIONS_PER_HOST
        if limits.logins_per_second and not self._take_login(limits.logins_per_second):
            return Result.LIMIT_LOGINS_PER_SECOND
        self._inside += 1
        self._by_host[host] += 1
        return None

    def leave(self, host: str) -> None:
        """Take note that a client has gone."""
        self._inside -= 1
        self._by_host[host] -= 1
        if not self._by_host[host]:
            del self._by_host[host]

    def _take_login(self, rate: int) -> bool:
        """Take a token of a bucket that holds a second's worth and fills as time passes."""
        now = self._clock()
        self._logins = min(rate, self._logins + rate * (now - self._filled_at))
        self._filled_at = now
        if self._logins < 1:
            return False
        self._logins -= 1
        return True


class _Host:
    __slots__ = ("under_way", "waiting")

    def __init__(self) -> None:
        self.under_way = 0
        self.waiting: deque[Callable[[], None]] = deque()


class Turns:
    """Lets so many logins of each host be under way; the others wait in the order in which they came.

    A login holds a connection of the server's, of which there are few: whoever only connects must not use them up.
    """

    __slots__ = ("_hosts",)

    def __init__(self) -> None:
        self._hosts: dict[str, _Host] = {}

    def take(self, host: str, limit: int, comes: Callable[[], None]) -> bool:
        """Take a turn, or wait for one; whoever has had one has to give it back.

        Args:
            host: whose.
            limit: how many there may be; 0: any number.
            comes: called when the turn has come that had to be waited for; in the midst of what another login does.

        Returns:
            Whether it was there at once.
        """
        queue = self._hosts.get(host)
        if queue is None:
            queue = self._hosts[host] = _Host()
        if not limit or queue.under_way < limit:
            queue.under_way += 1
            return True
        queue.waiting.append(comes)
        return False

    def leave(self, host: str, comes: Callable[[], None]) -> None:
        """Wait no longer for a turn that has not come."""
        self._hosts[host].waiting.remove(comes)

    def give(self, host: str) -> None:
        """Give a turn back, to who has waited longest."""
        queue = self._hosts[host]
        if queue.waiting:
            queue.waiting.popleft()()
            return
        queue.under_way -= 1
        if not queue.under_way:
            del self._hosts[host]
