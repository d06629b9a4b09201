"""Several worker processes, seen as one: they are started, given clients, kept alike, and added up."""

import asyncio
import contextlib
import itertools
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from proxy.admin.sources import OpenSession
from proxy.conflicts.counters import Counters
from proxy.conflicts.journal import Journal
from proxy.conflicts.labels import Result
from proxy.conflicts.neighbours import PART
from proxy.net.listening import Listening
from proxy.net.side import describe
from proxy.rules.match import RuleSet
from proxy.rules.table import Missing, Table
from proxy.run.channel import Channel, open_channel
from proxy.run.handover import Dispatcher, Handover
from proxy.run.limits import own_limits
from proxy.run.messages import Ask, Commit, Committed, Drain, Forget, Prepare, Prepared, Ready, Report, SeenDdl, Start
from proxy.run.policy import Policy, StartError
from proxy.run.shared_memory import NONE, share
from proxy.run.tables import exact_tables, table_cache

_log = structlog.get_logger(__name__)

START_SECONDS: Final = 60.0
"""Until all workers must serve at the start."""
ANSWER_SECONDS: Final = 0.5
"""For a worker to report when somebody looks; the others do not wait for one that is stuck."""
AGREE_SECONDS: Final = 5.0
"""For the workers to make ready for other files; one that is stuck follows as soon as it is not."""
FAREWELL_SECONDS: Final = 5.0
"""For a worker to end, beyond the time that its sessions have."""
SHORTEST_REST: Final = 0.1
LONGEST_REST: Final = 10.0
"""Seconds until a worker that has ended is started again; they double each time that it has not lived for longer."""
LOOK_SECONDS: Final = 1.0
"""Between two looks at which workers have been heard of; each reports as often."""
QUIET_LOOKS: Final = 3
"""After so many in a row without a word of a worker, another one gets its connections."""
STUCK_LOOKS: Final = 20
"""After so many it is killed, and started again. Counted and not timed: a supervisor that had no CPU heard nobody."""


