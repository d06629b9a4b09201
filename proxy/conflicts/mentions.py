"""Whether a statement that was sent may have named an entry: a search, quick enough for a thousand statements."""

import re
from collections.abc import Sequence
from typing import Final

from proxy.conflicts.offered import CUT_AT, Offered, Value, same_value
from proxy.sql.names import fold
from proxy.wire import commands

_WORD: Final = re.compile(rb"[0-9A-Za-z_\x80-\xff]")
_SELECT: Final = re.compile(rb"[\x00-\x20(]*(?:/\*.*?\*/\s*)?(?:SELECT|WITH|TABLE)\b", re.IGNORECASE | re.DOTALL)
_INTEGER_SIZES: Final = (8, 4)


def mentions(text: bytes, parameters: bytes, entry: str) -> bool:
    """Tell whether an entry, or each of the parts that it may be joined from, stands in a text or its parameters.

    Args:
        text: a statement's text; letter case is passed over.
        parameters: a prepared statement's values as in COM_STMT_EXECUTE: a string is its length and its bytes, an
            integer 4 or 8 bytes, the lowest first.
        entry: the value as the server printed it.
    """
    if _stands_in(text, parameters, entry):
        return True
    parts = entry.split("-")
    return 1 < len(parts) <= 8 and all(_stands_in(text, parameters, part) for part in parts)


def _stands_in(text: bytes, parameters: bytes, entry: str) -> bool:
    raw = entry.encode("utf-8", "surrogateescape")
    if len(raw) >= CUT_AT:
        raw = raw.removesuffix(b"...")
    return _in_text(text, raw) or _in_parameters(parameters, raw)


def _in_text(text: bytes, raw: bytes) -> bool:
    """Tell whether a word of a text, or a string of it, is this."""
    if not raw or not text:
        return False
    lower, raw = text.lower(), raw.lower()
    at = lower.find(raw)
    while at >= 0:
        end = at + len(raw)
        bare = not (_WORD.match(raw) and at and _WORD.match(lower, at - 1))
        if bare and not (_WORD.match(raw, len(raw) - 1) and len(raw) < CUT_AT and _WORD.match(lower, end)):
            return True
        at = lower.find(raw, at + 1)
    # a text writes a quote twice, or with a backslash before it
    return b"'" in raw and raw.replace(b"'", b"''") in lower


def _in_parameters(parameters: bytes, raw: bytes) -> bool:
    if not parameters or not raw:
        return False
    # a string's length may be a letter, too: of both sides alike
    lower, string = parameters.lower(), raw.lower()
    if len(raw) < 0xFB and (bytes((len(raw),)) + raw).lower() in lower:
        return True
    if len(raw) >= CUT_AT and string in lower:
        return True
    if not raw.isdigit() or len(raw) > 18:
        return False
    number = int(raw)
    sizes = (size for size in _INTEGER_SIZES if number < 1 << (8 * size - 1))
    return any(number.to_bytes(size, "little") in parameters for size in sizes)


def mentions_table(payload: bytes, table: str) -> bool:
    """Tell whether a command is a SELECT on a table; of a prepared one, which names no table, that it is executed.

    Args:
        payload: the command's beginning; of a COM_QUERY with query attributes these stand before the text.
        table: the table's name.
    """
    if payload[:1] == bytes((commands.STMT_EXECUTE,)):
        return True
    if payload[:1] != bytes((commands.QUERY,)):
        return False
    return _SELECT.match(payload, 1) is not None and _in_text(payload, table.encode("utf-8", "surrogateescape"))


def offers(offered: Offered, parameters: bytes, columns: Sequence[str], entry: str) -> bool:
    """Tell whether an INSERT that mentions an entry offers it in the key's columns.

    Where the columns are not known, or the values are parameters, the mention is all there is: True.
    """
    if not columns or offered.columns is None or parameters:
        return bool(parameters) or len(entry) > 2 or not entry.isdigit()
    indexes = [offered.index(fold(column)) for column in columns]
    if None in indexes:
        return False
    return any(_joined(row, indexes, entry) for row in offered.rows)


def _joined(row: Sequence[Value], indexes: Sequence[int | None], entry: str) -> bool:
    written = [row[index].text for index in indexes if index is not None and index < len(row)]
    return None not in written and same_value("-".join(text or "" for text in written), entry)
