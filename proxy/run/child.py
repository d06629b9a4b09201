"""A worker process: a worker, what the supervisor tells it, and what it tells the supervisor."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Coroutine
from typing import Final

import structlog

from proxy.conflicts.journal import Outbox
from proxy.conflicts.neighbours import Neighbours
from proxy.net.door import Entrance
from proxy.net.loop import Loop
from proxy.run.channel import Channel, open_channel
from proxy.run.garbage import spare_what_stays
from proxy.run.handover import Taker
from proxy.run.logs import change_level, configure_logging
from proxy.run.messages import Ask, Commit, Committed, Drain, Forget, Prepare, Prepared, Ready, Report, SeenDdl, Start
from proxy.run.outlet import outlet
from proxy.run.policy import Policy, StartError, make_policy
from proxy.run.shared_memory import NONE, shared
from proxy.run.worker import Worker

_log = structlog.get_logger(__name__)

REPORT_EVERY: Final = 1.0
"""Seconds: so much is lost at most of what a worker that is killed has counted."""
_LAST_CONNECTIONS: Final = 2.0
"""Seconds to take the connections that were on their way when the supervisor stopped to accept."""


class Child:
    """One worker process, from its start to its end.

    start: the supervisor's first word. memory: of all workers, for what they tell one another; None: there is none.
    """

    def __init__(self, channel: Channel, handover: socket.socket, start: Start, memory: memoryview | None) -> None:
        self._channel = channel
        self._outbox = Outbox(self._report_soon)
        self._policy = make_policy(start.loaded, start.identity)
        self._prepared: Policy | None = None
        neighbours = None if memory is None else Neighbours(memory, start.index, start.workers)
        self._worker = Worker(self._policy, self._outbox, start.workers, self._seen_ddl, neighbours)
        self._entrances: list[Entrance] = [self._worker.listener.entrance(address) for address in start.addresses]
        self._taker = Taker(handover, self._take)
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Serve until the supervisor says that it is over, or is gone."""
        self._worker.warm()
        spare_what_stays()
        self._channel.send(Ready())
        listening = asyncio.create_task(self._listen())
        reporting = asyncio.create_task(self._report_now_and_then())
        await self._over.wait()
        self._report(None)
        for task in (listening, reporting):
            task.cancel()
        with contextlib.suppress(OSError):
            await self._channel.flush()

    async def _listen(self) -> None:
        try:
            while True:
                await self._follow(await self._channel.receive())
        except EOFError:
            _log.error("supervisor lost")
            await self._drain(self._policy.config.drain_timeout)

    async def _follow(self, message: object) -> None:
        match message:
            case Ask(number, sessions):
                self._report(number, sessions=sessions)
            case Forget(schema, table):
                if self._worker.tables is not None:
                    self._worker.tables.forget(schema, table)
            case Prepare():
                await self._prepare(message)
            case Commit(number):
                self._commit(number)
            case Drain(seconds):
                self._spawn(self._drain(seconds))

    async def _prepare(self, message: Prepare) -> None:
        problem = None
        try:
            self._prepared = await asyncio.to_thread(
                make_policy, message.loaded, message.identity, self._policy.pairs.backends
            )
        except StartError as error:
            problem = str(error)
        self._channel.send(Prepared(message.number, problem))

    def _commit(self, number: int) -> None:
        if self._prepared is not None:
            self._policy, self._prepared = self._prepared, None
            change_level(self._policy.config.log.level)
            self._worker.use(self._policy)
        self._channel.send(Committed(number))

    async def _drain(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_CONNECTIONS):
                await self._taker.finished.wait()
        if self._tasks:
            # Those that have just come are sessions by then.
            await asyncio.sleep(0)
        await self._worker.drain(seconds)
        await self._worker.close()
        self._over.set()

    # ----------------------------------------------------------------------------------------------------------------
    # Clients

    def _take(self, number: int, connection: socket.socket) -> None:
        self._entrances[number].welcome(connection)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ----------------------------------------------------------------------------------------------------------------
    # Telling

    async def _report_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY)
            # What waits meanwhile is bounded, and nothing but the oldest conflicts is lost of it.
            if not self._channel.congested:
                self._report(None)

    def _report_soon(self) -> None:
        if not self._channel.congested:
            asyncio.get_running_loop().call_soon(self._report, None)

    def _report(self, number: int | None, *, sessions: bool = False) -> None:
        worker = self._worker
        self._channel.send(
            Report(
                number=number,
                counters=worker.counters.take(),
                told=self._outbox.take(),
                sessions=list(worker.sessions()) if sessions else None,
                taken=self._taker.taken,
                coming=len(self._tasks) + sum(len(entrance.waiting) for entrance in self._entrances),
            )
        )

    def _seen_ddl(self, schema: str | None, table: str | None) -> None:
        self._channel.send(SeenDdl(schema, table))


def main(control: int, handover: int, memory: int) -> None:
    """Run a worker.

    Args:
        control: the number of its end of the pair of sockets for messages.
        handover: of that for clients.
        memory: of the memory that it shares; NONE if there is none.
    """
    # The terminal's Ctrl-C, and a service manager's SIGTERM, come to all processes of a group: the supervisor follows.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with asyncio.Runner(loop_factory=Loop) as runner:
        mapped = None if memory == NONE else shared(memory)
        runner.run(_run(socket.socket(fileno=control), socket.socket(fileno=handover), mapped))


async def _run(control: socket.socket, handover: socket.socket, memory: memoryview | None) -> None:
    channel = await open_channel(control)
    try:
        start = await channel.receive()
    except EOFError:
        return
    log = start.loaded.config.log
    with outlet(sys.stderr) as stream:
        configure_logging(log.level, log.format, stream)
        structlog.contextvars.bind_contextvars(worker=start.index)
        await Child(channel, handover, start, memory).run()
    channel.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
