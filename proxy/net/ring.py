"""An io_uring of Linux, as far as a pump needs one: requests go in and completions come out, many with one system call.

Set up with `DEFER_TASKRUN`, the kernel works at requests only while this thread is within `enter`. So nothing of what
is shared with it changes at any other time, and no barrier is needed. What is done for every packet is in
`ring_kernel.py`, and for compiled builds in `ring.pxd`. Layouts: io_uring_setup(2), io_uring_enter(2),
io_uring_register(2), and <linux/io_uring.h>.
"""

import ctypes
import mmap
import os
import sys
from typing import Final

_SETUP: Final = 425  # the numbers of the system calls, the same on every machine
_REGISTER: Final = 427

_CQSIZE: Final = 1 << 3
_CLAMP: Final = 1 << 4
_SUBMIT_ALL: Final = 1 << 7
_SINGLE_ISSUER: Final = 1 << 12
_DEFER_TASKRUN: Final = 1 << 13
_NO_SQARRAY: Final = 1 << 16
_FLAGS: Final = _CQSIZE | _CLAMP | _SUBMIT_ALL | _SINGLE_ISSUER | _DEFER_TASKRUN | _NO_SQARRAY

_SINGLE_MMAP: Final = 1 << 0
_NODROP: Final = 1 << 1
_EXT_ARG: Final = 1 << 8
_CQE_SKIP: Final = 1 << 11
_NEEDED: Final = _SINGLE_MMAP | _NODROP | _EXT_ARG | _CQE_SKIP
_NO_IOWAIT: Final = 1 << 17

_GETEVENTS: Final = 1 << 0
_WITHOUT_IOWAIT: Final = 1 << 7

_OFFSET_OF_ENTRIES: Final = 0x10000000
_REGISTER_BUFFERS: Final = 22
_ENTRY: Final = 64  # bytes of a request
_COMPLETION: Final = 16  # bytes of one, and of what describes a buffer

REQUESTS: Final = 256
"""Requests that may be gathered until they must be handed in."""
_COMPLETIONS: Final = 4096
BUFFERS: Final = 64
"""Buffers that the kernel takes in turn for what arrives, on whichever connection.

Where more connections have something at a time, it tells the others to ask again.
"""
BUFFER: Final = 1 << 14
"""Bytes of a buffer."""
STRIDE: Final = BUFFER + 192
"""Bytes from one to the next: at a power of two, short ones would all fall on the same few lines of the caches."""


class _Offsets(ctypes.Structure):
    _fields_ = (
        ("head", ctypes.c_uint32),
        ("tail", ctypes.c_uint32),
        ("mask", ctypes.c_uint32),
        ("entries", ctypes.c_uint32),
        ("fifth", ctypes.c_uint32),  # flags of requests, overflow of completions
        ("sixth", ctypes.c_uint32),  # dropped requests, the completions themselves
        ("seventh", ctypes.c_uint32),
        ("eighth", ctypes.c_uint32),
        ("address", ctypes.c_uint64),
    )


class _Parameters(ctypes.Structure):
    _fields_ = (
        ("requests", ctypes.c_uint32),
        ("completions", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("thread_cpu", ctypes.c_uint32),
        ("thread_idle", ctypes.c_uint32),
        ("features", ctypes.c_uint32),
        ("workers", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 3),
        ("of_requests", _Offsets),
        ("of_completions", _Offsets),
    )


class _BufferRing(ctypes.Structure):
    _fields_ = (
        ("address", ctypes.c_uint64),
        ("entries", ctypes.c_uint32),
        ("group", ctypes.c_uint16),
        ("flags", ctypes.c_uint16),
        ("reserved", ctypes.c_uint64 * 3),
    )


class Ring:
    """An io_uring, whose requests only the thread may make that has made it.

    Raises OSError if the system has none, or does not let this process have one.

    Attributes:
        tag: of the request of which the newest completion tells.
        result: what came of it: bytes, or the number of an error, negated.
        flags: of the completion: which buffer was taken, and whether the request goes on.
        waiting: the flags of an `enter` that waits. Where the kernel knows how (Linux 6.15) it is not counted as a wait
            for a disk: of an idle proxy, monitoring told that a whole core was in iowait.
    """

    __slots__ = (
        "_buffers_memory",
        "_entries_memory",
        "_rings_memory",
        "buffers",
        "completion_head",
        "completion_mask",
        "completion_tail",
        "completions",
        "fd",
        "flags",
        "gathered",
        "given",
        "pool",
        "request_flags",
        "request_head",
        "request_mask",
        "request_tail",
        "requests",
        "result",
        "tag",
        "waiting",
    )

    def __init__(self) -> None:
        self.tag = self.result = self.flags = 0
        self.gathered = 0  # requests that are not handed in yet
        parameters = _Parameters(completions=_COMPLETIONS, flags=_FLAGS)
        self.fd = _call(_SETUP, REQUESTS, ctypes.addressof(parameters))
        try:
            if sys.byteorder != "little" or parameters.features & _NEEDED != _NEEDED:
                raise OSError("what there is of io_uring is too little")
            self.waiting = _GETEVENTS | (_WITHOUT_IOWAIT if parameters.features & _NO_IOWAIT else 0)
            self._map(parameters)
            self._give_buffers()
        except BaseException:
            os.close(self.fd)
            raise

    def _map(self, parameters: _Parameters) -> None:
        """Share with the kernel the requests and the completions; keep the addresses of all that is looked at."""
        requests, completions = parameters.of_requests, parameters.of_completions
        size = completions.sixth + parameters.completions * _COMPLETION
        self._rings_memory = mmap.mmap(self.fd, size)
        self._entries_memory = mmap.mmap(self.fd, parameters.requests * _ENTRY, offset=_OFFSET_OF_ENTRIES)
        rings = _address(self._rings_memory)
        self.request_head = rings + requests.head
        self.request_tail = rings + requests.tail
        self.request_flags = rings + requests.fifth
        self.request_mask = parameters.requests - 1
        self.requests = _address(self._entries_memory)
        self.completion_head = rings + completions.head
        self.completion_tail = rings + completions.tail
        self.completion_mask = parameters.completions - 1
        self.completions = rings + completions.sixth

    def _give_buffers(self) -> None:
        """Tell the kernel where to put what arrives: a ring that describes the buffers, and behind it the buffers."""
        described = max(BUFFERS * _COMPLETION, mmap.PAGESIZE)
        self._buffers_memory = mmap.mmap(-1, described + BUFFERS * STRIDE)
        self.pool = _address(self._buffers_memory)
        self.buffers = self.pool + described
        about = _BufferRing(address=self.pool, entries=BUFFERS)
        _call(_REGISTER, self.fd, _REGISTER_BUFFERS, ctypes.addressof(about), 1)
        self.given = 0  # how often a buffer has been given
        for number in range(BUFFERS):
            place = self.pool + number * _COMPLETION
            ctypes.c_uint64.from_address(place).value = self.buffers + number * STRIDE
            ctypes.c_uint32.from_address(place + 8).value = BUFFER
            ctypes.c_uint16.from_address(place + 12).value = number
        self.given = BUFFERS
        ctypes.c_uint16.from_address(self.pool + 14).value = self.given

    def close(self) -> None:
        """End; what is under way is given up. Nothing may be asked of it any more."""
        os.close(self.fd)
        for memory in (self._rings_memory, self._entries_memory, self._buffers_memory):
            memory.close()  # each of the first two has a descriptor of its own


def _address(memory: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _call(number: int, *arguments: int) -> int:
    """Make a system call. Raises OSError."""
    result: int = _libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
