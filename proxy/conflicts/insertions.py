"""The inserts that were sent a short while ago: what a cause is found in.

Every INSERT passes here on its way to the backend, so `sent` is all that it costs: a hash, two look-ups, three stores.
It is called when the statement is sent and not when it has succeeded, for of two sessions that race the loser may hear
of it first. Memory is bounded by numbers and sizes, whatever clients send. What can be compiled is: see
`insertions.pxd`.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from proxy.conflicts.attempt import Attempt
from proxy.conflicts.mentions import Needle
from proxy.conflicts.neighbours import Neighbours

FINGERPRINTS: Final = 32_768
"""How many inserts a generation remembers by their hash; two generations live, at some 150 bytes an insert."""
RECENT: Final = 1_024
"""How many inserts are remembered as they are."""
NEWEST: Final = 32
"""How many of these, of either kind, are searched through in any letter case after a conflict."""
LONGEST_RECENT: Final = 1_024
"""Bytes of text, or of parameters, that such an insert has at most."""
LONGEST: Final = 65_536
"""Bytes of text, and of parameters, that are hashed at most; 64 KiB take 20 us."""
_MOST: Final = FINGERPRINTS
_LONGEST_SHORT: Final = LONGEST_RECENT
_SLASH: Final = 0x2F

_Remembered = TypeVar("_Remembered")


class Sent(NamedTuple):
    """When an insert was sent, to the millisecond, and by which session."""

    at: float
    session: int


class Recent(NamedTuple):
    """An insert that was sent a short while ago; schema: the default one then, None if that is not known."""

    sent: Sent
    text: bytes
    parameters: bytes
    schema: str | None


class Insertions:
    """Remembers the inserts of all sessions.

    The same bytes are another INSERT where the default schema is another: with a schema for each tenant, all of them
    send the same.

    neighbours: the other workers, where there are any: what they have sent is found here, too.

    What is kept is numbers and bytes, which the garbage collector does not look at: with a tuple for every insert its
    passes would cost more than all else here. A number is milliseconds << 32 | session.
    """

    __slots__ = (
        "_alive",
        "_executed",
        "_executed_at",
        "_executed_in",
        "_last_session",
        "_latest",
        "_neighbours",
        "_new",
        "_old",
        "_previous",
        "_texts",
        "_texts_at",
        "_texts_in",
    )

    def __init__(self, neighbours: Neighbours | None = None) -> None:
        self._neighbours = neighbours
        self._new: dict[int, int] = {}
        self._old: dict[int, int] = {}
        self._previous: dict[int, int] = {}
        self._texts: deque[bytes] = deque(maxlen=RECENT)
        self._texts_at: deque[int] = deque(maxlen=RECENT)
        self._texts_in: deque[str | None] = deque(maxlen=RECENT)
        self._executed: deque[tuple[bytes, bytes]] = deque(maxlen=RECENT)  # with parameters
        self._executed_at: deque[int] = deque(maxlen=RECENT)
        self._executed_in: deque[str | None] = deque(maxlen=RECENT)
        self._latest = 0  # the highest number: they rise in the two above, where an INSERT is told of late it counts
        self._alive: set[int] = set()
        self._last_session = 0

    def opened(self) -> int:
        """Give a session that begins its number."""
        self._last_session += 1
        session = self._last_session
        if self._neighbours is not None:
            session = self._neighbours.number(session)
            self._neighbours.opened(session)
        self._alive.add(session)
        return session

    def ended(self, session: int) -> None:
        """Take note of a session's end: what comes again from now on is a retry."""
        self._alive.discard(session)
        if self._neighbours is not None:
            self._neighbours.ended(session)

    def is_alive(self, session: int) -> bool:
        """Tell whether a session has not ended."""
        return session in self._alive or (self._neighbours is not None and self._neighbours.is_open(session))

    def sent(self, session: int, text: bytes, at: float, parameters: bytes = b"", schema: str | None = None) -> None:
        """Take note of an INSERT that goes to the backend now.

        Args:
            session: the session's number.
            text: the whole text; a text that is not all at hand is not told.
            at: now, in seconds of the monotonic clock.
            parameters: of a prepared statement's execution what `proxy.wire.execute.cut` gives.
            schema: the default schema; None if it is not known.
        """
        # Most statements are short, have no comment around them and no parameters.
        size = len(text)
        if parameters or not 1 < size <= _LONGEST_SHORT or text[size - 1] == _SLASH or text[0] == _SLASH:
            self._sent_unusual(session, text, at, parameters, schema)
            return
        key = hash(text) ^ hash(schema or "")
        new = self._new
        if key in new or key in self._old:
            self._previous[key] = new.get(key) or self._old[key]
        new[key] = number = _packed(session, at)
        if self._neighbours is not None:
            self._neighbours.sent(key, number >> 32, session)
        self._latest = max(self._latest, number)
        self._texts.append(text)
        self._texts_at.append(self._latest)
        self._texts_in.append(schema)
        if len(new) >= _MOST:
            self._begin_generation()

    def _sent_unusual(self, session: int, text: bytes, at: float, parameters: bytes, schema: str | None) -> None:
        if parameters:
            self.executed(session, bare(text), at, parameters, schema)
            return
        if len(text) > LONGEST:
            return
        key = fingerprint(text, b"", schema)
        before = self._new.get(key) or self._old.get(key)
        if before is not None:
            self._previous[key] = before
        self._new[key] = number = _packed(session, at)
        if self._neighbours is not None:
            self._neighbours.sent(key, number >> 32, session)
        if len(text) <= _LONGEST_SHORT:
            self._latest = max(self._latest, number)
            self._texts.append(text)
            self._texts_at.append(self._latest)
            self._texts_in.append(schema)
        if len(self._new) >= _MOST:
            self._begin_generation()

    def executed(self, session: int, text: bytes, at: float, parameters: bytes, schema: str | None) -> None:
        """Take note of an execution of a prepared INSERT as `sent` does; text: what `bare` gives for it."""
        size = len(parameters)
        if size > LONGEST:
            return
        key = hash((text, parameters)) ^ hash(schema or "")
        new = self._new
        if key in new or key in self._old:
            self._previous[key] = new.get(key) or self._old[key]
        new[key] = number = _packed(session, at)
        if self._neighbours is not None:
            self._neighbours.sent(key, number >> 32, session)
        if size <= _LONGEST_SHORT:
            self._latest = max(self._latest, number)
            self._executed.append((text, parameters))
            self._executed_at.append(self._latest)
            self._executed_in.append(schema)
        if len(new) >= _MOST:
            self._begin_generation()

    def _begin_generation(self) -> None:
        self._old, self._new = self._new, {}
        self._previous = {}

    def failed(self, attempt: Attempt) -> Sent | None:
        """Forget an INSERT that was answered with an error; give the last one of the same bytes before it."""
        key = _key(attempt)
        if key is None:
            return None
        own = _packed(attempt.session, attempt.started)
        for generation in (self._new, self._old):
            if generation.get(key) == own:
                self._take_back(generation, key)
        self._make_room(attempt)
        return self._last(key)

    def _take_back(self, generation: dict[int, int], key: int) -> None:
        previous = self._previous.pop(key, None)
        if previous is None:
            del generation[key]
        else:
            generation[key] = previous
        if self._neighbours is not None:
            if previous is None:
                self._neighbours.failed(key)
            else:
                self._neighbours.sent(key, previous >> 32, previous & 0xFFFFFFFF)

    def _make_room(self, attempt: Attempt) -> None:
        """See to it that where most inserts fail, what is remembered is not those."""
        if attempt.parameters:
            sent = bare(attempt.text), attempt.parameters
            _drop(self._executed, self._executed_at, self._executed_in, sent, attempt.schema)
        else:
            _drop(self._texts, self._texts_at, self._texts_in, attempt.text, attempt.schema)

    def came_in(self, attempt: Attempt) -> None:
        """Remember an INSERT again that had failed: a second statement has done what it was to do."""
        if attempt.whole:
            self.sent(attempt.session, attempt.text, attempt.started, attempt.parameters, attempt.schema)

    def recent(self, needle: Needle, since: float) -> Iterator[Recent]:
        """Give the inserts that are remembered as they are, have not failed and may mention an entry, the newest first.

        Args:
            needle: of the newest ones those are given that may mention it in any letter case, of the older ones those
                that hold all of its parts as they are.
            since: in seconds of the monotonic clock; of what was sent before nearly all is left out.
        """
        first = _packed(0, since)
        texts, schemas = _put_down_since(first, self._texts_at, self._texts, self._texts_in)
        for index in _texts_with(needle, texts):
            text, schema = texts[index], schemas[index]
            sent = self._last(fingerprint(text, b"", schema))
            if sent is not None:
                yield Recent(sent, text, b"", schema)
        executed, schemas = _put_down_since(first, self._executed_at, self._executed, self._executed_in)
        for index in _executed_with(needle, executed):
            (text, parameters), schema = executed[index], schemas[index]
            sent = self._last(fingerprint(text, parameters, schema))
            if sent is not None:
                yield Recent(sent, text, parameters, schema)

    def _last(self, key: int) -> Sent | None:
        number = self._new.get(key) or self._old.get(key)
        found = None if number is None else _unpacked(number)
        other = None if self._neighbours is None else self._neighbours.last(key)
        if other is not None and (found is None or other[0] > found.at * 1000):
            found = Sent(other[0] / 1000, other[1])
        return found


