"""The process around a proxy: its event loop, its signals."""

import asyncio
import signal
from contextlib import suppress
from functools import partial
from typing import Final

import structlog

from proxy.net.choice import poller
from proxy.net.epoll_pump import EpollPump
from proxy.net.loop import Loop
from proxy.run.garbage import spare_what_stays
from proxy.run.limits import raise_open_files_limit
from proxy.run.notify import Notifier
from proxy.run.policy import Loaded, StartError
from proxy.run.reload import Origin
from proxy.run.sockets import from_service_manager
from proxy.run.succession import Predecessor
from proxy.run.supervisor import Running, serve_from, serves_itself

_log = structlog.get_logger(__name__)
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """What a signal to stop does, called in the task's own event loop: it cancels a start that is still under way.

    Attributes:
        asked: whether there has been one, or something else that ends the proxy.
        running: what is to stop, once it runs.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.running: Running | None = None
        self._task = asyncio.current_task()

    def __call__(self) -> None:
        """Stop; the second time, cut off what is busy."""
        if not self.asked.is_set():
            self.asked.set()
            if self.running is None and self._task is not None:
                self._task.cancel()
        elif self.running is not None:
            self.running.abort()


def run(loaded: Loaded, origin: Origin, *, take_over: bool = False) -> None:
    """Run a proxy until SIGTERM or SIGINT, which lets busy sessions come to rest; a second signal cuts them off.

    SIGHUP reads the files again. loaded: what was read of them; origin: how that is done. take_over: take the place of
    the process that serves now.
    Raises StartError, and ConfigError if the lookup's account has no password.
    """
    try:
        poller()  # which those who serve will use
    except ValueError as error:
        raise StartError(str(error)) from error
    raise_open_files_limit()
    # Until there is somebody to read them, the files are as new as can be.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    loop = Loop if serves_itself(loaded.config) else partial(Loop, EpollPump)
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(_run(loaded, origin, take_over))


async def _run(loaded: Loaded, origin: Origin, take_over: bool) -> None:
    loop, stop = asyncio.get_running_loop(), Stop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    with suppress(asyncio.CancelledError):
        await _serve(loaded, origin, take_over, stop)
    _log.info("stopped")


async def _serve(loaded: Loaded, origin: Origin, take_over: bool, stop: Stop) -> None:
    notifier = Notifier()
    loop, config = asyncio.get_running_loop(), loaded.config
    predecessor = Predecessor(config.take_over) if take_over and config.take_over else None
    heritage = predecessor.heritage if predecessor else from_service_manager()
    async with serve_from(origin, loaded, heritage, notifier) as running, asyncio.TaskGroup() as reloads:
        stop.running = running
        alive = loop.create_task(notifier.keep_alive())
        if predecessor:
            await predecessor.relieve()
        running.await_successor(stop.asked.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: reloads.create_task(running.reload("SIGHUP")))
        spare_what_stays()
        _log.info(
            "serving",
            listen=", ".join(map(str, running.addresses)),
            backend=", ".join(map(str, config.backends)),
            admin=str(running.admin_address),
            rules=len(running.rules.rules),
            poller=poller(),
        )
        notifier.ready()
        await stop.asked.wait()
        if not running.relieved:
            notifier.stopping()
        alive.cancel()
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        _log.info("stopping", sessions=running.counters.sessions)
