"""The first thing anybody tries: the same INSERT twice, and no rule."""

import subprocess
from collections.abc import Iterator

import pymysql
import pytest

from tests.e2e.raw import QUERY, command
from tests.e2e.running import Proxy, in_front_of, proxied, transport
from tests.e2e.users import ALICE, USERS, rows, run
from tests.servers.launch import Server

RETURNED = (
    'keyclash_conflicts_total{key="ux_email",outcome="returned",rule="",schema="app",statement="insert",table="users"} '
)

pytestmark = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])


@pytest.fixture
def fresh(server: Server) -> Iterator[Proxy]:
    """A proxy that has counted nothing yet, in front of a schema `app`."""
    with server.connect() as connection:
        run(connection, "CREATE DATABASE app CHARACTER SET utf8mb4", "USE app", USERS)
    with proxied(in_front_of(server), server) as proxy:
        yield proxy
    with server.connect() as connection:
        run(connection, "DROP DATABASE app")


def conflicts(proxy: Proxy) -> list[str]:
    """The lines of /metrics about conflicts, as they are."""
    _, text = proxy.fetch("/metrics")
    return [line for line in text.splitlines() if line.startswith("keyclash_conflicts_total")]


def test_pymysql_sees_the_error(fresh: Proxy, tls: bool) -> None:
    connection = fresh.connect(database="app", **transport(tls))
    run(connection, ALICE)
    with pytest.raises(pymysql.err.IntegrityError, match="Duplicate entry 'alice@") as caught:
        run(connection, ALICE)
    assert caught.value.args[0] == 1062
    assert rows(connection) == [(1, "alice@example.com", "Alice", 1)]
    assert conflicts(fresh) == [RETURNED + "1.0"]


def test_a_client_gets_the_very_bytes(fresh: Proxy, tls: bool) -> None:
    direct, through = fresh.raw_directly(database="app", tls=tls), fresh.raw(database="app", tls=tls)
    insert = command(QUERY, ALICE.encode())
    assert through.ask_bytes(insert)[4] == 0
    error = through.ask_bytes(insert)
    assert error[4:7] == b"\xff\x26\x04"  # ERR 1062
    assert error == direct.ask_bytes(insert)
    assert conflicts(fresh) == [RETURNED + "1.0"]


def test_the_servers_own_client_sees_the_error(fresh: Proxy, server: Server, tls: bool) -> None:
    first = fresh.run_cli(ALICE, tls=tls, database="app")
    assert (first.returncode, first.stdout) == (0, ""), first.stderr
    second = fresh.run_cli(ALICE, tls=tls, database="app")
    direct = subprocess.run(server.cli("--database=app", f"--execute={ALICE}"), capture_output=True, text=True)
    assert "ERROR 1062 (23000) at line 1: Duplicate entry 'alice@example.com' for key" in second.stderr
    assert (second.returncode, second.stderr) == (direct.returncode, direct.stderr)
    assert conflicts(fresh) == [RETURNED + "1.0"]