# Most entries are in none of them: so they are searched through all at once, and one by one only if that finds any.
# Both give the places of what they find, the newest first.


def _texts_with(needle: Needle, texts: list[bytes]) -> Iterator[int]:
    yield from needle.among(texts[:NEWEST])
    part, *others = needle.parts
    if part in b" ".join(texts[NEWEST:]):
        places = [index for index in range(NEWEST, len(texts)) if part in texts[index]]
        found = needle.among([texts[index] for index in places])
        yield from [index for index in map(places.__getitem__, found) if _holds(texts[index], others)]


def _executed_with(needle: Needle, executed: list[tuple[bytes, bytes]]) -> Iterator[int]:
    newest, older = executed[:NEWEST], executed[NEWEST:]
    if newest:
        texts, parameters = zip(*newest, strict=True)
        if needle.is_in_parameters(parameters) or needle.is_in(set(texts)):
            yield from [
                index
                for index, each in enumerate(newest)
                if needle.is_in_parameters(each[1:]) or needle.is_in(each[:1])
            ]
    if older:
        texts, parameters = zip(*older, strict=True)
        parts, part = needle.parts, needle.parts[0]
        if part in b" ".join((*set(texts), *parameters)):
            found = [index for index, each in enumerate(older, NEWEST) if part in each[1] or part in each[0]]
            yield from [
                index for index in found if _holds(executed[index][1], parts) or _holds(executed[index][0], parts)
            ]


