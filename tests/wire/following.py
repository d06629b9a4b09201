"""Feeds a reply to a tracker as a session does."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from proxy.wire.framing import HEADER
from proxy.wire.replies import Event, ReplyTracker


@dataclass
class Followed:
    """What came of a reply: the packets that mattered with what they said, and the bytes behind its end."""

    looked_at: list[tuple[Event, bytes]] = field(default_factory=list)
    rest: bytes = b""
    ended: bool = False
    status: int = 0


def follow(tracker: ReplyTracker, command: int, pieces: Iterable[bytes]) -> Followed:
    """Give a tracker the reply to a command in pieces; what is behind the end is left as ``rest``."""
    tracker.begin(command)
    followed = Followed(ended=tracker.ended)
    rest = b""
    for piece in pieces:
        rest += piece
        if not followed.ended:
            rest = _feed(tracker, rest, followed)
    followed.rest = rest
    followed.status = tracker.status
    return followed


def splits(data: bytes) -> Iterable[Sequence[bytes]]:
    """Cut data in every way that a test asks for: not at all, at each point, and at every one."""
    yield (data,)
    for point in range(1, len(data)):
        yield data[:point], data[point:]
    yield [data[at : at + 1] for at in range(len(data))]


def _feed(tracker: ReplyTracker, data: bytes, followed: Followed) -> bytes:
    """Follow the reply through one stretch; return what must come again with the next, or is behind the end."""
    position = 0
    while True:
        position = tracker.pass_over(data, position)
        if tracker.ended:
            followed.ended = True
            return data[position:]
        if position >= len(data):
            return b""
        end = tracker.measure(data, position)
        if not end:
            return data[position:]
        payload = data[position + HEADER : end]
        followed.looked_at.append((tracker.packet(payload), payload))
        position = end
