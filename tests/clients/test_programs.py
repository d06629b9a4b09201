"""Drivers of several languages run the same program directly and through the proxy, and print the same.

The programs show all that their driver tells of each reply: rows, types, flags, counts, insert ids, warnings, errors.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import installed
from tests.clients.running import Way, assert_same, run_both

PROGRAMS = Path(__file__).parent / "programs"
Start = Callable[[], tuple[list[str], dict[str, str]]]


def own_python() -> tuple[list[str], dict[str, str]]:
    return [sys.executable], {}


CLIENTS: dict[str, tuple[Start, list[str]]] = {
    "pymysql": (own_python, ["-m", "tests.clients.programs.dbapi", "pymysql"]),
    "mysqlclient": (installed.python, ["-m", "tests.clients.programs.dbapi", "mysqlclient"]),
    "connector": (installed.connector, ["-m", "tests.clients.programs.dbapi", "connector"]),
    "connector-pure": (own_python, ["-m", "tests.clients.programs.dbapi", "connector-pure"]),
    "aiomysql": (own_python, ["-m", "tests.clients.programs.asynchronous", "aiomysql"]),
    "asyncmy": (own_python, ["-m", "tests.clients.programs.asynchronous", "asyncmy"]),
    "sqlalchemy": (own_python, ["-m", "tests.clients.programs.alchemy"]),
    "django": (installed.python, ["-m", "tests.clients.programs.django_shop"]),
    "pdo": (installed.php, [str(PROGRAMS / "pdo.php")]),
    "mysqli": (installed.php, [str(PROGRAMS / "mysqli.php")]),
    "mysql2": (installed.node, [str(PROGRAMS / "mysql2.cjs")]),
    "mariadb-node": (installed.node, [str(PROGRAMS / "mariadb.cjs")]),
}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("client", CLIENTS)
def test_same_output_with_and_without_the_proxy(
    ways: tuple[Way, Way], client: str, tls: bool, loaded_file: Path
) -> None:
    start, arguments = CLIENTS[client]
    command, env = start()
    direct, through = run_both(
        ways, lambda _: [*command, *arguments], lambda way: json.dumps(way.settings(tls=tls, file=loaded_file)), env
    )
    assert_same(direct, through)
