"""The recognition of a large statement, step by step.

An event loop must not wait for 16 MiB to be read. A step reads as much as it may and remembers where it is; the result
is the same however the text is cut into steps.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from proxy.sql.bounded import WINDOW, Meter, Steps, begins_long, take, take_gap, take_long, take_mark
from proxy.sql.cursor import Cursor
from proxy.sql.form import Form
from proxy.sql.lexing import Lexing
from proxy.sql.patterns import NAME_BYTE, compiled
from proxy.sql.prefix import Prefix, read_prefix
from proxy.sql.reason import Reason, UnprovenError
from proxy.sql.rows import read_next_rows
from proxy.sql.session_state import OVERLAP, SessionState, session_state
from proxy.sql.statement import Body, Insert, Skip, check_characters, insert_of, read_body, read_insert, values_body
from proxy.sql.tail import Tail, read_tail

SMALL: Final = 32 << 10
"""Bytes of a text that is read at once: that takes about 1 ms."""
_PREFIX: Final = 32 << 10
"""Bytes in which all that stands before the values must be."""
_SHORT: Final = 64 << 10
"""Bytes of a query, or of what follows SET, that are read at once."""
_STEP: Final = 0.002
"""Seconds that a step may take; it may be late by one match of at most 1 ms."""
_NEAR: Final = 64
"""Bytes before the end of a cut text in which what was read might read otherwise in the whole one."""
_LONG: Final = 256
"""Bytes of a string or comment from which on it is left out before a query or an assignment is read."""


_MOST_VALUES: Final = 4096
"""Columns of a table (MySQL manual, "Limits on Table Column Count"); a row with more is an error."""
_DEEPEST: Final = 4096
"""Parentheses in each other that are followed; long before that many the server's stack is at its end (error 1436)."""


class Recognition:
    """Reads one statement in steps; for a small text a single one is enough.

    Args:
        text: one COM_QUERY or COM_STMT_PREPARE text.
        lexing: how the session's server splits it into tokens.
        clock: gives seconds, to end a step in time.
    """

    __slots__ = ("_meter", "_steps", "_text")

    def __init__(self, text: bytes, lexing: Lexing, clock: Callable[[], float] = time.perf_counter) -> None:
        self._text = text
        self._meter = Meter(clock)
        self._steps = _recognise(text, lexing, self._meter)

    def step(self, budget: int) -> Insert | Skip | None:
        """Read on.

        Args:
            budget: how many bytes to read, unless 2 ms are over before.

        Returns:
            What `recognise` gives for the text, or None if it is not read to its end yet.
        """
        return self._step(budget, _STEP)

    def _step(self, budget: int, seconds: float) -> Insert | Skip | None:
        self._meter.begin(budget, seconds)
        try:
            next(self._steps)
        except StopIteration as stop:
            found: Insert = stop.value
            return found
        except UnprovenError as unproven:
            return Skip(unproven.reason)
        return None

    def finish(self) -> Insert | Skip:
        """Read all the rest at once."""
        found = None
        while found is None:
            found = self._step(len(self._text), math.inf)
        return found


def _recognise(text: bytes, lexing: Lexing, meter: Meter) -> Steps[Insert]:
    if lexing.no_backslash_escapes is None and b"\\" in text:
        raise UnprovenError(Reason.BACKSLASH)
    cursor = Cursor(text, lexing)
    if len(text) <= SMALL:
        return read_insert(cursor)
    prefix = _prefix(text, lexing)
    if not lexing.charset_safe:
        yield from _check_characters(text, lexing, meter)
    cursor.at = prefix.end
    if prefix.form is Form.VALUES:
        rows, values = yield from _rows(cursor, meter)
        body = values_body(prefix, cursor.at, rows, values)
        rest = yield from _shortened(cursor, meter)
        behind = Cursor(rest.text, lexing)
        tail = read_tail(behind)
        cursor.placeholders += behind.placeholders
    else:
        rest = yield from _shortened(cursor, meter)
        body, tail = _short_body(cursor, prefix, rest)
    state = yield from _session_state(text, prefix.end, body.end, meter)
    return insert_of(text, cursor, prefix, body, state, tail)


