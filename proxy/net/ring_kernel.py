"""What is done with a ring for every packet, in plain Python; `ring.pxd` has it for compiled builds."""

import ctypes
import errno
import math
import os
import socket
from time import monotonic
from typing import Final

from proxy.net.ring import BUFFER, BUFFERS, STRIDE, Ring

MORE: Final = 1 << 1
"""A completion's flag: its request goes on."""

now: Final = monotonic

_ENTER: Final = 426
_EXT_ARG: Final = 1 << 3
_ARGUMENT: Final = 24  # bytes
_OVERFLOW: Final = 1 << 1

_POLL_ADD: Final = 6
_CANCEL: Final = 14
_SEND: Final = 26
_RECEIVE: Final = 27
_BUFFER_SELECT: Final = 1 << 5
_SKIP_SUCCESS: Final = 1 << 6
_MULTISHOT: Final = 1 << 1
_MESSAGE: Final = socket.MSG_DONTWAIT | socket.MSG_WAITALL | socket.MSG_NOSIGNAL
_PASSING: Final = (errno.EINTR, errno.ETIME, errno.EBUSY, errno.EAGAIN)
_LARGEST: Final = 1 << 18

_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _Entry(ctypes.Structure):
    _fields_ = (
        ("opcode", ctypes.c_uint8),
        ("flags", ctypes.c_uint8),
        ("ioprio", ctypes.c_uint16),
        ("fd", ctypes.c_int32),
        ("offset", ctypes.c_uint64),
        ("address", ctypes.c_uint64),
        ("length", ctypes.c_uint32),
        ("more_flags", ctypes.c_uint32),
        ("tag", ctypes.c_uint64),
        ("group", ctypes.c_uint16),
        ("rest", ctypes.c_uint8 * 22),
    )


class _Completion(ctypes.Structure):
    _fields_ = (("tag", ctypes.c_uint64), ("result", ctypes.c_int32), ("flags", ctypes.c_uint32))


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_int64), ("nanoseconds", ctypes.c_int64))


class _Argument(ctypes.Structure):
    _fields_ = (
        ("mask", ctypes.c_uint64),
        ("mask_size", ctypes.c_uint32),
        ("pad", ctypes.c_uint32),
        ("time", ctypes.c_uint64),
    )


def ask_receive(ring: Ring, fd: int, tag: int) -> None:
    """Ask for all that arrives at a socket, until told otherwise."""
    _ask(ring, _Entry(_RECEIVE, _BUFFER_SELECT, _MULTISHOT, fd, tag=tag))


def ask_send(ring: Ring, fd: int, data: bytes, tag: int, told: bool) -> None:
    """Ask to send what the socket takes at the next `enter`; told: there is a completion though that is all."""
    address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value
    _ask(ring, _Entry(_SEND, 0 if told else _SKIP_SUCCESS, 0, fd, 0, address, len(data), _MESSAGE, tag))


def ask_poll(ring: Ring, fd: int, events: int, tag: int) -> None:
    """Ask to be told once when something happens to a descriptor; events: as of `select.poll`."""
    _ask(ring, _Entry(_POLL_ADD, 0, 0, fd, more_flags=events, tag=tag))


def ask_cancel(ring: Ring, tag: int, own: int) -> None:
    """Ask to end the request of a tag; own: the tag of this one."""
    _ask(ring, _Entry(_CANCEL, 0, 0, -1, address=tag, tag=own))


def _ask(ring: Ring, entry: _Entry) -> None:
    tail = ctypes.c_uint32.from_address(ring.request_tail)
    while tail.value - _number(ring.request_head) & 0xFFFFFFFF > ring.request_mask:
        hand_in(ring)
    place = ring.requests + (tail.value & ring.request_mask) * ctypes.sizeof(entry)
    ctypes.memmove(place, ctypes.addressof(entry), ctypes.sizeof(entry))
    tail.value += 1
    ring.gathered += 1


def hand_in(ring: Ring) -> None:
    """Let the kernel do at once what was asked for and takes no waiting. Raises OSError."""
    _enter(ring, 0, 0, 0, 0)


def enter(ring: Ring, seconds: float) -> None:
    """Hand in, and wait for a completion; seconds: for so long at most; negative: for any time. Raises OSError."""
    if seconds < 0:
        _enter(ring, 1, ring.waiting, 0, 0)
    elif not seconds:
        _enter(ring, 0, ring.waiting, 0, 0)
    else:
        fraction, whole = math.modf(seconds)
        time = _Time(int(whole), int(fraction * 1e9))
        argument = _Argument(time=ctypes.addressof(time))
        _enter(ring, 1, ring.waiting | _EXT_ARG, ctypes.addressof(argument), _ARGUMENT)


def _enter(ring: Ring, least: int, flags: int, argument: int, size: int) -> None:
    values = (_ENTER, ring.fd, ring.gathered, least, flags, argument, size)
    done: int = _libc.syscall(*map(ctypes.c_long, values))
    if done >= 0:
        ring.gathered -= done
    elif (error := ctypes.get_errno()) not in _PASSING:
        raise OSError(error, os.strerror(error))


def next_completion(ring: Ring) -> bool:
    """Go on to the next completion, whose tag, result and flags are the ring's now; False if there is none."""
    if not _take(ring):
        if not _number(ring.request_flags) & _OVERFLOW:
            return False
        enter(ring, 0)  # the kernel keeps what found no place
        return _take(ring)
    return True


def _take(ring: Ring) -> bool:
    found = _peek(ring)
    if found is None:
        return False
    ring.tag, ring.result, ring.flags = found.tag, found.result, found.flags
    ctypes.c_uint32.from_address(ring.completion_head).value += 1
    return True


def _peek(ring: Ring) -> _Completion | None:
    head = _number(ring.completion_head)
    if head == _number(ring.completion_tail):
        return None
    size = ctypes.sizeof(_Completion)
    return _Completion.from_address(ring.completions + (head & ring.completion_mask) * size)


def received(ring: Ring) -> bytes:
    """Return what the newest completion has received, and those that follow it at once on the same connection."""
    parts: list[bytes] = []
    size = 0
    while True:
        number = ring.flags >> 16
        parts.append(ctypes.string_at(ring.buffers + number * STRIDE, ring.result))
        _give_back(ring, number)
        size += ring.result
        following = _peek(ring)
        if following is None or following.tag != ring.tag or following.result <= 0 or size >= _LARGEST:
            return b"".join(parts)
        _take(ring)


def _give_back(ring: Ring, number: int) -> None:
    place = ring.pool + (ring.given & BUFFERS - 1) * 16
    ctypes.c_uint64.from_address(place).value = ring.buffers + number * STRIDE
    ctypes.c_uint32.from_address(place + 8).value = BUFFER
    ctypes.c_uint16.from_address(place + 12).value = number
    ring.given = ring.given + 1 & 0xFFFF
    ctypes.c_uint16.from_address(ring.pool + 14).value = ring.given


def _number(address: int) -> int:
    return ctypes.c_uint32.from_address(address).value
