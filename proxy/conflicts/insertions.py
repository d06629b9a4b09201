"""The inserts that were sent a short while ago: what a cause is found in.

Every INSERT passes here on its way to the backend, so `sent` is all that it costs: a hash, two look-ups and two stores,
0.8 us. It is called when the statement is sent and not when it has succeeded, for of two sessions that race the loser
may hear of it first. Memory is bounded by numbers and sizes, whatever clients send.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from proxy.conflicts.attempt import Attempt, Trace

FINGERPRINTS: Final = 32_768
"""How many inserts a generation remembers by their hash; two generations live, at some 200 bytes an insert."""
RECENT: Final = 1_024
"""How many inserts are remembered as they are."""
LONGEST_RECENT: Final = 1_024
"""Bytes of text, and of parameters, that such an insert has at most."""
LONGEST: Final = 65_536
"""Bytes of text and parameters that are hashed at most; 64 KiB take 20 us."""


class Sent(NamedTuple):
    """When an insert was sent, and by which session; `previous` is the one of the same bytes before it."""

    at: float
    trace: Trace
    previous: "Sent | None"


class Recent(NamedTuple):
    """An insert that was sent a short while ago."""

    at: float
    trace: Trace
    text: bytes
    parameters: bytes


class Insertions:
    """Remembers the inserts of all sessions."""

    __slots__ = ("_new", "_old", "_recent")

    def __init__(self) -> None:
        self._new: dict[int, Sent | tuple[float, Trace, Sent | None]] = {}
        self._old: dict[int, Sent | tuple[float, Trace, Sent | None]] = {}
        self._recent: deque[tuple[float, Trace, bytes, bytes]] = deque(maxlen=RECENT)

    def sent(self, trace: Trace, text: bytes, at: float, parameters: bytes = b"") -> None:
        """Take note of an INSERT that goes to the backend now.

        Args:
            trace: the session's.
            text: the whole text; a text that is not all at hand is not told.
            at: now, in seconds of the monotonic clock.
            parameters: of a prepared statement's execution what `parameters` gives.
        """
        if len(text) + len(parameters) > LONGEST:
            return
        # most statements need no call: no comment around them, no parameters
        plain = not parameters and text[:1] != b"/" and text[-1:] != b"/"
        key = hash(text) if plain else fingerprint(text, parameters)
        new = self._new
        if key in new or key in self._old:
            before = new.get(key) or self._old[key]
            new[key] = (at, trace, Sent(before[0], before[1], None))
        else:
            new[key] = (at, trace, None)  # a plain tuple: making a named one takes three times as long
            if len(new) >= FINGERPRINTS:
                self._old, self._new = new, {}
        if len(text) <= LONGEST_RECENT and len(parameters) <= LONGEST_RECENT:
            self._recent.append((at, trace, text, parameters))

    def failed(self, trace: Trace, text: bytes, at: float, parameters: bytes = b"") -> None:
        """Forget an INSERT that was sent at that time: the server has answered with an error."""
        key = fingerprint(text, parameters) if len(text) + len(parameters) <= LONGEST else 0
        for generation in (self._new, self._old):
            found = generation.get(key)
            if found is not None and found[0] == at and found[1] is trace:
                if found[2] is None:
                    del generation[key]
                else:
                    generation[key] = found[2]
        for position, recent in enumerate(reversed(self._recent), 1):
            if recent[0] < at:
                break
            if recent[0] == at and recent[1] is trace:
                del self._recent[-position]
                break

    def same(self, attempt: Attempt) -> Sent | None:
        """Give the last INSERT of the same bytes but for the attempt itself."""
        if not attempt.whole or len(attempt.text) + len(attempt.parameters) > LONGEST:
            return None
        key = fingerprint(attempt.text, attempt.parameters)
        found = self._new.get(key) or self._old.get(key)
        if found is None:
            return None
        if found[0] == attempt.started and found[1] is attempt.trace:
            return found[2]
        return Sent(*found)

    def recent(self) -> Iterator[Recent]:
        """Give the inserts that are remembered as they are, the newest first."""
        return map(Recent._make, reversed(self._recent))


def fingerprint(text: bytes, parameters: bytes) -> int:
    """Hash a statement but for a comment around it: tracing libraries write a new one for every execution."""
    if text.endswith(b"*/"):
        text = text[: text.rfind(b"/*")].rstrip()
    if text.startswith(b"/*"):
        text = text[text.find(b"*/") + 2 :].lstrip()
    return hash((text, parameters)) if parameters else hash(text)


def parameters(payload: bytes, count: int) -> bytes:
    """Cut the values out of a COM_STMT_EXECUTE: null bitmap and values, without the types, which are not always sent.

    Args:
        payload: the command from its first byte: 0x17, statement id (4), flags (1), iterations (4), null bitmap,
            new-params-bound (1), types (2 each) if that is 1, values (MySQL Internals, "COM_STMT_EXECUTE").
        count: how many parameters the statement has.

    Returns:
        b"" where there are none, or where they are written in another way (flag 0x08, query attributes).
    """
    if not count or len(payload) < 10 or payload[5] & 0x08:
        return b""
    bound_at = 10 + (count + 7) // 8
    values_at = bound_at + 1 + (2 * count if payload[bound_at : bound_at + 1] == b"\x01" else 0)
    return payload[10:bound_at] + payload[values_at:]
