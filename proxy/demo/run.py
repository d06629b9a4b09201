"""The whole demo in one process: backend, proxy, applications, display."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pymysql
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from proxy.config import Address, ConfigError, Log, LogFormat, LogLevel, ProxyConfig
from proxy.demo.backend import Backend, start_backend
from proxy.demo.shop import SCHEMA, open_shop
from proxy.demo.show import conflict_table, summary
from proxy.demo.traffic import Target, Traffic
from proxy.net.loop import Loop
from proxy.net.side import describe
from proxy.run.logs import configure_logging
from proxy.run.policy import StartError
from proxy.run.reload import Origin
from proxy.run.supervisor import Running, serve_from
from proxy.wire.commands import QUERY

RULES: Final = Path(__file__).with_name("rules.yaml")
"""The rules that the demo's proxy follows."""

_LOG: Final = Log(level=LogLevel.WARNING, format=LogFormat.CONSOLE)
_HOST: Final = "127.0.0.1"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_LIVE_SECONDS: Final = 0.25
_PLAIN_SECONDS: Final = 5.0
_PLAIN_WIDTH: Final = 120  # columns; what is no terminal has no width of its own


class DemoError(Exception):
    """The demo cannot go on; the text says why."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to run the demo.

    Args:
        seconds: when to end; None: when told to by a signal.
        port: where the proxy listens, on 127.0.0.1; 0: any free port.
        admin_port: where its metrics are, likewise.
        rules: the file of the rules that its proxy follows.
        pace: how much time the applications take between statements; 1.0 is made for watching.
    """

    seconds: float | None = None
    port: int = 0
    admin_port: int = 0
    rules: Path = RULES
    pace: float = 1.0


def run_demo(options: Options, console: Console | None = None) -> None:
    """Run the demo until its time is over, or until SIGINT or SIGTERM.

    Args:
        options: how.
        console: where to show it; None: standard output.

    Raises:
        DemoError: if any part of it fails.
    """
    configure_logging(_LOG.level, _LOG.format, sys.stderr)
    # While the event loop does not have its handlers, SIGTERM unwinds the stack as Ctrl-C does: no server stays behind.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with start_backend() as backend:
            open_shop(backend.host, backend.port, backend.user)
            with asyncio.Runner(loop_factory=Loop) as runner:
                runner.run(_run(options, backend, console or _standard_output()))
    except KeyboardInterrupt:
        return
    except StartError as error:
        raise DemoError(f"the proxy does not start: {error}") from error
    except ConfigError as error:
        raise DemoError(str(error)) from error
    except pymysql.Error as error:
        raise DemoError(f"the backend refuses the demo's tables: {error}") from error
    except OSError as error:
        raise DemoError(describe(error)) from error
    finally:
        signal.signal(signal.SIGTERM, before)


def _standard_output() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=_PLAIN_WIDTH)


async def _run(options: Options, backend: Backend, console: Console) -> None:
    config = ProxyConfig(
        listen=Address(_HOST, options.port),
        backend=Address(backend.host, backend.port),
        admin=Address(_HOST, options.admin_port),
        rules=options.rules,
        log=_LOG,
    )
    origin = Origin(above=lambda _: config)
    with _signals() as told_to_end:
        async with serve_from(origin, origin.read()) as running:
            _introduce(options, running, backend, console)
            traffic = Traffic(Target(_HOST, running.address.port, backend.user), pace=options.pace)
            async with _moving(traffic), _display(running, console):
                await _end_of(traffic, told_to_end, options.seconds)
        # Told after the proxy has come to rest, so that these numbers are the last ones.
        console.print(_report(running))
    if traffic.failures:
        raise DemoError("; ".join(traffic.failures))


@contextmanager
def _signals() -> Iterator[asyncio.Event]:
    """Have SIGINT and SIGTERM set an event."""
    loop, told_to_end = asyncio.get_running_loop(), asyncio.Event()
    for number in _SIGNALS:
        loop.add_signal_handler(number, told_to_end.set)
    try:
        yield told_to_end
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.default_int_handler)


def _introduce(options: Options, running: Running, backend: Backend, console: Console) -> None:
    address = running.address
    lines = (
        f"backend  {backend.host}:{backend.port}, {backend.description}",
        f"proxy    {address}",
        f"page     http://{running.admin_address}/",
        f"metrics  http://{running.admin_address}/metrics",
        f"try it   mysql -h{address.host} -P{address.port} -u{backend.user} {SCHEMA}",
        f"rules    {options.rules}",
    )
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


@asynccontextmanager
async def _moving(traffic: Traffic) -> AsyncIterator[None]:
    traffic.start()
    try:
        yield
    finally:
        await asyncio.to_thread(traffic.stop)


async def _end_of(traffic: Traffic, told_to_end: asyncio.Event, seconds: float | None) -> None:
    """Wait for a signal, for the end of the time, or for an application that fails."""
    loop = asyncio.get_running_loop()
    traffic.when_failed(lambda: loop.call_soon_threadsafe(told_to_end.set))
    try:
        async with asyncio.timeout(seconds):
            await told_to_end.wait()
    except TimeoutError:
        return


@asynccontextmanager
async def _display(running: Running, console: Console) -> AsyncIterator[None]:
    task = asyncio.create_task(_live(running, console) if console.is_terminal else _plain(running, console))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _live(running: Running, console: Console) -> None:
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(_report(running), refresh=True)
            await asyncio.sleep(_LIVE_SECONDS)


async def _plain(running: Running, console: Console) -> None:
    while True:
        await asyncio.sleep(_PLAIN_SECONDS)
        console.print(_report(running))


def _report(running: Running) -> Group:
    counters = running.counters
    table = conflict_table(counters.conflicts)
    return Group("", table, "", Text(summary(counters.conflicts, counters.commands[QUERY])))
