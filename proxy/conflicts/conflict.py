"""One duplicate-key error, or one that a rule prevented, as values."""

from enum import StrEnum
from typing import NamedTuple

from proxy.conflicts.traces import Trace


class Outcome(StrEnum):
    """What became of a conflict, as the client saw it."""

    RETURNED = "returned"
    """The server's duplicate-key error went to the client."""
    KEPT = "kept"
    """The row that was there stays as it was; the client got an OK."""
    UPDATED = "updated"
    """The row that was there was changed; the client got an OK."""
    REPLACED = "replaced"
    """The row that was there was deleted and the offered one inserted; the client got an OK."""
    REFUSED = "refused"
    """The guard refused to touch the row; the client got the duplicate-key error."""
    FAILED = "failed"
    """The second statement failed; the client got an error."""
    INSERTED = "inserted"
    """The row in the way was gone by the time of the second statement: the offered row is in the table."""
    UNKNOWN = "unknown"
    """The reply does not tell, as with one affected row under CLIENT_FOUND_ROWS, or it never came."""


class Cause(StrEnum):
    """Why a conflict happened."""

    RETRY = "retry"
    """The same statement with the same values was run before."""
    RACE = "race"
    """Another session inserted the same entry at about the same time."""
    BULK = "bulk"
    """The statement offered the entry twice itself."""
    SEQUENCE = "sequence"
    """The AUTO_INCREMENT counter is behind the data, or at its end: the value was generated."""
    EXISTING = "existing"
    """The row had been there for a while."""
    UNKNOWN = "unknown"
    """What was seen does not tell."""


class Met(NamedTuple):
    """What is in conflict, known before it is known what becomes of it.

    schema, table: None where neither the statement nor the server's message tells.
    key: the unique index, without its table; "unknown" where the message does not tell.
    entry: the value in conflict as the server printed it: personal data, never to be shown as it is by default.
    statement: the statement's verb in lower case.
    errno: the server's error number; 1062 for a conflict that a rule prevented.
    """

    schema: str | None
    table: str | None
    key: str
    entry: str | None
    statement: str
    errno: int


class Finding(NamedTuple):
    """What was found out about a conflict.

    columns: the key's columns where they are known, else (). sample: the statement without its values; digest: a hash
    of that. trace: which one the statement belongs to, if any.
    """

    cause: Cause = Cause.UNKNOWN
    columns: tuple[str, ...] = ()
    sample: str = ""
    digest: str = ""
    trace: Trace | None = None


class Conflict(NamedTuple):
    """One conflict, and what has become of it.

    at: seconds since the epoch. thread_id: the server's connection id. client: the client's address.
    rule: the name of the rule that was in charge, if any.
    latency: seconds from the conflict to the client's reply; None where there was no second statement.
    rows: how many of one statement met the same.
    """

    at: float
    thread_id: int
    user: str
    client: str
    met: Met
    outcome: Outcome
    rule: str | None
    latency: float | None
    rows: int = 1
    finding: Finding = Finding()
