"""What the workers of a team know of one another's inserts: memory that all of them have, where each writes a part.

A client that sends an INSERT again on a new connection may come to another worker. Kept is no statement: a hash, when
it was sent, and by which session. What is written over is known no more, and what is read while it is written is not
taken. What can be compiled is: see `neighbours.pxd`.

A part, of the worker whose index it has, is numbers of 8 bytes:

    3 x 65,536  the hash, milliseconds of the monotonic clock and the session's number, at the place that the hash's
                last bits tell; where the moment is zero there is nothing
    32,768      in the lower half of each, a bit for each session, by its number among the worker's own: it is open
"""

from typing import Final

import cython

if not cython.compiled:

    def get(numbers: memoryview, place: int) -> int:
        """Load a number."""
        return numbers[place]

    def put(numbers: memoryview, place: int, value: int) -> None:
        """Store a number."""
        numbers[place] = value


_SLOTS: Final = 1 << 16
_WORD: Final = 32  # bits of a number that are used: it has a sign
_WORDS: Final = 1 << 15
_NUMBERS: Final = 3 * _SLOTS + _WORDS
PART: Final = 8 * _NUMBERS
"""Bytes of a worker's part."""


class Neighbours:
    """The part of one worker, and a view of the others'.

    Args:
        memory: of `workers` parts, which may be written to.
        index: which of them is the worker's own.
        workers: how many there are.
    """

    __slots__ = ("_index", "_numbers", "_own", "_workers")

    def __init__(self, memory: memoryview, index: int, workers: int) -> None:
        self._numbers: memoryview = memory.cast("q")
        self._index = index
        self._workers = workers
        self._own = index * _NUMBERS
        for place in range(self._own + 3 * _SLOTS, self._own + _NUMBERS):  # of the one that was here before
            put(self._numbers, place, 0)

    def number(self, count: int) -> int:
        """Give a session a number that none of another worker's has; count: how many there were before it."""
        return count * self._workers + self._index

    # ----------------------------------------------------------------------------------------------------------------
    # Inserts

    def sent(self, key: int, at: int, session: int) -> None:
        """Write down an INSERT of the worker's own; key: its hash, the same in all processes. at: milliseconds."""
        place = self._own + 3 * (key & (_SLOTS - 1))
        numbers = self._numbers
        put(numbers, place + 1, 0)  # nobody is to take half of it
        put(numbers, place, key)
        put(numbers, place + 2, session)
        put(numbers, place + 1, at)

    def failed(self, key: int) -> None:
        """Forget an INSERT of the worker's own."""
        place = self._own + 3 * (key & (_SLOTS - 1))
        if get(self._numbers, place) == key:
            put(self._numbers, place + 1, 0)

    def last(self, key: int) -> tuple[int, int] | None:
        """Give when an INSERT with this hash was sent last through another worker, and by which session."""
        numbers = self._numbers
        newest = session = 0
        for worker in range(self._workers):
            if worker == self._index:
                continue
            place = worker * _NUMBERS + 3 * (key & (_SLOTS - 1))
            at = get(numbers, place + 1)
            if at > newest and get(numbers, place) == key:
                by = get(numbers, place + 2)
                if get(numbers, place + 1) == at:  # else it was written meanwhile
                    newest, session = at, by
        return (newest, session) if newest else None

    # ----------------------------------------------------------------------------------------------------------------
    # Sessions

    def opened(self, session: int) -> None:
        """Take note that a session of the worker's own has begun."""
        word = self._word(session)
        put(self._numbers, word, get(self._numbers, word) | self._bit(session))

    def ended(self, session: int) -> None:
        """Take note that it has ended."""
        word = self._word(session)
        put(self._numbers, word, get(self._numbers, word) & ~self._bit(session))

    def is_open(self, session: int) -> bool:
        """Tell whether a session of any worker's is open."""
        return bool(get(self._numbers, self._word(session)) & self._bit(session))

    def _word(self, session: int) -> int:
        return session % self._workers * _NUMBERS + 3 * _SLOTS + session // self._workers // _WORD % _WORDS

    def _bit(self, session: int) -> int:
        return 1 << session // self._workers % _WORD
