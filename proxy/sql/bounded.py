"""Reading a large text in short stretches.

Each regular expression sees a window of the text only, so that no single match takes longer than 1 ms. A literal or a
comment that is longer than the window is read by itself. Functions here are generators: they yield where a step ends.
"""

import re
from collections.abc import Callable, Generator
from typing import Final, TypeVar

from proxy.sql.cursor import Cursor
from proxy.sql.patterns import WHOLE_GAP, compiled
from proxy.sql.reason import Reason, UnprovenError

T = TypeVar("T")
Steps = Generator[None, None, T]

WINDOW: Final = 8 << 10
"""Bytes that one match may read: what is hardest to read takes 1 ms, as `- - - -`."""
_TURN: Final = 64
"""What one turn of a loop costs beside the bytes that it reads, in bytes."""
_UNTIMED: Final = 4 << 10
"""Bytes that are read between two looks at the clock."""
# A byte that would mean something else with the next one behind it: half of `--`, `/*`, or a doubled quote in a name.
_HALF: Final = compiled(rb"[-/`\"]++")
_LONGEST_RUN: Final = 4 << 10
_WHOLE_GAP: Final = compiled(WHOLE_GAP)
_LINE_COMMENT: Final = compiled(rb"\#|--(?=[\x01-\x20\x7f]|\Z)")
_COMMENT: Final = compiled(rb"/\*(?![!+]|M!)")
_NUL: Final = b"\x00"


class Meter:
    """How much of a step is left.

    Args:
        clock: gives seconds.
    """

    __slots__ = ("_clock", "_deadline", "_left", "_untimed")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._deadline = 0.0
        self._left = 0
        self._untimed = 0

    def begin(self, size: int, seconds: float) -> None:
        """Begin a step that reads so many bytes and takes so long."""
        self._left = size
        self._untimed = 0
        self._deadline = self._clock() + seconds

    def spend(self, size: int) -> bool:
        """Take so many bytes and one turn off; tell whether the step is over."""
        self._left -= size
        self._untimed += size + _TURN
        if self._untimed >= _UNTIMED:
            self._untimed = 0
            return self._left <= 0 or self._clock() >= self._deadline
        return self._left <= 0


def window(cursor: Cursor) -> int:
    """Give where a window that begins at the cursor ends: not behind half of a mark.

    Raises:
        UnprovenError: there are only halves.
    """
    text = cursor.text
    end = min(cursor.at + WINDOW, len(text))
    if end < len(text) and (run := _HALF.match(text, end - 1, end + _LONGEST_RUN)):
        end = run.end() + 1
        if end > cursor.at + WINDOW + _LONGEST_RUN:
            raise UnprovenError(Reason.TOO_LARGE)
    return min(end, len(text))


def take(cursor: Cursor, meter: Meter, pattern: re.Pattern[bytes]) -> Steps[bool]:
    """Move behind as many matches of whole pieces as there are in a window; tell whether there were any."""
    found = pattern.match(cursor.text, cursor.at, window(cursor))
    start = cursor.at
    if found is not None:
        cursor.at = found.end()
    if meter.spend(cursor.at - start):
        yield
    return cursor.at > start


def take_gap(cursor: Cursor, meter: Meter) -> Steps[None]:
    """Move behind whitespace and comments.

    Raises:
        UnprovenError: a comment does not end.
    """
    while (yield from take(cursor, meter, _WHOLE_GAP)) or (yield from _take_comment(cursor, meter)):
        pass


def _take_comment(cursor: Cursor, meter: Meter) -> Steps[bool]:
    if not _begins_comment(cursor):
        return False
    yield from take_long(cursor, meter)
    return True


def take_mark(cursor: Cursor, meter: Meter) -> Steps[bytes]:
    """Move behind the next `(`, `)`, `,` or `?`, as `Patterns.step` does, and give it.

    Raises:
        UnprovenError: something before it is not understood, or there is none.
    """
    while True:
        start = cursor.at
        found = cursor.patterns.step.match(cursor.text, start, start + WINDOW)
        if found is not None:
            cursor.at = found.end()
            if meter.spend(cursor.at - start):
                yield
            mark: bytes = found[1]
            cursor.placeholders += mark == b"?"
            return mark
        if not (yield from take(cursor, meter, cursor.patterns.whole)):
            yield from take_long(cursor, meter)


def begins_long(cursor: Cursor) -> bool:
    """Tell whether a string or a comment begins here."""
    return _begins_string(cursor) or _begins_comment(cursor)


def _begins_string(cursor: Cursor) -> bool:
    first = cursor.text[cursor.at : cursor.at + 1]
    return first == b"'" or (first == b'"' and cursor.lexing.ansi_quotes is False)


def _begins_comment(cursor: Cursor) -> bool:
    found = _COMMENT.match(cursor.text, cursor.at) or _LINE_COMMENT.match(cursor.text, cursor.at)
    return found is not None


def take_long(cursor: Cursor, meter: Meter) -> Steps[None]:
    """Move behind a string or a comment of any length that begins here.

    Raises:
        UnprovenError: there is none, or it does not end.
    """
    text, at = cursor.text, cursor.at
    if _begins_string(cursor):
        yield from _take_string(cursor, meter, text[at : at + 1])
    elif _COMMENT.match(text, at):
        cursor.at += 2
        yield from _take_to(cursor, meter, b"*/")
    elif _LINE_COMMENT.match(text, at):
        yield from _take_to(cursor, meter, b"\n")
    elif text.startswith(b"/*+", at):
        raise UnprovenError(Reason.HINT)
    else:
        # A name is never as long as that (error 1059).
        raise cursor.fault_here(Reason.UNTERMINATED)


_IN_STRING: Final = {
    (mark, escapes): re.compile(
        (rb"[^M\\]*+(?:(?:\\.|MM)[^M\\]*+)*+" if escapes else rb"[^M]*+(?:MM[^M]*+)*+").replace(b"M", mark), re.DOTALL
    )
    for mark in (b"'", b'"')
    for escapes in (True, False)
}


def _take_string(cursor: Cursor, meter: Meter, mark: bytes) -> Steps[None]:
    text = cursor.text
    inside = _IN_STRING[mark, not cursor.lexing.no_backslash_escapes]
    cursor.at += 1
    while cursor.at < len(text):
        start = cursor.at
        found = inside.match(text, start, start + WINDOW)
        cursor.at = start if found is None else found.end()
        if meter.spend(cursor.at - start):
            yield
        here = text[cursor.at : cursor.at + 1]
        if here == mark:
            if text[cursor.at + 1 : cursor.at + 2] != mark:
                cursor.at += 1
                return
            cursor.at += 2
        elif here == b"\\" and not cursor.lexing.no_backslash_escapes:
            cursor.at += 2
    raise UnprovenError(Reason.UNTERMINATED)


def _take_to(cursor: Cursor, meter: Meter, end: bytes) -> Steps[None]:
    """Move behind the end of a comment; a line comment may also end with the text."""
    text = cursor.text
    while cursor.at < len(text):
        limit = cursor.at + WINDOW
        at = text.find(end, cursor.at, limit)
        stop = limit if at < 0 else at
        if text.find(_NUL, cursor.at, stop) >= 0:
            break
        if meter.spend(stop - cursor.at):
            yield
        if at >= 0:
            cursor.at = at + len(end)
            return
        cursor.at = limit - len(end) + 1
    if end != b"\n" or cursor.at < len(text):
        raise UnprovenError(Reason.UNTERMINATED if end != b"\n" else Reason.MALFORMED)
    cursor.at = len(text)
