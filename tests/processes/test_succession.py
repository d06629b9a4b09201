"""A new process takes the place of an old one: nobody is refused meanwhile."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pymysql
import pytest

from tests.processes.test_process import Keyclash, outcome, start
from tests.run.doubles import LOCALHOST, Backend


@pytest.fixture
def config(behind: Backend, tmp_path: Path) -> Path:
    path = tmp_path / "proxy.yaml"
    path.write_text(
        f"listen: [{LOCALHOST}:0, 'unix:k.sock']\nbackend: {behind.address}\nadmin: {LOCALHOST}:0\n"
        "client_tls: {mode: DISABLED}\nlog: {format: json, sessions: false}\ntake_over: next.sock\ndrain_timeout: 10s\n"
    )
    return path


def tcp_port(serving: dict[str, Any]) -> int:
    return int(serving["listen"].split(", ")[0].rpartition(":")[2])


class Visits:
    """Clients that come and go, one after the other; a failure is kept."""

    def __init__(self, **where: Any) -> None:
        self.number = 0
        self.failure: Exception | None = None
        self._where = where
        self._visited = threading.Condition()

    def wait(self, more: int) -> None:
        """Wait until so many more visits have been made, or one has failed."""
        with self._visited:
            wanted = self.number + more
            self._visited.wait_for(lambda: self.number >= wanted or self.failure is not None)

    def _made(self, failure: Exception | None = None) -> None:
        with self._visited:
            self.number += failure is None
            self.failure = failure
            self._visited.notify_all()

    def go_on(self, end: threading.Event) -> None:
        while not end.is_set() and self.failure is None:
            try:
                pymysql.connect(**self._where, user="u", ssl_disabled=True).close()
            except pymysql.err.Error as error:
                self._made(error)
            else:
                self._made()


@asynccontextmanager
async def visits(*visitors: Visits) -> AsyncIterator[None]:
    """Have clients come and go for the length of the block."""
    end = threading.Event()
    going = [asyncio.create_task(asyncio.to_thread(visitor.go_on, end)) for visitor in visitors]
    try:
        yield
    finally:
        end.set()
        await asyncio.gather(*going)


async def after(visitor: Visits, number: int) -> None:
    """Wait until so many more visits have been made."""
    await asyncio.to_thread(visitor.wait, number)


@pytest.mark.parametrize("workers", [1, 2])
async def test_nobody_is_refused(config: Path, workers: int) -> None:
    own = ("--config", config, "--workers", workers)
    first = await start(*own)
    serving = await first.line("serving")
    by_tcp, by_file = Visits(host=LOCALHOST, port=tcp_port(serving)), Visits(unix_socket=str(config.parent / "k.sock"))
    async with visits(by_tcp, by_file):
        await after(by_tcp, 20)
        second = await start(*own, "--take-over")
        assert (await second.line("serving"))["listen"] == serving["listen"]
        await first.line("stopped")
        assert await first.process.wait() == 0
        await after(by_tcp, 20)
        third = await start(*own, "--take-over")
        assert (await third.line("serving"))["admin"] == serving["admin"]
        assert await second.process.wait() == 0
        await after(by_tcp, 20)
        await after(by_file, 20)
    assert (by_tcp.failure, by_file.failure) == (None, None)
    third.process.send_signal(signal.SIGTERM)
    assert await third.process.wait() == 0
    assert not (config.parent / "k.sock").exists()
    assert not (config.parent / "next.sock").exists()


async def test_a_successor_that_does_not_start_changes_nothing(config: Path, behind: Backend) -> None:
    first = await start("--config", config)
    serving = await first.line("serving")
    code, text = await outcome("--config", config, "--take-over", "--listen", behind.address)
    assert (code, text.splitlines()[-1]) == (1, f"keyclash: cannot listen on {behind.address}: Address already in use")
    await first.line("successor lost")
    visitor = Visits(host=LOCALHOST, port=tcp_port(serving))
    async with visits(visitor):
        await after(visitor, 3)
    assert visitor.failure is None
    first.process.send_signal(signal.SIGTERM)
    assert await first.process.wait() == 0


async def test_nobody_to_take_over_from(config: Path) -> None:
    code, text = await outcome("--config", config, "--take-over")
    assert (code, text) == (
        1, f"keyclash: cannot take over by {config.parent / 'next.sock'}: No such file or directory\n"
    )  # fmt: skip


async def test_the_file_must_say_where(config: Path) -> None:
    nowhere = config.with_name("nowhere.yaml")
    nowhere.touch()
    code, text = await outcome("--config", nowhere, "--take-over")
    assert (code, text) == (2, f"{nowhere}: take_over: missing (expected with --take-over)\n")


# --------------------------------------------------------------------------------------------------------------------
# A service manager


class Manager:
    """What sd_notify(3) talks to."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(60)

    async def told(self, what: str) -> list[str]:
        """Wait until it is told this, and give all of the message."""
        while True:
            lines = (await asyncio.to_thread(self.socket.recv, 4096)).decode().splitlines()
            if what in lines:
                return lines


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Manager, str]]:
    name = str(tmp_path / "notify") if request.param == "file" else f"@keyclash-{os.getpid()}-{id(request)}"
    made = Manager(name.replace("@", "\0", 1) if name.startswith("@") else name)
    yield made, name
    made.socket.close()


