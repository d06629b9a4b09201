"""Real servers for the demo, found on a path and run in a directory that is thrown away."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import os
import shlex
import sys
import tempfile
from pathlib import Path

import pymysql
import pytest

from proxy.demo import mysqld
from proxy.demo.mysqld import Program, StartError, find_program, running
from tests.servers.packages import fetch
from tests.servers.recipes import RECIPES, ServerName
from tests.servers.recipes import _program as program_command

NAMES: dict[ServerName, str] = {"mysql": "mysqld", "mariadb": "mariadbd"}
REPOSITORY = Path(__file__).parent.parent.parent


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def install(directory: Path, name: ServerName) -> str:
    """Puts programs into a directory that stand for an installed server; returns the directory as a path."""
    recipe = RECIPES[name]
    command = shlex.join(program_command(recipe, fetch(recipe.bundle)))
    # The demo's --no-defaults must come first and stands in the command already.
    script(directory / NAMES[name], f'shift; OPENSSL_CONF=/dev/null exec {command} "$@"')
    if name == "mariadb":
        fill = "from pathlib import Path; from sys import argv; from tests.servers.packages import fetch; "
        fill += "from tests.servers.recipes import MARIADB; data = Path(argv[-1].partition('=')[2]); data.mkdir(); "
        fill += "MARIADB.initialise(fetch(MARIADB.bundle), data)"
        environment = f"cd {shlex.quote(str(REPOSITORY))}"
        script(directory / "mariadb-install-db", f'{environment}; exec {sys.executable} -c {shlex.quote(fill)} "$@"')
    return str(directory)


@pytest.mark.parametrize(("name", "title"), [("mysql", "MySQL"), ("mariadb", "MariaDB")])
def test_a_server_is_run_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: ServerName, title: str
) -> None:
    (tmp_path / "programs").mkdir()
    program = find_program(install(tmp_path / "programs", name) + os.pathsep + "/bin")
    assert program is not None
    assert program.name == title
    with tempfile.TemporaryDirectory(prefix="kc") as homes:  # a socket's path is short
        monkeypatch.setattr(tempfile, "tempdir", homes)
        with running(program) as port:
            with pymysql.connect(host="127.0.0.1", port=port, user="demo") as connection, connection.cursor() as cursor:
                cursor.execute("CREATE DATABASE shop")
            assert len(list(Path(homes).iterdir())) == 1
        assert list(Path(homes).iterdir()) == []
    with pytest.raises(pymysql.OperationalError):
        pymysql.connect(host="127.0.0.1", port=port, user="demo")


def test_no_server(tmp_path: Path) -> None:
    assert find_program(str(tmp_path)) is None


def test_a_mariadb_that_cannot_be_installed_is_none(tmp_path: Path) -> None:
    script(tmp_path / "mysqld", "echo mysqld Ver 10.11 for Linux, MariaDB Server")
    assert find_program(str(tmp_path)) is None


def test_a_server_that_is_not_root_needs_no_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "mysqld", "echo mysqld Ver 9.7 for Linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    unprivileged = find_program(str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    root = find_program(str(tmp_path))
    assert unprivileged is not None
    assert root is not None
    assert "--user=root" not in unprivileged.run
    assert "--user=root" in root.run


@pytest.mark.parametrize(
    ("install", "run", "message"),
    [
        ("echo no room >&2; exit 1", "true", "no room"),
        ("true", "echo no rights; exit 1", r"the server ended: no rights"),
        ("true", "exec tail -f /dev/null", r"did not answer within 0 s: no output"),
    ],
    ids=["not installed", "ended", "silent"],
)
def test_a_server_that_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install: str, run: str, message: str
) -> None:
    monkeypatch.setattr(mysqld, "_START_SECONDS", 0.3)
    script(tmp_path / "install", install)
    script(tmp_path / "run", run)
    program = Program("MySQL", (str(tmp_path / "install"),), (str(tmp_path / "run"),))
    with pytest.raises(StartError, match=message), running(program):
        pass


def test_a_program_that_is_not_there() -> None:
    program = Program("MySQL", ("/nowhere/mysqld",), ("/nowhere/mysqld",))
    with pytest.raises(StartError, match="/nowhere/mysqld"), running(program):
        pass


def test_a_server_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysqld, "_START_SECONDS", 0.3)
    monkeypatch.setattr(mysqld, "_STOP_SECONDS", 0.1)
    script(tmp_path / "run", 'trap "" TERM; while :; do read nothing; done < /dev/zero')
    program = Program("MySQL", ("true",), (str(tmp_path / "run"),))
    with pytest.raises(StartError, match="did not answer"), running(program):
        pass
