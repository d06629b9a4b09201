"""`keyclash serve` as a process of its own: signals, exit codes, what it prints."""

import asyncio
import json
import resource
import signal
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from proxy.net.ring import Ring
from proxy.run.limits import raise_open_files_limit
from tests.run.doubles import LOCALHOST, Backend


@pytest.fixture
def config(behind: Backend, tmp_path: Path) -> Path:
    path = tmp_path / "proxy.yaml"
    path.write_text(
        f"listen: {LOCALHOST}:0\nbackend: {behind.address}\nadmin: {LOCALHOST}:0\n"
        "client_tls: {mode: DISABLED}\nlog: {format: json}\n"
    )
    return path


class Keyclash:
    """A `keyclash serve` that runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self, event: str) -> dict[str, Any]:
        """Wait for a log line of an event."""
        assert self.process.stderr is not None
        while text := await self.process.stderr.readline():
            line: dict[str, Any] = json.loads(text)
            if line["event"] == event:
                return line
        raise AssertionError(f"{event} was not logged")

    async def connect(self, serving: dict[str, Any]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Read a greeting through the proxy, and begin a login that is never finished."""
        host, port = serving["listen"].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        await reader.readexactly(4)
        return reader, writer


async def start(*arguments: object) -> Keyclash:
    return Keyclash(
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "proxy", "serve", *map(str, arguments)), stderr=asyncio.subprocess.PIPE
        )
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it(config: Path, number: signal.Signals) -> None:
    keyclash = await start("--config", config)
    await keyclash.line("serving")
    keyclash.process.send_signal(number)
    assert await keyclash.line("stopped")
    assert await keyclash.process.wait() == 0


async def outcome_of(script: str, *arguments: object) -> tuple[int | None, str]:
    """Run a script that ends with `main()` and the arguments of a command line; return its exit code and its log."""
    program = f"import os, signal, sys\nfrom proxy.__main__ import main\n{textwrap.dedent(script)}\nmain()"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, *map(str, arguments)), stderr=asyncio.subprocess.PIPE
    )
    _out, err = await process.communicate()
    return process.returncode, err.decode()


async def test_process_1_is_not_deaf_while_it_loads(config: Path) -> None:
    """The kernel throws away what process 1 has no handler for."""
    script = """
        class Signal:
            def find_spec(self, name, path=None, target=None):
                if name == "proxy.cli":
                    os.kill(pid, signal.SIGTERM)

        pid, os.getpid = os.getpid(), lambda: 1
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.meta_path.insert(0, Signal())
    """
    assert await outcome_of(script, "serve", "--config", config) == (128 + signal.SIGTERM, "")


