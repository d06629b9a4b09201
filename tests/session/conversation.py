"""Conversations between a client and a backend with a session in between, written down as they are held.

    with conversation(delivery, rules=RULES) as (client, backend):
        client >> query("INSERT INTO users (email) VALUES ('a@x')")
        backend << query("INSERT INTO users (email) VALUES ('a@x')")
        backend >> duplicate("a@x", "users.ux_email")
        ...
        client << ok()

``>>`` sends, ``<<`` hears: exactly these bytes, and nothing has been said that was not heard when the block ends.
`cut_everywhere` holds a test's conversation again and again: whole, byte by byte, and cut at every point.
"""

import functools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.config import BackendTlsMode, ClientTlsMode, Limits
from proxy.conflicts.attempt import Attempt
from proxy.conflicts.conflict import Conflict, Finding, Met
from proxy.conflicts.counters import Counters
from proxy.conflicts.recorder import Recorder
from proxy.rules.match import RuleSet
from proxy.rules.model import load_rules
from proxy.rules.trips import Trips
from proxy.session import Session, SessionSettings
from proxy.session.users import Users
from proxy.wire import capabilities as cap
from proxy.wire.greeting import parse_greeting
from proxy.wire.rsa import RsaKey
from tests.clock import Clock
from tests.session.packets import login, ok, packets, split_packets
from tests.wire.captured import MARIADB_GREETING, MYSQL_GREETING

RSA = RsaKey.generate()
USUAL = (
    cap.LONG_PASSWORD
    | cap.PROTOCOL_41
    | cap.SECURE_CONNECTION
    | cap.PLUGIN_AUTH
    | cap.MULTI_STATEMENTS
    | cap.MULTI_RESULTS
    | cap.LOCAL_FILES
)


@dataclass
class Delivery:
    """How bytes are cut on their way: ``cut`` 0: not at all; -1: into single bytes; else in two, at that point."""

    cut: int = 0
    longest: int = 0

    def pieces(self, data: bytes) -> Iterator[bytes]:
        self.longest = max(self.longest, len(data))
        if self.cut < 0:
            yield from (data[at : at + 1] for at in range(len(data)))
        elif 0 < self.cut < len(data):
            yield data[: self.cut]
            yield data[self.cut :]
        elif data:
            yield data


def cut_everywhere(test: Callable[[Delivery], None]) -> Callable[[], None]:
    """Run a test with every way of cutting what is said in it."""

    @functools.wraps(test)
    def run() -> None:
        whole = Delivery()
        test(whole)
        for cut in (-1, *range(1, whole.longest)):
            test(Delivery(cut))

    del run.__wrapped__  # pytest would take the parameter for a fixture
    return run


@dataclass
class Wires:
    """The wires of a session: what it has said to both sides, and what it has asked for."""

    said_to_client: bytearray = field(default_factory=bytearray)
    said_to_backend: bytearray = field(default_factory=bytearray)
    asked: list[str] = field(default_factory=list)
    waiting: list[Callable[[], object]] = field(default_factory=list)

    def to_client(self, data: bytes) -> None:
        assert data
        self.said_to_client += data

    def to_backend(self, data: bytes) -> None:
        assert data
        self.said_to_backend += data

    def start_client_tls(self) -> None:
        self.asked.append("client tls")

    def start_backend_tls(self) -> None:
        self.asked.append("backend tls")

    def login_done(self) -> None:
        self.asked.append("login done")

    def soon(self, callback: Callable[[], object]) -> None:
        self.asked.append("soon")
        self.waiting.append(callback)

    def run_waiting(self) -> None:
        """Call back everybody who waits for a turn, until nobody does."""
        while self.waiting:
            self.waiting.pop(0)()

    def hold_client(self) -> None:
        self.asked.append("hold")

    def release_client(self) -> None:
        self.asked.append("release")

    def close(self) -> None:
        self.asked.append("close")


@dataclass
class Side:
    """The client or the backend of a conversation."""

    said: bytearray
    take: Callable[[bytes], None]
    delivery: Delivery

    def __rshift__(self, data: bytes) -> None:
        """Send bytes."""
        for piece in self.delivery.pieces(data):
            self.take(piece)

    def __lshift__(self, data: bytes) -> None:
        """Hear exactly these bytes."""
        heard = bytes(self.said[: len(data)])
        if heard != data:
            assert split_packets(heard) == split_packets(data)
            raise AssertionError
        del self.said[: len(data)]

    @property
    def hears_nothing(self) -> bool:
        return not self.said


@dataclass
class Log:
    """Keeps what a recorder writes."""

    lines: list[dict[str, Any]] = field(default_factory=list)

    def info(self, event: str, **fields: Any) -> None:
        assert event == "conflict"
        self.lines.append(fields)


