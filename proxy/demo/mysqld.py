"""A real server for the demo: MySQL or MariaDB as the machine has it, with a data directory that is thrown away."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pymysql

_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/usr/libexec"))
_INSTALL_SECONDS = 120.0
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.1
_ACCOUNTS = (
    "CREATE USER 'demo'@'127.0.0.1' IDENTIFIED BY '';\n"
    "CREATE USER 'demo'@'localhost' IDENTIFIED BY '';\n"
    "GRANT ALL ON *.* TO 'demo'@'127.0.0.1';\n"
    "GRANT ALL ON *.* TO 'demo'@'localhost';\n"
)


class StartError(Exception):
    """A server that is there but does not start; the text says what it said."""


@dataclass(frozen=True, slots=True)
class Program:
    """A server found on this machine: `install` fills a data directory, `run` serves it."""

    name: str
    install: tuple[str, ...]
    run: tuple[str, ...]


def find_program(path: str = _PATH) -> Program | None:
    """Find a MySQL or MariaDB server.

    Args:
        path: the directories to look in, as in $PATH; servers often stand in an sbin that $PATH leaves out.

    Returns:
        What starts it; None if there is no server.
    """
    for name in ("mysqld", "mariadbd"):
        program = shutil.which(name, path=path)
        if program is not None:
            return _mariadb(program, path) if _is_mariadb(program) else _mysql(program)
    return None


def _is_mariadb(program: str) -> bool:
    """Tell whose a program is: many systems call MariaDB's server mysqld."""
    command = [program, "--no-defaults", "--version"]
    version = subprocess.run(command, capture_output=True, check=False, timeout=10)  # noqa: S603
    return b"mariadb" in version.stdout.lower()


def _mysql(program: str) -> Program:
    # A package's default for secure_file_priv is a directory of another server, which may not be readable.
    run = (program, "--no-defaults", *_as_root(), "--mysqlx=OFF", "--secure-file-priv=NULL")
    return Program("MySQL", (*run, "--initialize-insecure"), run)


def _mariadb(program: str, path: str) -> Program | None:
    install = shutil.which("mariadb-install-db", path=path) or shutil.which("mysql_install_db", path=path)
    if install is None:
        return None
    method = ("--auth-root-authentication-method=normal", "--skip-test-db")
    return Program("MariaDB", (install, "--no-defaults", *_as_root(), *method), (program, "--no-defaults", *_as_root()))


def _as_root() -> Sequence[str]:
    """Neither server runs as root unless told to."""
    return ("--user=root",) if os.geteuid() == 0 else ()


@contextlib.contextmanager
def running(program: Program) -> Iterator[int]:
    """Run a server on a free port of 127.0.0.1; yields the port. The user `demo` has no password and every right.

    Args:
        program: the server.

    Raises:
        StartError: if it cannot be installed or started.
    """
    with tempfile.TemporaryDirectory(prefix="keyclash-demo-", ignore_cleanup_errors=True) as directory:
        home = Path(directory)
        _install(program, home)
        port = _free_port()
        with (home / "server.log").open("wb") as log:
            server = subprocess.Popen(  # noqa: S603
                [*program.run, *_arguments(home, port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the demo, which ends the server after its last client
            )
        try:
            _wait(server, port, home / "server.log")
            yield port
        finally:
            _end(server)


def _arguments(home: Path, port: int) -> list[str]:
    accounts = home / "accounts.sql"
    accounts.write_text(_ACCOUNTS)
    return [
        f"--datadir={home / 'data'}",
        f"--socket={home / 'socket'}",
        f"--pid-file={home / 'pid'}",
        f"--init-file={accounts}",
        f"--port={port}",
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        "--innodb-flush-log-at-trx-commit=0",
    ]


def _install(program: Program, home: Path) -> None:
    command = [*program.install, f"--datadir={home / 'data'}"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_INSTALL_SECONDS)  # noqa: S603
    except subprocess.CalledProcessError as error:
        raise StartError(f"{command[0]} failed: {_tail(error.stderr or error.stdout)}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StartError(f"{command[0]} failed: {error}") from error


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until the accounts can log in."""
    deadline = time.monotonic() + _START_SECONDS
    pause = threading.Event()
    while not _answers(port):
        if server.poll() is not None:
            raise StartError(f"the server ended: {_tail(log.read_bytes())}")
        if time.monotonic() > deadline:
            raise StartError(f"the server did not answer within {_START_SECONDS:.0f} s: {_tail(log.read_bytes())}")
        pause.wait(_POLL_SECONDS)


def _answers(port: int) -> bool:
    try:
        pymysql.connect(host="127.0.0.1", port=port, user="demo", connect_timeout=2).close()
    except pymysql.Error:
        return False
    return True


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:  # also when somebody cannot wait
        server.kill()
        server.wait()


def _tail(output: bytes) -> str:
    """Take the last lines of a log, which say why."""
    return " | ".join(output.decode(errors="replace").splitlines()[-3:]) or "no output"
