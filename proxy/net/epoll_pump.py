"""The pump that works everywhere: an epoll tells which sockets are ready, and each is read and written by itself."""

import select
from time import monotonic
from typing import Final

import cython

from proxy.net.pump import Pump, PumpedTransport

if not cython.compiled:
    from proxy.net.kernel import wait

_ONCE: Final = getattr(select, "EPOLLET", 0) | getattr(select, "EPOLLRDHUP", 0)
"""The kernel tells once of what has arrived, and need not look anew each time: for one client of a
relay that looks at nothing, 29 us a query instead of 33.

Who sends urgent data, or passes descriptors, ends a read early, and is not heard before it says more: it alone.
"""


class EpollPump(Pump):
    """Has one epoll for the sockets of all pumped transports and the event loop's own."""

    __slots__ = ("_number", "_transports")

    def __init__(self) -> None:
        super().__init__(batches=False)
        self._number = self.poller.fileno()
        self._transports: list[PumpedTransport | None] = []  # by their descriptors, as the kernel keeps them too

    def watch(self, transport: PumpedTransport, before: int, events: int) -> None:
        """Wait for other events of a transport than before."""
        fd = transport.fd
        if not before:
            self.poller.register(fd, events | _ONCE)
            if fd >= len(self._transports):
                self._transports += [None] * (fd + 1 - len(self._transports))
            self._transports[fd] = transport
        elif events:
            self.poller.modify(fd, events | _ONCE)
        else:
            self.forget(transport, before)

    def forget(self, transport: PumpedTransport, before: int) -> None:
        """Watch a transport no longer: it is about to close its socket."""
        if before:
            self._transports[transport.fd] = None
            self.poller.unregister(transport.fd)

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """Wait until something happens that is the event loop's to do, or something is due, or time is over."""
        self.due = False
        until = monotonic() + seconds
        left = seconds
        others: list[tuple[int, int]] = []
        while True:
            if self.lost:
                self.tell_losses()
            if self.calls:
                self.call_back()
            at_rest = not (self.due or self.calls or self.lost)
            found = wait(self.poller, self._number, left if at_rest else 0.0)
            for fd, events in found:
                transport = self._transports[fd] if fd < len(self._transports) else None
                if transport is not None:
                    transport.ready(events)
                else:
                    others.append((fd, events))
            if others:
                others = self.not_listening(others)
            if others or self.due or (at_rest and not found):
                return others
            if seconds >= 0:
                left = until - monotonic()
                if left <= 0:
                    return others