def _prefix(text: bytes, lexing: Lexing) -> Prefix:
    """Read what stands before the values, which must not be long."""
    cursor = Cursor(text[:_PREFIX], lexing)
    prefix = read_prefix(cursor)
    if (cursor.at > _PREFIX - _NEAR and len(text) > _PREFIX) or prefix.form is Form.LOAD_DATA:
        raise UnprovenError(Reason.TOO_LARGE)
    return prefix


def _check_characters(text: bytes, lexing: Lexing, meter: Meter) -> Steps[None]:
    for start in range(0, len(text), WINDOW):
        check_characters(lexing, text[start : start + WINDOW + 1])
        if meter.spend(WINDOW):
            yield


def _session_state(text: bytes, start: int, end: int, meter: Meter) -> Steps[SessionState]:
    last_id = diagnostics = False
    for at in range(start, end, WINDOW):
        # No name is cut: where one stretch ends, another has begun.
        stretch = text[at : _behind_name(text, at + WINDOW + OVERLAP, end)]
        found = session_state(stretch, 0, len(stretch))
        last_id, diagnostics = last_id or found.last_id, diagnostics or found.diagnostics
        if meter.spend(WINDOW // 8):
            yield
    return SessionState(last_id, diagnostics)


def _behind_name(text: bytes, at: int, end: int) -> int:
    found = _NAME.match(text, at, end)
    return min(at, end) if found is None else found.end()


_NAME: Final = compiled(NAME_BYTE + rb"{0,%d}+" % OVERLAP)


# --------------------------------------------------------------------------------------------------------------------
# Rows


def _rows(cursor: Cursor, meter: Meter) -> Steps[tuple[int, int]]:
    """Read `(...), (...)` as `rows.read_rows` does."""
    if not cursor.text.startswith(b"(", cursor.at):
        raise cursor.fault_here()
    cursor.at += 1
    values = yield from _row(cursor, meter)
    rows = 1
    while True:
        rows += yield from _rows_of_windows(cursor, meter, values, rows)
        end = cursor.at
        if not (yield from _next_row(cursor, meter)):
            cursor.at = end
            return rows, values
        if (yield from _row(cursor, meter)) != values:
            raise UnprovenError(Reason.MALFORMED)  # error 1136
        rows += 1


def _rows_of_windows(cursor: Cursor, meter: Meter, values: int, rows: int) -> Steps[int]:
    """Read rows as long as each is in a window; give how many they are.

    A row that is whole in a window is so in the text: it ends in a parenthesis, and nothing before that looks beyond.
    """
    before = rows
    while found := _rows_of_window(cursor, values, rows):
        rows += found[0]
        if meter.spend(found[1]):
            yield
    return rows - before


def _rows_of_window(cursor: Cursor, values: int, rows: int) -> tuple[int, int] | None:
    start, placeholders = cursor.at, cursor.placeholders
    cursor.end = min(start + WINDOW, len(cursor.text))
    try:
        found = read_next_rows(cursor, values, rows)
    except UnprovenError:
        cursor.at, cursor.placeholders = start, placeholders
        found = 0
    finally:
        cursor.end = len(cursor.text)
    return (found, cursor.at - start) if found else None


def _next_row(cursor: Cursor, meter: Meter) -> Steps[bool]:
    """Move behind the comma and the parenthesis before another row; tell whether they are there."""
    yield from take_gap(cursor, meter)
    if not cursor.text.startswith(b",", cursor.at):
        return False
    cursor.at += 1
    yield from take_gap(cursor, meter)
    if not cursor.text.startswith(b"(", cursor.at):
        return False
    cursor.at += 1
    return True


def _row(cursor: Cursor, meter: Meter) -> Steps[int]:
    """Read one row behind its opening parenthesis; give how many values it has."""
    yield from take_gap(cursor, meter)
    if cursor.text.startswith(b")", cursor.at):
        cursor.at += 1
        return 0
    values = 0
    mark = b","
    while mark == b",":
        values += 1
        if values > _MOST_VALUES:
            raise UnprovenError(Reason.TOO_LARGE)
        yield from take_gap(cursor, meter)
        if cursor.text.startswith((b",", b")"), cursor.at):
            raise UnprovenError(Reason.MALFORMED)
        mark = yield from take_mark(cursor, meter)
        while mark in (b"(", b"?"):
            if mark == b"(":
                yield from _to_close(cursor, meter)
            mark = yield from take_mark(cursor, meter)
    return values


def _to_close(cursor: Cursor, meter: Meter) -> Steps[None]:
    depth = 1
    while depth:
        mark = yield from take_mark(cursor, meter)
        depth += (mark == b"(") - (mark == b")")
        if depth > _DEEPEST:
            raise UnprovenError(Reason.TOO_LARGE)


# --------------------------------------------------------------------------------------------------------------------
# All else is read at once, with its long literals left out


@dataclass(slots=True)
class _Shortened:
    """The rest of a text without what is inside its long strings and comments.

    Args:
        text: it.
        start: where it begins in the whole text.
        cuts: offsets in `text` behind each of them, and how many bytes are missing up to there.
    """

    text: bytes
    start: int
    cuts: list[tuple[int, int]]

    def whole(self, at: int) -> int:
        """Give the offset in the whole text for one in the shortened text."""
        missing = next((size for place, size in reversed(self.cuts) if place <= at), 0)
        return self.start + at + missing


def _shortened(cursor: Cursor, meter: Meter) -> Steps[_Shortened]:
    """Shorten the text from the cursor on; that must leave no more than `_SHORT`.

    Raises:
        UnprovenError: more is left, or something does not end.
    """
    text, start = cursor.text, cursor.at
    pieces: list[bytes] = []
    size = 0
    cuts = []
    while cursor.at < len(text):
        at = cursor.at
        piece = yield from _short_piece(cursor, meter)
        pieces.append(piece)
        size += len(piece)
        if len(piece) < cursor.at - at:
            cuts.append((size, cursor.at - start - size))
        if size > _SHORT:
            raise UnprovenError(Reason.TOO_LARGE)
    return _Shortened(b"".join(pieces), start, cuts)


_STUBS: Final = {b"'": b"''", b'"': b'""', b"/": b"/**/", b"#": b"#\n", b"-": b"#\n"}


def _short_piece(cursor: Cursor, meter: Meter) -> Steps[bytes]:
    """Move on and give what stands for what was read.

    What nothing here explains is given as it is: it stops whoever reads the shortened text.
    """
    text, at = cursor.text, cursor.at
    if (yield from take(cursor, meter, cursor.patterns.chunk)):
        return text[at : cursor.at]
    if not begins_long(cursor):
        if text.startswith((b"`", b'"'), at):
            raise cursor.fault_here()
        cursor.at = _behind_unexplained(text, at)
        return text[at : cursor.at]
    yield from take_long(cursor, meter)
    return text[at : cursor.at] if cursor.at - at <= _LONG else _STUBS[text[at : at + 1]]


def _behind_unexplained(text: bytes, at: int) -> int:
    """Give where what nothing here explains ends: a hint or versioned comment is one piece, whatever it holds."""
    if not text.startswith(b"/*", at):
        return at + 1
    limit = min(at + _SHORT + 1, len(text))  # a longer one is too large
    end = text.find(b"*/", at + 2, limit)
    return limit if end < 0 else end + 2


def _short_body(cursor: Cursor, prefix: Prefix, rest: _Shortened) -> tuple[Body, Tail]:
    """Read values after SET, or a query, and what follows them."""
    short = Cursor(rest.text, cursor.lexing)
    body = read_body(short, prefix)
    tail = read_tail(short)
    cursor.placeholders = short.placeholders
    return body._replace(end=rest.whole(body.end)), tail
