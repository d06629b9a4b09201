"""Memory that a supervisor's workers share."""

import contextlib
import mmap
import os

NONE = -1
"""In place of a descriptor, where the system has no such memory."""


def share(size: int) -> int:
    """Return the descriptor of so many bytes of memory, all zero; it takes no more of it than is written to."""
    if not hasattr(os, "memfd_create"):
        return NONE
    with contextlib.ExitStack() as made:
        try:
            fd = os.memfd_create("keyclash")
            made.callback(os.close, fd)
            os.ftruncate(fd, size)
        except OSError:  # a sandbox may not allow it
            return NONE
        made.pop_all()
    return fd


def shared(fd: int) -> memoryview:
    """Return the memory that belongs to a descriptor, which is closed."""
    try:
        return memoryview(mmap.mmap(fd, 0))
    finally:
        os.close(fd)
