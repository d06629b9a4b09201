"""One whole proxy: listener, admin server and what they share, from start to stop."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from proxy.admin.app import create_app
from proxy.admin.readiness import Readiness
from proxy.admin.server import AdminServer
from proxy.admin.settings import settings_of
from proxy.admin.sources import OpenSession as SessionView
from proxy.admin.sources import Sources
from proxy.admin.token import read_token
from proxy.config import Address, ProxyConfig
from proxy.conflicts.counters import Counters
from proxy.conflicts.journal import Journal
from proxy.conflicts.recorder import Recorder
from proxy.net.backends import Backends
from proxy.net.listener import Listener
from proxy.net.pair import OpenSession, Pair, PairSettings
from proxy.net.probe import probe_any
from proxy.net.proxy_header import proxy_header
from proxy.net.side import describe
from proxy.net.tls import TlsError, backend_context, client_context, rsa_key
from proxy.rules.match import RuleSet
from proxy.rules.model import load_rules
from proxy.rules.table import Missing, Table
from proxy.rules.trips import Trips
from proxy.run.tables import exact_tables, key_facts, table_cache
from proxy.session import Session, SessionSettings
from proxy.sql.patterns import warm_up
from proxy.wire.rsa import RsaKey

_log = structlog.get_logger(__name__)

DRAIN_TIMEOUT: Final = 5.0
"""Seconds that busy sessions may take to become idle once the proxy stops."""


class StartError(Exception):
    """The proxy cannot start; the message says why."""


class Running:
    """A proxy that runs; made by `serve`.

    addresses, admin_address: what is really bound. rules: those in force; sessions see it when they are exchanged.
    tables: the definitions of tables; None if the configuration names no account to read them with.
    journal: the last conflicts. file: what the configuration was read from.
    """

    def __init__(self, config: ProxyConfig, rules: RuleSet, file: Path | None = None) -> None:
        self.addresses = config.listeners
        self.admin_address = config.admin
        self.rules = rules
        self.draining = False
        self._opened: dict[Pair, Session] = {}
        self._most_opened = 64
        self.counters = Counters(config.conflicts.max_series)
        self.journal = Journal(config.conflicts.journal, config.conflicts.max_series)
        try:
            settings = PairSettings(
                backends=Backends(config.backends),
                limits=config.limits,
                client_tls=client_context(config.client_tls),
                backend_tls=backend_context(config.backend_tls),
                backend_proxy_protocol=config.backend_proxy_protocol,
            )
            key = rsa_key(config.client_tls)
        except TlsError as error:
            raise StartError(str(error)) from error
        self.tables = table_cache(config, settings.backend_tls, _read(config.backend_tls.server_public_key))
        networks = config.proxy_protocol.from_
        self._listener = Listener(settings, self._sessions(config, key), networks, config.socket_mode)
        header = proxy_header(config.backend_proxy_protocol, None)
        ready = Readiness(
            lambda: probe_any(config.backends, header), draining=lambda: self.draining, clock=time.monotonic
        )
        app = create_app(self._sources(config, file), ready=ready, token=read_token(config.admin_token_file))
        self._admin = AdminServer(app)

    @property
    def address(self) -> Address:
        """The first of the addresses that is TCP's."""
        return next(endpoint for endpoint in self.addresses if isinstance(endpoint, Address))

    def _sessions(self, config: ProxyConfig, key: RsaKey) -> OpenSession:
        recorder = Recorder(
            self.counters,
            structlog.get_logger("proxy.conflicts"),
            config.conflicts.show_values,
            config.log.conflicts_per_second,
            time.monotonic,
            facts=key_facts(self._table),
            journal=self.journal,
        )
        settings = SessionSettings(
            counters=self.counters,
            recorder=recorder,
            rules=lambda: self.rules,
            trips=Trips(time.monotonic, self._tripped),
            tables=self.tables,
            client_tls=config.client_tls.mode,
            backend_tls=config.backend_tls.mode,
            compression=config.compression,
            limits=config.limits,
            rsa=key,
            client_address="",
            clock=time.monotonic,
            wall_clock=time.time,
            backend_public_key=_read(config.backend_tls.server_public_key),
        )

        def open_session(wires: Pair, client_address: str) -> Session:
            session = Session(
                wires, replace(settings, client_address=client_address, client_secure=wires.client.secure)
            )
            self._remember(wires, session)
            return session

        return open_session

    def _remember(self, pair: Pair, session: Session) -> None:
        """Keep a session to show it; those that have ended are forgotten when they are as many as the open ones."""
        if len(self._opened) > self._most_opened:
            open_now = self._listener.pairs
            self._opened = {each: kept for each, kept in self._opened.items() if each in open_now}
            self._most_opened = 2 * len(open_now) + 64
        self._opened[pair] = session

    def _sources(self, config: ProxyConfig, file: Path | None) -> Sources:
        return Sources(
            counters=self.counters,
            journal=self.journal,
            rules=lambda: self.rules,
            table=self._table,
            sessions=self._open_sessions,
            settings=settings_of(config, file),
            show_values=config.conflicts.show_values,
            clock=time.time,
        )

    def _table(self, schema: str, table: str) -> Table | Missing | None:
        return None if self.tables is None else self.tables.peek(schema, table)

    def _open_sessions(self) -> Iterator[SessionView]:
        for pair in self._listener.pairs:
            session = self._opened[pair]
            yield SessionView(session.thread_id, session.user, pair.client.address, session.idle)

    def _tripped(self, rule: str, tripped: bool) -> None:
        self.counters.tripped[rule] = int(tripped)
        if tripped:
            _log.warning("rule tripped", rule=rule, reason="its statements failed too often in a row")
        else:
            _log.info("rule tried again", rule=rule)

    async def start(self) -> None:
        """Listen on all addresses. Raises StartError."""
        warm_up()
        try:
            await self._admin.start(self.admin_address)
            self.admin_address = self._admin.address
        except OSError as error:
            await self._admin.stop()
            raise StartError(f"cannot listen on {self.admin_address} (admin): {describe(error)}") from error
        bound = []
        for endpoint in self.addresses:
            try:
                bound.append(await self._listener.listen(endpoint))
            except OSError as error:
                await self._listener.close()
                await self._admin.stop()
                raise StartError(f"cannot listen on {endpoint}: {describe(error)}") from error
        self.addresses = tuple(bound)
        self.counters.reload_succeeded(time.time())
        if self.tables is not None:
            self.tables.warm(exact_tables(self.rules))

    async def stop(self, drain_timeout: float = DRAIN_TIMEOUT) -> None:
        """Accept no more, close each session as soon as it is idle and all that are left after so many seconds."""
        self.draining = True
        try:
            async with asyncio.timeout(drain_timeout):
                await self._listener.drain()
        except TimeoutError:
            _log.warning("sessions closed that were not idle", sessions=len(self._listener.pairs))
        await self._listener.close()
        if self.tables is not None:
            await self.tables.close()
        await self._admin.stop()

    def abort(self) -> None:
        """Cut every session off; a `stop` that is under way comes to its end."""
        self._listener.abort()


@asynccontextmanager
async def serve(config: ProxyConfig, rules: RuleSet | None = None, file: Path | None = None) -> AsyncIterator[Running]:
    """Run a proxy for the length of the block.

    rules: those to begin with; None reads the file that the configuration names, if any. file: what the configuration
    was read from, for people who want to know.
    Raises ConfigError for the rules, for the password of the lookup's account and for the token of the admin address,
    StartError for all else that keeps the proxy from running.
    """
    if rules is None:
        rules = load_rules(config.rules) if config.rules else RuleSet()
    running = Running(config, rules, file)
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


def _read(path: Path | None) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise StartError(f"cannot read {path}: {describe(error)}") from error