@dataclass(slots=True, eq=False)
class Member:
    """One worker process.

    serves: whether it is ready. quiet: looks in a row without a word of it. stuck: why it was killed, if it was.
    sessions: how many of its own are counted as open. tripped: its rules that rest. listed: its sessions, as last
    told. answers: who waits for its answer, by its kind and number.
    """

    index: int
    process: asyncio.subprocess.Process
    channel: Channel
    handover: Handover
    serves: bool = False
    quiet: int = 0
    stuck: str | None = None
    sessions: int = 0
    tripped: dict[str, int] = field(default_factory=dict)
    listed: list[OpenSession] = field(default_factory=list)
    answers: dict[tuple[type, int], "asyncio.Future[Any]"] = field(default_factory=dict)

    def ask(self, question: object, answer: type, number: int) -> "asyncio.Future[Any]":
        """Send something that is answered by a message of a type and this number; None if it ends before that."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.answers[answer, number] = future
        self.channel.send(question)
        return future

    def answered(self, answer: Any) -> None:
        """Hand an answer to whoever waits for it."""
        future = self.answers.pop((type(answer), answer.number), None)
        if future is not None and not future.done():
            future.set_result(answer)

    def gone(self) -> None:
        """Let nobody wait any longer."""
        for future in self.answers.values():
            if not future.done():
                future.set_result(None)
        self.answers.clear()


class Team:
    """Worker processes behind one supervisor.

    counters, journal: of all of them, also of those that have ended. rules: those in force.
    """

    def __init__(self, policy: Policy, workers: int) -> None:
        config = policy.config
        self.counters = Counters(config.conflicts.max_series)
        self.counters.workers = 0
        self.journal = Journal(config.conflicts.journal, config.conflicts.max_series)
        self._tables = table_cache(config, policy.pairs.backend_tls, policy.backend_public_key)
        self._workers = workers
        self._follow_limits(policy)
        self._policy = policy
        self._members: dict[int, Member] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._watch: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._memory = share(workers * PART)
        self._hash_seed = str(secrets.randbelow(1 << 32))
        self._listenings: Sequence[Listening] = ()
        self._dispatcher = Dispatcher((), self._handovers)
        self._serving = asyncio.Event()
        self._ending = False

    @property
    def rules(self) -> RuleSet:
        """The rules in force."""
        return self._policy.loaded.rules

    async def start(self, listenings: Sequence[Listening]) -> None:
        """Start the workers, and accept clients once all of them serve. Raises StartError."""
        self._listenings = listenings
        self._dispatcher = Dispatcher(listenings, self._handovers)
        self._keepers = [asyncio.create_task(self._keep(index)) for index in range(self._workers)]
        self._watch = asyncio.create_task(self._look_again_and_again())
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._serving.wait()
        except TimeoutError:
            raise StartError(f"the workers did not start within {START_SECONDS:g} s") from None
        self._dispatcher.start()
        self._look_up_tables()

    async def follow(self, policy: Policy) -> None:
        """Have all workers follow other files: all are made ready first. Raises StartError if one cannot."""
        number = next(self._numbers)
        question = Prepare(number, policy.loaded, policy.identity)
        asked = set(self._members.values())
        answers = await self._ask_all(question, Prepared, number, AGREE_SECONDS)
        problems = [answer.problem for answer in answers if answer.problem is not None]
        if problems:
            raise StartError(problems[0])
        self._policy = policy
        self._follow_limits(policy)
        for member in self._members.values():
            if member not in asked:  # it has been started meanwhile, by the old files
                member.channel.send(question)
        await self._ask_all(Commit(number), Committed, number, AGREE_SECONDS)
        self._look_up_tables()

    async def refresh(self, sessions: bool) -> None:
        """Bring what is counted up to date; sessions: and which sessions there are."""
        number = next(self._numbers)
        await self._ask_all(Ask(number, sessions), Report, number, ANSWER_SECONDS)

    def sessions(self) -> Iterator[OpenSession]:
        """Tell of the sessions that were open at the last look."""
        for member in self._members.values():
            yield from member.listed

    def table(self, schema: str, table: str) -> Table | Missing | None:
        """Give what is known of a table; what is not is looked up for the next time."""
        if self._tables is None:
            return None
        found = self._tables.peek(schema, table)
        if found is None:
            self._tables.request(schema, table, lambda: None)
        return found

    async def drain(self, seconds: float) -> None:
        """Accept no more and end all sessions within this time, each where it hurts its client least."""
        self._ending = True
        self._dispatcher.stop()
        for member in self._members.values():
            if member.handover.ready:
                member.handover.finish()
                member.channel.send(Drain(seconds))
            else:
                _kill(member)
        if self._keepers:
            _done, late = await asyncio.wait(self._keepers, timeout=seconds + FAREWELL_SECONDS)
            if late:
                _log.warning("workers killed that did not end", workers=len(late))
                self.abort()

    async def close(self) -> None:
        """Close all that is left."""
        self._ending = True
        self._dispatcher.stop()
        self.abort()
        await asyncio.gather(*self._keepers)
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        if self._tables is not None:
            await self._tables.close()
        if self._memory != NONE:
            os.close(self._memory)
            self._memory = NONE

    def abort(self) -> None:
        """Cut every session off; a `drain` that is under way comes to its end."""
        self._ending = True
        for member in self._members.values():
            _kill(member)

    # ----------------------------------------------------------------------------------------------------------------
    # The life of a worker

    async def _keep(self, index: int) -> None:
        """Keep a worker running."""
        rest = SHORTEST_REST
        while not self._ending:
            began = time.monotonic()
            try:
                member = await self._start(index)
            except OSError as error:  # there is no descriptor, or no memory, for one more process
                _log.error("worker not started", worker=index, reason=describe(error), again_in=rest)
                await asyncio.sleep(rest)
                rest = min(rest * 2, LONGEST_REST)
                continue
            self._members[index] = member
            if self._ending:
                _kill(member)
            await self._listen(member)
            code = await member.process.wait()
            self._bury(member)
            if self._ending:
                return
            if time.monotonic() - began > LONGEST_REST:
                rest = SHORTEST_REST
            reason = member.stuck or _ended_by(code)
            _log.error("worker died", worker=index, pid=member.process.pid, reason=reason, again_in=rest)
            self.counters.worker_restarts += 1
            await asyncio.sleep(rest)
            rest = min(rest * 2, LONGEST_REST)

    async def _start(self, index: int) -> Member:
        with contextlib.ExitStack() as opened:
            control, its_control = _pair(socket.SOCK_STREAM, opened)
            handover, its_handover = _pair(socket.SOCK_SEQPACKET, opened)
            passed = (its_control.fileno(), its_handover.fileno(), self._memory)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "proxy.run.child", *map(str, passed)),
                pass_fds=[fd for fd in passed if fd != NONE],
                stdin=asyncio.subprocess.DEVNULL,
                # All of them give the same bytes the same hash, which is a secret of this team's.
                env=os.environ | {"PYTHONHASHSEED": self._hash_seed},
            )
            opened.pop_all()
        its_control.close()
        channel = await open_channel(control)
        addresses = tuple(listening.endpoint for listening in self._listenings)
        channel.send(Start(index, self._workers, self._policy.loaded, self._policy.identity, addresses))
        return Member(index, process, channel, Handover(handover, its_handover, self._dispatcher.give))

    async def _listen(self, member: Member) -> None:
        with contextlib.suppress(EOFError):
            while True:
                message = await member.channel.receive()
                member.quiet = 0
                member.handover.heard()
                self._told(member, message)

    async def _look_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for member in tuple(self._members.values()):
                member.quiet += 1
                self._look_at(member)

    def _look_at(self, member: Member) -> None:
        """Give others what a worker does not take, and kill one that is stuck: stopped, or in an endless loop."""
        if member.serves and (member.quiet >= QUIET_LOOKS or member.handover.stalled) and self._others_take(member):
            for passed in member.handover.take_back():
                self._dispatcher.give(passed)
        if member.quiet >= (STUCK_LOOKS if member.serves else START_SECONDS / LOOK_SECONDS) and not member.stuck:
            member.stuck = f"stuck: not heard of for {member.quiet * LOOK_SECONDS:g} s, and killed"
            _kill(member)

    def _others_take(self, member: Member) -> bool:
        others = (other.handover for other in self._members.values() if other is not member)
        return any(other.ready and not other.stalled for other in others)

    def _told(self, member: Member, message: object) -> None:
        match message:
            case Ready():
                member.serves = member.handover.ready = True
                self.counters.workers += 1
                if self.counters.workers == self._workers:
                    self._serving.set()
                _log.info("worker serves", worker=member.index, pid=member.process.pid)
            case Report():
                self._add(member, message)
                if message.number is not None:
                    member.answered(message)
            case Prepared() | Committed():
                member.answered(message)
            case SeenDdl(schema, table):
                self._forget(member, schema, table)

    def _add(self, member: Member, report: Report) -> None:
        self.counters.add(report.counters)
        self.journal.add_all(report.told)
        member.sessions += report.counters.sessions
        # A session is over for this purpose as soon as it is counted as ended, while its connections still close.
        member.handover.counted(report.taken, member.sessions + report.coming)
        if report.sessions is not None:
            member.listed = report.sessions
        member.tripped = report.counters.tripped
        self._add_up_trips()

    def _add_up_trips(self) -> None:
        """Have a rule rest as long as it does so in one of the workers."""
        tripped = dict.fromkeys(self.counters.tripped, 0)
        for member in self._members.values():
            for rule, rests in member.tripped.items():
                tripped[rule] = max(tripped.get(rule, 0), rests)
        self.counters.tripped = tripped

    def _forget(self, by: Member, schema: str | None, table: str | None) -> None:
        if self._tables is not None:
            self._tables.forget(schema, table)
        for member in self._members.values():
            if member is not by:
                member.channel.send(Forget(schema, table))

    def _bury(self, member: Member) -> None:
        """Take a worker out that has ended: its sessions are over, and the connections it has not taken are not."""
        self._members.pop(member.index, None)
        self.counters.workers -= member.serves
        member.gone()
        member.channel.close()
        if member.sessions:
            self.counters.lost(Result.WORKER_DIED, member.sessions)
        self._add_up_trips()
        for passed in member.handover.close():
            self._dispatcher.give(passed)

    # ----------------------------------------------------------------------------------------------------------------
    # All of them

    def _handovers(self) -> Iterator[Handover]:
        return (member.handover for member in self._members.values())

    async def _ask_all(self, question: object, answer: type, number: int, seconds: float) -> list[Any]:
        """Ask all workers; those that serve are waited for, but not for long."""
        waiting = []
        for member in self._members.values():
            future = member.ask(question, answer, number)
            if member.serves:
                waiting.append(future)
        if waiting:
            await asyncio.wait(waiting, timeout=seconds)
        for member in self._members.values():
            member.answers.pop((answer, number), None)
        return [future.result() for future in waiting if future.done() and future.result() is not None]

    def _follow_limits(self, policy: Policy) -> None:
        self.counters.sessions_limit = own_limits(policy.config.limits, self._workers).sessions * self._workers

    def _look_up_tables(self) -> None:
        if self._tables is not None:
            self._tables.warm(exact_tables(self.rules))


def _pair(kind: int, opened: contextlib.ExitStack) -> tuple[socket.socket, socket.socket]:
    """Make a pair of Unix sockets, which are closed with what has been opened."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    return opened.enter_context(ours), opened.enter_context(theirs)


def _kill(member: Member) -> None:
    with contextlib.suppress(ProcessLookupError):
        member.process.kill()


def _ended_by(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
