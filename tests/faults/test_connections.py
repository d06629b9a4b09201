"""What networks do to a session, on either side of the proxy, gives its client what it gives one of the server's own.

Each fault comes in each state, once without the proxy, and once before or behind it. `make faults` has all of them;
else those that cost time come in a few states, and TLS has fewer runs.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from proxy.config import BackendTls, BackendTlsMode, Limits
from tests.e2e.running import Proxy, in_front_of, proxied
from tests.faults.relay import LOCALHOST, Fault, Relay, relaying
from tests.faults.states import FULL, LOST, TABLE, Scene, State, onlooking, rows_left
from tests.servers.launch import Server

FAULTS: Final = [fault for fault in Fault if fault not in (Fault.HOLD, Fault.BLACK_HOLE)]
DELAYED_IN: Final = list(State) if FULL else [State.REPLY]
SILENT_IN: Final = (State.IDLE, State.COMMAND, State.ANSWER, State.REPLY, State.TRANSACTION) if FULL else (State.REPLY,)
RUNS: Final = [
    pytest.param(name, behind, tls, id=f"{name}-{'server' if behind else 'client'}-{'tls' if tls else 'plain'}")
    for name in ("mysql", "mariadb")
    for behind in (False, True)
    for tls in (False, True)
    if FULL or not tls or (behind and name == "mysql")
]
"""The server, whether the fault comes between the proxy and it, and whether both connections are encrypted."""

# The proxy's own words, where the server's could not be had.
UNREACHABLE: Final = r"2003 Can't connect to the MySQL server behind the proxy: "
RESET: Final = r"cannot connect to \S+: Connection reset by peer( before the greeting)?"
DOCUMENTED: Final = {
    (State.ARRIVAL, Fault.CUT): UNREACHABLE + r"cannot connect to \S+: connection closed before the greeting",
    (State.ARRIVAL, Fault.HALF_CLOSE): UNREACHABLE + r"cannot connect to \S+: connection closed before the greeting",
    (State.ARRIVAL, Fault.RESET): UNREACHABLE + RESET,
    (State.GREETING, Fault.RESET): UNREACHABLE + RESET,  # it takes along what has not been read
}
HANDSHAKE: Final = UNREACHABLE + r"TLS handshake with \S+ failed: .+"
TOO_LATE: Final = r"1159 Got timeout reading communication packets"
NO_GREETING: Final = UNREACHABLE + r"cannot connect to \S+: no (answer|greeting) within 0.3 s"
PROXY_SECONDS: Final = 3.0
"""In which a proxy whose limits are 0.3 s must have given up, on a machine that has other things to do."""


@dataclass(frozen=True)
class Told:
    """What has come of a scene: what the client was told, and the rows of the table afterwards."""

    heard: tuple[str, ...]
    left: tuple[Any, ...]


@dataclass(frozen=True)
class Side:
    """The relays of a run. direct, through: between a client and the server, and where the proxy stands, too."""

    behind: bool
    tls: bool
    server: Server
    proxy: Proxy
    direct: Relay
    through: Relay

    def play(self, database: str, state: State, fault: Fault) -> Iterator[str]:
        """Play a scene with and without the proxy; tell what is different and must not be."""
        told = []
        with onlooking(self.server, database) as onlooker:
            for at, relay in ((self.to_server, self.direct), (self.to_proxy, self.through)):
                heard, lock = Scene(at, relay, state, fault, self.tls).play(database)
                relay.forget()
                told.append(Told(tuple(heard), rows_left(onlooker, lock)))
        direct, through = told
        if direct != through and not self._is_documented(state, fault, through):
            yield f"{fault.name} {state.value}: {direct}, but {through} through the proxy"

    def play_silence(self, database: str, state: State) -> Iterator[str]:
        """Let a client give up, as it would on the server; nothing is left behind once the silence ends."""
        with onlooking(self.server, database) as onlooker:
            heard, lock = Scene(self.to_proxy, self.through, state, Fault.BLACK_HOLE, self.tls).play(database)
            self.through.forget()
            self.wait_until_over()
            left = rows_left(onlooker, lock)
        if heard[-1] != LOST or left != (((1,),) if state is State.ANSWER else ()):
            yield f"silence {state.value}: {heard}, {left}"

    @property
    def to_server(self) -> Server:
        return replace(self.server, host=LOCALHOST, port=self.direct.port, socket=None)

    @property
    def to_proxy(self) -> Server:
        return self.proxy.as_server if self.behind else replace(self.to_server, port=self.through.port)

    def _is_documented(self, state: State, fault: Fault, through: Told) -> bool:
        if not self.behind:  # to a login that is broken off the server still says so; it is not waited for
            return (state, fault, through) == (State.LOGIN, Fault.HALF_CLOSE, Told((LOST,), ()))
        wording = HANDSHAKE if self.tls and state is State.LOGIN else DOCUMENTED.get((state, fault), "")
        return len(through.heard) == 1 and bool(re.fullmatch(wording, through.heard[0])) and not through.left

    def wait_until_over(self) -> None:
        """Wait until the proxy has no session."""
        until = time.monotonic() + 30
        while self.proxy.running.counters.sessions:
            assert time.monotonic() < until
            time.sleep(0)


@contextmanager
def sides(server: Server, *, behind: bool, tls: bool, **limits: float) -> Iterator[Side]:
    """Run a proxy, and relays before or behind it. behind: faults come between the proxy and the server."""
    allowed = Limits(**limits)  # type: ignore[arg-type]  # some of them are no numbers
    mode = BackendTlsMode.PREFERRED if tls else BackendTlsMode.DISABLED
    with relaying(server.host, server.port) as direct, relaying(server.host, server.port) as back:
        at = replace(server, host=LOCALHOST, port=back.port) if behind else server
        with proxied(in_front_of(at, limits=allowed, backend_tls=BackendTls(mode)), server) as proxy:
            address = proxy.running.address
            with relaying(address.host, address.port) as front:
                yield Side(behind, tls, server, proxy, direct, back if behind else front)


@pytest.mark.parametrize(("server", "behind", "tls"), RUNS, indirect=["server"])
def test_a_fault_gives_what_the_server_itself_gives(server: Server, database: str, behind: bool, tls: bool) -> None:
    played = [(state, fault) for fault in FAULTS for state in (State if fault is not Fault.DELAYED else DELAYED_IN)]
    with onlooking(server, database, TABLE), sides(server, behind=behind, tls=tls) as side, capture_logs() as logs:
        differences = [line for state, fault in played for line in side.play(database, state, fault)]
        differences += [line for state in SILENT_IN for line in side.play_silence(database, state)]
        side.wait_until_over()
    assert differences == []
    # Those whose connection the relay closed before it came to the proxy have been none.
    breaks = (Fault.CUT, Fault.RESET, Fault.HALF_CLOSE)
    never = sum(not behind and state is State.ARRIVAL and fault in breaks for state, fault in played)
    ended = side.proxy.running.counters.sessions_total
    assert sum(ended.values()) == len(played) - never + len(SILENT_IN)
    assert "failed" not in ended
    assert [log for log in logs if log["log_level"] == "error"] == []


@dataclass(frozen=True)
class Silence:
    """What a client is told where all goes silent. limits: the proxy's; ended: what becomes of the session."""

    state: State
    behind: bool
    heard: str
    ended: str
    tls: bool = False
    limits: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.state.name.lower()}-{'server' if self.behind else 'client'}{'-tls' if self.tls else ''}"


