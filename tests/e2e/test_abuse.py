"""Crowds that take and give nothing: clients that never log in, and clients that never read what they have asked for.

`make abuse` has a thousand of each.
"""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import contextlib
import math
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from proxy.run.limits import raise_open_files_limit
from tests.e2e.process import Process, served
from tests.e2e.raw import QUERY, command
from tests.e2e.users import run
from tests.raw import logged_in
from tests.servers.launch import Server, running

CROWD = int(os.environ.get("ABUSE_CLIENTS", "60"))
KIB, MIB = 1 << 10, 1 << 20
WRITE_BUFFER = 64 * KIB
SILENT_BOUND = 64 * KIB
"""What one client may cost that has connected and said nothing."""
DEAF_BOUND = 2 * WRITE_BUFFER + 1024 * KIB
"""What one session may cost whose client does not read: what waits for it, and what was read before it was held."""
BASE = 8 * MIB  # what the proxy may grow by for other reasons: code that runs for the first time, counters
ROUNDS, QUERIES, LOGINS = 6, 150, 10
PATIENCE = 20.0
"""Seconds that a machine which does much else is given for a round in which it does not."""
SLOWER = 2.0
NOISE = 0.003  # seconds: what a machine with other work adds to the one in a hundred

MUCH = command(QUERY, " UNION ALL ".join(["SELECT REPEAT('x', 4194304)"] * 8).encode())


@pytest.fixture(scope="module")
def spacious() -> Iterator[Server]:
    """A server with connections for everybody."""
    if "KEYCLASH_TEST_MYSQL" in os.environ:
        pytest.fail("this server is not ours to give more connections")
    raise_open_files_limit()
    with running(
        "mysql", [f"--max-connections={3 * CROWD + 300}", f"--open-files-limit={20 * CROWD + 5000}"]
    ) as server:
        yield server


@pytest.mark.own_server
def test_clients_that_never_log_in(spacious: Server, tmp_path: Path) -> None:
    with served(spacious, tmp_path, limits={"login_timeout": "5m"}) as proxy:
        _held_to(proxy, lambda: _silent(proxy), SILENT_BOUND)


@pytest.mark.own_server
def test_clients_that_never_read(spacious: Server, tmp_path: Path) -> None:
    limits = {"write_buffer": WRITE_BUFFER}
    with served(spacious, tmp_path, limits=limits, client_tls={"mode": "DISABLED"}) as proxy:
        _held_to(proxy, lambda: _deaf(proxy), DEAF_BOUND)


def _held_to(proxy: Process, crowd: Callable[[], contextlib.AbstractContextManager[None]], bound: int) -> None:
    """Hold a normal client's times to what they were without the crowd, and the proxy's memory to the bound."""
    queries, logins = _query_time(proxy, math.inf), _login_time(proxy, math.inf)
    most_queries, most_logins = SLOWER * queries + NOISE, SLOWER * logins + 10 * NOISE
    before = proxy.forget_peak()
    with crowd():
        crowded_queries, crowded_logins = _query_time(proxy, most_queries), _login_time(proxy, most_logins)
        grown = proxy.peak() - before
    print(
        f"{CROWD} clients: query p99 {queries * 1e3:.2f} ms, then {crowded_queries * 1e3:.2f} ms; "
        f"login p99 {logins * 1e3:.2f} ms, then {crowded_logins * 1e3:.2f} ms; "
        f"memory grew by {grown / MIB:.1f} MiB, {grown / CROWD / KIB:.0f} KiB each"
    )
    assert crowded_queries < most_queries
    assert crowded_logins < most_logins
    assert grown < CROWD * bound + BASE


@contextmanager
def _silent(proxy: Process) -> Iterator[None]:
    with ExitStack() as opened:
        for _ in range(CROWD):
            client = opened.enter_context(socket.socket())
            client.bind(("127.0.0.2", 0))
            client.connect((proxy.as_server.host, proxy.as_server.port))
            client.send(b"\x20")  # a login of 32 bytes begins
        yield


@contextmanager
def _deaf(proxy: Process) -> Iterator[None]:
    with ExitStack() as opened:
        for _ in range(CROWD):
            client = opened.enter_context(logged_in(proxy.as_server)).stream
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(MUCH)
        yield


def _query_time(proxy: Process, most: float) -> float:
    with proxy.as_server.connect() as connection:
        return _best(lambda: run(connection, "DO 1"), QUERIES, most)


def _login_time(proxy: Process, most: float) -> float:
    return _best(lambda: proxy.as_server.connect().close(), LOGINS, most)


def _best(action: Callable[[], object], times: int, most: float) -> float:
    """Return the 99th percentile of the round in which the machine did least else, in seconds.

    most: what it may be. There are more rounds while it is not less: what a crowd takes is taken in each of them, what
    the machine does besides is over at some time.
    """
    rounds: list[float] = []
    enough = time.monotonic() + PATIENCE
    while len(rounds) < ROUNDS or (min(rounds) >= most and time.monotonic() < enough):
        taken = []
        for _ in range(times):
            began = time.perf_counter()
            action()
            taken.append(time.perf_counter() - began)
        taken.sort()
        rounds.append(taken[int(len(taken) * 0.99)])
    return min(rounds)
