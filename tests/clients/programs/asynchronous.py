"""`asynchronous.py DRIVER`: sessions with aiomysql or asyncmy, which have PyMySQL's interface on asyncio."""

import asyncio
import importlib
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

from tests.clients.programs.dbapi import MANY_ROWS, PARAMETERS, echo
from tests.clients.programs.transcript import blob, read_settings, refused, show


class Driver:
    """A driver and where to connect."""

    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.module: Any = importlib.import_module(name)
        self.cursors: Any = importlib.import_module(f"{name}.cursors")
        self.flags: Any = importlib.import_module("pymysql.constants.CLIENT")
        self.name = name

    @asynccontextmanager
    async def connect(self, *, found_rows: bool = False, **options: Any) -> AsyncIterator[Any]:
        """Connect for the length of the block."""
        database = "database" if self.name == "asyncmy" else "db"
        names = {"host": "host", "port": "port", "user": "user", "password": "password", "database": database}
        usual = {argument: self.settings[name] for name, argument in names.items()} | {
            "ssl": _tls() if self.settings["tls"] else None,
            "client_flag": self.flags.MULTI_STATEMENTS | (self.flags.FOUND_ROWS if found_rows else 0),
            "charset": "utf8mb4",
            "local_infile": True,
        }
        connection = await self.module.connect(**usual | options)
        try:
            yield connection
        finally:
            await connection.ensure_closed()


def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def ask(title: str, connection: Any, statement: str, *parameters: object, kind: Any = None) -> None:
    async with connection.cursor(*([kind] if kind else [])) as cursor:
        await cursor.execute(statement, parameters or None)
        rows = await cursor.fetchall() if cursor.description else None
        show(title, [cursor.description, rows, cursor.rowcount, cursor.lastrowid])


async def run(connection: Any, *statements: str) -> None:
    async with connection.cursor() as cursor:
        for statement in statements:
            await cursor.execute(statement)


async def refuse(title: str, number: int, action: Awaitable[object]) -> None:
    try:
        await action
    except Exception as error:
        refused(title, number, error)
    else:
        raise AssertionError(f"{title} ended well and not with error {number}")


async def types(driver: Driver, connection: Any) -> None:
    statement = "SELECT * FROM everything ORDER BY id"
    for kind in (driver.cursors.Cursor, driver.cursors.DictCursor, driver.cursors.SSCursor):
        await ask("all types", connection, statement, kind=kind)
        await ask("many rows", connection, MANY_ROWS, kind=kind)
    for number, value in enumerate(PARAMETERS):
        if driver.name == "aiomysql" and isinstance(value, bytes):
            continue  # its way to write them was taken out of PyMySQL, which it stands on
        await ask(f"parameter {number}", connection, echo(value), value)


async def writes(driver: Driver, connection: Any) -> None:
    insert = "INSERT INTO users (email, name) VALUES (%s, %s)"
    await ask("insert", connection, insert, "a@x", "\U0001f600")
    await refuse("duplicate", 1062, ask("", connection, insert, "a@x", "B"))
    await connection.commit()
    await ask("another", connection, insert, "b@x", None)
    await connection.rollback()
    await refuse("syntax", 1064, ask("", connection, "SELEC 1"))
    async with connection.cursor() as cursor:
        await cursor.executemany("INSERT INTO numbers VALUES (%s, %s)", [(n, f"number {n}") for n in range(40)])
        show("executemany", [cursor.rowcount, cursor.lastrowid])
    await connection.commit()
    for found_rows in (False, True):
        async with driver.connect(found_rows=found_rows) as other:
            await ask(f"no change, found rows {found_rows}", other, "UPDATE users SET name = name")
            await ask("warning", other, "SELECT 1 / 0, CAST('1x' AS SIGNED)")
            await ask("warnings", other, "SHOW WARNINGS")


async def several(driver: Driver, connection: Any) -> None:
    async with connection.cursor() as cursor:
        await cursor.execute("SELECT 1 AS a; UPDATE users SET visits = 5; CALL double_it(7, @b, @c); SELECT @b, @c")
        more: bool | None = True
        while more:
            rows = await cursor.fetchall() if cursor.description else None
            show("batch", [cursor.description, rows, cursor.rowcount])
            more = await cursor.nextset()
    await refuse("late failure", 1062, _all_results(connection, "CALL fail_late()"))
    await ask("alive", connection, "SELECT 'alive'")


async def _all_results(connection: Any, statement: str) -> None:
    async with connection.cursor() as cursor:
        await cursor.execute(statement)
        while await cursor.nextset():
            pass


async def load_data(driver: Driver, connection: Any) -> None:
    if driver.name == "asyncmy":
        return  # it fails to read the reply, with a TypeError
    await run(connection, "DELETE FROM numbers")
    await ask("load data", connection, f"LOAD DATA LOCAL INFILE '{driver.settings['file']}' INTO TABLE numbers")
    await ask("warnings", connection, "SHOW WARNINGS")
    await ask("loaded", connection, "SELECT * FROM numbers ORDER BY n")


async def big_values(driver: Driver, connection: Any) -> None:
    data = blob(driver.settings["blob_bytes"]).hex()
    await ask("big insert", connection, "INSERT INTO files VALUES (1, UNHEX(%s), %s)", data, "é" * 70000)
    await ask("big row", connection, "SELECT * FROM files")


async def deadlock(driver: Driver, connection: Any) -> None:
    """Let two transactions wait for each other; the server ends the one that has changed less."""
    await run(connection, "DELETE FROM numbers", "INSERT INTO numbers VALUES (1, 'a'), (2, 'b'), (3, 'c')", "COMMIT")
    async with driver.connect() as light, driver.connect() as heavy:
        await run(light, "BEGIN", "UPDATE numbers SET text = 'light' WHERE n = 1")
        await run(heavy, "BEGIN", "UPDATE numbers SET text = 'heavy' WHERE n = 2")
        await run(heavy, *(f"INSERT INTO numbers VALUES ({n}, 'heavy')" for n in range(10, 40)))
        survivor = asyncio.create_task(run(heavy, "UPDATE numbers SET text = 'both' WHERE n = 1"))
        await refuse("deadlock", 1213, run(light, "UPDATE numbers SET text = 'light' WHERE n = 2"))
        await survivor
        await heavy.commit()
        await ask("after the deadlock", light, "SELECT text, COUNT(*) FROM numbers GROUP BY text ORDER BY text")


async def housekeeping(driver: Driver, connection: Any) -> None:
    await connection.ping()
    await connection.select_db(driver.settings["database"])
    await ask("database", connection, "SELECT DATABASE()")
    wrong = driver.connect(password="wrong")
    await refuse("wrong password", 1045, wrong.__aenter__())
    await asyncio.gather(*(_session_of_many(driver, number) for number in range(20)))


async def _session_of_many(driver: Driver, number: int) -> None:
    async with driver.connect() as connection, connection.cursor() as cursor:
        await cursor.execute("SELECT %s", (number,))
        assert await cursor.fetchone() == (number,)


async def main() -> None:
    driver = Driver(sys.argv[1], read_settings())
    async with driver.connect() as connection:
        await run(connection, "SET time_zone = '+00:00'", *driver.settings["setup"], *driver.settings["everything"])
        await connection.commit()
        for step in (types, writes, several, load_data, big_values, deadlock, housekeeping):
            show("step", step.__name__)
            await step(driver, connection)


if __name__ == "__main__":
    asyncio.run(main())
