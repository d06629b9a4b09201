"""The values of COM_STMT_EXECUTE and COM_STMT_BULK_EXECUTE, as the server would print them.

Layout of EXECUTE: a null bitmap, then the values that are not NULL. Of BULK_EXECUTE, for each row: for each value an
indicator (0: a value follows, 1: NULL, 2: DEFAULT, 3: IGNORE), then the value.
Sources: MySQL Internals, "Binary Protocol Value"; MariaDB, "COM_STMT_BULK_EXECUTE".
"""

import struct
from collections.abc import Iterator
from typing import Final

from proxy.wire.errors import ProtocolError
from proxy.wire.lenenc import read_bytes

Row = tuple[str | None, ...]
"""The values of one row's parameters; None for NULL and DEFAULT."""

_UNSIGNED: Final = 0x80
_INTEGERS: Final = {0x01: "b", 0x02: "h", 0x0D: "h", 0x03: "i", 0x09: "i", 0x08: "q"}
_FLOATS: Final = {0x04: "<f", 0x05: "<d"}
_NULL: Final = 0x06
_DATES: Final = frozenset({0x07, 0x0A, 0x0C})
_TIME: Final = 0x0B


def read_values(values: bytes, types: bytes) -> Row:
    """Read the values of an EXECUTE; types: two bytes each.

    Raises:
        ProtocolError: they are cut.
    """
    at = (len(types) // 2 + 7) // 8
    bitmap = values[:at]
    row: list[str | None] = []
    for number in range(len(types) // 2):
        kind, flags = types[2 * number], types[2 * number + 1]
        if bitmap[number // 8] & 1 << number % 8:
            row.append(None)
        else:
            value, at = _read(values, at, kind, flags)
            row.append(value)
    return tuple(row)


def read_rows(values: bytes, types: bytes) -> Iterator[Row]:
    """Read the rows of a BULK_EXECUTE; types: two bytes each.

    Raises:
        ProtocolError: they are cut.
    """
    at = 0
    while types and at < len(values):
        row: list[str | None] = []
        for number in range(0, len(types), 2):
            indicator, at = values[at : at + 1], at + 1
            value = None
            if indicator == b"\0":
                value, at = _read(values, at, types[number], types[number + 1])
            row.append(value)
        yield tuple(row)


def _read(values: bytes, at: int, kind: int, flags: int) -> tuple[str | None, int]:
    try:
        if kind in _INTEGERS:
            code = "<" + (_INTEGERS[kind].upper() if flags & _UNSIGNED else _INTEGERS[kind])
            return str(struct.unpack_from(code, values, at)[0]), at + struct.calcsize(code)
        if kind in _FLOATS:
            return f"{struct.unpack_from(_FLOATS[kind], values, at)[0]:.15g}", at + struct.calcsize(_FLOATS[kind])
        if kind == _NULL:
            return None, at
        if kind in _DATES or kind == _TIME:
            end = at + 1 + values[at]
            return (_time if kind == _TIME else _date)(values[at + 1 : end]), end
    except (struct.error, IndexError) as error:
        raise ProtocolError("a parameter is cut") from error
    found, end = read_bytes(values, at)
    return found.decode("utf-8", "backslashreplace"), end


def _date(parts: bytes) -> str:
    """Write a date: year (2), month, day[, hour, minute, second[, microseconds (4)]]."""
    year, month, day, hour, minute, second, micro = struct.unpack("<HBBBBBI", parts.ljust(11, b"\0"))
    date = f"{year:04}-{month:02}-{day:02}"
    return date if len(parts) <= 4 else f"{date} {hour:02}:{minute:02}:{second:02}{_fraction(micro)}"


def _time(parts: bytes) -> str:
    """Write a time: negative, days (4), hour, minute, second[, microseconds (4)]."""
    negative, days, hour, minute, second, micro = struct.unpack("<BIBBBI", parts.ljust(12, b"\0"))
    return f"{'-' if negative else ''}{days * 24 + hour:02}:{minute:02}:{second:02}{_fraction(micro)}"


def _fraction(micro: int) -> str:
    return f".{micro:06}" if micro else ""
