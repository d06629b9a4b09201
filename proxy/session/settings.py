"""What a session is handed."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from proxy.config import BackendTlsMode, ClientTlsMode, Compression, Limits
from proxy.conflicts.counters import Counters
from proxy.conflicts.recorder import Recorder
from proxy.rules.match import RuleSet
from proxy.rules.table import Missing, Table
from proxy.rules.trips import Trips
from proxy.session.users import Users
from proxy.wire.rsa import RsaKey


class Wires(Protocol):
    """The two connections of a session, as far as it may touch them."""

    def to_client(self, data: bytes) -> None:
        """Send bytes to the client."""

    def to_backend(self, data: bytes) -> None:
        """Send bytes to the backend."""

    def start_client_tls(self) -> None:
        """Begin the TLS handshake with the client; its end is told by ``Session.client_tls_started``."""

    def start_backend_tls(self) -> None:
        """Begin the TLS handshake with the backend; its end is told by ``Session.backend_tls_started``."""

    def login_done(self) -> None:
        """End the login's time limit, and read bytes in bulk."""

    def hold_client(self) -> None:
        """Stop reading from the client."""

    def release_client(self) -> None:
        """Read from the client again."""

    def soon(self, callback: Callable[[], object]) -> None:
        """Call back once what has been written is on its way; never from within this call, nor before others' turn."""

    def close(self) -> None:
        """Send what waits in both directions, then close both connections."""


class Tables(Protocol):
    """Definitions of tables, as far as they are known."""

    def peek(self, schema: str, table: str) -> Table | Missing | None:
        """Give a definition, or why there is none; None: not known yet."""

    def request(self, schema: str, table: str, done: Callable[[], None]) -> None:
        """Have a definition read; ``done`` is called once it is known, or known to be missing, in bounded time."""

    def forget(self, schema: str | None = None, table: str | None = None) -> None:
        """Drop what is known, of all schemas or tables if none is named."""


class SessionSettings(NamedTuple):
    """What the sessions of a listener share, and where this client comes from.

    Args:
        rules: gives the rules in force at the time of the call.
        trips: knows which of them rest.
        tables: knows the tables' definitions; None: nobody looks them up.
        backend_public_key: the PEM that a backend without TLS must have its passwords encrypted for; None: ask it.
        client_secure: whether the client's connection needs no TLS to be private (a Unix socket).
        backend_secure: the same of the backend's connection.
        users: counts who is logged in.
        clock: seconds, monotonic.
        wall_clock: seconds since the epoch.
    """

    counters: Counters
    recorder: Recorder
    rules: Callable[[], RuleSet]
    trips: Trips
    tables: Tables | None
    client_tls: ClientTlsMode
    backend_tls: BackendTlsMode
    limits: Limits
    rsa: RsaKey
    client_address: str
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    users: Users
    compression: Compression = Compression()
    backend_public_key: bytes | None = None
    client_secure: bool = False
    backend_secure: bool = False
