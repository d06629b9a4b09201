"""One whole proxy: the worker that serves clients and the admin server that tells of it, from start to stop."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog

from proxy.admin.app import create_app
from proxy.admin.readiness import Readiness
from proxy.admin.server import AdminServer
from proxy.admin.settings import settings_of
from proxy.admin.sources import Sources
from proxy.admin.token import read_token
from proxy.config import Address, ProxyConfig
from proxy.conflicts.journal import Journal
from proxy.net.probe import probe_any
from proxy.net.proxy_header import proxy_header
from proxy.rules.match import RuleSet
from proxy.rules.model import load_rules
from proxy.run.cores import cores
from proxy.run.logs import change_level
from proxy.run.notify import NOBODY, Notifier
from proxy.run.policy import Identity, Loaded, Policy, StartError, make_policy
from proxy.run.reload import Origin, Reloaded, Reloader
from proxy.run.sockets import NOTHING, Heritage, Sockets, open_sockets
from proxy.run.succession import Succession
from proxy.run.team import Team
from proxy.run.watch import watch
from proxy.run.worker import Worker

_log = structlog.get_logger(__name__)


def serves_itself(config: ProxyConfig) -> bool:
    """Tell whether this process is the one that serves the clients, not several of its own."""
    return _workers(config) == 1


def _workers(config: ProxyConfig) -> int:
    return config.workers or cores()


def _crew(policy: Policy) -> Worker | Team:
    """Make who serves the clients."""
    config = policy.config
    if not serves_itself(config):
        return Team(policy, _workers(config))
    return Worker(policy, Journal(config.conflicts.journal, config.conflicts.max_series))


class Running:
    """A proxy that runs; made by `serve`.

    addresses, admin_address: what is really bound. crew: who serves the clients. relieved: another process has taken
    this one's place.
    """

    def __init__(self, loaded: Loaded, origin: Origin, notifier: Notifier) -> None:
        config = loaded.config
        self._notifier = notifier
        self.addresses = config.listeners
        self.admin_address = config.admin
        self.draining = False
        self.relieved = False
        self._origin = origin
        self._policy = make_policy(loaded, Identity.make())
        self.crew = _crew(self._policy)
        self.counters = self.crew.counters
        self.journal = self.crew.journal
        self._settings = settings_of(config, origin.file)
        self._reloader = Reloader(origin, loaded, self._use, self.counters, time.time)
        self._watch: asyncio.Task[None] | None = None
        self._sockets: Sockets | None = None
        self._succession: Succession | None = None
        header = proxy_header(config.backend_proxy_protocol, None)
        ready = Readiness(
            lambda: probe_any(config.backends, header), draining=lambda: self.draining, clock=time.monotonic
        )
        token = read_token(config.admin_token_file)
        self._admin = AdminServer(create_app(self._sources(config), ready=ready, token=token))

    @property
    def address(self) -> Address:
        """The first of the addresses that is TCP's."""
        return next(endpoint for endpoint in self.addresses if isinstance(endpoint, Address))

    @property
    def rules(self) -> RuleSet:
        """The rules in force."""
        return self.crew.rules

    @property
    def worker(self) -> Worker:
        """What serves the clients where there are no processes for that."""
        if not isinstance(self.crew, Worker):
            raise TypeError("the workers are other processes")
        return self.crew

    def _sources(self, config: ProxyConfig) -> Sources:
        return Sources(
            counters=self.counters,
            journal=self.journal,
            rules=lambda: self.rules,
            table=self.crew.table,
            sessions=self.crew.sessions,
            refresh=self.crew.refresh,
            settings=lambda: self._settings,
            problems=lambda: tuple(map(str, self._reloader.problems)),
            reload=self._reload,
            show_values=config.conflicts.show_values,
            clock=time.time,
        )

    async def start(self, heritage: Heritage) -> None:
        """Listen on all addresses; heritage: sockets that do so already. Raises StartError."""
        self._sockets = sockets = open_sockets(self._policy.config, heritage)
        try:
            await self._admin.serve(sockets.admin.sockets)
            await self.crew.start(sockets.clients)
        except (StartError, asyncio.CancelledError):
            await self.crew.close()
            await self._admin.stop()
            sockets.close()
            raise
        self.admin_address = self._admin.address
        self.addresses = tuple(listening.endpoint for listening in sockets.clients)
        self.counters.reload_succeeded(time.time())
        if self._origin.file is not None:
            self._watch = asyncio.create_task(watch(lambda: self._reloader.look, lambda: self.reload("a file changed")))

    def await_successor(self, relieved: Callable[[], None]) -> None:
        """Wait for a process that takes this one's place, if the configuration says where; relieved: called then.

        Raises StartError.
        """
        path = self._policy.config.take_over
        if path is None or self._sockets is None:
            return

        def end() -> None:
            self.relieved = True
            self._admin.stop_accepting()
            relieved()

        self._succession = Succession(self._sockets, end)
        self._succession.start(path)

    async def reload(self, why: str) -> Reloaded:
        """Read the files again; all of it takes effect, or nothing does. why: for the log."""
        self._notifier.reloading()
        done = await self._reloader.reload(why)
        self._notifier.ready()
        return done

    async def stop(self, drain_timeout: float | None = None) -> None:
        """Accept no more, end each session at rest and all that are left after so many seconds; None: as configured."""
        self.draining = True
        if self._succession is not None:
            self._succession.stop()
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        await self.crew.drain(self._policy.config.drain_timeout if drain_timeout is None else drain_timeout)
        await self.crew.close()
        await self._admin.stop()

    def abort(self) -> None:
        """Cut every session off; a `stop` that is under way comes to its end."""
        self.crew.abort()

    async def _use(self, loaded: Loaded, restart: tuple[str, ...]) -> None:
        """Put other files in force, as far as they can be without a restart. Raises StartError."""
        before = self._policy
        # Certificates and keys are files, too.
        policy = await asyncio.to_thread(make_policy, loaded, before.identity, before.pairs.backends)
        settings = await asyncio.to_thread(settings_of, loaded.config, self._origin.file, restart)
        await self.crew.follow(policy)
        self._policy, self._settings = policy, settings
        change_level(loaded.config.log.level)

    async def _reload(self) -> tuple[bool, str]:
        done = await self.reload("it was asked for")
        return not done.problems, str(done)


@asynccontextmanager
async def serve(config: ProxyConfig, rules: RuleSet | None = None, file: Path | None = None) -> AsyncIterator[Running]:
    """Run a proxy for the length of the block.

    rules: those to begin with; None reads the file that the configuration names, if any. file: what the configuration
    was read from, if from any.
    Raises ConfigError for the rules, and what `serve_from` does.
    """
    origin = Origin(file)
    seen = origin.look(config)
    if rules is None:
        rules = load_rules(config.rules) if config.rules else RuleSet()
    async with serve_from(origin, Loaded(config, rules, seen)) as running:
        yield running


@asynccontextmanager
async def serve_from(
    origin: Origin, loaded: Loaded, heritage: Heritage = NOTHING, notifier: Notifier = NOBODY
) -> AsyncIterator[Running]:
    """Run a proxy for the length of the block.

    loaded: what was read from its origin. heritage: sockets that listen already. notifier: is told of reloads.
    Raises ConfigError for the password of the lookup's account and for the token of the admin address, StartError for
    all else that keeps the proxy from running.
    """
    running = Running(loaded, origin, notifier)
    await running.start(heritage)
    try:
        yield running
    finally:
        await running.stop()
