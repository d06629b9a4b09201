"""Packets of a reply, and what two equal sessions may differ in."""

import re
from dataclasses import dataclass

Packet = tuple[int, bytes]
"""A packet's sequence id and payload."""

_STATISTICS = re.compile(rb"[\d.]+")


def split(data: bytes) -> list[Packet]:
    """Split bytes into packets; the last one may be cut, its sequence id is -1 then."""
    packets, at = [], 0
    while at + 4 <= len(data):
        end = at + 4 + int.from_bytes(data[at : at + 3], "little")
        packets.append((data[at + 3] if end <= len(data) else -1, data[at + 4 : end]))
        at = end
    if at < len(data):
        packets.append((-1, data[at:]))
    return packets


@dataclass(frozen=True, slots=True)
class Mask:
    """What to put out of sight in the packets of one session: its thread id, where a row tells it, and its schema."""

    thread_id: int
    schema: bytes
    shown_as: bytes

    def shared(self, data: bytes) -> bytes:
        """Return bytes with the name of the schema that both sessions are said to work in."""
        return data.replace(self.schema, self.shown_as)

    def packet(self, packet: Packet) -> Packet:
        """Return a packet with no trace of what two equal sessions may differ in."""
        sequence, payload = packet
        if payload.startswith(b"Uptime: "):
            return sequence, _STATISTICS.sub(b"N", payload)
        number = str(self.thread_id).encode()
        if payload == bytes((len(number),)) + number:
            return sequence, b"<thread id>"
        return sequence, self.shared(payload)


def masked_login(packet: Packet) -> Packet:
    """Put out of sight, in a packet of a login, salts and, in a greeting, the thread id and the capabilities."""
    sequence, payload = packet
    if payload[:1] == b"\x0a":
        at = payload.index(0) + 1
        shown = payload[:at] + payload[at + 15 : at + 18] + payload[at + 20 : at + 21] + payload[at + 43 :]
        return sequence, shown
    if payload[:1] == b"\xfe":
        return sequence, payload[: payload.index(0)] + b"<salt of %d>" % len(payload)
    return packet
