"""The long run in short, and what a rolling restart does to clients that use a pool."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomysql
import pytest

from tests.servers.launch import Server, running
from tests.soak.ledger import LOST, Book, Client, audit
from tests.soak.proxies import proxies
from tests.soak.run import Plan, soak

SHORT = Plan(30.0, 60, warm=8.0, kill_every=5.0, growth=1.35, drain=4.0)


@pytest.mark.own_server
@pytest.mark.timeout(300)
def test_nothing_is_lost_and_nothing_invented(tmp_path: Path) -> None:
    with running("mysql") as server:
        report = asyncio.run(soak(server, tmp_path, SHORT))
    print(report)
    assert list(report.failures()) == []
    assert report.proxies.replaced == report.restarted == 2
    assert report.proxies.killed >= 4


def test_the_audit_finds_what_must_not_be() -> None:
    class Cursor:
        def __init__(self) -> None:
            self.answers = [[(1,), (2,), (3,), (5,)], [(1, 2), (2, 1), (3, 2), (4, 2), (5, 2)]]

        def __enter__(self) -> "Cursor":
            return self

        def __exit__(self, *_: object) -> None:
            return

        def execute(self, _text: str) -> None:
            return

        def fetchall(self) -> object:
            return self.answers.pop(0)

    class Connection:
        def cursor(self) -> Cursor:
            return Cursor()

    found = audit(Connection(), Book(acknowledged={1, 2, 9}, in_doubt={3, 8}))
    assert (found.lost, found.invented, found.torn, found.doubtful) == ([9], [5], [2, 4], [3])


# --------------------------------------------------------------------------------------------------------------------
# A rolling restart


@dataclass
class Pool:
    """Clients that ask before each use whether their connection is still good, as pools do; and what has failed."""

    login: dict[str, Any]
    done: int = 0
    renewed: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    progress: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def more(self, rows: int) -> None:
        """Wait until so many more rows have been written, or something has failed."""
        async with self.progress:
            wanted = self.done + rows
            await self.progress.wait_for(lambda: self.done >= wanted or bool(self.failed))

    async def use(self, end: asyncio.Event) -> None:
        """Use one connection after the other."""
        connection = None
        while not end.is_set():
            try:
                connection = connection or await aiomysql.connect(**self.login, autocommit=True)
            except LOST as error:
                self.failed[f"connect: {error}"] += 1
                continue
            try:
                await connection.ping(reconnect=False)
            except LOST:
                connection.close()
                connection, self.renewed = None, self.renewed + 1
                continue
            await self._work(connection, ("INSERT INTO t VALUES (NULL)",))
            await self._work(connection, ("BEGIN", *["INSERT INTO t VALUES (NULL)"] * 3, "COMMIT"))
            async with self.progress:
                self.progress.notify_all()
        if connection is not None:
            connection.close()

    async def _work(self, connection: aiomysql.Connection, statements: tuple[str, ...]) -> None:
        for statement in statements:
            try:
                await connection.query(statement)
            except LOST as error:
                self.failed[f"{statement}: {error}"] += 1
                return
        self.done += len([each for each in statements if each.startswith("INSERT")])


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
async def test_a_rolling_restart_fails_no_connection_and_no_statement(
    server: Server, database: str, tmp_path: Path
) -> None:
    with server.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY)")
    end = asyncio.Event()
    async with proxies(server, tmp_path) as proxy:
        login = {"host": proxy.listen.host, "port": proxy.listen.port, "user": server.user, "password": server.password}
        pool = Pool(login | {"db": database})
        async with asyncio.TaskGroup() as tasks:
            for _ in range(40):
                tasks.create_task(pool.use(end))
            for _ in range(2):
                await pool.more(500)
                await proxy.start()
            end.set()
    assert not pool.failed
    assert pool.renewed >= 80  # each has been told, and has come back
    with server.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM t")
        assert cursor.fetchone() == (pool.done,)


async def test_a_client_that_gets_no_answer_is_late(tmp_path: Path) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    book, end = Book(), asyncio.Event()
    login = {"host": "127.0.0.1", "port": silent.sockets[0].getsockname()[1], "user": "u"}
    began = time.monotonic()
    asyncio.get_running_loop().call_later(0.1, end.set)
    await Client(0, login, book, timeout=0.05).go_on(end)
    assert book.late >= 1
    assert time.monotonic() - began >= 0.1
    silent.close()
