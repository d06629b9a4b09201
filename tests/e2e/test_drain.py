"""A proxy that stops while its clients work, in front of the real servers."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pymysql
import pytest
import pytest_asyncio
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from proxy.run.supervisor import Running, serve
from tests.e2e.running import in_front_of
from tests.e2e.users import rows, run
from tests.servers.launch import Server


@pytest_asyncio.fixture
async def running(server: Server) -> AsyncIterator[Running]:
    async with serve(in_front_of(server, drain_timeout=3.0)) as proxy:
        yield proxy


async def connect(running: Running, server: Server, database: str, **more: Any) -> Connection[Cursor]:
    through = replace(server, host=running.address.host, port=running.address.port)
    return await asyncio.to_thread(through.connect, database=database, **more)


def error_of(connection: Connection[Cursor], statement: str) -> int:
    with pytest.raises(pymysql.err.Error) as caught:
        run(connection, statement)
    return int(caught.value.args[0])


async def stopping(running: Running) -> asyncio.Task[None]:
    """Begin to stop; returns when no connection is taken any more."""
    stop = asyncio.create_task(running.stop())
    await asyncio.sleep(0)
    with pytest.raises(ConnectionRefusedError), socket.socket() as visitor:
        visitor.connect((running.address.host, running.address.port))
    return stop


@pytest.mark.parametrize("autocommit", [True, False])
async def test_a_transaction_comes_to_its_end(
    running: Running, server: Server, database: str, autocommit: bool
) -> None:
    with server.connect(database=database) as onlooker:
        run(onlooker, "CREATE TABLE t (id INT PRIMARY KEY)")
        client = await connect(running, server, database, autocommit=autocommit)
        await asyncio.to_thread(run, client, *(["BEGIN"] if autocommit else []), "INSERT INTO t VALUES (1)")
        stop = await stopping(running)
        for number in range(2, 50):
            await asyncio.to_thread(run, client, f"INSERT INTO t VALUES ({number})")
        await asyncio.to_thread(run, client, "COMMIT")
        await stop
        assert rows(onlooker, "SELECT COUNT(*) FROM t") == [(49,)]
        assert running.counters.sessions_total == {"shutdown": 1}
        client.close()


async def test_a_transaction_that_does_not_end_is_told_and_rolled_back(
    running: Running, server: Server, database: str
) -> None:
    with server.connect(database=database) as onlooker:
        run(onlooker, "CREATE TABLE t (id INT PRIMARY KEY)")
        client = await connect(running, server, database)
        await asyncio.to_thread(run, client, "BEGIN", "INSERT INTO t VALUES (1)")
        await running.stop(0.05)
        assert error_of(client, "COMMIT") == 1053
        client.close()
        assert rows(onlooker, "SELECT COUNT(*) FROM t FOR UPDATE") == [(0,)]


async def test_a_client_that_never_rests_is_told_between_two_statements(
    running: Running, server: Server, database: str
) -> None:
    with server.connect(database=database) as onlooker:
        run(onlooker, "CREATE TABLE t (id INT PRIMARY KEY)")
        client = await connect(running, server, database)

        def insert_on_and_on() -> tuple[int, int]:
            number = 0
            try:
                while True:
                    run(client, f"INSERT INTO t VALUES ({number + 1})")
                    number += 1
            except pymysql.err.OperationalError as error:
                return number, int(error.args[0])

        inserting = asyncio.create_task(asyncio.to_thread(insert_on_and_on))
        stop = await stopping(running)
        number, code = await inserting
        await stop
        client.close()
        assert code == 1053
        assert rows(onlooker, "SELECT COUNT(*) FROM t") == [(number,)]  # the last one was not run


async def test_a_client_that_pings_finds_out_before_it_sends_a_statement(
    running: Running, server: Server, database: str
) -> None:
    client, works = await connect(running, server, database), threading.Event()

    def work() -> None:
        while True:
            try:
                client.ping(reconnect=False)
            except pymysql.err.OperationalError:
                return
            run(client, "DO 1")
            works.set()

    working = asyncio.create_task(asyncio.to_thread(work))
    await asyncio.to_thread(works.wait)
    stop = await stopping(running)
    await working
    await stop


async def test_the_server_counts_no_aborted_connection(running: Running, server: Server, database: str) -> None:
    with server.connect() as onlooker:
        before = rows(onlooker, "SHOW GLOBAL STATUS LIKE 'Aborted_clients'")
        clients = [await connect(running, server, database) for _ in range(3)]
        await running.stop()
        while rows(onlooker, "SELECT COUNT(*) FROM information_schema.processlist WHERE command <> 'Daemon'") != [(1,)]:
            pass
        assert rows(onlooker, "SHOW GLOBAL STATUS LIKE 'Aborted_clients'") == before
        for client in clients:
            client.close()
