"""Memory that a supervisor's workers share."""

import contextlib
import mmap
import os

NONE = -1
"""In place of a descriptor, where the system has no such memory."""


def share(size: int) -> int:
    """Return the descriptor of so many bytes of memory, all zero; it takes no more of it than is written to."""
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):  # a sandbox may not allow it
            fd = os.memfd_create("keyclash")
            os.ftruncate(fd, size)
            return fd
    return NONE


def shared(fd: int) -> memoryview:
    """Return the memory that belongs to a descriptor, which is closed."""
    try:
        return memoryview(mmap.mmap(fd, 0))
    finally:
        os.close(fd)
