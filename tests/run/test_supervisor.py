from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import asyncio
import socket
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor
from structlog.testing import capture_logs

from proxy.config import (
    Address,
    BackendTls,
    BackendTlsMode,
    ClientTls,
    ClientTlsMode,
    ConfigError,
    ProxyConfig,
    UnixAddress,
    load_config,
)
from proxy.run.policy import StartError
from proxy.run.supervisor import Running, serve
from tests.run.asking import ask
from tests.run.doubles import LOCALHOST, Backend

ANY_PORT = Address(LOCALHOST, 0)


def config(backend: Address, **changes: Any) -> ProxyConfig:
    plain = ProxyConfig(listen=ANY_PORT, backend=backend, admin=ANY_PORT)
    return replace(plain, client_tls=ClientTls(mode=ClientTlsMode.DISABLED), **changes)


def connect(running: Running, **arguments: Any) -> Connection[Cursor]:
    own: dict[str, Any] = {"host": LOCALHOST, "port": running.address.port, "user": "u", "ssl_disabled": True}
    return pymysql.connect(**own | arguments)


async def test_a_conversation(behind: Backend) -> None:
    async with serve(config(behind.address)) as running:
        client = await asyncio.to_thread(connect, running)
        assert client.thread_id() == 7  # type: ignore[no-untyped-call]
        await asyncio.to_thread(client.ping)
        assert running.counters.sessions == 1
        assert "keyclash_sessions 1.0" in await ask(running, "GET /metrics")
        await asyncio.to_thread(client.close)
    assert running.counters.sessions == 0
    assert running.counters.sessions_total == {"quit": 1}


async def test_ready_is_what_the_backend_says(behind: Backend) -> None:
    async with serve(config(behind.address)) as running:
        assert " 200 " in await ask(running, "GET /-/ready")
    with socket.create_server((LOCALHOST, 0)) as taken:
        gone = Address(*taken.getsockname())
    async with serve(config(gone)) as running:
        assert "cannot be reached: Connection refused" in await ask(running, "GET /-/ready")


async def test_a_backend_that_cannot_be_reached(behind: Backend) -> None:
    with socket.create_server((LOCALHOST, 0)) as taken:
        gone = Address(*taken.getsockname())
    async with serve(config(gone)) as running:
        with pytest.raises(pymysql.err.OperationalError, match=r"2003.*Connection refused"):
            await asyncio.to_thread(connect, running)
    assert running.counters.sessions_total == {"backend_unreachable": 1}


async def unanswered(client: Connection[Cursor], behind: Backend) -> asyncio.Task[None]:
    """Have a client ask what the backend does not answer while its gate is closed."""
    behind.gate.clear()
    behind.asked.clear()
    ping = asyncio.create_task(asyncio.to_thread(client.ping, reconnect=False))
    await behind.asked.wait()
    return ping


async def test_stop_closes_idle_sessions_at_once_and_waits_for_busy_ones(behind: Backend) -> None:
    async with serve(config(behind.address)) as running:
        idle, busy = [await asyncio.to_thread(connect, running) for _ in range(2)]
        ping = await unanswered(busy, behind)
        stop = asyncio.create_task(running.stop(drain_timeout=60))
        assert await asyncio.to_thread(idle._sock.recv, 1) == b""  # type: ignore[attr-defined]
        assert not ping.done()
        behind.gate.set()
        await asyncio.gather(ping, stop)
        for client in (idle, busy):
            client._force_close()  # type: ignore[attr-defined]


async def test_stop_ends_a_session_that_stays_busy(behind: Backend) -> None:
    async with serve(config(behind.address)) as running:
        busy = await asyncio.to_thread(connect, running)
        ping = await unanswered(busy, behind)
        await running.stop(drain_timeout=0.05)
        with pytest.raises(pymysql.err.OperationalError):
            await ping


async def test_abort_ends_a_stop_that_waits(behind: Backend) -> None:
    async with serve(config(behind.address)) as running:
        busy = await asyncio.to_thread(connect, running)
        ping = await unanswered(busy, behind)
        stop = asyncio.create_task(running.stop(drain_timeout=60))
        running.abort()
        await stop
        with pytest.raises(pymysql.err.OperationalError):
            await ping


async def test_one_of_several_addresses_that_is_taken(behind: Backend, tmp_path: Path) -> None:
    path = tmp_path / "k.sock"
    with pytest.raises(StartError, match=rf"cannot listen on {behind.address}: Address already in use"):
        async with serve(config(behind.address, listen=(UnixAddress(path), behind.address))):
            pass
    assert not path.exists()


async def test_a_backend_that_is_down_costs_one_line(behind: Backend) -> None:
    with socket.create_server((LOCALHOST, 0)) as taken:
        gone = Address(*taken.getsockname())
    with capture_logs() as logs:
        async with serve(config(gone)) as running:
            for _ in range(10):
                with pytest.raises(pymysql.err.OperationalError, match=r"2003.*Connection refused"):
                    await asyncio.to_thread(connect, running)
    assert [log["event"] for log in logs if log["log_level"] == "warning"] == ["backend unreachable"]


