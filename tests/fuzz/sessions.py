"""Sessions to be fuzzed: their settings, their wires, and what must hold of every one, whatever it is sent."""

import functools
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa

from proxy.config import BackendTlsMode, ClientTlsMode, Limits
from proxy.conflicts.counters import Counters
from proxy.conflicts.recorder import Recorder
from proxy.rules.match import RuleSet
from proxy.rules.trips import Trips
from proxy.session import Session, SessionSettings
from proxy.session.login_phase import Agreed, LoginPhase
from proxy.session.users import Users
from proxy.wire import capabilities as cap
from proxy.wire.rsa import RsaKey
from proxy.wire.sequence import Headers
from tests.clock import Clock
from tests.e2e.raw import framed
from tests.session.conversation import Log, Wires
from tests.session.packets import login
from tests.wire import packets as payloads
from tests.wire.captured import MARIADB_GREETING, MYSQL_GREETING

_P, _Q, _E = (
    int(
        "dcde4b6ac668eafebc6621f58bf01ef0a383a199ee5e07523cb0f03903ef757f346d1cadbb5a79d32c76bc241e4150628265"
        "1c224c8de8eb160a41042d75b2fd",
        16,
    ),
    int(
        "d7d45d45b9efb36b4563f7dcd5b4a2e9bc215722dbf5ff43bba1d0a2d19ebc316c801e93a6235b4c8c90675af0de025ae820"
        "26bce930acd3d25b022f9b8cf7bb",
        16,
    ),
    0x10001,
)


def _key() -> RsaKey:
    """Make a key that is always the same, and small: what it is used for takes its time."""
    d = pow(_E, -1, (_P - 1) * (_Q - 1))
    public = rsa.RSAPublicNumbers(_E, _P * _Q)
    parts = rsa.rsa_crt_dmp1(d, _P), rsa.rsa_crt_dmq1(d, _Q), rsa.rsa_crt_iqmp(_P, _Q)
    return RsaKey(rsa.RSAPrivateNumbers(_P, _Q, d, *parts, public).private_key())


KEY = _key()
COUNTERS = Counters()
CLOCK = Clock()
USERS = Users()
LOG = Log()
RECORDER = Recorder(COUNTERS, LOG, show_values=True, conflicts_per_second=1000, clock=CLOCK)
NO_RULES = RuleSet()
SETTINGS = SessionSettings(
    counters=COUNTERS,
    recorder=RECORDER,
    rules=lambda: NO_RULES,
    trips=Trips(CLOCK, lambda rule, tripped: None),
    tables=None,
    client_tls=ClientTlsMode.DISABLED,
    backend_tls=BackendTlsMode.DISABLED,
    limits=Limits(),
    rsa=KEY,
    client_address="10.1.2.3:40000",
    clock=CLOCK,
    wall_clock=lambda: 1700000000.0,
    users=USERS,
)
"""All sessions share them, as in a process: what grows in there, grows in a process."""


@dataclass
class Packets:
    """The packets of one side; heard: what the session says to it.

    Attributes:
        count: how many have begun, in both directions: the sequence id of the next one in a login.
    """

    count: int = 0
    heard: Headers = field(default_factory=Headers)
    said: Headers = field(default_factory=Headers)

    def hears(self, data: bytes) -> None:
        self.count += len(list(self.heard.walk(data)))

    def says(self, data: bytes) -> None:
        self.count += len(list(self.said.walk(data)))


@dataclass
class Counted(Wires):
    """Wires that count packets, and let nothing through behind the end.

    Attributes:
        done_at: how many bytes had been said to client and backend when the login was done, and what had been asked.
    """

    client: Packets = field(default_factory=Packets)
    backend: Packets = field(default_factory=Packets)
    done_at: tuple[int, int, list[str]] | None = None

    def login_done(self) -> None:
        super().login_done()
        self.done_at = len(self.said_to_client), len(self.said_to_backend), list(self.asked)

    def to_client(self, data: bytes) -> None:
        assert "close" not in self.asked
        super().to_client(data)
        self.client.hears(data)

    def to_backend(self, data: bytes) -> None:
        assert "close" not in self.asked
        super().to_backend(data)
        self.backend.hears(data)

    def asks(self, what: str) -> bool:
        """Tell whether that has been asked for more often than done."""
        return self.asked.count(what) > self.asked.count(what + " done")


