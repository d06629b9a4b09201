"""What the log tells of a session when it ends, and what it never tells."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pymysql
import pytest

from tests.e2e.running import UNVERIFIED
from tests.e2e.users import run
from tests.servers.accounts import AccountMaker
from tests.servers.launch import Server

SECRET, VALUE = "Pl4nted-secret", "planted-value"


class Log:
    """A proxy process whose log is kept; a level changes when the file does."""

    def __init__(self, server: Server, folder: Path, **log: Any) -> None:
        self.path = folder / "proxy.yaml"
        self._server = server
        self.write(**log)
        self._file = (folder / "log").open("w+")
        command = [sys.executable, "-m", "proxy", "serve", "--config", str(self.path)]
        self.process = subprocess.Popen(command, stderr=self._file)
        self.port = int(self.wait_for("serving")["listen"].split(":")[1])

    def write(self, **log: Any) -> None:
        config = {
            "listen": "127.0.0.1:0",
            "backend": f"{self._server.host}:{self._server.port}",
            "admin": "127.0.0.1:0",
            "log": {"format": "json", **log},
        }
        self.path.write_text(json.dumps(config))

    @property
    def text(self) -> str:
        return (self.path.parent / "log").read_text()

    def events(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.text.splitlines() if line.endswith("}")]
        return [line for line in lines if line["event"] == event]

    def wait_for(self, event: str, count: int = 1) -> dict[str, Any]:
        until = time.monotonic() + 30
        while len(found := self.events(event)) < count:
            assert time.monotonic() < until, self.text
            assert self.process.poll() is None, self.text
            time.sleep(0.02)
        return found[-1]

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
        self._file.close()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_one_line_tells_of_a_session(server: Server, database: str, tmp_path: Path, tls: bool) -> None:
    terms = {"ssl": UNVERIFIED} if tls else {}
    with Log(server, tmp_path) as log:
        through = {"port": log.port, "database": database, **terms}
        with server.connect(**through) as connection:
            run(connection, "CREATE TABLE t (a INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
            for _ in range(2):
                with pytest.raises(pymysql.IntegrityError):
                    run(connection, "INSERT INTO t VALUES (1)")
        line = log.wait_for("session ended")
        assert (line["level"], line["result"], line["user"]) == ("info", "quit", server.user)
        assert line["client"].startswith("127.0.0.1:")
        assert line["conflicts"] == 2
        # SET AUTOCOMMIT or SET NAMES of the driver's, the four statements, and COM_QUIT.
        assert line["commands"] in range(5, 9)
        assert 0 < line["seconds"] < 60
        assert line["received"] > len("CREATE TABLE t (a INT PRIMARY KEY)")
        assert line["sent"] > 100
        assert line["thread_id"] > 0


def test_it_can_be_turned_off_and_on_while_it_runs(server: Server, tmp_path: Path) -> None:
    with Log(server, tmp_path, sessions=False) as log:
        server.connect(port=log.port).close()
        log.write(level="debug", sessions=False)
        log.wait_for("reloaded")
        server.connect(port=log.port).close()
        assert log.wait_for("session ended")["level"] == "debug"
        assert len(log.events("session ended")) == 1
        log.write(level="warning")
        log.wait_for("session ended")
        log.write(level="info")
        log.wait_for("reloaded", 2)
        server.connect(port=log.port).close()
        assert log.wait_for("session ended", 2)["level"] == "info"


def test_neither_secrets_nor_values_are_told(
    server: Server, database: str, make_account: AccountMaker, tmp_path: Path
) -> None:
    account = make_account(SECRET)
    with Log(server, tmp_path, level="debug") as log:
        through = {"port": log.port, "user": account.user, "password": SECRET, "database": database}
        with server.connect(**through) as connection:
            run(connection, "CREATE TABLE t (a VARCHAR(40) PRIMARY KEY)", f"INSERT INTO t VALUES ('{VALUE}')")
            with pytest.raises(pymysql.IntegrityError):
                run(connection, f"INSERT INTO t VALUES ('{VALUE}')")
            with pytest.raises(pymysql.ProgrammingError):
                run(connection, f"INSERT INTO nowhere VALUES ('{VALUE}')")
        with pytest.raises(pymysql.OperationalError):
            server.connect(**(through | {"password": f"{SECRET}-wrong"}))
        log.wait_for("session ended", 2)
        text = log.text
    assert account.user in text
    assert SECRET not in text
    assert VALUE not in text
