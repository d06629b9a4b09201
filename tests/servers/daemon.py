"""One throw-away server process: its data directory, its port, its life."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import contextlib
import hashlib
import inspect
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from tests.servers import recipes
from tests.servers.packages import cache_directory, fetch, installing, locked
from tests.servers.recipes import Recipe, run_environment

ROOT_PASSWORD = "root-secret"
INIT_FILE = f"""\
CREATE USER IF NOT EXISTS 'root'@'127.0.0.1';
ALTER USER 'root'@'localhost' IDENTIFIED BY '{ROOT_PASSWORD}', 'root'@'127.0.0.1' IDENTIFIED BY '{ROOT_PASSWORD}';
GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
"""
START_ATTEMPTS = 5
START_SECONDS = 60.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.02
PORT_IS_TAKEN = ("Address already in use", "Bind on TCP/IP port")


class ServerFailedError(Exception):
    """The server did not start; the text ends with the last lines of its error log."""


class Daemon:
    """A server of our own on 127.0.0.1, in `directory`, which must be empty or absent.

    It dies with the thread that started it, however that ends, so it must be started from the main thread.
    """

    def __init__(self, recipe: Recipe, directory: Path, options: Sequence[str] = ()) -> None:
        self.recipe = recipe
        self.prefix = fetch(recipe.bundle)
        self.directory = directory
        self.data = directory / "data"
        self.socket = directory / "socket"
        self.log = directory / "error.log"
        self.port = 0
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copytree(_pristine(recipe), self.data)
        (directory / "init.sql").write_text(INIT_FILE)

    def start(self) -> None:
        """Start the server and return once it answers; the first time on a free port, later on the same one.

        Raises ServerFailedError when it ends or stays silent for START_SECONDS.
        """
        fixed = self.port
        for _ in range(START_ATTEMPTS):
            self.port = fixed or _free_port()
            if self._answers():
                return
            log = self.log.read_text(errors="replace")
            if not any(text in log for text in PORT_IS_TAKEN):
                break
        self.kill()
        raise ServerFailedError(f"{self.recipe.name} did not start on port {self.port}:\n{log[-4000:]}")

    def stop(self) -> None:
        """Shut the server down in good order; kill it if that takes longer than STOP_SECONDS."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server as a power cut would; `start` brings it back with what it had on disk."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let the server do nothing until `go_on`; its connections stay. Returns once all its threads stand."""
        os.waitid(os.P_PID, self._signal(signal.SIGSTOP), os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def go_on(self) -> None:
        """Let the server go on after `pause`."""
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        """Kill the server and delete all it wrote."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def connect(self) -> Connection[Cursor]:
        """Log in as root over the server's own socket file, which no other server can be behind."""
        return pymysql.connect(unix_socket=str(self.socket), user="root", password=ROOT_PASSWORD, autocommit=True)

    def _command(self) -> list[str]:
        return [
            *("setpriv", "--pdeathsig", "KILL"),
            *self.recipe.daemon_command(self.prefix, self.data),
            f"--port={self.port}",
            f"--socket={self.socket}",
            f"--pid-file={self.directory / 'pid'}",
            f"--init-file={self.directory / 'init.sql'}",
            *self._options,
        ]

    def _answers(self) -> bool:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, env=run_environment())
        for _ in range(round(START_SECONDS / POLL_SECONDS)):
            with contextlib.suppress(OSError, pymysql.err.OperationalError), socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self.socket))
                self.connect().close()
                return True
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(POLL_SECONDS)
                return False
        return False

    def _signal(self, number: signal.Signals) -> int:
        """Send a signal to the process, and return its number."""
        if self._process is None:
            raise RuntimeError(f"{self.recipe.name} does not run")
        self._process.send_signal(number)
        return self._process.pid

    def _end(self, how: Literal[signal.Signals.SIGTERM, signal.Signals.SIGKILL]) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _pristine(recipe: Recipe) -> Path:
    """Return an initialised data directory that nothing ever ran on, made once per server version and recipe."""
    made_by = hashlib.sha256(inspect.getsource(recipes).encode()).hexdigest()[:12]
    version = fetch(recipe.bundle).version.replace(":", "-")
    target = cache_directory() / f"{recipe.name}-{version}-data-{made_by}"
    with locked(target.with_name(target.name + ".lock")):
        if not target.exists():
            with installing(target) as scratch:
                recipe.initialise(fetch(recipe.bundle), scratch)
    return target
