"""What the kernel tells of many descriptors at once: an epoll, or its like where the system has none."""

import math
import select
from typing import Final, Protocol


class Poller(Protocol):
    """What `select.epoll` does."""

    def fileno(self) -> int:
        """Return its own descriptor; -1 if it has none."""

    def register(self, fd: int, events: int) -> None:
        """Watch a descriptor."""

    def modify(self, fd: int, events: int) -> None:
        """Watch it for other events."""

    def unregister(self, fd: int) -> None:
        """Watch it no longer."""

    def poll(self, seconds: float, most: int) -> list[tuple[int, int]]:
        """Wait for events; negative seconds: for any time."""

    def close(self) -> None:
        """End."""


def make_poller() -> Poller:
    """Make an epoll, or what comes next to it where the system has none."""
    return select.epoll() if hasattr(select, "epoll") else Poll()


_POLLED: Final = select.POLLIN | select.POLLOUT


class Poll:
    """Does as an epoll by `select.poll`, which knows fewer events and tells again and again of what has arrived."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self.unregister = self._poll.unregister

    def fileno(self) -> int:
        """Return that it has no descriptor."""
        return -1

    def register(self, fd: int, events: int) -> None:
        """Watch a descriptor."""
        self._poll.register(fd, events & _POLLED)

    def modify(self, fd: int, events: int) -> None:
        """Watch it for other events."""
        self._poll.modify(fd, events & _POLLED)

    def poll(self, seconds: float, _most: int) -> list[tuple[int, int]]:
        """Wait for events; negative seconds: for any time."""
        return self._poll.poll(None if seconds < 0 else math.ceil(seconds * 1000))

    def close(self) -> None:
        """End."""
