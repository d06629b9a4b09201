"""The servers that the other tests rely on are what they are said to be."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import contextlib
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from tests.servers.accounts import AccountMaker
from tests.servers.launch import Server, running, start

SERIES = {"mysql": (9, 7), "mariadb": (10, 11)}


def ask(connection: Connection[Cursor], query: str) -> object:
    with connection, connection.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
    assert row is not None
    return row[-1]


def test_version_is_the_supported_series(server: Server) -> None:
    assert server.version[:2] == SERIES[server.name]
    assert ("MariaDB" in server.version_text) == server.mariadb


def test_tls_login_verifies_the_authority(server: Server) -> None:
    assert server.ca is not None, f"name it in KEYCLASH_TEST_{server.name.upper()}_CA"
    connection = server.connect(ssl_ca=str(server.ca), ssl_verify_cert=True)
    assert ask(connection, "SHOW STATUS LIKE 'Ssl_version'") in {"TLSv1.2", "TLSv1.3"}


def test_tls_login_refuses_another_authority(mysql: Server, mariadb: Server) -> None:
    with pytest.raises(pymysql.err.OperationalError, match="certificate"):
        mysql.connect(ssl_ca=str(mariadb.ca), ssl_verify_cert=True)
    with pytest.raises(pymysql.err.OperationalError, match="certificate"):
        mariadb.connect(ssl_ca=str(mysql.ca), ssl_verify_cert=True)


@pytest.mark.own_server
def test_login_over_tcp_and_socket(server: Server) -> None:
    assert ask(server.connect(), "SELECT CURRENT_USER()") == "root@127.0.0.1"
    assert ask(server.connect(unix_socket=str(server.socket)), "SELECT CURRENT_USER()") == "root@localhost"


def test_root_needs_its_password(server: Server) -> None:
    with pytest.raises(pymysql.err.OperationalError, match="1045"):
        server.connect(password="")


def test_client_program_runs_a_query(server: Server) -> None:
    command = server.cli("--batch", "--skip-column-names", "--execute=SELECT 40 + 2")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "42\n"


def test_databases_are_new_and_empty(server: Server, database: str) -> None:
    count = f"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '{database}'"
    assert ask(server.connect(database=database), count) == 0


def test_accounts_log_in(server: Server, make_account: AccountMaker) -> None:
    account = make_account("s3cr'et")
    assert ask(server.connect(user=account.user, password=account.password), "SELECT USER()") == (
        f"{account.user}@127.0.0.1"
    )


def test_accounts_may_require_tls(server: Server, make_account: AccountMaker) -> None:
    account = make_account(require="SSL", grants="")
    with pytest.raises(pymysql.err.OperationalError, match="1045"):
        server.connect(user=account.user, password=account.password, ssl_disabled=True)
    tls = {"check_hostname": False, "verify_mode": "none"}
    connection = server.connect(user=account.user, password=account.password, ssl=tls)
    assert ask(connection, "SELECT 1") == 1


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
@pytest.mark.parametrize("plugin", ["mysql_native_password", "ed25519"])
def test_mariadb_accounts_may_name_a_plugin(server: Server, make_account: AccountMaker, plugin: str) -> None:
    account = make_account(plugin=plugin)
    command = server.cli(f"--user={account.user}", f"--password={account.password}", "-BNe", "SELECT USER()")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{account.user}@127.0.0.1\n"


@pytest.mark.own_server
def test_restart_keeps_data_and_port(server: Server, database: str) -> None:
    ask_port = "SELECT @@port"
    port = ask(server.connect(), ask_port)
    server.restart()
    assert ask(server.connect(), ask_port) == port == server.port
    assert ask(server.connect(), f"SHOW DATABASES LIKE '{database}'") == database


@pytest.mark.own_server
def test_kill_and_restart_keeps_committed_rows(server: Server, database: str) -> None:
    with server.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id INT PRIMARY KEY)")
        cursor.execute("INSERT INTO t VALUES (1)")
        cursor.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
        cursor.execute("INSERT INTO t VALUES (2)")
    server.kill()
    with pytest.raises(pymysql.err.OperationalError):
        server.connect()
    server.restart()
    assert ask(server.connect(database=database), "SELECT COUNT(*) FROM t") == 2


@pytest.mark.own_server
def test_options_reach_a_new_server_and_nothing_stays(server: Server) -> None:
    with running(server.name, ["--lower-case-table-names=0", "--max-connections=17"]) as other:
        assert ask(other.connect(), "SELECT @@max_connections") == 17
        assert other.socket is not None
        directory = other.socket.parent
    assert not directory.exists()


@pytest.mark.own_server
def test_a_server_that_fails_to_start_shows_its_log(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no-such-option"):
        start("mariadb", tmp_path / "bad", ["--no-such-option"])


@pytest.mark.own_server
def test_server_dies_with_a_crashed_test_run(tmp_path: Path) -> None:
    code = f"""
        import os, pathlib, sys
        from tests.servers.launch import start
        server = start("mariadb", pathlib.Path({str(tmp_path / "server")!r}))
        print(server.port, flush=True)
        sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        port = int(run.stdout.readline())
        with socket.create_connection(("127.0.0.1", port)) as connection:
            run.kill()
            with contextlib.suppress(ConnectionResetError):  # if it died before it took the connection from its queue
                while connection.recv(4096):
                    pass  # the greeting; then the server's death closes the connection


def test_named_server_is_used_and_not_ours_to_stop(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{server.user}:{server.password}@{server.host}:{server.port}"
    monkeypatch.setenv(f"KEYCLASH_TEST_{server.name.upper()}", address)
    named = start(server.name, tmp_path)
    assert (named.host, named.port, named.version) == (server.host, server.port, server.version)
    with pytest.raises(RuntimeError, match="not ours"):
        named.stop()
