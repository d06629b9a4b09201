"""Several worker processes behind one supervisor."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import asyncio
import errno
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pymysql
import pytest
import pytest_asyncio
from pymysql.connections import Connection
from pymysql.cursors import Cursor
from structlog.testing import capture_logs

from proxy.config import (
    Address,
    ClientTls,
    ClientTlsMode,
    ConfigError,
    Lookup,
    ProxyConfig,
    load_config,
    parse_workers,
)
from proxy.conflicts.causes import LOCK_WAIT
from proxy.rules.match import RuleSet
from proxy.run import team as team_module
from proxy.run.cores import cores
from proxy.run.policy import StartError
from proxy.run.shared_memory import NONE, share
from proxy.run.supervisor import Running, serve
from proxy.run.team import Team
from tests.e2e.users import rows, run
from tests.run.asking import ask
from tests.run.doubles import LOCALHOST, Backend
from tests.servers.accounts import AccountMaker
from tests.servers.launch import Server

ANY_PORT = Address(LOCALHOST, 0)


def config(behind: Address, **changes: Any) -> ProxyConfig:
    plain = ProxyConfig(listen=ANY_PORT, backend=behind, admin=ANY_PORT, workers=2, drain_timeout=5.0)
    return replace(plain, client_tls=ClientTls(mode=ClientTlsMode.DISABLED), **changes)


@pytest_asyncio.fixture
async def running(behind: Backend) -> AsyncIterator[Running]:
    async with serve(config(behind.address), RuleSet()) as proxy:
        yield proxy


def team(running: Running) -> Team:
    assert isinstance(running.crew, Team)
    return running.crew


def pids(running: Running) -> list[int]:
    return [member.process.pid for member in team(running)._members.values()]


async def connect(running: Running, **arguments: Any) -> Connection[Cursor]:
    own: dict[str, Any] = {"host": LOCALHOST, "port": running.address.port, "user": "u", "ssl_disabled": True}
    return await asyncio.to_thread(lambda: pymysql.connect(**own | arguments))


async def scrape(running: Running, path: str = "/metrics") -> str:
    return await ask(running, f"GET {path}")


async def until(running: Running, text: str, path: str = "/metrics") -> None:
    """Ask until the proxy says so."""
    while text not in await scrape(running, path):
        pass


async def sessions(running: Running) -> Counter[int]:
    """Count the sessions of each worker."""
    await running.crew.refresh(True)
    return Counter({index: len(member.listed) for index, member in team(running)._members.items()})


async def causes(running: Running) -> dict[str, int]:
    """Count the conflicts by their causes."""
    found = re.findall(r'keyclash_conflict_causes_total\{cause="(\w+)".*\} (\d+)', await scrape(running))
    return {cause: int(count) for cause, count in found}


async def close(*clients: Connection[Cursor]) -> None:
    for client in clients:
        await asyncio.to_thread(client.close)


async def test_connections_are_spread_evenly(running: Running) -> None:
    clients = [await connect(running) for _ in range(20)]
    assert await sessions(running) == {0: 10, 1: 10}
    assert (await scrape(running, "/api/sessions")).count('"thread_id":7') == 20
    await close(*clients[::2])
    await until(running, "keyclash_sessions 10.0")
    clients = [*clients[1::2], *[await connect(running) for _ in range(10)]]
    assert await sessions(running) == {0: 10, 1: 10}
    await close(*clients)
    await until(running, 'keyclash_sessions_total{result="quit"} 30.0')


async def test_what_all_have_counted_is_one(running: Running) -> None:
    clients = [await connect(running) for _ in range(4)]
    for client in clients:
        await asyncio.to_thread(client.ping)
    text = await scrape(running)
    assert 'keyclash_commands_total{command="ping"} 4.0' in text
    assert "keyclash_sessions 4.0" in text
    assert "keyclash_workers 2.0" in text
    await close(*clients)


async def test_a_worker_that_dies_takes_its_own_sessions_along_and_no_count(running: Running) -> None:
    clients = [await connect(running) for _ in range(4)]
    for client in clients:
        await asyncio.to_thread(client.ping)
    await until(running, 'command="ping"} 4.0')
    os.kill(pids(running)[0], signal.SIGKILL)
    await until(running, "keyclash_worker_restarts_total 1.0")
    text = await scrape(running)
    assert 'command="ping"} 4.0' in text
    assert "keyclash_sessions 2.0" in text
    assert 'keyclash_sessions_total{result="worker_died"} 2.0' in text
    alive = 0
    for client in clients:
        try:
            await asyncio.to_thread(client.ping, reconnect=False)
            alive += 1
        except pymysql.err.OperationalError:
            pass
    assert alive == 2
    await until(running, "keyclash_workers 2.0")
    again = [await connect(running) for _ in range(2)]  # to the one that has fewer
    assert await sessions(running) == {0: 2, 1: 2}
    for client in again:
        await asyncio.to_thread(client.ping)
    await until(running, 'command="ping"} 8.0')
    await close(*[client for client in (*clients, *again) if client.open])


async def test_no_connection_is_lost_with_a_worker(running: Running) -> None:
    """What it was handed and has not taken, another one gets."""
    stopped, other = pids(running)
    os.kill(stopped, signal.SIGSTOP)
    connecting = [asyncio.create_task(connect(running)) for _ in range(8)]
    while min([member.handover.given for member in team(running)._members.values()]) == 0:
        await until(running, "keyclash_workers 2.0")
    os.kill(stopped, signal.SIGKILL)
    clients = await asyncio.gather(*connecting)
    for client in clients:
        await asyncio.to_thread(client.ping, reconnect=False)
    await close(*clients)
    assert other in pids(running)


async def test_clients_wait_while_there_is_no_worker(running: Running) -> None:
    for pid in pids(running):
        os.kill(pid, signal.SIGKILL)
    clients = await asyncio.gather(*[connect(running) for _ in range(4)])
    for client in clients:
        await asyncio.to_thread(client.ping, reconnect=False)
    await until(running, "keyclash_worker_restarts_total 2.0")
    await close(*clients)


async def test_a_worker_that_is_stuck_is_not_waited_for(running: Running) -> None:
    stopped, _ = pids(running)
    os.kill(stopped, signal.SIGSTOP)
    assert "keyclash_workers 2.0" in await scrape(running)
    os.kill(stopped, signal.SIGCONT)
    client = await connect(running)
    await close(client)


async def test_a_worker_that_stays_stuck_is_replaced(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team_module, "STUCK_LOOKS", 6)
    clients = [await connect(running) for _ in range(2)]
    stopped, other = pids(running)
    with capture_logs() as logs:
        os.kill(stopped, signal.SIGSTOP)
        meanwhile = await asyncio.gather(*[connect(running) for _ in range(8)])
        assert pids(running) == [stopped, other]  # nobody has waited for its end
        await until(running, "keyclash_worker_restarts_total 1.0")
    [line] = [log for log in logs if log["event"] == "worker died"]
    assert line["pid"] == stopped
    assert line["reason"] == "stuck: not heard of for 6 s, and killed"
    lost = 0
    for client in (*clients, *meanwhile):
        try:
            await asyncio.to_thread(client.ping, reconnect=False)
        except pymysql.err.OperationalError:
            lost += 1
    assert lost == 1
    await until(running, "keyclash_workers 2.0")
    assert await sessions(running) == {0: 0, 1: 9}
    await close(*[client for client in (*clients, *meanwhile) if client.open])


async def test_a_worker_that_cannot_be_started_is_tried_again(behind: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    start, refused = asyncio.create_subprocess_exec, [OSError(errno.EMFILE, os.strerror(errno.EMFILE))]

    async def start_later(*arguments: Any, **more: Any) -> Any:
        if refused:
            raise refused.pop()
        return await start(*arguments, **more)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_later)
    with capture_logs() as logs:
        async with serve(config(behind.address), RuleSet()) as running:
            client = await connect(running)
            await close(client)
    [line] = [log for log in logs if log["event"] == "worker not started"]
    assert line["reason"] == "Too many open files"


async def test_all_workers_come_to_their_end(running: Running) -> None:
    clients = [await connect(running) for _ in range(2)]
    former = pids(running)
    await running.stop()
    for client in clients:
        with pytest.raises(pymysql.err.OperationalError):
            await asyncio.to_thread(client.ping, reconnect=False)
    for pid in former:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert running.counters.sessions_total == {"shutdown": 2}


async def test_abort_ends_a_stop_that_waits(running: Running, behind: Backend) -> None:
    client = await connect(running)
    behind.gate.clear()
    behind.asked.clear()
    ping = asyncio.create_task(asyncio.to_thread(client.ping, reconnect=False))
    await behind.asked.wait()
    stop = asyncio.create_task(running.stop(drain_timeout=60))
    await asyncio.sleep(0)
    running.abort()
    await stop
    with pytest.raises(pymysql.err.OperationalError):
        await ping


# --------------------------------------------------------------------------------------------------------------------
# Reload, with real servers


WAITS = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'"
RULE = "rules:\n  - {{name: {name}, table: t, columns: [id], action: {action}}}\n"


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
async def test_all_workers_follow_the_same_rules(server: Server, database: str, tmp_path: Path) -> None:
    file, rules = tmp_path / "proxy.yaml", tmp_path / "rules.yaml"
    rules.write_text(RULE.format(name="first", action="observe"))
    file.write_text(f"backend: {server.host}:{server.port}\nrules: rules.yaml\n")
    chosen = replace(load_config(file), listen=ANY_PORT, admin=ANY_PORT, workers=2, drain_timeout=5.0)
    async with serve(chosen, file=file) as running:
        login = {"user": server.user, "password": server.password, "database": database, "autocommit": True}
        clients = [await connect(running, **login) for _ in range(4)]
        await asyncio.to_thread(run, clients[0], "CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
        for client in clients:
            with pytest.raises(pymysql.err.IntegrityError):
                await asyncio.to_thread(run, client, "INSERT INTO t VALUES (1)")
        rules.write_text(RULE.format(name="second", action="ignore"))
        assert not (await running.reload("a test")).problems
        for client in clients:
            await asyncio.to_thread(run, client, "INSERT INTO t VALUES (1)")
        await until(running, 'outcome="kept",rule="second"')
        os.kill(pids(running)[0], signal.SIGKILL)
        await until(running, "keyclash_worker_restarts_total 1.0")
        await until(running, "keyclash_workers 2.0")
        again = [await connect(running, **login) for _ in range(2)]
        for client in again:
            await asyncio.to_thread(run, client, "INSERT INTO t VALUES (1)")
        text = await scrape(running)
        counted = re.findall(r'keyclash_conflicts_total\{.*outcome="(\w+)",rule="(\w+)".*\} (\d+)', text)
        assert counted == [("returned", "first", "4"), ("kept", "second", "6")]
        assert (await scrape(running, "/api/conflicts")).count('"key":"PRIMARY"') == 10
        assert rows(again[0], "SELECT COUNT(*) FROM t") == [(1,)]
        await close(*[client for client in (*clients, *again) if client.open])


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
async def test_ddl_that_one_worker_sees_is_known_to_all(
    server: Server, database: str, make_account: AccountMaker, tmp_path: Path
) -> None:
    account = make_account(grants=f"REFERENCES, TRIGGER ON {database}.*")
    (tmp_path / "secret").write_text(account.password)
    (tmp_path / "rules.yaml").write_text("rules:\n  - {name: one, table: t, key: ux, action: ignore}\n")
    chosen = config(
        Address(server.host, server.port),
        rules=tmp_path / "rules.yaml",
        lookup=Lookup(user=account.user, password_file=tmp_path / "secret"),
    )
    async with serve(chosen) as running:
        login = {"user": server.user, "password": server.password, "database": database, "autocommit": True}
        one, other = await connect(running, **login), await connect(running, **login)
        assert await sessions(running) == {0: 1, 1: 1}
        await asyncio.to_thread(run, one, "CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT, UNIQUE KEY ux (a))")
        await asyncio.to_thread(run, one, "INSERT INTO t VALUES (1, 1, 1)")
        await asyncio.to_thread(run, other, "INSERT INTO t (id, a, b) VALUES (2, 1, 2)")
        await asyncio.to_thread(run, one, "ALTER TABLE t DROP KEY ux, ADD UNIQUE KEY ux (b)")
        for _ in range(2):  # an answer comes behind what was told before it, and so does what follows from that
            await running.crew.refresh(False)
        await asyncio.to_thread(run, other, "INSERT INTO t (id, a, b) VALUES (3, 3, 1)")
        assert rows(one, "SELECT * FROM t") == [(1, 1, 1)]
        await close(one, other)


@pytest.mark.parametrize("server", ["mysql", "mariadb"], indirect=True)
async def test_what_was_sent_through_another_worker_is_known(server: Server, database: str) -> None:
    insert = "INSERT INTO t VALUES ({}, 'the same')".format
    async with serve(config(Address(server.host, server.port))) as running:
        login = {"user": server.user, "password": server.password, "database": database, "autocommit": True}
        one, other = await connect(running, **login), await connect(running, **login)
        assert await sessions(running) == {0: 1, 1: 1}
        await asyncio.to_thread(run, one, "CREATE TABLE t (id INT PRIMARY KEY, a TEXT)", insert(1))
        await close(one)
        await until(running, "keyclash_sessions 1.0")
        with pytest.raises(pymysql.err.IntegrityError):
            await asyncio.to_thread(run, other, insert(1))
        assert await causes(running) == {"retry": 1}

        one = await connect(running, **login)
        assert await sessions(running) == {0: 1, 1: 1}
        await asyncio.to_thread(run, one, "BEGIN", insert(2))
        await asyncio.to_thread(run, other, "SET innodb_lock_wait_timeout = 50")
        waiting = asyncio.create_task(asyncio.to_thread(run, other, insert(2)))
        while await asyncio.to_thread(rows, one, WAITS) == [("Innodb_row_lock_current_waits", "0")]:
            assert not waiting.done()
        await asyncio.to_thread(run, one, f"DO SLEEP({2 * LOCK_WAIT})")
        await asyncio.to_thread(run, one, "COMMIT")
        with pytest.raises(pymysql.err.IntegrityError):
            await waiting
        assert await causes(running) == {"retry": 1, "race": 1}
        await close(one, other)


async def test_without_memory_to_share_they_serve_all_the_same(
    behind: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sandbox may refuse it, or the bytes that it is to have."""
    closed: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "memfd_create", lambda name: 1 << 20)
        patch.setattr(os, "ftruncate", refuse)
        patch.setattr(os, "close", closed.append)
        assert share(1) == NONE
    assert closed == [1 << 20]
    monkeypatch.setattr(os, "memfd_create", refuse)
    async with serve(config(behind.address), RuleSet()) as running:
        assert team(running)._memory == NONE
        client = await connect(running)
        await asyncio.to_thread(client.ping)
        await close(client)


