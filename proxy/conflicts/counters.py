"""What a process counts: plain integers, cheap to bump on the data path and read only when somebody scrapes them."""

import copy
from typing import Any, Final, TypeVar

import cython

from proxy.conflicts.labels import OTHER, CauseLabels, ConflictLabels
from proxy.conflicts.traces import Trace

_Key = TypeVar("_Key")

BUCKETS = 27
"""Bucket i of a Durations holds what took at most 2**i microseconds (1 us to 67 s); one more holds the rest."""
_REST: Final = BUCKETS

if not cython.compiled:

    def _bits(microseconds: float) -> int:
        return int(microseconds).bit_length()


class Durations:
    """A histogram of durations whose buckets are powers of two of a microsecond, not cumulated."""

    __slots__ = ("buckets", "sum")

    def __init__(self) -> None:
        self.buckets = [0] * (BUCKETS + 1)
        self.sum = 0.0

    def add(self, other: "Durations") -> None:
        """Count what another one has counted."""
        self.buckets = [own + more for own, more in zip(self.buckets, other.buckets, strict=True)]
        self.sum += other.sum

    def observe(self, seconds: float) -> None:
        """Count one duration, given in seconds."""
        # Less a picosecond: a duration of exactly 2**i us belongs to bucket i, as Prometheus's `le` has it.
        bucket = _bits(seconds * 1e6 - 1e-6)
        self.buckets[bucket if bucket < _REST else _REST] += 1
        self.sum += seconds