@pytest.mark.parametrize(("workers", "log"), [(1, ["serving", "stopping", "stopped"]), (2, ["stopped"])])
async def test_a_signal_during_the_start(config: Path, tmp_path: Path, workers: int, log: list[str]) -> None:
    """It is not lost, and a start that takes its time is broken off."""
    script = """
        from proxy.run.supervisor import Running

        async def start(self, heritage, start=Running.start):
            os.kill(os.getpid(), signal.SIGTERM)
            await start(self, heritage)

        Running.start = start
    """
    socket = tmp_path / "k.sock"
    options = ("--workers", workers, "--listen", f"unix:{socket}")
    code, text = await outcome_of(script, "serve", "--config", config, *options)
    assert code == 0
    assert [json.loads(line)["event"] for line in text.splitlines()] == log
    assert not socket.exists()


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
async def test_standard_streams_may_be_closed(config: Path, tmp_path: Path, closed: str) -> None:
    socket = tmp_path / "k.sock"
    command = [sys.executable, "-m", "proxy", "serve", "--config", str(config), "--listen", f"unix:{socket}"]
    process = await asyncio.create_subprocess_exec("sh", "-c", f'exec "$@" {closed}', "sh", *command)
    while True:
        assert process.returncode is None
        try:
            reader, writer = await asyncio.open_unix_connection(socket)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            break
    assert (await reader.readexactly(5))[4] == 10  # the greeting is from the backend
    writer.close()
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_sighup_reads_the_files_again(config: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: []\n")
    keyclash = await start("--config", config, "--rules", rules)
    serving = await keyclash.line("serving")
    assert serving["rules"] == 0
    rules.write_text("rules:\n  - {name: one, table: t, action: nonsense}\n")
    keyclash.process.send_signal(signal.SIGHUP)
    failed = await keyclash.line("reload failed")
    assert failed["problem"].startswith(f"{rules}:2: rules[0].action: 'nonsense' is not known")
    code, _out, err = await command("reload", "--admin", serving["admin"])
    assert (code, err) == (2, failed["problem"] + "\n")
    rules.write_text("rules:\n  - {name: one, table: t, action: observe}\n")
    code, out, _err = await command("reload", "--admin", serving["admin"])
    assert code == 0
    assert out.startswith("1 rule, version ")
    assert (await keyclash.line("reloaded"))["rules"] == 1
    keyclash.process.send_signal(signal.SIGTERM)
    assert await keyclash.process.wait() == 0


async def command(*arguments: str) -> tuple[int | None, str, str]:
    """Run another command of Keyclash."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", *arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_a_second_signal_cuts_off_what_is_busy(config: Path) -> None:
    keyclash = await start("--config", config)
    reader, writer = await keyclash.connect(await keyclash.line("serving"))
    keyclash.process.send_signal(signal.SIGTERM)
    assert (await keyclash.line("stopping"))["sessions"] == 1
    keyclash.process.send_signal(signal.SIGTERM)
    assert await keyclash.line("stopped")
    assert await keyclash.process.wait() == 0
    writer.close()
    await reader.read()


async def test_options_stand_above_the_file(config: Path, behind: Backend, tmp_path: Path) -> None:
    rules = tmp_path / "own.yaml"
    rules.write_text("rules:\n  - {name: one, table: t, action: observe}\n")
    other = "[::1]:0"
    arguments = ("--config", config, "--rules", rules, "--backend", "db.internal:99", "--listen", other)
    keyclash = await start(*arguments, "--admin", other)
    line = await keyclash.line("serving")
    keyclash.process.send_signal(signal.SIGTERM)
    await keyclash.process.wait()
    assert line["listen"].startswith("[::1]:")
    assert line["admin"].startswith("[::1]:")
    assert line["backend"] == "db.internal:99"
    assert line["rules"] == 1


async def test_several_addresses(config: Path, tmp_path: Path) -> None:
    socket = tmp_path / "k.sock"
    more = (
        "--listen",
        f"unix:{socket}",
        "--listen",
        f"{LOCALHOST}:0",
        "--backend",
        "a:1",
        "--backend",
        f"unix:{socket}b",
    )
    keyclash = await start("--config", config, *more)
    line = await keyclash.line("serving")
    assert socket.is_socket()
    keyclash.process.send_signal(signal.SIGTERM)
    await keyclash.process.wait()
    unix, tcp = line["listen"].split(", ")
    assert unix == f"unix:{socket}"
    assert tcp.startswith(f"{LOCALHOST}:")
    assert line["backend"] == f"a:1, unix:{socket}b"
    assert not socket.exists()


async def test_a_socket_that_a_killed_proxy_left_behind(config: Path, tmp_path: Path) -> None:
    listen = ("--config", config, "--listen", f"unix:{tmp_path / 'k.sock'}")
    first = await start(*listen)
    await first.line("serving")
    code, text = await outcome(*listen)
    assert (code, text) == (1, f"keyclash: cannot listen on unix:{tmp_path / 'k.sock'}: Address already in use\n")
    first.process.kill()
    await first.process.wait()
    second = await start(*listen)
    await second.line("serving")
    second.process.send_signal(signal.SIGTERM)
    assert await second.process.wait() == 0


async def outcome(*arguments: object) -> tuple[int | None, str]:
    keyclash = await start(*arguments)
    _out, err = await keyclash.process.communicate()
    return keyclash.process.returncode, err.decode()


async def test_a_port_that_is_taken(config: Path, behind: Backend) -> None:
    code, text = await outcome("--config", config, "--listen", behind.address)
    assert (code, text) == (1, f"keyclash: cannot listen on {behind.address}: Address already in use\n")


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """A folder of wrong files."""
    (tmp_path / "rules.yaml").write_text("rules:\n  - {name: one, table: t, action: nonsense}\n")
    (tmp_path / "wrong.yaml").write_text("listen: nowhere\nlisen: 1\n")
    return tmp_path


async def test_wrong_files(config: Path, wrong: Path) -> None:
    code, text = await outcome("--config", config, "--rules", wrong / "rules.yaml")
    assert code == 2
    assert text.startswith(f"{wrong / 'rules.yaml'}:2: ")
    code, text = await outcome("--config", wrong / "wrong.yaml")
    assert code == 2
    assert [line.split(": ")[0] for line in text.splitlines()] == [f"{wrong / 'wrong.yaml'}:{line}" for line in (1, 2)]
    assert (await outcome("--config", wrong / "missing.yaml"))[0] == 2


async def test_a_wrong_address() -> None:
    code, text = await outcome("--listen", "nowhere")
    assert code == 2
    assert "host:port" in text


def test_all_the_files_that_the_system_allows() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        raise_open_files_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_poller_that_there_is_not_is_an_error_of_the_start(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYCLASH_POLLER", "select")
    keyclash = await start("--config", config)
    assert keyclash.process.stderr is not None
    assert (await keyclash.process.stderr.read()).decode() == (
        "keyclash: KEYCLASH_POLLER=select: expected auto, epoll or io_uring\n"
    )
    assert await keyclash.process.wait() == 1


def pollers() -> list[str]:
    """Name those that this machine can have."""
    try:
        Ring().close()
    except OSError:
        return ["epoll"]
    return ["epoll", "io_uring"]


def has_ring(pid: int) -> bool:
    return "anon_inode:[io_uring]" in Path("/proc", str(pid), "maps").read_text()


@pytest.mark.parametrize("poller", pollers())
@pytest.mark.parametrize("workers", [1, 2])
async def test_who_serves_waits_at_the_poller_that_the_log_names(
    config: Path, monkeypatch: pytest.MonkeyPatch, workers: int, poller: str
) -> None:
    monkeypatch.setenv("KEYCLASH_POLLER", poller)
    keyclash = await start("--config", config, "--workers", workers)
    serving = keyclash.process.pid
    if workers > 1:
        serving = (await keyclash.line("worker serves"))["pid"]
    assert (await keyclash.line("serving"))["poller"] == poller
    assert has_ring(serving) == (poller == "io_uring")
    keyclash.process.terminate()
    assert await keyclash.process.wait() == 0
