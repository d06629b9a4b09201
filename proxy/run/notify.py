"""What a service manager is told of the process, see sd_notify(3)."""

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
RELOADING: Final = "RELOADING=1"
_WATCHDOG: Final = "WATCHDOG=1"


class Notifier:
    """Tells the service manager that an environment names, if any.

    Attributes:
        watchdog: seconds within which the manager wants to hear of the process, again and again; None: it does not.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # An abstract address is written with @ in place of its NUL.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog = _watchdog(environment) if address else None

    def tell(self, *what: str) -> None:
        """Tell something; nobody is waited for."""
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.setblocking(False)
            sock.sendto("\n".join(what).encode(), self._address)

    def ready(self) -> None:
        """Tell that the proxy serves, or has come to the end of a reload, and by which process."""
        self.tell(READY, f"MAINPID={os.getpid()}")

    def stopping(self) -> None:
        """Tell that the end has begun."""
        self.tell(STOPPING)

    def reloading(self) -> None:
        """Tell that a reload has begun (Type=notify-reload wants the time, too)."""
        self.tell(RELOADING, f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    async def keep_alive(self) -> None:
        """Tell twice in each period that the event loop still turns, until this is cancelled."""
        if self.watchdog is None:
            return
        while True:
            self.tell(_WATCHDOG)
            await asyncio.sleep(self.watchdog / 2)


def _watchdog(environment: Mapping[str, str]) -> float | None:
    for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    period = environment.get("WATCHDOG_USEC", "")
    return int(period) / 1e6 if for_us and period.isdigit() and int(period) else None


NOBODY: Final = Notifier({})
"""Where no service manager wants to know."""
