"""Runs a client twice at once, directly and through the proxy, each with an account and a schema of its own."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import secrets
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tests.clients.installed import environment
from tests.clients.statements import shared
from tests.e2e.running import Proxy
from tests.servers.launch import Server

TIMEOUT = 60
SHOWN = 600
PASSWORD = 'it\'s a "secret" \\ %'  # letters beyond ASCII are encoded by each driver in its own way


@dataclass(frozen=True, slots=True)
class Way:
    """A way to the server.

    Attributes:
        server: the server, or the proxy in front of it.
        name: of this way's schema and account, as long as that of the other way.
    """

    server: Server
    name: str

    def settings(self, *, tls: bool, file: Path) -> dict[str, Any]:
        """Return what a program is told."""
        return {
            "host": self.server.host,
            "port": self.server.port,
            "user": self.name,
            "password": PASSWORD,
            "database": self.name,
            "other_user": f"{self.name}_other",
            "other_password": PASSWORD,
            "tls": tls,
            "mariadb": self.server.mariadb,
            "file": str(file),
            **shared(mariadb=self.server.mariadb),
        }

    def masked(self, text: str) -> str:
        """Return a text with this way's names replaced."""
        return text.replace(self.name, "OURS")


@contextmanager
def both_ways(proxy: Proxy) -> Iterator[tuple[Way, Way]]:
    """Yield the direct way to a server and the one through the proxy; drop their schemas and accounts at the end.

    The accounts are new, so that each way's first login is a whole one, which no cache of the server makes shorter.
    """
    token = secrets.token_hex(4)
    direct, through = Way(proxy.server, f"dir_{token}"), Way(proxy.as_server, f"prx_{token}")
    names = [direct.name, through.name]
    with proxy.server.connect() as connection, connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
            for user in (name, f"{name}_other"):
                cursor.execute(f"CREATE USER {user}@'%%' IDENTIFIED BY %s", (PASSWORD,))
                cursor.execute(f"GRANT ALL ON *.* TO {user}@'%'")
        try:
            yield direct, through
        finally:
            for name in names:
                cursor.execute(f"DROP DATABASE {name}")
                cursor.execute(f"DROP USER {name}@'%', {name}_other@'%'")


def run_both(
    ways: tuple[Way, Way], command: Callable[[Way], Sequence[str]], text: Callable[[Way], str], env: Mapping[str, str]
) -> tuple[str, str]:
    """Run a command both ways at the same time and return what each printed, with its names masked.

    command, text: the command line for a way, and what it reads from the standard input.
    env: what the command needs in its environment.

    Raises AssertionError with the program's output if it fails.
    """
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda way: _run(command(way), text(way), env, way), ways)
    return first, second


def assert_same(direct: str, through: str) -> None:
    """Raise AssertionError with the first line that differs, and what stands before it."""
    pairs = list(zip_longest(direct.splitlines(), through.splitlines()))
    for number, (one, other) in enumerate(pairs):
        if one != other:
            before = "\n".join(line[:SHOWN] for line, _ in pairs[max(number - 3, 0) : number])
            at = next((n for n, (a, b) in enumerate(zip(one or "", other or "", strict=False)) if a != b), 0)
            start = max(at - SHOWN // 2, 0)
            shown = [None if line is None else line[start : start + SHOWN] for line in (one, other)]
            raise AssertionError(f"{before}\ndirectly: {shown[0]!r}\nthrough the proxy: {shown[1]!r}")


def _run(command: Sequence[str], text: str, env: Mapping[str, str], way: Way) -> str:
    done = subprocess.run(
        ["timeout", "--kill-after=1", str(TIMEOUT), *command],
        input=text.encode(),
        capture_output=True,
        env=environment(**env),
        cwd=Path(__file__).parents[2],
    )
    output, errors = (text.decode(errors="backslashreplace") for text in (done.stdout, done.stderr))
    assert done.returncode == 0, f"{way.name} ended with {done.returncode}:\n{output[-2000:]}\n{errors[-4000:]}"
    return way.masked(output + errors)
