"""The rows behind VALUES: how many there are, how many values each has, and where they end."""

import re
from functools import lru_cache

from proxy.sql.cursor import Cursor
from proxy.sql.patterns import GAP, MISSING, compiled
from proxy.sql.reason import Reason, UnprovenError

_OPEN = compiled(rb"\(")
_NEXT = compiled(GAP + rb"," + GAP + rb"\(")
_EMPTY = compiled(GAP + rb"\)")


def read_rows(cursor: Cursor) -> tuple[int, int]:
    """Read `(...), (...)` and leave the cursor behind the last parenthesis.

    Returns:
        The number of rows, and the number of values in each: 0 for `()`.

    Raises:
        UnprovenError: the rows differ in length, a value is missing, or the text ends too soon.
    """
    cursor.expect(_OPEN)
    values = _read_row(cursor)
    rows = 1
    while cursor.take(_NEXT):
        if _read_row(cursor) != values:
            raise UnprovenError(Reason.MALFORMED)
        rows += 1
        rows += _read_plain_rows(cursor, _plain_row(cursor.patterns.piece, values))
    return rows, values


def read_to_close(cursor: Cursor) -> None:
    """Read to behind the parenthesis that closes the one just read.

    Raises:
        UnprovenError: there is none.
    """
    depth = 1
    while depth:
        mark = _read_mark(cursor, cursor.patterns.step)
        if mark == b"(":
            depth += 1
        elif mark == b")":
            depth -= 1


def _read_row(cursor: Cursor) -> int:
    """Read one row behind its opening parenthesis; return how many values it has."""
    if cursor.take(_EMPTY):
        return 0
    values = 0
    mark = b","
    while mark == b",":
        values += 1
        mark = _read_mark(cursor, cursor.patterns.value)
        while mark in (b"(", b"?"):
            if mark == b"(":
                read_to_close(cursor)
            mark = _read_mark(cursor, cursor.patterns.step)
    return values


def _read_mark(cursor: Cursor, pattern: re.Pattern[bytes]) -> bytes:
    """Read up to and including the next mark, one of `(`, `)`, `,` and `?`."""
    found = cursor.take(pattern)
    if found is None:
        raise cursor.fault(Reason.UNTERMINATED)
    mark = found[1]
    if mark == b"?":
        cursor.placeholders += 1
    return mark


def _read_plain_rows(cursor: Cursor, plain_row: re.Pattern[bytes]) -> int:
    """Read the rows that one match each can read; return how many they are."""
    match, text = plain_row.match, cursor.text
    rows = 0
    while found := match(text, cursor.at):
        cursor.at = found.end()
        rows += 1
    return rows


@lru_cache(maxsize=64)
def _plain_row(piece: bytes, values: int) -> re.Pattern[bytes]:
    """Compile a comma and a row of so many values, without `?` and without calls inside calls."""
    if values == 0:
        return compiled(GAP + rb"," + GAP + rb"\(" + GAP + rb"\)")
    value = rb"(?!" + MISSING + rb")(?:" + piece + rb"|\((?:" + piece + rb"|,)*+\))*+"
    return compiled(GAP + rb"," + GAP + rb"\(" + value + rb"(?:," + value + rb"){%d}\)" % (values - 1))