class Counters:
    """All counters of a process.

    max_series: how many series keyclash_conflicts_total, keyclash_conflict_causes_total and keyclash_mysql_errors_total
    may each have before new tables, keys and codes go to "__other__". It bounds the memory that a hostile client can
    take; what remains beyond it is bounded by the closed sets and the rules of the other labels.
    """

    __slots__ = (
        "_max_series",
        "bytes_received",
        "bytes_sent",
        "causes",
        "command_durations",
        "commands",
        "conflicts",
        "deadlocks",
        "errors",
        "last_reload_at",
        "last_reload_successful",
        "resolution_durations",
        "rewrites",
        "sessions",
        "sessions_limit",
        "sessions_total",
        "skipped",
        "traces",
        "tripped",
        "worker_restarts",
        "workers",
    )

    def __init__(self, max_series: int = 1000) -> None:
        self._max_series = max_series
        self.commands = [0] * 256
        """Commands by their first byte: the fast path bumps it in place."""
        self.bytes_received = 0
        """Bytes read from clients."""
        self.bytes_sent = 0
        """Bytes written to clients."""
        self.sessions = 0
        """Sessions open now."""
        self.sessions_limit = 0
        """How many may be; 0: any number."""
        self.sessions_total: dict[str, int] = {}
        self.errors: dict[int | str, int] = {}
        self.command_durations = Durations()
        """How long commands took, from their last byte to the end of their reply."""
        self.resolution_durations = Durations()
        """How much longer clients waited because of a second statement."""
        self.rewrites: dict[tuple[str, str, str, str], int] = {}
        self.skipped: dict[tuple[str, str], int] = {}
        self.deadlocks: dict[str, int] = {}
        """Deadlocks by the rule that was for the INSERT."""
        self.tripped: dict[str, int] = {}
        """Rules that have tripped off, by name: 1 while they rest, else 0."""
        self.conflicts: dict[ConflictLabels, int] = {}
        self.traces: dict[ConflictLabels, Trace] = {}
        """For the series of conflicts the last trace that one of them belongs to."""
        self.causes: dict[CauseLabels, int] = {}
        self.last_reload_successful = False
        self.last_reload_at = 0.0
        self.workers = 1
        """Processes that serve clients now."""
        self.worker_restarts = 0

    def take(self) -> "Counters":
        """Hand out what was counted since the last time, and count anew; states stay."""
        taken, fresh = copy.copy(self), Counters()
        for name in _COUNTS:
            setattr(self, name, getattr(fresh, name))
        return taken

    def add(self, other: "Counters") -> None:
        """Count what was counted elsewhere, within the same cap; states stay."""
        self.commands = [own + more for own, more in zip(self.commands, other.commands, strict=True)]
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in _BY_LABEL:
            counts: dict[Any, int] = getattr(self, name)
            for key, count in getattr(other, name).items():
                _bump(counts, key, count)
        for code, count in other.errors.items():
            self.error(code, count)
        for labels, count in other.conflicts.items():
            self.conflict(labels, count, other.traces.get(labels))
        for cause, count in other.causes.items():
            self.cause(cause, count)
        self.command_durations.add(other.command_durations)
        self.resolution_durations.add(other.resolution_durations)

    def session_opened(self) -> None:
        """Count a session that begins."""
        self.sessions += 1

    def session_closed(self, result: str) -> None:
        """Count a session that ended; result is a word of a closed set."""
        self.sessions -= 1
        _bump(self.sessions_total, result)

    def lost(self, result: str, count: int) -> None:
        """Count sessions that ended without a word."""
        self.sessions -= count
        _bump(self.sessions_total, result, count)

    def session_refused(self, result: str) -> None:
        """Count a client for whom no session was opened; result is a word of a closed set."""
        _bump(self.sessions_total, result)

    def error(self, code: int | str, count: int = 1) -> None:
        """Count ERR packets of the server. SIGNAL lets a client invent codes, so their number is capped."""
        _bump(self.errors, code if code in self.errors or len(self.errors) < self._max_series else OTHER, count)

    def rewrite(self, rule: str, when: str, protocol: str, result: str) -> None:
        """Count a statement that a rule rewrote; when: conflict or always; protocol: text or prepared."""
        _bump(self.rewrites, (rule, when, protocol, result))

    def deadlock(self, rule: str) -> None:
        """Count a deadlock that answered an INSERT with a rule: the client's own statement or the rule's."""
        _bump(self.deadlocks, rule)

    def skip(self, rule: str, reason: str) -> None:
        """Count an INSERT into a table with a rule that was left alone, and why."""
        _bump(self.skipped, (rule, reason))

    def conflict(self, labels: ConflictLabels, count: int = 1, trace: Trace | None = None) -> None:
        """Count conflicts; past the cap its schema, table and key become "__other__"; trace: that they belong to."""
        if labels not in self.conflicts and len(self.conflicts) >= self._max_series:
            labels = labels._replace(schema=OTHER, table=OTHER, key=OTHER)
        _bump(self.conflicts, labels, count)
        if trace is not None:
            self.traces[labels] = trace

    def cause(self, labels: CauseLabels, count: int = 1) -> None:
        """Count the cause of conflicts; past the cap its schema, table and key become "__other__"."""
        if labels not in self.causes and len(self.causes) >= self._max_series:
            labels = labels._replace(schema=OTHER, table=OTHER, key=OTHER)
        _bump(self.causes, labels, count)

    def reload_succeeded(self, at: float) -> None:
        """Note that the configuration was loaded, at so many seconds since the epoch."""
        self.last_reload_successful = True
        self.last_reload_at = at

    def reload_failed(self) -> None:
        """Note that the configuration could not be loaded, so that the one before is still in force."""
        self.last_reload_successful = False


_STATES: Final = frozenset(
    {"_max_series", "last_reload_at", "last_reload_successful", "sessions_limit", "tripped", "workers"}
)
_COUNTS: Final = tuple(name for name in Counters.__slots__ if name not in _STATES)
_NUMBERS: Final = tuple(name for name in _COUNTS if isinstance(getattr(Counters(), name), int))
_CAPPED: Final = frozenset({"causes", "conflicts", "errors", "traces"})
_BY_LABEL: Final = tuple(
    name for name in _COUNTS if isinstance(getattr(Counters(), name), dict) and name not in _CAPPED
)


def _bump(counts: dict[_Key, int], key: _Key, count: int = 1) -> None:
    counts[key] = counts.get(key, 0) + count
