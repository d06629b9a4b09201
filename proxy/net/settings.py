"""What the pairs of a listener share."""

import ssl
from dataclasses import dataclass, field

from proxy.config import Address, Endpoint, Limits, ProxyProtocolVersion
from proxy.net.backends import Backends
from proxy.net.deadline import Deadlines
from proxy.net.gate import Turns


@dataclass(frozen=True, slots=True)
class BackendTlsContext:
    """How to encrypt towards a backend; server_name: the name to ask for and, if the mode says so, to verify."""

    context: ssl.SSLContext
    server_name: str | None

    def name_of(self, backend: Endpoint) -> str | None:
        """Give the name for one backend: its own host, if names are verified and no other name is set."""
        if self.server_name is not None or not self.context.check_hostname:
            return self.server_name
        # MySQL's clients too know a Unix socket by this name. It must have one: without, ssl verifies none.
        return backend.host if isinstance(backend, Address) else "localhost"


@dataclass(frozen=True, slots=True)
class PairSettings:
    """What all pairs of a listener share.

    backend_proxy_protocol: the version of the header that tells a backend of the client's address. turns: of logins.
    deadlines: of the pairs. log_sessions: the end of each session is told at level info, not debug.
    flush_timeout: seconds that a closing pair may take to send what waits. half_closed_timeout: seconds after which
    the backend hears of the end of a client that has closed its direction while a reply was due; and in which it is to
    end, too, when none is. abandoned_timeout: seconds after which nobody waits for such a reply any more.
    """

    backends: Backends
    limits: Limits
    client_tls: ssl.SSLContext | None
    backend_tls: BackendTlsContext | None
    backend_proxy_protocol: ProxyProtocolVersion = ProxyProtocolVersion.OFF
    turns: Turns = field(default_factory=Turns)
    deadlines: Deadlines = field(default_factory=Deadlines)
    log_sessions: bool = True
    flush_timeout: float = 5.0
    half_closed_timeout: float = 10.0
    abandoned_timeout: float = 300.0

    @property
    def announces(self) -> bool:
        """Whether backends are told of the ends of clients' connections."""
        return self.backend_proxy_protocol is not ProxyProtocolVersion.OFF


@dataclass(frozen=True, slots=True)
class Manners:
    """How sessions are ended that are not to be broken off; seconds.

    quiet: after which a client at rest is taken to want nothing just now. patience: after which it is told to leave.
    """

    quiet: float
    patience: float
