"""What the supervisor and its workers tell each other."""

from dataclasses import dataclass

from proxy.admin.sources import OpenSession
from proxy.config import Endpoint
from proxy.conflicts.counters import Counters
from proxy.conflicts.journal import Told
from proxy.run.policy import Identity, Loaded

# From the supervisor to a worker. They are followed in their order.


@dataclass(frozen=True, slots=True)
class Start:
    """Serve clients; index: the worker's place among all `workers`. addresses: where its clients come in."""

    index: int
    workers: int
    loaded: Loaded
    identity: Identity
    addresses: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Prepare:
    """Make ready to follow other files; answered by Prepared."""

    number: int
    loaded: Loaded
    identity: Identity


@dataclass(frozen=True, slots=True)
class Commit:
    """Follow what was prepared last; answered by Committed."""

    number: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Report now; sessions: name them, too."""

    number: int
    sessions: bool


@dataclass(frozen=True, slots=True)
class Forget:
    """Have definitions of tables looked up anew: another worker has seen DDL."""

    schema: str | None
    table: str | None


@dataclass(frozen=True, slots=True)
class Drain:
    """End the sessions, within so many seconds, and then yourself."""

    seconds: float


# From a worker to the supervisor.


@dataclass(frozen=True, slots=True)
class Ready:
    """Clients may come."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was to be prepared is ready, or cannot be followed; problem: why not."""

    number: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class Committed:
    """What was prepared is followed."""

    number: int


@dataclass(frozen=True, slots=True)
class Report:
    """What has happened since the last report.

    number: of the question that it answers, if it was asked for. counters: what was counted. told: conflicts. sessions:
    those that are open, if that was asked. taken: how many connections have come so far. coming: how many of them
    are no sessions yet.
    """

    number: int | None
    counters: Counters
    told: list[Told]
    sessions: list[OpenSession] | None
    taken: int
    coming: int


@dataclass(frozen=True, slots=True)
class SeenDdl:
    """DDL has come by: all workers are to forget a table, all of a schema, or all."""

    schema: str | None
    table: str | None