def _put_down_since(
    first: int, at: deque[int], remembered: deque[_Remembered], schemas: deque[str | None]
) -> tuple[list[_Remembered], list[str | None]]:
    """Give what was put down since then, the newest first, and in which schemas; at: when that was with each."""
    count = len(at) - bisect_left(at, first)
    return list(islice(reversed(remembered), count)), list(islice(reversed(schemas), count))


def _holds(data: bytes, parts: Sequence[bytes]) -> bool:
    for part in parts:  # noqa: SIM110  # all() takes five times as long for one part
        if part not in data:
            return False
    return True


def _drop(
    remembered: deque[_Remembered],
    at: deque[int],
    schemas: deque[str | None],
    failed: _Remembered,
    schema: str | None,
) -> None:
    """Drop what has failed, if it is one of the newest: so many sessions may have sent theirs meanwhile."""
    last = len(remembered) - 1
    for index in range(last, max(last - NEWEST, -1), -1):
        if remembered[index] == failed and schemas[index] == schema:
            del remembered[index]
            del at[index]
            del schemas[index]
            return


def _packed(session: int, at: float) -> int:
    return int(at * 1000) << 32 | session


def _unpacked(number: int) -> Sent:
    return Sent((number >> 32) / 1000, number & 0xFFFFFFFF)


def bare(text: bytes) -> bytes:
    """Give a statement without a comment around it: tracing libraries write a new one for every execution."""
    if text.endswith(b"*/"):
        text = text[: text.rfind(b"/*")].rstrip()
    if text.startswith(b"/*"):
        text = text[text.find(b"*/") + 2 :].lstrip()
    return text


def _key(attempt: Attempt) -> int | None:
    """Give the hash under which an INSERT was remembered; None if it was not."""
    text, parameters = attempt.text, attempt.parameters
    if not attempt.whole or len(text) > LONGEST or len(parameters) > LONGEST:
        return None
    return fingerprint(text, parameters, attempt.schema)


def fingerprint(text: bytes, parameters: bytes, schema: str | None) -> int:
    """Hash a statement but for a comment around it, with its default schema."""
    return (hash((bare(text), parameters)) if parameters else hash(bare(text))) ^ hash(schema or "")
