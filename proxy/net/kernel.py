"""The system calls that a pump makes for every packet, in plain Python; `pump.pxd` has them for compiled builds."""

import os
import select
from typing import Final

_CHUNK: Final = 1 << 16
_BATCH: Final = 64


def wait(poller: select.epoll, _number: int) -> list[tuple[int, int]]:
    """Return the descriptors that are ready just now, at most a batch, with their events.

    Args:
        poller: an epoll.
        _number: its descriptor.
    """
    return poller.poll(0, _BATCH)


def receive(fd: int) -> bytes | None:
    """Take what has arrived, at most a chunk; b"" at the end of the stream, None if there is nothing just now.

    Raises OSError if the connection is broken.
    """
    try:
        return os.read(fd, _CHUNK)
    except BlockingIOError:
        return None


def send(fd: int, data: bytes) -> int:
    """Send as many bytes as the kernel takes just now, and return their number; -1 if the connection is broken."""
    try:
        return os.write(fd, data)
    except BlockingIOError:
        return 0
    except OSError:
        return -1
