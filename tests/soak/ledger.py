"""Clients that write idempotent transactions, and the book of what they were told about each."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import aiomysql
import pymysql

TABLES: Final = (
    "CREATE TABLE ledger (id BIGINT PRIMARY KEY, client INT NOT NULL, number INT NOT NULL)",
    "CREATE TABLE entries (ledger BIGINT, part INT, amount INT NOT NULL, PRIMARY KEY (ledger, part))",
)
RULES: Final = """\
rules:
  - {name: ledger, table: ledger, key: PRIMARY, columns: [id], action: idempotent}
  - {name: entries, table: entries, key: PRIMARY, columns: [ledger, part], action: idempotent}
"""
PARTS: Final = 2
_SPACE: Final = 1_000_000
_REST: Final = 0.05
"""Seconds until a client whose connection failed tries again."""
_SHUTDOWN: Final = 1053
_UNREACHABLE: Final = 2003
"""Nobody listens; the proxy says it of the server behind it, with the same number and words of its own."""
LOST: Final = (OSError, EOFError, pymysql.err.Error)


@dataclass
class Book:
    """What clients were told.

    acknowledged: transactions whose COMMIT got its OK. in_doubt: those whose COMMIT was sent and has not been answered.
    errors: by what was being done and the error's number. refused: connections that nobody took. longest: seconds that
    a client has waited for one thing. late: how often that was longer than its time-out.
    """

    acknowledged: set[int] = field(default_factory=set)
    in_doubt: set[int] = field(default_factory=set)
    errors: Counter[tuple[str, int]] = field(default_factory=Counter)
    refused: int = 0
    longest: float = 0.0
    late: int = 0


class Client:
    """Writes one transaction after the other, each again and again until its COMMIT is acknowledged.

    login: for aiomysql. timeout: seconds that it waits for one thing.
    """

    def __init__(self, index: int, login: dict[str, Any], book: Book, timeout: float) -> None:
        self._index = index
        self._login = login
        self._book = book
        self._timeout = timeout
        self._connection: aiomysql.Connection | None = None
        self._doing = ""

    async def go_on(self, end: asyncio.Event) -> None:
        """Write until it is over."""
        number = 0
        while not end.is_set():
            if await self._write(self._index * _SPACE + number, number):
                number += 1
            else:
                self._close()
                await asyncio.sleep(_REST)
        self._close()

    async def _write(self, key: int, number: int) -> bool:
        book, entries = self._book, ", ".join(f"({key}, {part}, {number})" for part in range(PARTS))
        try:
            connection = self._connection or await self._connect()
            for text in (
                "BEGIN",
                f"INSERT INTO ledger (id, client, number) VALUES ({key}, {self._index}, {number})",
                f"INSERT INTO entries (ledger, part, amount) VALUES {entries}",
                "COMMIT",
            ):
                self._doing = text.partition(" ")[0]
                await self._wait(connection.query(text))
        except TimeoutError:
            book.late += 1
            self._doubt(key)
            return False
        except LOST as error:
            code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
            book.errors[self._doing, code] += 1
            if code != _SHUTDOWN:  # a statement that is answered with it has not been run
                self._doubt(key)
            if code == _UNREACHABLE and "behind the proxy" not in str(error):
                book.refused += 1
            return False
        book.acknowledged.add(key)
        book.in_doubt.discard(key)
        return True

    async def _connect(self) -> aiomysql.Connection:
        self._doing = "connect"
        self._connection = await self._wait(aiomysql.connect(**self._login, autocommit=True))
        return self._connection

    async def _wait(self, work: Any) -> Any:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                return await work
        finally:
            self._book.longest = max(self._book.longest, time.monotonic() - began)

    def _doubt(self, key: int) -> None:
        if self._doing == "COMMIT":
            self._book.in_doubt.add(key)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass(frozen=True)
class Audit:
    """What is wrong with the tables. lost: acknowledged and not there. invented: there, and neither acknowledged nor in
    doubt. torn: transactions of which only a part is there. doubtful: there, and in doubt."""  # fmt: skip

    rows: int
    lost: list[int]
    invented: list[int]
    torn: list[int]
    doubtful: list[int]


def audit(connection: Any, book: Book) -> Audit:
    """Hold the tables against the book."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM ledger")
        there = {row[0] for row in cursor.fetchall()}
        cursor.execute("SELECT ledger, COUNT(*) FROM entries GROUP BY ledger")
        parts = dict(cursor.fetchall())
    torn = {key for key in there if parts.get(key) != PARTS} | (set(parts) - there)
    return Audit(
        rows=len(there),
        lost=sorted(book.acknowledged - there),
        invented=sorted(there - book.acknowledged - book.in_doubt),
        torn=sorted(torn),
        doubtful=sorted(there & book.in_doubt),
    )