@pytest.mark.parametrize("which", ["listen", "admin"])
async def test_a_port_that_is_taken(behind: Backend, which: str) -> None:
    taken = config(behind.address, **{which: behind.address})
    with pytest.raises(StartError, match=rf"cannot listen on {behind.address}.*: Address already in use"):
        async with serve(taken):
            pass


async def test_files_that_cannot_be_used(behind: Backend, tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    for changes in (
        {"client_tls": ClientTls(cert=missing)},
        {"backend_tls": BackendTls(server_public_key=missing)},
    ):
        with pytest.raises(StartError, match=r"missing\.pem.*No such file"):
            async with serve(replace(config(behind.address), **changes)):
                pass


# --------------------------------------------------------------------------------------------------------------------
# With real servers


@pytest.mark.parametrize("client_tls", [False, True])
async def test_real_server(server: Any, client_tls: bool) -> None:
    """Log in, ask small and large questions, and meet a conflict, with and without TLS on the client's side."""
    proxied = replace(config(Address(server.host, server.port)), client_tls=ClientTls())
    async with serve(proxied) as running:

        def converse() -> None:
            arguments = {"user": server.user, "password": server.password, "autocommit": True}
            if client_tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                arguments |= {"ssl": context, "ssl_disabled": False}
            client = connect(running, **arguments)
            with client.cursor() as cursor:
                cursor.execute("SELECT REPEAT('x', 3000000)")
                assert cursor.fetchone() == ("x" * 3_000_000,)
                cursor.execute("SELECT %s", ["y" * 3_000_000])
                assert cursor.fetchone() == ("y" * 3_000_000,)
                cursor.execute("CREATE DATABASE supervised")
                cursor.execute("CREATE TABLE supervised.t (id INT PRIMARY KEY)")
                try:
                    cursor.execute("INSERT INTO supervised.t VALUES (1)")
                    with pytest.raises(pymysql.err.IntegrityError):
                        cursor.execute("INSERT INTO supervised.t VALUES (1)")
                finally:
                    cursor.execute("DROP DATABASE supervised")
            client.close()

        await asyncio.to_thread(converse)
    assert sum(running.counters.conflicts.values()) == 1
    assert running.counters.sessions_total == {"quit": 1}


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
async def test_a_verified_server_and_one_that_is_not(server: Any) -> None:
    address = Address(server.host, server.port)
    login = {"user": server.user, "password": server.password}
    trusted = BackendTls(mode=BackendTlsMode.VERIFY_CA, ca=server.ca)
    async with serve(config(address, backend_tls=trusted)) as running:

        def cipher() -> tuple[Any, ...] | None:
            client = connect(running, **login)
            with client.cursor() as cursor:
                cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
                row: tuple[Any, ...] | None = cursor.fetchone()
            client.close()
            return row

        row = await asyncio.to_thread(cipher)
        assert row is not None
        assert row[1]
    async with serve(config(address, backend_tls=BackendTls(mode=BackendTlsMode.VERIFY_CA))) as running:
        with pytest.raises(pymysql.err.OperationalError, match="certificate verify failed"):
            await asyncio.to_thread(connect, running, **login)


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
async def test_tls_from_end_to_end_passes_through(server: Any) -> None:
    passing = replace(config(Address(server.host, server.port)), client_tls=ClientTls(mode=ClientTlsMode.PASSTHROUGH))
    async with serve(passing) as running:

        def converse() -> Any:
            context = ssl.create_default_context(cafile=str(server.ca))
            context.check_hostname = False
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            client = connect(running, user=server.user, password=server.password, ssl=context, ssl_disabled=False)
            with client.cursor() as cursor:
                cursor.execute("SELECT REPEAT('x', 3000000)")
                row = cursor.fetchone()
            client.close()
            return row

        assert await asyncio.to_thread(converse) == ("x" * 3_000_000,)
    assert running.counters.sessions_total == {"passthrough": 1}


async def test_sessions_are_told_while_they_are_open(behind: Backend) -> None:
    async with serve(config(behind.address)) as running:
        client = await asyncio.to_thread(connect, running)
        assert '"thread_id":7,"user":"u","client":"127.0.0.1:' in await ask(running, "GET /api/sessions")
        await asyncio.to_thread(client.close)
        async with asyncio.timeout(10):
            while "thread_id" in await ask(running, "GET /api/sessions"):
                pass


async def test_a_token_keeps_strangers_away(behind: Backend, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef")
    async with serve(config(behind.address, admin_token_file=token)) as running:
        assert "401" in (await ask(running, "GET /metrics")).splitlines()[0]
    token.write_text("")
    with pytest.raises(ConfigError, match="admin_token_file"):
        async with serve(config(behind.address, admin_token_file=token)):
            pass


async def test_the_configuration_is_told_with_its_lines(behind: Backend, tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text("limits:\n  login_timeout: 3s\n")
    chosen = replace(load_config(file), listen=ANY_PORT, admin=ANY_PORT, backend=behind.address)
    async with serve(chosen, file=file) as running:
        assert '"value":"3.0","source":"proxy.yaml:2"' in await ask(running, "GET /api/config")