CONNECTING: Final[dict[str, float]] = {"connect_timeout": 0.3}
LOGGING_IN: Final[dict[str, float]] = {"login_timeout": 0.3}
SILENCES: Final = [
    Silence(State.ARRIVAL, True, NO_GREETING, "backend_unreachable", limits=CONNECTING),
    Silence(State.LOGIN, True, TOO_LATE, "login_timeout", limits=LOGGING_IN),
    Silence(State.LOGIN, False, LOST, "login_timeout", limits=LOGGING_IN),
    Silence(State.GREETING, True, TOO_LATE, "login_timeout", limits=LOGGING_IN),
    Silence(State.GREETING, False, LOST, "login_timeout", limits=LOGGING_IN),
    Silence(State.LOGIN, True, HANDSHAKE, "backend_unreachable", True, CONNECTING),
    Silence(State.LOGIN, False, LOST, "login_timeout", True, LOGGING_IN),
]


@pytest.mark.parametrize("server", ["mysql", "mariadb"] if FULL else ["mysql"], indirect=True)
@pytest.mark.parametrize("silence", SILENCES if FULL else SILENCES[:3], ids=str)
def test_nobody_waits_for_a_silent_login_beyond_the_limit(server: Server, database: str, silence: Silence) -> None:
    behind, tls = silence.behind, silence.tls
    with sides(server, behind=behind, tls=tls, **silence.limits) as side:
        began = time.monotonic()
        [heard], _ = Scene(side.to_proxy, side.through, silence.state, Fault.BLACK_HOLE, tls).play(database)
        side.wait_until_over()
        assert time.monotonic() - began < PROXY_SECONDS
        assert re.fullmatch(silence.heard, heard)
        assert side.proxy.running.counters.sessions_total == {silence.ended: 1}