class KeepingRecorder(Recorder):
    """A recorder that also keeps the conflicts themselves, and those that were judged."""

    def __init__(self, counters: Counters, clock: Callable[[], float]) -> None:
        super().__init__(counters, Log(), show_values=True, conflicts_per_second=1000, clock=clock)
        self.judged: list[Met] = []
        self.conflicts: list[Conflict] = []

    def judge(self, met: Met, attempt: Attempt, at: float) -> Finding:
        self.judged.append(met)
        return super().judge(met, attempt, at)

    def record(self, conflict: Conflict) -> None:
        super().record(conflict)
        self.conflicts.append(conflict)


@dataclass
class Talk:
    """A conversation that is under way; unpacks into its client and its backend."""

    client: Side
    backend: Side
    session: Session
    wires: Wires
    counters: Counters
    recorder: KeepingRecorder
    clock: Clock

    def __iter__(self) -> Iterator[Side]:
        return iter((self.client, self.backend))

    @property
    def conflicts(self) -> list[Conflict]:
        """Those that are recorded by the time that all which was sent is on its way."""
        self.wires.run_waiting()
        return self.recorder.conflicts

    @property
    def outcomes(self) -> list[tuple[str, int]]:
        """What became of the conflicts, and of how many each."""
        return [(conflict.outcome.value, conflict.rows) for conflict in self.conflicts]

    @property
    def rewrites(self) -> dict[str, int]:
        """The results of the rules' statements."""
        found: dict[str, int] = {}
        for (_, _, _, result), count in self.counters.rewrites.items():
            found[result] = found.get(result, 0) + count
        return found

    @property
    def skipped(self) -> list[str]:
        """Why rules sent nothing."""
        return [reason for (_, reason), count in self.counters.skipped.items() for _ in range(count)]


@functools.cache
def rules(text: str) -> RuleSet:
    """Read rules from the YAML of their list."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rules.yaml"
        path.write_text(f"rules:\n{text}", encoding="utf-8")
        return load_rules(path)


def settings(counters: Counters, recorder: Recorder, clock: Clock, in_force: RuleSet, **more: Any) -> SessionSettings:
    """Make the settings of a session without TLS on either side."""
    usual = SessionSettings(
        counters=counters,
        recorder=recorder,
        rules=lambda: in_force,
        trips=Trips(clock, lambda rule, tripped: counters.tripped.__setitem__(rule.name, tripped)),
        tables=None,
        client_tls=ClientTlsMode.DISABLED,
        backend_tls=BackendTlsMode.DISABLED,
        limits=Limits(),
        rsa=RSA,
        client_address="10.1.2.3:40000",
        clock=clock,
        wall_clock=lambda: 1700000000.0,
        users=Users(),
    )
    return usual._replace(**more)


@contextmanager
def conversation(delivery: Delivery, in_force: RuleSet | None = None, **more: Any) -> Iterator[Talk]:
    """Begin a conversation before the backend's greeting; ``more`` changes the session's settings."""
    wires, counters, clock = Wires(), Counters(), Clock()
    recorder = KeepingRecorder(counters, clock)
    session = Session(wires, settings(counters, recorder, clock, in_force or RuleSet(), **more))
    talk = Talk(
        Side(wires.said_to_client, session.client_data, delivery),
        Side(wires.said_to_backend, session.backend_data, delivery),
        session,
        wires,
        counters,
        recorder,
        clock,
    )
    yield talk
    assert talk.client.hears_nothing, split_packets(bytes(talk.client.said))
    assert talk.backend.hears_nothing, split_packets(bytes(talk.backend.said))


@contextmanager
def logged_in(
    delivery: Delivery,
    in_force: RuleSet | None = None,
    *,
    flags: int = USUAL,
    mariadb: bool = False,
    schema: str = "shop",
    charset: int = 45,
    status: int = cap.STATUS_AUTOCOMMIT,
    **more: Any,
) -> Iterator[Talk]:
    """Begin a conversation that is past its login, as app_rw; the login's bytes are not cut."""
    greeting = MARIADB_GREETING if mariadb else MYSQL_GREETING
    response = login("app_rw", schema, flags=flags, charset=charset)
    with conversation(delivery, in_force, **more) as talk:
        talk.session.backend_data(packets(greeting, sequence=0))
        assert parse_greeting(bytes(talk.client.said[4:])).nonce == parse_greeting(greeting).nonce
        talk.client.said.clear()
        talk.session.client_data(packets(response))
        talk.backend << packets(response)
        talk.session.backend_data(ok(status=status, sequence=2))
        talk.client << ok(status=status, sequence=2)
        assert talk.wires.asked == ["login done"]
        talk.wires.asked.clear()
        yield talk