def session(**more: Any) -> tuple[Session, Counted]:
    """Begin a session; ``more`` changes its settings."""
    wires = Counted()
    return Session(wires, SETTINGS._replace(**more)), wires


def check_end(session: Session, wires: Counted) -> None:
    """A session has ended, with a result and once, or goes on; once its client is gone, nothing of it is left."""
    assert session.closed == (session.result is not None) == (wires.asked.count("close") == 1)
    assert session.reason or not session.closed
    session.account()
    session.client_lost()
    assert session.closed
    assert wires.asked.count("close") == 1
    session.client_data(b"\1\0\0\0\x0e")
    session.backend_data(b"\1\0\0\1\0")
    wires.run_waiting()
    assert not USERS._sessions
    assert COUNTERS.sessions == 0
    LOG.lines.clear()


_USUAL: Final = cap.LONG_PASSWORD | cap.PROTOCOL_41 | cap.SECURE_CONNECTION | cap.PLUGIN_AUTH | cap.LOCAL_FILES
_MULTIPLE: Final = cap.MULTI_STATEMENTS | cap.MULTI_RESULTS
_FLAGS: Final = (cap.DEPRECATE_EOF, cap.SESSION_TRACK, cap.QUERY_ATTRIBUTES, _MULTIPLE, cap.OPTIONAL_METADATA)
MARIADB: Final = 1 << len(_FLAGS)
"""In the terms of a session: the server is MariaDB."""
SMALL: Final = MARIADB << 1
"""In the terms of a session: its limits are so low that inputs go beyond them."""
TERMS: Final = SMALL << 1
"""So many terms there are."""
_LOW: Final = Limits(login_packet=60, statement=80, write_buffer=100)


@functools.cache
def _login(terms: int) -> tuple[bytes, bytes, bytes]:
    """Give what is said in a login under some terms: greeting, response and OK."""
    flags = _USUAL + sum(flag for number, flag in enumerate(_FLAGS) if terms & 1 << number)
    greeting = MARIADB_GREETING if terms & MARIADB else MYSQL_GREETING
    response = login("app_rw", "shop", flags=flags & ~cap.LONG_PASSWORD if terms & MARIADB else flags)
    return framed(greeting, 0), framed(response, 1), framed(payloads.ok(), 2)


@functools.cache
def _settings(terms: int) -> SessionSettings:
    return SETTINGS._replace(limits=_LOW) if terms & SMALL else SETTINGS


@functools.cache
def _agreed(terms: int) -> Agreed:
    """Hold a login under some terms; give what it has settled."""
    found: list[Agreed] = []
    login = LoginPhase(Counted(), _settings(terms), found.append, lambda: None, lambda result, reason: None)
    greeting, response, ok = _login(terms)
    login.backend_data(greeting)
    login.client_data(response)
    login.backend_data(ok)
    USERS.give(login.user)
    return found[0]


def flags_of(terms: int) -> int:
    """Give the capabilities that both sides have under some terms."""
    return _agreed(terms).login.capabilities


def logged_in(terms: int, **more: Any) -> tuple[Session, Counted]:
    """Begin a session that is past its login, which takes a third of the time; ``more`` changes its settings."""
    wires, settings, agreed = Counted(), _settings(terms), _agreed(terms)
    begun = Session(wires, settings._replace(**more) if more else settings)
    begun._login.counted = USERS.take(agreed.login.user)
    begun._logged_in(agreed)
    wires.asked.clear()
    return begun, wires
