"""Packets: a header of four bytes (payload length, 3 bytes little-endian; sequence id, 1 byte) and the payload.

A payload of exactly 16 MiB - 1 bytes continues in the next packet, and ends with a shorter (perhaps empty) one.
Source: MySQL Internals, "Protocol Basics: MySQL Packets".
"""

import struct
from collections.abc import Sequence

from proxy.wire.errors import ProtocolError

HEADER = 4
MAX_PAYLOAD = 0xFFFFFF
_LENGTH = (1 << 24) - 1  # the bits of a header that tell it
_header = struct.Struct("<I")


def frame(payload: bytes, sequence: int) -> bytes:
    """Put a payload of any size into as many packets as it needs.

    Args:
        payload: the payload.
        sequence: the first packet's sequence id; later ones count on, modulo 256.
    """
    length = len(payload)
    if length < MAX_PAYLOAD:
        return _header.pack(length | (sequence & 0xFF) << 24) + payload
    return frame_pieces((payload,), sequence)


def frame_pieces(pieces: Sequence[bytes], sequence: int) -> bytes:
    """Frame a payload that comes in pieces; large ones are copied only once, which takes some 5 ms for 16 MiB."""
    size = sum(map(len, pieces))
    if size < MAX_PAYLOAD:
        return b"".join((size.to_bytes(3, "little"), bytes((sequence & 0xFF,)), *pieces))
    packets: list[bytes | memoryview] = []
    payload: list[bytes | memoryview] = []
    room = MAX_PAYLOAD

    def close() -> None:
        nonlocal room, sequence
        packets.append((MAX_PAYLOAD - room).to_bytes(3, "little") + bytes((sequence & 0xFF,)))
        packets.extend(payload)
        payload.clear()
        room = MAX_PAYLOAD
        sequence += 1

    for piece in pieces:
        rest = memoryview(piece)
        while len(rest) >= room:
            payload.append(rest[:room])
            rest = rest[room:]
            room = 0
            close()
        payload.append(rest)
        room -= len(rest)
    close()
    return b"".join(packets)


def packet_count(length: int) -> int:
    """Return how many packets carry a payload of this many bytes."""
    return length // MAX_PAYLOAD + 1


def reply_id(data: bytes) -> int:
    """Return the sequence id that the reply to the last of some framed commands begins with."""
    if len(data) < MAX_PAYLOAD:
        return 1  # each is one packet
    last = at = 0
    while at < len(data):
        last, at = at, at + HEADER + int.from_bytes(data[at : at + 3], "little")
    return data[last + 3] + 1


class PacketBuffer:
    """Gathers bytes into whole packets, for the login and other small conversations.

    Args:
        limit: the largest payload in bytes that is accepted; more than one such packet may not wait to be taken.

    Attributes:
        waiting: the bytes that no packet has claimed yet.
    """

    __slots__ = ("_limit", "waiting")

    def __init__(self, limit: int) -> None:
        self.waiting = bytearray()
        self._limit = limit

    def feed(self, data: bytes) -> None:
        """Add bytes as they came.

        Raises:
            ProtocolError: those that wait are more than a packet already.
        """
        if len(self.waiting) > HEADER + self._limit:
            raise ProtocolError(f"more than {self._limit} bytes came before their time")
        self.waiting += data

    @property
    def sequence(self) -> int | None:
        """The sequence id of the next packet; None while its header is not whole."""
        return self.waiting[3] if len(self.waiting) >= HEADER else None

    def next(self) -> tuple[int, bytes] | None:
        """Take the next whole packet: its sequence id and payload; None while it is not whole.

        Raises:
            ProtocolError: the payload announced is larger than the limit.
        """
        data = self.waiting
        if len(data) < HEADER:
            return None
        (header,) = _header.unpack_from(data)
        length = header & _LENGTH
        if length > self._limit:
            raise ProtocolError(f"a packet of {length} bytes is over the limit of {self._limit}")
        end = HEADER + length
        if len(data) < end:
            return None
        payload = bytes(data[HEADER:end])
        del data[:end]
        return header >> 24, payload

    def take_rest(self) -> bytes:
        """Take all bytes that no packet has claimed."""
        rest = bytes(self.waiting)
        self.waiting.clear()
        return rest
