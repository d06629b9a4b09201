"""The system calls that a pump makes for every packet, in plain Python; `pump.pxd` has them for compiled builds."""

import math
import os
import socket
from typing import Final

from proxy.net.poller import Poller

CHUNK: Final = 1 << 16
_BATCH: Final = 64


def wait(poller: Poller, _number: int, seconds: float) -> list[tuple[int, int]]:
    """Return the descriptors to which something has happened, at most a batch, with their events.

    Args:
        poller: an epoll.
        _number: its descriptor.
        seconds: how long to wait for the first one; negative: for any time.
    """
    return poller.poll(math.ceil(seconds * 1000) / 1000, _BATCH)  # never too early: it counts in milliseconds


def accept(sock: socket.socket) -> int:
    """Return the descriptor of a client that waits at a listening socket, which does not block; -1 if none does.

    Raises OSError if it cannot be had.
    """
    try:
        connection, _address = sock.accept()
    except (BlockingIOError, InterruptedError, ConnectionAbortedError):
        return -1
    connection.setblocking(False)
    return connection.detach()


def receive(fd: int) -> bytes | None:
    """Take what has arrived, at most a chunk; b"" at the end of the stream, None if there is nothing just now.

    Raises OSError if the connection is broken.
    """
    try:
        return os.read(fd, CHUNK)
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
