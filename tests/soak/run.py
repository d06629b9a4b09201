"""Many clients write while everything around them is reloaded, killed, restarted and replaced."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from tests.servers.launch import Server
from tests.soak.ledger import TABLES, Audit, Book, Client, audit
from tests.soak.proxies import Proxies, proxies

TIMEOUT: Final = 30.0
"""Seconds that a client waits for one thing; the server's restart is among them."""
SCHEMA: Final = "soak"


@dataclass(frozen=True)
class Plan:
    """What is to happen; seconds. warm: after which memory may not grow by more than `growth`. kill_every: between two
    workers that die. drain: that the sessions of a proxy that is replaced may take."""  # fmt: skip

    seconds: float
    connections: int
    warm: float
    kill_every: float
    growth: float = 1.05
    drain: float = 10.0
    reload_every: float = 1.0
    restarts: int = 2
    replacements: int = 2


@dataclass(frozen=True)
class Report:
    """What has come of it; memory: bytes, the median after the warm-up and that of the end."""

    seconds: float
    book: Book
    audit: Audit
    memory: tuple[float, float]
    proxies: Proxies
    restarted: int
    plan: Plan

    def failures(self) -> Iterator[str]:
        """Tell what must not be."""
        found, book = self.audit, self.book
        for what, keys in (("lost", found.lost), ("invented", found.invented), ("torn", found.torn)):
            if keys:
                yield f"{len(keys)} transactions {what}: {keys[:20]}"
        if book.late:
            yield f"{book.late} clients waited for more than {TIMEOUT:g} s"
        if book.refused:
            yield f"{book.refused} connections refused"
        if self.proxies.fallen:
            yield f"counters went backwards: {sorted(set(self.proxies.fallen))[:20]}"
        before, after = self.memory
        if not before:
            yield "nobody has looked at the memory"
        if after > before * self.plan.growth:
            yield f"memory grew from {before / 2**20:.1f} to {after / 2**20:.1f} MiB"
        if not book.acknowledged:
            yield "nothing was written"

    def __str__(self) -> str:
        book, found, proxy = self.book, self.audit, self.proxies
        errors = ", ".join(f"{doing} {code}: {count}" for (doing, code), count in sorted(book.errors.items()))
        before, after = (round(each / 2**20, 1) for each in self.memory)
        return "\n".join(
            (
                f"{self.seconds:.0f} s, {len(book.acknowledged)} transactions acknowledged, {found.rows} in the tables",
                f"lost {len(found.lost)}, invented {len(found.invented)}, torn {len(found.torn)}",
                f"in doubt {sorted(book.in_doubt)}, of which in the tables {found.doubtful}",
                f"longest wait {book.longest:.2f} s, {book.late} over {TIMEOUT:g} s",
                f"{book.refused} connections refused",
                f"rules reloaded {proxy.reloaded} times, {proxy.killed} workers killed, server restarted"
                f" {self.restarted} times, proxy replaced {proxy.replaced} times",
                f"memory {before} MiB after the warm-up, {after} MiB at the end",
                f"errors that clients met and tried again after: {errors or 'none'}",
            )
        )


async def soak(server: Server, folder: Path, plan: Plan, tell: Callable[[str], None] = lambda text: None) -> Report:
    """Carry a plan out; tell: is told how it goes."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {SCHEMA}")
        cursor.execute(f"USE {SCHEMA}")
        for table in TABLES:
            cursor.execute(table)
    book, end, memory = Book(), asyncio.Event(), list[tuple[float, int]]()
    began = time.monotonic()
    restarted = 0

    async def restart() -> None:
        nonlocal restarted
        await asyncio.to_thread(server.restart)
        restarted += 1

    async def look() -> None:
        await proxy.count()
        memory.append((time.monotonic() - began, proxy.memory()))

    async with proxies(server, folder, drain_timeout=f"{plan.drain:g}s") as proxy:
        login = {"host": proxy.listen.host, "port": proxy.listen.port, "user": server.user, "password": server.password}
        clients = [Client(index, login | {"db": SCHEMA}, book, TIMEOUT) for index in range(plan.connections)]
        async with asyncio.TaskGroup() as tasks:
            for client in clients:
                tasks.create_task(client.go_on(end))
            async with asyncio.TaskGroup() as events:
                for distance, work in (
                    (plan.reload_every, proxy.reload),
                    (plan.kill_every, proxy.kill_worker),
                    (1.0, look),
                    (max(plan.seconds / 20, 2.0), lambda: _tell(tell, began, book, proxy)),
                ):
                    events.create_task(_at(_times(int(plan.seconds / distance), distance), work))
                distance = plan.seconds / (plan.restarts + 1)
                events.create_task(_at(_times(plan.restarts, distance), restart))
                distance = plan.seconds / (plan.replacements + 1)
                events.create_task(_at(_times(plan.replacements, distance, -0.4), proxy.start))
            end.set()
        with server.connect(database=SCHEMA) as connection:
            found = audit(connection, book)
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {SCHEMA}")
    return Report(time.monotonic() - began, book, found, _compared(memory, plan), proxy, restarted, plan)


def _compared(memory: list[tuple[float, int]], plan: Plan) -> tuple[float, float]:
    """Compare the looks right after the warm-up with as many at the end."""
    sizes = [size for at, size in memory if at >= plan.warm]
    part = max(len(sizes) // 4, 1)
    return median(sizes[:part] or [0]), median(sizes[-part:] or [0])


def _times(number: int, distance: float, shifted: float = 0.0) -> list[float]:
    """Give so many times, each as far from the one before; shifted: by this part of the distance."""
    return [distance * (each + shifted) for each in range(1, number + 1)]


async def _at(times: list[float], work: Callable[[], Awaitable[Any]]) -> None:
    """Do something at these times, in seconds from now, or as soon as it is done with the time before."""
    began = time.monotonic()
    for at in times:
        await asyncio.sleep(max(began + at - time.monotonic(), 0))
        await work()


async def _tell(tell: Callable[[str], None], began: float, book: Book, proxy: Proxies) -> None:
    tell(
        f"{time.monotonic() - began:5.0f} s {len(book.acknowledged):8} acknowledged, longest wait {book.longest:.2f} s,"
        f" {proxy.killed} killed, {proxy.replaced} replaced, {proxy.memory() / 2**20:.1f} MiB"
    )