def refuse(*_: object) -> int:
    raise PermissionError(errno.EPERM, "refused")


async def test_a_file_that_a_worker_cannot_follow_changes_none(behind: Backend, tmp_path: Path) -> None:
    async with serve(config(behind.address), RuleSet()) as running:
        policy = running._policy
        missing = replace(policy.config, client_tls=ClientTls(cert=tmp_path / "no.pem", key=tmp_path / "no.pem"))
        with pytest.raises(StartError, match=r"no\.pem"):
            await running.crew.follow(replace(policy, loaded=replace(policy.loaded, config=missing)))
        assert team(running)._policy is policy


# --------------------------------------------------------------------------------------------------------------------
# How many


def test_the_number_of_workers() -> None:
    assert [parse_workers(value) for value in (1, "2", "auto")] == [1, 2, 0]
    for wrong in (0, 65, True, "many", -1, 1.5):
        with pytest.raises(ValueError, match="expected 1 to 64, or auto"):
            parse_workers(wrong)


def test_a_wrong_number_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text("listen: 127.0.0.1:1\nworkers: none\n")
    with pytest.raises(ConfigError, match=r"proxy\.yaml:2: workers: 'none' is no number of workers"):
        load_config(file)


def test_a_container_may_have_fewer_cores(tmp_path: Path) -> None:
    limit = tmp_path / "cpu.max"
    here = len(os.sched_getaffinity(0))
    for text, count in (("max 100000", here), ("50000 100000", 1), (f"{here * 100000} 100000", here)):
        limit.write_text(text)
        assert cores(limit) == count
    assert cores(tmp_path / "none") == here
