"""The process around a proxy: its event loop, its signals, its limit of open files."""

import asyncio
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from proxy.config import ProxyConfig
from proxy.rules.match import RuleSet
from proxy.run.supervisor import Running, serve

_log = structlog.get_logger(__name__)
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def run(config: ProxyConfig, rules: RuleSet, file: Path | None = None) -> None:
    """Run a proxy until SIGTERM or SIGINT, which lets busy sessions come to rest; a second signal cuts them off.

    file: what the configuration was read from.
    Raises StartError, and ConfigError if the lookup's account has no password.
    """
    raise_open_files_limit()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_run(config, rules, file))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Give what makes the event loop: uvloop's, or asyncio's own where uvloop is missing."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def raise_open_files_limit() -> None:
    """Allow as many open files as the system lets this process have; a session takes two of them."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _run(config: ProxyConfig, rules: RuleSet, file: Path | None) -> None:
    stopping = asyncio.Event()
    async with serve(config, rules, file) as running:
        for number in _STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, _stop, running, stopping)
        _log.info(
            "serving",
            listen=", ".join(map(str, running.addresses)),
            backend=", ".join(map(str, config.backends)),
            admin=str(running.admin_address),
            rules=len(running.rules.rules),
        )
        await stopping.wait()
        _log.info("stopping", sessions=running.counters.sessions)
    _log.info("stopped")


def _stop(running: Running, stopping: asyncio.Event) -> None:
    if stopping.is_set():
        running.abort()
    stopping.set()
