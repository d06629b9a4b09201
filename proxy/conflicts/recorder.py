"""The one place where a conflict is counted and written to the log."""

import hashlib
import secrets
from collections.abc import Callable
from typing import Any, Protocol

from proxy.conflicts.conflict import Cause, Conflict
from proxy.conflicts.counters import Counters
from proxy.conflicts.labels import cause_labels, conflict_labels, printable


class Log(Protocol):
    """What a recorder writes to: a structlog logger."""

    def info(self, event: str, **fields: Any) -> Any:
        """Write one line."""


class Recorder:
    """Counts every conflict and logs as many as the rate allows.

    show_values: log the value in conflict as it is, instead of a hash that is good for one process's life.
    conflicts_per_second: how many lines a second may be logged, with a burst of one second's worth (at least one);
    0 logs none. clock: seconds, monotonic.
    """

    __slots__ = ("_bucket", "_counters", "_hash_key", "_log", "_show_values", "_suppressed")

    def __init__(
        self,
        counters: Counters,
        log: Log,
        show_values: bool,
        conflicts_per_second: float,
        clock: Callable[[], float],
    ) -> None:
        self._counters = counters
        self._log = log
        self._show_values = show_values
        self._hash_key = secrets.token_bytes(32)
        self._bucket = TokenBucket(conflicts_per_second, clock)
        self._suppressed = 0

    def record(self, conflict: Conflict) -> None:
        """Count a conflict and log it as one line "conflict", or count the line as suppressed."""
        self._counters.conflict(conflict_labels(conflict), conflict.count)
        self._counters.cause(cause_labels(conflict), conflict.count)
        if not self._bucket.take():
            self._suppressed += 1
            return
        fields = conflict_fields(conflict, self._shown)
        if self._suppressed:
            fields["suppressed"] = self._suppressed
            self._suppressed = 0
        self._log.info("conflict", **fields)

    def _shown(self, entry: str) -> str:
        if self._show_values:
            return printable(entry)
        return hashlib.blake2b(printable(entry).encode(), key=self._hash_key, digest_size=6).hexdigest()


class TokenBucket:
    """Allows `rate` events a second and bursts of one second's worth; clock: seconds, monotonic."""

    __slots__ = ("_at", "_clock", "_rate", "_size", "_tokens")

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._size = max(rate, 1.0) if rate > 0 else 0.0
        self._tokens = self._size
        self._clock = clock
        self._at = clock()

    def take(self) -> bool:
        """Whether one more event is allowed now."""
        now = self._clock()
        self._tokens = min(self._size, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


def conflict_fields(conflict: Conflict, shown: Callable[[str], str]) -> dict[str, Any]:
    """Name the fields of a conflict's log line; what is not known is left out. shown: what to print for a value."""
    labels = conflict_labels(conflict)
    fields = {
        "schema": labels.schema or None,
        "table": labels.table or None,
        "key": labels.key,
        "entry": None if conflict.entry is None else shown(conflict.entry),
        "statement": labels.statement,
        "outcome": conflict.outcome.value,
        "cause": None if conflict.cause is Cause.UNKNOWN else conflict.cause.value,
        "rule": conflict.rule,
        "errno": conflict.errno,
        "count": conflict.count,
        "thread_id": conflict.thread_id,
        "user": printable(conflict.user),
        "client": conflict.client,
        "latency_ms": None if conflict.latency is None else round(conflict.latency * 1000, 3),
    }
    return {name: value for name, value in fields.items() if value is not None}