async def run_with(environment: dict[str, str], *arguments: object) -> Keyclash:
    return Keyclash(
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "proxy", "serve", *map(str, arguments)),
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **environment},
        )
    )


async def test_a_service_manager_is_told(manager: tuple[Manager, str], config: Path) -> None:
    told, name = manager
    keyclash = await run_with({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "200000"}, "--config", config)
    assert await told.told("READY=1") == ["READY=1", f"MAINPID={keyclash.process.pid}"]
    for _ in range(3):
        await told.told("WATCHDOG=1")
    keyclash.process.send_signal(signal.SIGHUP)
    assert (await told.told("RELOADING=1"))[1].startswith("MONOTONIC_USEC=")
    await told.told("READY=1")
    keyclash.process.send_signal(signal.SIGTERM)
    await told.told("STOPPING=1")
    assert await keyclash.process.wait() == 0


async def test_a_watchdog_of_another_process_is_not_fed(manager: tuple[Manager, str], config: Path) -> None:
    told, name = manager
    other = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "2000", "WATCHDOG_PID": "1"}
    keyclash = await run_with(other, "--config", config)
    messages = [await told.told("READY=1")]
    keyclash.process.send_signal(signal.SIGTERM)
    messages.append(await told.told("STOPPING=1"))
    assert messages == [["READY=1", f"MAINPID={keyclash.process.pid}"], ["STOPPING=1"]]
    await keyclash.process.wait()


ACTIVATE = """
import os, sys
given = [int(number) for number in sys.argv[1].split(",")]
for number, file in enumerate(given):
    os.dup2(file, 3 + number)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(given)), "LISTEN_FDNAMES": sys.argv[2]}
os.execv(sys.executable, [sys.executable, "-m", "proxy", "serve", *sys.argv[3:]])
"""


@pytest.mark.parametrize("workers", [1, 2])
async def test_sockets_of_a_service_manager(config: Path, tmp_path: Path, workers: int) -> None:
    """They outlive the process: who comes while there is none waits for the next one."""
    path = tmp_path / "s.sock"
    with (
        socket.create_server((LOCALHOST, 0)) as clients,
        socket.create_server((LOCALHOST, 0)) as admin,
        socket.socket(socket.AF_UNIX) as local,
    ):
        local.bind(str(path))
        local.listen()
        # High enough to be out of the way of 3, 4 and 5.
        files = [os.dup(sock.fileno()) for sock in (clients, admin, local) for _ in range(4)][3::4]

        async def activated() -> tuple[Keyclash, dict[str, Any]]:
            arguments = (",".join(map(str, files)), "clients:admin:local", "--config", config, "--workers", workers)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", ACTIVATE, *map(str, arguments)),
                stderr=asyncio.subprocess.PIPE,
                pass_fds=files,
            )
            keyclash = Keyclash(process)
            return keyclash, await keyclash.line("serving")

        first, serving = await activated()
        port = clients.getsockname()[1]
        assert serving["listen"] == f"{LOCALHOST}:{port}, unix:{path}"
        assert serving["admin"] == f"{LOCALHOST}:{admin.getsockname()[1]}"
        visitor = Visits(host=LOCALHOST, port=port)
        async with visits(visitor):
            await after(visitor, 5)
            first.process.send_signal(signal.SIGTERM)
            assert await first.process.wait() == 0
            second, _ = await activated()
            await after(visitor, 5)
        assert visitor.failure is None
        second.process.send_signal(signal.SIGTERM)
        assert await second.process.wait() == 0
        assert path.exists()


def test_the_unit_files_name_what_there_is() -> None:
    folder = Path(__file__).parents[2] / "config" / "systemd"
    service = (folder / "keyclash.service").read_text()
    assert "Type=notify\n" in service
    assert "KillMode=mixed\n" in service
    assert "keyclash serve --config /etc/keyclash/proxy.yaml\n" in service
    assert "ListenStream=127.0.0.1:3306\n" in (folder / "keyclash.socket").read_text()
