"""A conflict for tests to vary, and its recording."""

from typing import Any

from proxy.conflicts.attempt import Attempt
from proxy.conflicts.conflict import Conflict, Finding, Met, Outcome
from proxy.conflicts.recorder import Recorder

MET = Met(schema="shop", table="users", key="ux_email", entry="alice@example.org", statement="insert", errno=1062)
CONFLICT = Conflict(
    at=1_700_000_000.0,
    thread_id=7,
    user="app_rw",
    client="10.0.0.9:50000",
    met=MET,
    outcome=Outcome.RETURNED,
    rule=None,
    latency=None,
)


def met(**changes: Any) -> Met:
    return Met(**{**MET._asdict(), **changes})


def conflict(**changes: Any) -> Conflict:
    """Give it with other fields, of its own or of what it holds."""
    held = {name: changes.pop(name) for name in Met._fields if name in changes}
    found = {name: changes.pop(name) for name in Finding._fields if name in changes}
    # not by _replace: of the tuples that it leaves Python keeps 2,000 to use again, and never does
    return Conflict(**{**CONFLICT._asdict(), "met": met(**held), "finding": Finding(**found), **changes})


def record(recorder: Recorder, attempt: Attempt, **changes: Any) -> None:
    """Have the conflict of an attempt judged and recorded."""
    given = conflict(**changes)
    recorder.record(given._replace(finding=recorder.judge(given.met, attempt, given.at)))
