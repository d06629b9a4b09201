"""The one place where a conflict is judged, counted, kept and written to the log."""

import hashlib
import secrets
from collections.abc import Callable
from typing import Any, Protocol

from proxy.conflicts.attempt import Attempt
from proxy.conflicts.bucket import TokenBucket
from proxy.conflicts.causes import Facts, Judge, KeyFacts
from proxy.conflicts.conflict import Cause, Conflict, Finding, Met
from proxy.conflicts.counters import Counters
from proxy.conflicts.insertions import Insertions
from proxy.conflicts.journal import Journal
from proxy.conflicts.labels import ConflictLabels, cause_labels, conflict_labels, printable
from proxy.conflicts.neighbours import Neighbours
from proxy.conflicts.redaction import digest, redact
from proxy.conflicts.traces import trace_of


class Log(Protocol):
    """What a recorder writes to: a structlog logger."""

    def info(self, event: str, **fields: Any) -> Any:
        """Write one line."""


def _nothing_known(schema: str | None, table: str | None, key: str) -> KeyFacts | None:
    return None


class Recorder:
    """Finds the cause of every conflict, counts it, keeps it in the journal and logs as many as the rate allows.

    show_values: show the value in conflict as it is, instead of a hash that is good for one process's life.
    conflicts_per_second: how many lines a second may be logged, with a burst of one second's worth (at least one);
    0 logs none. clock: seconds, monotonic. facts: what is known of keys. hash_key: 32 bytes, for processes whose hashes
    are to be the same; None: some of its own. sees_all: no other process sees a part of the inserts. neighbours: what
    those tell that do.

    Attributes:
        insertions: is told of every INSERT that is sent.
        journal: keeps the conflicts.
    """

    __slots__ = (
        "_bucket",
        "_counters",
        "_hash_key",
        "_judge",
        "_log",
        "_show_values",
        "_suppressed",
        "insertions",
        "journal",
    )

    def __init__(
        self,
        counters: Counters,
        log: Log,
        show_values: bool,
        conflicts_per_second: float,
        clock: Callable[[], float],
        *,
        facts: Facts = _nothing_known,
        journal: Journal | None = None,
        hash_key: bytes | None = None,
        sees_all: bool = True,
        neighbours: Neighbours | None = None,
    ) -> None:
        self._counters = counters
        self._log = log
        self._show_values = show_values
        self._hash_key = hash_key or secrets.token_bytes(32)
        self._bucket = TokenBucket(conflicts_per_second, clock)
        self._suppressed = 0
        self.insertions = Insertions(neighbours)
        self.journal = journal or Journal()
        self._judge = Judge(self.insertions, clock, facts, sees_all)

    def judge(self, met: Met, attempt: Attempt, at: float) -> Finding:
        """Find out about a conflict what the session saw of the statement tells: once, when it is met.

        attempt: the statement; it holds values, and nothing of it is kept here. at: now, in seconds since the epoch.
        """
        cause, columns, read = self._judge.judge(met, attempt)
        sample = redact(attempt.text) if read else ""
        return Finding(cause, columns, sample, digest(sample) if sample else "", trace_of(attempt.text, at))

    def record(self, conflict: Conflict) -> None:
        """Count and keep a conflict, and log it as one line "conflict", or count the line as suppressed."""
        labels = conflict_labels(conflict)
        self._counters.conflict(labels, conflict.rows, conflict.finding.trace)
        self._counters.cause(cause_labels(labels, conflict.finding.cause), conflict.rows)
        entry = conflict.met.entry
        self.journal.add(conflict, None if entry is None else self._shown(entry))
        if not self._bucket.take():
            self._suppressed += 1
            return
        fields = conflict_fields(conflict, labels, self._shown)
        if self._suppressed:
            fields["suppressed"] = self._suppressed
            self._suppressed = 0
        self._log.info("conflict", **fields)

    def _shown(self, entry: str) -> str:
        if self._show_values:
            return printable(entry)
        return hashlib.blake2b(printable(entry).encode(), key=self._hash_key, digest_size=6).hexdigest()


def conflict_fields(conflict: Conflict, labels: ConflictLabels, shown: Callable[[str], str]) -> dict[str, Any]:
    """Name the fields of a conflict's log line; what is not known is left out.

    labels: those under which it is counted. shown: what to print for a value.
    """
    met, finding = conflict.met, conflict.finding
    fields = {
        "schema": labels.schema or None,
        "table": labels.table or None,
        "key": labels.key,
        "entry": None if met.entry is None else shown(met.entry),
        "statement": labels.statement,
        "outcome": conflict.outcome.value,
        "cause": None if finding.cause is Cause.UNKNOWN else finding.cause.value,
        "digest": finding.digest or None,
        "rule": conflict.rule,
        "errno": met.errno,
        "count": conflict.rows,
        "thread_id": conflict.thread_id,
        "user": printable(conflict.user),
        "client": conflict.client,
        "latency_ms": None if conflict.latency is None else round(conflict.latency * 1000, 3),
    }
    return {name: value for name, value in fields.items() if value is not None}
