"""A conflict for tests to vary."""

from typing import Any

from proxy.conflicts.conflict import Conflict, Outcome

CONFLICT = Conflict(
    at=1_700_000_000.0,
    thread_id=7,
    user="app_rw",
    client="10.0.0.9:50000",
    schema="shop",
    table="users",
    key="ux_email",
    entry="alice@example.org",
    statement="insert",
    outcome=Outcome.RETURNED,
    rule=None,
    errno=1062,
    latency=None,
)


def conflict(**changes: Any) -> Conflict:
    return Conflict(**{**CONFLICT._asdict(), **changes})
