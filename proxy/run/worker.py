"""The data path of one process: its listener, its sessions, and what they share."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

import structlog

from proxy.admin.sources import OpenSession as SessionView
from proxy.conflicts import message
from proxy.conflicts.counters import Counters
from proxy.conflicts.journal import Journal
from proxy.conflicts.labels import Result
from proxy.conflicts.neighbours import Neighbours
from proxy.conflicts.recorder import Recorder
from proxy.net.idleness import Idleness
from proxy.net.listener import Listener
from proxy.net.listening import Listening
from proxy.net.pair import Pair
from proxy.net.settings import Manners, PairSettings
from proxy.rules.match import RuleSet
from proxy.rules.rule import Rule
from proxy.rules.table import Missing, Table
from proxy.rules.trips import Trips
from proxy.run.limits import own_limits
from proxy.run.policy import Policy
from proxy.run.tables import Forgets, exact_tables, key_facts, table_cache, told_of_ddl
from proxy.session import Session, SessionSettings
from proxy.session.users import Users
from proxy.sql import patterns

_log = structlog.get_logger(__name__)

QUIET: Final = 0.5
"""Seconds for which a client at rest must have been quiet to be disconnected while the proxy drains."""
TELL_AWAY: Final = 10.0
"""Seconds between two lines about clients that were turned away because of a limit."""
FAREWELL: Final = 10.0
"""Seconds after which nobody is waited for: each session has sent what waited, or has been cut off, long before."""
PATIENCE: Final = 0.5
"""The part of the time to drain after which the others are told at their next rest."""


class Worker:
    """Serves clients by a policy, which may be exchanged.

    journal: keeps the conflicts. workers: how many there are, which share what may be logged. seen_ddl: is told of DDL
    that comes by, for another worker may know the table. neighbours: what the other workers tell of their inserts.

    Attributes:
        rules: those in force; sessions see it when they are exchanged.
        counters, journal: what became of the sessions, and the last conflicts.
        tables: the definitions of tables; None if the configuration names no account to read them with.
        listener: where clients come in.

    Raises ConfigError if the lookup's account has no password.
    """

    def __init__(
        self,
        policy: Policy,
        journal: Journal,
        workers: int = 1,
        seen_ddl: Forgets | None = None,
        neighbours: Neighbours | None = None,
    ) -> None:
        config = policy.config
        self.rules = policy.loaded.rules
        self._workers = workers
        self.counters = Counters(config.conflicts.max_series)
        self.tables = table_cache(config, policy.pairs.backend_tls, policy.backend_public_key)
        self._tables = self.tables if seen_ddl is None else told_of_ddl(self.tables, seen_ddl)
        self.journal = journal
        self._policy = policy
        self._users = Users()
        self._away = 0
        self._away_told = -TELL_AWAY
        self._trips = Trips(time.monotonic, self._tripped)
        self._recorder = Recorder(
            self.counters,
            structlog.get_logger("proxy.conflicts"),
            config.conflicts.show_values,
            config.log.conflicts_per_second / workers,
            time.monotonic,
            facts=key_facts(self.table),
            journal=journal,
            hash_key=policy.identity.hash_key,
            sees_all=workers == 1,
            neighbours=neighbours,
        )
        self._settings = self._session_settings(policy)
        self.listener = Listener(
            self._pair_settings(policy),
            self._open_session,
            config.proxy_protocol.from_,
            socket_mode=config.socket_mode,
            turned_away=self._turned_away,
        )
        self._idleness: asyncio.Task[None] | None = None

    def warm(self) -> None:
        """Do beforehand what the first sessions would have to wait for."""
        patterns.warm_up()
        message.warm_up()
        self._look_up_tables()
        watch = Idleness(lambda: self.listener.pairs, lambda: self._settings.limits.idle_timeout, time.monotonic)
        self._idleness = asyncio.create_task(watch.watch())

    async def follow(self, policy: Policy) -> None:
        """Exchange the policy."""
        self.use(policy)

    def use(self, policy: Policy) -> None:
        """Exchange the policy: rules at once and for all, the rest for the clients that come from now on."""
        config = policy.config
        self._policy = policy
        self._settings = self._session_settings(policy)
        self.listener.use(self._pair_settings(policy), config.proxy_protocol.from_)
        self._trips.forget()
        self.rules = policy.loaded.rules
        self._look_up_tables()

    def table(self, schema: str, table: str) -> Table | Missing | None:
        """Give what is known of a table."""
        return None if self.tables is None else self.tables.peek(schema, table)

    def sessions(self) -> Iterator[SessionView]:
        """Tell of the sessions that are open."""
        for pair in self.listener.pairs:
            session = pair.session
            yield SessionView(session.thread_id, session.user, pair.client.address, session.idle)

    async def start(self, listenings: Sequence[Listening]) -> None:
        """Accept clients."""
        self.warm()
        for listening in listenings:
            self.listener.accept_at(listening)

    async def refresh(self, sessions: bool) -> None:
        """Do nothing: all that is counted is at hand."""

    def abort(self) -> None:
        """Cut every session off; a `drain` that is under way comes to its end."""
        self.listener.abort()

    async def drain(self, seconds: float) -> None:
        """Accept no more and end all sessions within this time, each where it hurts its client least."""
        try:
            async with asyncio.timeout(seconds):
                await self.listener.drain(Manners(QUIET, seconds * PATIENCE))
        except TimeoutError:
            _log.warning("sessions closed that were not at rest", sessions=len(self.listener.pairs))
            with suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL):
                    await self.listener.shut_down()

    async def close(self) -> None:
        """Close all that is left."""
        if self._idleness is not None:
            self._idleness.cancel()
        try:
            async with asyncio.timeout(FAREWELL):
                await self.listener.close()
        except TimeoutError:
            _log.error("sessions given up that do not end", sessions=len(self.listener.pairs))
        if self.tables is not None:
            await self.tables.close()

    def _pair_settings(self, policy: Policy) -> PairSettings:
        limits = own_limits(policy.config.limits, self._workers)
        self.counters.sessions_limit = limits.sessions
        return replace(policy.pairs, limits=limits)

    def _session_settings(self, policy: Policy) -> SessionSettings:
        config = policy.config
        return SessionSettings(
            counters=self.counters,
            recorder=self._recorder,
            rules=self._rules_in_force,
            trips=self._trips,
            tables=self._tables,
            client_tls=config.client_tls.mode,
            backend_tls=config.backend_tls.mode,
            compression=config.compression,
            limits=config.limits,
            users=self._users,
            rsa=policy.rsa,
            client_address="",
            clock=time.monotonic,
            wall_clock=time.time,
            backend_public_key=policy.backend_public_key,
        )

    def _rules_in_force(self) -> RuleSet:
        return self.rules

    def _open_session(self, wires: Pair, client_address: str) -> Session:
        settings = self._settings._replace(client_address=client_address, client_secure=wires.client.secure)
        return Session(wires, settings)

    def _look_up_tables(self) -> None:
        if self.tables is not None:
            self.tables.warm(exact_tables(self.rules))

    def _turned_away(self, limit: Result) -> None:
        """Count a client that was not let in; the log is not for the crowd to fill."""
        self.counters.session_refused(limit)
        self._away += 1
        now = time.monotonic()
        if now - self._away_told >= TELL_AWAY:
            _log.warning("clients turned away", limit=limit, clients=self._away)
            self._away, self._away_told = 0, now

    def _tripped(self, rule: Rule, tripped: bool) -> None:
        if rule in self.rules.rules:  # else a prepared statement has kept it from an earlier file
            self.counters.tripped[rule.name] = int(tripped)
        if tripped:
            _log.warning("rule tripped", rule=rule.name, reason="its statements failed too often in a row")
        else:
            _log.info("rule tried again", rule=rule.name)
