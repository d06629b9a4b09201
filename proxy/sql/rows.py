"""The rows behind VALUES: how many there are, how many values each has, and where they end."""

import re
from functools import lru_cache

from proxy.sql.cursor import Cursor
from proxy.sql.patterns import GAP, MISSING, Patterns, compiled
from proxy.sql.reason import Reason, UnprovenError

_OPEN = compiled(rb"\(")
_NEXT = compiled(GAP + rb"," + GAP + rb"\(")
_EMPTY = compiled(GAP + rb"\)")
# Rows before an expression for the others is compiled (2 ms, kept for later statements), and rows that one match reads.
_FEW = 4
_MANY = 32


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
    while found := read_next_rows(cursor, values, rows):
        rows += found
    return rows, values


def read_next_rows(cursor: Cursor, values: int, rows: int) -> int:
    """Read the row that follows a row, and those behind it as long as they are alike.

    Args:
        cursor: is left behind the last of them.
        values: how many values each row must have.
        rows: how many were read before.

    Returns:
        How many were read; 0 if there is none.

    Raises:
        UnprovenError: as `read_rows`.
    """
    comma = cursor.take(_NEXT)
    if comma is None:
        return 0
    placeholders = cursor.placeholders
    if _read_row(cursor) != values:
        raise UnprovenError(Reason.MALFORMED)  # error 1136
    if cursor.placeholders > placeholders:
        row = cursor.text[comma.start() : cursor.at]
        return 1 + _read_same_rows(cursor, row, cursor.placeholders - placeholders)
    return 1 + _read_plain_rows(cursor, values) if rows >= _FEW else 1


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


def _read_same_rows(cursor: Cursor, row: bytes, placeholders: int) -> int:
    """Read the rows that repeat a comma and a row byte for byte, as `,(?,?)`; return how many they are."""
    rows = 0
    while cursor.text.startswith(row, cursor.at, cursor.end):
        cursor.at += len(row)
        rows += 1
    cursor.placeholders += rows * placeholders
    return rows


def _read_plain_rows(cursor: Cursor, values: int) -> int:
    """Read the rows that hold no `?` and no calls deeper than two; return how many they are."""
    one, many = _plain_rows(cursor.patterns, values)
    rows = 0
    while cursor.take(many):
        rows += _MANY
    while cursor.take(one):
        rows += 1
    return rows


@lru_cache(maxsize=64)
def _plain_rows(patterns: Patterns, values: int) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Compile a comma and a row of so many values, and `_MANY` of them.

    1 MiB of rows of four literals takes 14 ms; with one row a match 20 ms, without the short way for a number or a
    string between commas 30 ms, value by value 57 ms.
    """
    flat = patterns.piece
    call = rb"\((?:" + flat + rb"|,)*+\)"
    calls = rb"\((?:" + flat + rb"|,|" + call + rb")*+\)"
    short = rb"\x20*+(?:[+.0-9A-Z_]++|" + patterns.string + rb")(?=[,)])"
    # Atomic: with two ways to read a value, a row that is not plain would be tried in all their combinations.
    value = rb"(?>" + short + rb"|(?!" + MISSING + rb")(?:" + flat + rb"|" + calls + rb")*+)"
    # Written once, as the second copy would double the time to compile it: each behind a parenthesis or a comma, and
    # the last one before a parenthesis.
    inside = rb"(?:(?<=[(,])" + value + rb"[,)]){%d}+(?<=\))" % values if values else GAP + rb"\)"
    row = GAP + rb"," + GAP + rb"\(" + inside
    return compiled(row), compiled(rb"(?:" + row + rb"){%d}+" % _MANY)
