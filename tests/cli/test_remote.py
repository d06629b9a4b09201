"""The commands that ask a running proxy, against the admin side of one that has seen conflicts."""

import asyncio
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from proxy.admin.app import create_app
from proxy.admin.server import AdminServer
from proxy.cli import app
from proxy.cli.top import spark
from proxy.config import Address
from proxy.conflicts.conflict import Cause
from proxy.conflicts.journal import Journal
from proxy.rules.model import load_rules
from tests.admin.sources import NOW, sources, written
from tests.advice.evidence import SAMPLE
from tests.conflicts.conflicts import conflict

ROOT = Path(__file__).parents[2]
TOKEN = "0123456789abcdef"


async def ready() -> None:
    return None


def journal() -> Journal:
    made = Journal()
    for number in range(25):
        made.add(conflict(at=NOW, cause=Cause.RETRY, sample=SAMPLE, columns=("email",)), f"hash {number}")
    made.add(conflict(at=NOW, key="k\x1b[31m", rows=2), None)
    return made


@pytest.fixture(scope="module")
def admin() -> Iterator[str]:
    """Serve from a thread of its own: the commands block."""
    loop = asyncio.new_event_loop()
    server = AdminServer(create_app(sources(journal=journal()), ready=ready, token=TOKEN))
    loop.run_until_complete(server.start(Address("127.0.0.1", 0)))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield str(server.address)
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    return written(TOKEN + "\n", tmp_path, "token")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_suggest_prints_a_rules_file(admin: str, token: Path, tmp_path: Path) -> None:
    result = run("suggest", "--admin", admin, "--token-file", token)
    assert result.exit_code == 0, result.output
    (rule,) = load_rules(written(result.stdout, tmp_path, "rules.yaml")).rules
    assert (rule.action, rule.columns) == ("idempotent", (("email",),))
    assert "confidence high (85%)" in result.stdout
    assert "25 answered with an OK" in result.stdout
    assert "\x1b" not in result.stdout


def test_suggest_for_some_keys_only(admin: str, token: Path) -> None:
    assert run("suggest", "--admin", admin, "--token-file", token, "--key", "none").stdout.strip() == "rules: []"


def test_suggest_as_json(admin: str, token: Path) -> None:
    answer = json.loads(run("suggest", "--admin", admin, "--token-file", token, "--json").stdout)
    assert len(answer["suggestions"]) == 2


def test_conflicts_the_oldest_first(admin: str, token: Path) -> None:
    result = run("conflicts", "--admin", admin, "--token-file", token, "--limit", 2)
    lines = result.stdout.splitlines()
    assert len(lines) == 2
    assert "shop.users.ux_email  returned  retry  app_rw entry hash 24" in lines[0]
    assert r"k\x1b[31m  returned x2" in lines[1]


def test_conflicts_as_json(admin: str, token: Path) -> None:
    result = run("conflicts", "--admin", admin, "--token-file", token, "--json")
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == list(range(1, 27))


def test_top_looks_once_where_there_is_no_terminal(admin: str, token: Path) -> None:
    result = run("top", "--admin", admin, "--token-file", token)
    assert result.exit_code == 0, result.output
    assert re.search(r"shop\.users\.ux_email .*█ +25 +25 +returned 25 +retry 25", result.stdout)
    assert "27 conflicts" in result.stdout
    assert "\x1b[31m" not in result.stdout


def test_reload_says_what_the_proxy_says(admin: str, token: Path) -> None:
    result = run("reload", "--admin", admin, "--token-file", token)
    assert (result.exit_code, result.stdout) == (0, "nothing to read\n")


@pytest.mark.parametrize("command", ["suggest", "conflicts", "top", "reload"])
def test_without_the_token_they_say_so(admin: str, command: str) -> None:
    result = run(command, "--admin", admin)
    assert (result.exit_code, "a token is needed" in result.stderr) == (1, True)


@pytest.mark.parametrize("command", ["suggest", "conflicts", "top", "reload"])
def test_without_a_proxy_they_say_so(command: str) -> None:
    result = run(command, "--admin", "127.0.0.1:1")
    assert (result.exit_code, "no answer from 127.0.0.1:1" in result.stderr) == (1, True)


def test_a_token_that_cannot_be_read(admin: str, tmp_path: Path) -> None:
    result = run("top", "--admin", admin, "--token-file", tmp_path / "none")
    assert (result.exit_code, "cannot be read" in result.stderr) == (1, True)


def test_an_address_of_something_else_is_told() -> None:
    loop = asyncio.new_event_loop()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
        writer.close()

    server = loop.run_until_complete(asyncio.start_server(answer, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    result = run("top", "--admin", f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()
    assert (result.exit_code, "is not the admin address of Keyclash" in result.stderr) == (1, True)


@pytest.mark.parametrize(("numbers", "drawn"), [([0, 0], "  "), ([0, 1, 4, 8], " ▁▄█"), ([1, 100], "▁█")])
def test_sparks(numbers: list[int], drawn: str) -> None:
    assert spark(numbers) == drawn


@pytest.mark.parametrize("command", ["conflicts", "reload", "suggest"])
def test_nothing_is_loaded_that_only_a_proxy_needs(command: str) -> None:
    program = (
        f"import sys; from proxy.cli import app; app([{command!r}, '--help'], standalone_mode=False)\n"
        "print({'asyncio', 'aiohttp', 'cryptography', 'structlog'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("set()", "")
