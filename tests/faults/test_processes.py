"""What machines do to processes: a server stands still, no descriptors are left, the disk is full, the clock jumps."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO, Any

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from proxy.config import Limits
from tests.bench.processes import cpu
from tests.e2e.process import Process, served
from tests.e2e.running import in_front_of, proxied
from tests.e2e.users import rows, run
from tests.faults.states import FULL
from tests.servers.launch import Server

STRANGERS = 5


@pytest.mark.own_server
def test_a_server_that_stops_for_a_while(server: Server) -> None:
    """Who waits goes on waiting, who comes is told, and nobody is lost."""
    with proxied(in_front_of(server, limits=Limits(connect_timeout=0.3)), server) as proxy:
        busy, idle = proxy.connect(), proxy.connect()
        with ThreadPoolExecutor(1) as pool, server.paused():
            asking = pool.submit(rows, busy, "SELECT 1")
            with pytest.raises(pymysql.err.OperationalError, match=r"no (greeting|answer) within 0\.3 s") as refused:
                proxy.connect()
            assert refused.value.args[0] == 2003
            assert proxy.fetch("/-/healthy")[0] == 200
            assert not asking.done()
        assert asking.result() == [(1,)]
        for connection in (busy, idle, proxy.connect()):
            assert rows(connection, "SELECT 2") == [(2,)]
        assert proxy.counted("keyclash_sessions_total") == {("backend_unreachable",): 1}


# --------------------------------------------------------------------------------------------------------------------
# Descriptors


@contextmanager
def out_of_descriptors(pid: int) -> Iterator[None]:
    """Let a process open no more files for the length of the block."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    taken = {int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()}
    lowest_free = next(number for number in range(len(taken) + 1) if number not in taken)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest_free, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
@pytest.mark.parametrize("workers", [1, 2] if FULL else [1])
def test_no_descriptors_are_left(server: Server, tmp_path: Path, workers: int) -> None:
    """Sessions go on, nobody turns in circles, and clients are let in again as soon as there are some."""
    with served(server, tmp_path, workers=workers) as proxy, ExitStack() as opened:
        client = opened.enter_context(proxy.as_server.connect())
        with out_of_descriptors(proxy.process.pid):
            for _ in range(STRANGERS):
                opened.enter_context(socket.create_connection((proxy.as_server.host, proxy.as_server.port)))
            before = cpu(proxy.process.pid)
            time.sleep(0.5)  # what it does while nothing is to be done
            used = cpu(proxy.process.pid).since(before)
            assert rows(client, "SELECT 1") == [(1,)]
        assert used.total < 0.2
        patiently(proxy).close()
        assert rows(client, "SELECT 2") == [(2,)]


def patiently(proxy: Process) -> Connection[Cursor]:
    """Connect; strangers who wait, and have said nothing, come first."""
    until = time.monotonic() + 30
    while True:
        try:
            return proxy.as_server.connect()
        except pymysql.err.OperationalError:
            assert time.monotonic() < until


# --------------------------------------------------------------------------------------------------------------------
# The log


@contextmanager
def nobody_reads() -> Iterator[IO[bytes]]:
    """Give a pipe whose reader is gone."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as stream:
        yield stream


@contextmanager
def full_disk() -> Iterator[IO[bytes]]:
    """Give a file that cannot grow."""
    with Path("/dev/full").open("wb", buffering=0) as stream:
        yield stream


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
@pytest.mark.parametrize(("log", "workers"), [(full_disk, 1), (nobody_reads, 2)] if FULL else [(full_disk, 1)])
def test_a_log_that_cannot_be_written(server: Server, database: str, tmp_path: Path, log: Any, workers: int) -> None:
    place = tmp_path / "k.sock"
    config = {"listen": f"unix:{place}", "backend": f"{server.host}:{server.port}", "admin": "127.0.0.1:0"}
    (tmp_path / "proxy.yaml").write_text(json.dumps(config | {"workers": workers, "log": {"level": "debug"}}))
    command = [sys.executable, "-m", "proxy", "serve", "--config", str(tmp_path / "proxy.yaml")]
    with log() as stream, subprocess.Popen(command, stderr=stream) as process:
        try:
            with listening(server, database, place, process) as client:
                run(client, "CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
                for _ in range(20):
                    with pytest.raises(pymysql.err.IntegrityError):
                        run(client, "INSERT INTO t VALUES (1)")
                assert rows(client, "SELECT * FROM t") == [(1,)]
        finally:
            process.terminate()
    assert process.returncode == 0


@contextmanager
def listening(
    server: Server, database: str, place: Path, process: subprocess.Popen[bytes]
) -> Iterator[Connection[Cursor]]:
    """Log in as soon as the proxy listens."""
    while not answers(place):
        assert process.poll() is None
    with closing(server.connect(unix_socket=str(place), database=database)) as client:
        yield client


def answers(place: Path) -> bool:
    """Tell whether somebody listens."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(place)) == 0


# --------------------------------------------------------------------------------------------------------------------
# The time of day


def test_the_time_of_day_jumps(server: Server, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It dates what the journal shows; what is measured, waited for, counted and put in order does not go by it."""
    clock, ahead = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: clock() + ahead[0])
    limits = Limits(login_timeout=1.0, idle_timeout=3600.0)
    with proxied(in_front_of(server, limits=limits), server) as proxy:
        client = proxy.connect(database=database)
        began = time.monotonic()
        address = (proxy.running.address.host, proxy.running.address.port)
        with socket.create_connection(address) as stranger:
            assert stranger.recv(4096)
            for number, jump in enumerate((0.0, 86400.0 * 365, -86400.0 * 365, 0.0)):
                ahead[0] = jump
                run(client, f"CREATE TABLE t{number} (id INT PRIMARY KEY)", f"INSERT INTO t{number} VALUES (1)")
                with pytest.raises(pymysql.err.IntegrityError):
                    run(client, f"INSERT INTO t{number} VALUES (1)")
            told = stranger.recv(4096)
        waited = time.monotonic() - began
        assert told[5:7] == (1159).to_bytes(2, "little")
        assert 1.0 <= waited < 10.0
        journal = json.loads(proxy.fetch("/api/conflicts")[1])["conflicts"]
        assert [entry["table"] for entry in journal] == ["t3", "t2", "t1", "t0"]
        assert sum(proxy.counted("keyclash_conflicts_total").values()) == 4
        [duration] = [
            float(line.split()[-1])
            for line in proxy.fetch("/metrics")[1].splitlines()
            if line.startswith("keyclash_command_duration_seconds_sum")
        ]
        assert 0 < duration < waited
        assert rows(client, "SELECT 1") == [(1,)]
