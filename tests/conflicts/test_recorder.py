from typing import Any

from proxy.conflicts.attempt import Attempt
from proxy.conflicts.causes import KeyFacts
from proxy.conflicts.conflict import Cause, Outcome
from proxy.conflicts.counters import Counters
from proxy.conflicts.labels import cause_labels, conflict_labels
from proxy.conflicts.recorder import Recorder
from tests.clock import Clock
from tests.conflicts.conflicts import conflict, record


class Lines:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    @property
    def last(self) -> dict[str, Any]:
        return self.lines[-1][1]


def recorder(
    log: Lines,
    *,
    counters: Counters | None = None,
    show_values: bool = False,
    rate: float = 10,
    clock: Clock | None = None,
) -> Recorder:
    return Recorder(counters or Counters(), log, show_values, rate, clock or Clock())


def test_a_conflict_is_counted_with_its_cause() -> None:
    counters = Counters()
    recorder(Lines(), counters=counters).record(conflict(cause=Cause.RACE))
    assert counters.conflicts == {conflict_labels(conflict()): 1}
    assert counters.causes == {cause_labels(conflict_labels(conflict()), Cause.RACE): 1}


def test_the_rows_of_one_statement_are_one_line_and_counted_each() -> None:
    counters, log = Counters(), Lines()
    recorder(log, counters=counters).record(conflict(rows=3))
    assert counters.conflicts == {conflict_labels(conflict()): 3}
    assert counters.causes == {cause_labels(conflict_labels(conflict()), Cause.UNKNOWN): 3}
    assert [fields["count"] for _, fields in log.lines] == [3]


def test_a_conflict_is_one_line() -> None:
    log = Lines()
    recorder(log, show_values=True).record(
        conflict(rule="signup", outcome=Outcome.KEPT, latency=0.0012345, cause=Cause.RETRY)
    )
    assert log.lines == [
        (
            "conflict",
            {
                "schema": "shop",
                "table": "users",
                "key": "ux_email",
                "entry": "alice@example.org",
                "statement": "insert",
                "outcome": "kept",
                "cause": "retry",
                "rule": "signup",
                "errno": 1062,
                "count": 1,
                "thread_id": 7,
                "user": "app_rw",
                "client": "10.0.0.9:50000",
                "latency_ms": 1.234,
            },
        )
    ]


def test_what_is_not_known_is_not_in_the_line() -> None:
    log = Lines()
    recorder(log).record(conflict(schema=None, table=None, entry=None))
    assert set(log.last) == {"key", "statement", "outcome", "errno", "count", "thread_id", "user", "client"}


def test_the_value_is_hashed_unless_it_is_to_be_shown() -> None:
    log = Lines()
    one = recorder(log)
    for entry in ("alice@example.org", "alice@example.org", "bob@example.org", ""):
        one.record(conflict(entry=entry))
    recorder(log).record(conflict(entry="alice@example.org"))
    hashes = [fields["entry"] for _, fields in log.lines]
    assert all(len(value) == 12 and set(value) <= set("0123456789abcdef") for value in hashes)
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 4, "another value or another process gives another hash"


def test_lines_are_valid_unicode_and_verbs_a_closed_set() -> None:
    log = Lines()
    recorder(log, show_values=True).record(conflict(user="u\udcff", key="k\udcfe", entry="\udcfd", statement="pwned"))
    assert (log.last["user"], log.last["key"], log.last["entry"]) == (r"u\xff", r"k\xfe", r"\xfd")
    assert log.last["statement"] == "other"
    recorder(log).record(conflict(entry="\udcfd"))


def test_lines_beyond_the_rate_are_suppressed_and_counted() -> None:
    log, clock, counters = Lines(), Clock(), Counters()
    one = recorder(log, counters=counters, rate=2, clock=clock)
    for _ in range(7):
        one.record(conflict())
    assert len(log.lines) == 2
    clock.now += 0.5
    one.record(conflict())
    one.record(conflict())
    clock.now += 0.5
    one.record(conflict())
    clock.now += 60
    one.record(conflict())
    assert [fields.get("suppressed") for _, fields in log.lines] == [None, None, 5, 1, None]
    assert sum(counters.conflicts.values()) == 11


def test_what_the_session_saw_tells_the_cause_and_the_shape() -> None:
    log, clock = Lines(), Clock()
    one = recorder(log, clock=clock)
    session, text = one.insertions.opened(), b"INSERT INTO users (email, n) VALUES ('alice@example.org', 1)"
    for _ in range(2):
        clock.now += 1
        one.insertions.sent(session, text, clock.now)
    record(one, Attempt(session, text, started=clock.now, table="users"))
    (kept,) = one.journal.records()
    assert (kept.cause, kept.columns) == (Cause.RETRY, ("email",))
    assert kept.sample == "INSERT INTO users (email, n) VALUES (?, ?)"
    assert (log.last["cause"], log.last["digest"]) == ("retry", kept.digest)
    assert kept.entry == log.last["entry"]


def test_facts_tell_the_columns() -> None:
    known = Recorder(Counters(), Lines(), False, 1, Clock(), facts=lambda *name: KeyFacts(("a", "b"), None, ()))
    record(known, Attempt(1, b"INSERT INTO users VALUES (1)"))
    assert next(known.journal.records()).columns == ("a", "b")
