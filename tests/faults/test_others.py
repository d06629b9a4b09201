"""Faults of some sessions, and what another one notices of them: nothing, by the 99th percentile of its point selects.

Rounds in which the others are struck, and in which they do the same and are not, take turns, so that both meet the same
machine. They end as soon as a round of either kind was undisturbed; `make faults` has all of them, and longer ones.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import pytest

from tests.bench.processes import family, sockets
from tests.e2e.process import Process, served
from tests.e2e.users import run
from tests.faults.client import ROWS
from tests.faults.relay import LOCALHOST, Fault, Relay, Strike, Way, relaying
from tests.faults.states import FULL, onlooking
from tests.raw import USUAL, logged_in
from tests.servers.launch import Server

ROUNDS, SELECTS, CROWD = (15, 1000, 20) if FULL else (20, 200, 8)
SLOWER: Final = 2.0
NOISE: Final = 0.003
"""Seconds: what a machine with other work adds to the one in a hundred."""
TYPICAL: Final[Callable[[list[float]], float]] = median if FULL else min
"""Of short rounds the one in which the machine did least else."""
LARGE: Final = "SELECT REPEAT('x', 1000000)"


@dataclass(frozen=True)
class Stage:
    """A proxy whose sessions go through a relay, but for that of the client which measures."""

    proxy: Process
    relay: Relay
    client: subprocess.Popen[str]

    def measure(self) -> float:
        return measured(self.client)

    @contextmanager
    def session(self, struck: bool, strike: Callable[[], Strike] | None) -> Iterator[None]:
        """Have a session with a large reply, which is read to its end unless it is struck."""
        with logged_in(self.proxy.as_server, USUAL) as session:
            if not struck:
                session.query(LARGE)
            else:
                coming = strike() if strike is not None else None
                session.send(b"\3" + LARGE.encode())
                if coming is not None:
                    coming.wait()
            yield


def silence(stage: Stage, struck: bool) -> AbstractContextManager[None]:
    """The server falls silent in the middle of a reply."""
    return crowd(stage, struck, lambda: stage.relay.after(100_000, Fault.BLACK_HOLE, Way.DOWN))


def deafness(stage: Stage, struck: bool) -> AbstractContextManager[None]:
    """The clients do not read."""
    return crowd(stage, struck, None)


def drops(stage: Stage, struck: bool) -> AbstractContextManager[None]:
    """The rest of a reply comes byte by byte."""
    return crowd(stage, struck, lambda: stage.relay.after(100_000, Fault.BYTE_BY_BYTE, Way.DOWN))


@contextmanager
def crowd(stage: Stage, struck: bool, strike: Callable[[], Strike] | None) -> Iterator[None]:
    """Have sessions that are all struck in the same way, or as many that rest."""
    with ExitStack() as opened:
        for _ in range(CROWD):
            opened.enter_context(stage.session(struck, strike))
        yield
        stage.relay.forget()


@contextmanager
def breaks(stage: Stage, struck: bool) -> Iterator[None]:
    """Sessions come and go, one after the other, and their server is lost in the middle of a reply."""
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            with suppress(OSError, EOFError), logged_in(stage.proxy.as_server, USUAL) as session:
                if struck:
                    stage.relay.after(1000, Fault.RESET, Way.DOWN)
                session.query("SELECT REPEAT('x', 30000)")

    coming = threading.Thread(target=come_and_go)
    coming.start()
    yield
    over.set()
    coming.join()


@contextmanager
def halves(stage: Stage, struck: bool) -> Iterator[None]:
    """Clients stop in the middle of their login."""
    address = (stage.proxy.as_server.host, stage.proxy.as_server.port)
    with ExitStack() as opened:
        for _ in range(CROWD):
            if struck:
                opened.enter_context(socket.create_connection(address)).sendall(b"\x60\0\0\1half")
            else:
                opened.enter_context(logged_in(stage.proxy.as_server, USUAL))
        yield


@pytest.fixture(scope="module")
def points(mysql: Server) -> Iterator[str]:
    """A schema with the table that is read."""
    with onlooking(mysql, "", "CREATE DATABASE others") as onlooker:
        run(onlooker, "CREATE TABLE others.points (id INT PRIMARY KEY, v INT)")
        run(onlooker, "INSERT INTO others.points VALUES " + ", ".join(f"({number}, 0)" for number in range(ROWS)))
        yield "others"
        run(onlooker, "DROP DATABASE others")


def measured(client: subprocess.Popen[str]) -> float:
    """Have the client measure once, and return what it says."""
    assert client.stdin is not None
    assert client.stdout is not None
    print("go", file=client.stdin, flush=True)
    return float(client.stdout.readline())


@contextmanager
def measuring(proxy: Process, database: str) -> Iterator[subprocess.Popen[str]]:
    """Start the client that measures."""
    server = proxy.as_server
    arguments = (server.host, str(server.port), server.user, server.password, database, str(SELECTS))
    call = [sys.executable, "-m", "tests.faults.client", *arguments]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        assert client.stdin is not None
        assert client.stdout.readline() == "ready\n"
        yield client
        client.stdin.close()


@pytest.fixture(scope="module")
def stage(mysql: Server, points: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with relaying(mysql.host, mysql.port, listening=False, pace=0.005) as relay:
        behind = [f"{LOCALHOST}:{relay.port}", f"{mysql.host}:{mysql.port}"]
        plain = {"backend": behind, "client_tls": {"mode": "DISABLED"}, "backend_tls": {"mode": "DISABLED"}}
        limits = {"write_buffer": "64KiB", "login_timeout": "5m"}
        with (
            served(mysql, tmp_path_factory.mktemp("others"), **plain, limits=limits) as proxy,
            measuring(proxy, points) as client,
        ):
            relay.listen()
            while not relay.links:  # the first one is tried again after a second
                proxy.as_server.connect().close()
            yield Stage(proxy, relay, client)


@pytest.mark.parametrize("fault", [silence, deafness, drops, breaks, halves])
def test_others_notice_nothing(stage: Stage, fault: Callable[[Stage, bool], AbstractContextManager[None]]) -> None:
    def measure(struck: bool) -> float:
        with fault(stage, struck):
            stage.measure()  # what has begun comes to rest meanwhile
            return stage.measure()

    hold(fault.__name__, measure)


def test_others_notice_nothing_of_a_worker_that_stands_still(mysql: Server, points: str, tmp_path: Path) -> None:
    plain = {"client_tls": {"mode": "DISABLED"}, "backend_tls": {"mode": "DISABLED"}}
    with served(mysql, tmp_path, workers=2, **plain) as proxy, measuring(proxy, points) as client:
        other = min(family(proxy.process.pid)[1:], key=sockets)  # the one that does not have the client's session

        def measure(struck: bool) -> float:
            if struck:
                os.kill(other, signal.SIGSTOP)
            taken = measured(client)
            os.kill(other, signal.SIGCONT)
            return taken

        hold("a worker that stands still", measure)


def hold(fault: str, measure: Callable[[bool], float]) -> None:
    """Measure without the fault and with it in turns, print the two percentiles, and hold the second to the first."""
    without, within = [], []
    for _ in range(ROUNDS):
        without.append(measure(False))
        within.append(measure(True))
        if not FULL and is_held(without, within):
            break
    print(f"{fault}: p99 of point selects {TYPICAL(without) * 1e3:.2f} ms without, {TYPICAL(within) * 1e3:.2f} ms with")
    assert is_held(without, within)


def is_held(without: list[float], within: list[float]) -> bool:
    """Tell whether the others notice nothing."""
    return TYPICAL(within) < SLOWER * TYPICAL(without) + NOISE
