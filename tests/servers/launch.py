"""A database server as the tests see it: ours, or one that the environment names."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from tests.servers.daemon import ROOT_PASSWORD, Daemon
from tests.servers.packages import fetch
from tests.servers.recipes import RECIPES, ServerName


@dataclass(frozen=True)
class Server:
    """A running server and how to log in to it as an administrator.

    name: "mysql" or "mariadb".
    host, port: where it listens for TCP.
    socket: its Unix socket file, None for a server that is not ours.
    user, password: an account with all privileges.
    version: such as (9, 7, 4).
    version_text: what VERSION() says, such as "10.11.18-MariaDB-0+deb12u1".
    ca: the authority that signed its certificate, None when not known.
    log: its error log, None for a server that is not ours.
    """

    name: ServerName
    host: str
    port: int
    socket: Path | None
    user: str
    password: str
    version: tuple[int, int, int]
    version_text: str
    ca: Path | None
    log: Path | None
    daemon: Daemon | None

    @property
    def mariadb(self) -> bool:
        """Whether the server is MariaDB."""
        return self.name == "mariadb"

    def connect(self, **arguments: Any) -> Connection[Cursor]:
        """Log in with PyMySQL, in autocommit mode; `arguments` replace or add to those of pymysql.connect.

        TLS is used only if they speak of it: to load the system's certificate authorities takes 50 ms each time.
        """
        own: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "autocommit": True,
            "ssl_disabled": not any(name.startswith("ssl") for name in arguments),
        }
        return pymysql.connect(**(own | arguments))

    def cli(self, *arguments: str) -> list[str]:
        """Return the command line of the server's own client program; later `arguments` overrule the address."""
        address = [f"--host={self.host}", f"--port={self.port}", f"--user={self.user}", f"--password={self.password}"]
        return [*_client(self.name), *address, *arguments]

    def restart(self) -> None:
        """Stop the server if it runs and start it again on the same port. Raises RuntimeError if it is not ours."""
        daemon = self._own()
        daemon.stop()
        daemon.start()

    def stop(self) -> None:
        """Shut the server down in good order. Raises RuntimeError if it is not ours."""
        self._own().stop()

    def kill(self) -> None:
        """End the server at once (SIGKILL). Raises RuntimeError if it is not ours."""
        self._own().kill()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the server do nothing for the length of the block (SIGSTOP). Raises RuntimeError if it is not ours."""
        daemon = self._own()
        daemon.pause()
        try:
            yield
        finally:
            daemon.go_on()

    def remove(self) -> None:
        """Kill a server of ours and delete its data; leave any other alone."""
        if self.daemon is not None:
            self.daemon.remove()

    def _own(self) -> Daemon:
        if self.daemon is None:
            raise RuntimeError(f"{self.name} is named by the environment and not ours to stop")
        return self.daemon


def start(name: ServerName, directory: Path, options: Sequence[str] = ()) -> Server:
    """Return a server that answers: the one that KEYCLASH_TEST_MYSQL or KEYCLASH_TEST_MARIADB names, or a new one.

    name: "mysql" or "mariadb".
    directory: where a new one keeps its files; empty or absent, and short, as a socket's path has at most 107 bytes.
    options: more options for the command line of a new one; a test that needs them cannot use a named server.

    Raises ServerFailedError when a new one does not start, RuntimeError when it cannot be fetched.
    """
    address = os.environ.get(f"KEYCLASH_TEST_{name.upper()}")
    return _named(name, address) if address else _own(name, directory, options)


@contextmanager
def running(name: ServerName, options: Sequence[str] = ()) -> Iterator[Server]:
    """Start a server in a temporary directory and remove it at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="keyclash-") as directory:
        server = start(name, Path(directory) / name, options)
        try:
            yield server
        finally:
            server.remove()


def _own(name: ServerName, directory: Path, options: Sequence[str]) -> Server:
    daemon = Daemon(RECIPES[name], directory, options)
    daemon.start()
    with daemon.connect() as connection:
        text = _version_text(connection)
    return Server(
        name=name,
        host="127.0.0.1",
        port=daemon.port,
        socket=daemon.socket,
        user="root",
        password=ROOT_PASSWORD,
        version=_version(text),
        version_text=text,
        ca=daemon.data / "ca.pem",
        log=daemon.log,
        daemon=daemon,
    )


def _named(name: ServerName, address: str) -> Server:
    found = re.fullmatch(r"([^:@]+):(.*)@([^@]+):(\d+)", address)
    if found is None:
        raise RuntimeError(f"KEYCLASH_TEST_{name.upper()} must be user:password@host:port")
    user, password, host, port = found.groups()
    with pymysql.connect(host=host, port=int(port), user=user, password=password) as connection:
        text = _version_text(connection)
    ca = os.environ.get(f"KEYCLASH_TEST_{name.upper()}_CA")
    return Server(
        name=name,
        host=host,
        port=int(port),
        socket=None,
        user=user,
        password=password,
        version=_version(text),
        version_text=text,
        ca=Path(ca) if ca else None,
        log=None,
        daemon=None,
    )


def _version_text(connection: Connection[Cursor]) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        row = cursor.fetchone()
    if row is None:
        raise RuntimeError("the server did not tell its version")
    return str(row[0])


def _version(text: str) -> tuple[int, int, int]:
    major, minor, patch = (int(number) for number in re.findall(r"\d+", text)[:3])
    return major, minor, patch


def _client(name: ServerName) -> list[str]:
    recipe = RECIPES[name]
    installed = shutil.which(Path(recipe.client).name)
    if os.environ.get(f"KEYCLASH_TEST_{name.upper()}") and installed:
        return [installed, "--no-defaults"]
    return recipe.client_command(fetch(recipe.bundle))
