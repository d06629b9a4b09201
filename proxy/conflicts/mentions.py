"""Whether a statement that was sent may have named an entry: a search, quick enough for a thousand statements."""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from proxy.conflicts.offered import CUT_AT, Offered, Printed, Value
from proxy.sql.names import fold
from proxy.wire import commands

_WORDS: Final = bytes(
    code if 0x30 <= code <= 0x39 or 0x61 <= code <= 0x7A or code == 0x5F or code >= 0x80 else 0x20
    for code in bytes(range(256)).lower()
)
"""Makes a text words in lower case with as many spaces between them as bytes that are in no word."""
_WORD: Final = re.compile(rb"[0-9A-Za-z_\x80-\xff]")
_SELECT: Final = re.compile(rb"[\x00-\x20(]*(?:/\*.*?\*/\s*)?(?:SELECT|WITH|TABLE)\b", re.IGNORECASE | re.DOTALL)
_UNSURE: Final = re.compile(rb"['.]")
MOST_PARTS: Final = 4
"""Parts of an entry, joined by `-`, that are searched for."""
DIGITS: Final = 18
"""Digits of the longest number that parameters are searched for."""


class Needle(NamedTuple):
    """What all inserts hold that mention an entry, to be looked for in many of them at once.

    word: as it stands among the words of a text. piece: as it stands, in lower case, in parameters, unless they hold
    `number` instead, which is an integer's bytes, in lower case, too. parts: those that the entry may be joined from,
    the longest first.
    """

    word: bytes
    piece: bytes
    number: bytes
    parts: tuple[bytes, ...]

    def is_in(self, texts: Iterable[bytes]) -> bool:
        """Tell whether one of some texts may mention the entry."""
        return self.word in b" %b " % b" ".join(texts).translate(_WORDS)

    def among(self, texts: Sequence[bytes]) -> list[int]:
        """Give the places of those of some texts that may mention the entry."""
        if not self.is_in(texts):
            return []
        word = self.word
        return [index for index, text in enumerate(texts) if word in b" %b " % text.translate(_WORDS)]

    def is_in_parameters(self, parameters: Iterable[bytes]) -> bool:
        """Tell whether the parameters of one of some executions may mention the entry."""
        lower = b" ".join(parameters).lower()
        return self.piece in lower or self.number in lower


def needle_of(entry: str) -> Needle:
    """Give what to look for where an entry may be mentioned."""
    raw = entry.encode("utf-8", "surrogateescape")
    parts = tuple(sorted(raw.split(b"-"), key=len, reverse=True)[:MOST_PARTS])
    # a text may hold a quote twice, and nothing of the dots behind an entry that was cut
    piece = max(_UNSURE.split(parts[0]), key=len).lower()
    # an entry that was cut may go on, and one that is all marks has no word
    words = piece.translate(_WORDS).strip()
    word = b" %b " % words if words else b""
    if len(raw) >= CUT_AT:
        word = word[:-1]
    number = _integer(int(piece)).lower() if piece.isdigit() and len(piece) <= DIGITS else piece
    return Needle(word, piece, number, parts)


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
    # a text writes a quote twice, or with a backslash before it
    return _is_word(lower, raw) or (b"'" in raw and _is_word(lower, raw.replace(b"'", b"''")))


def _is_word(lower: bytes, raw: bytes) -> bool:
    """Tell whether this stands in a text with no letter right before it or behind, where it begins or ends with one."""
    at = lower.find(raw)
    while at >= 0:
        end = at + len(raw)
        bare = not (_WORD.match(raw) and at and _WORD.match(lower, at - 1))
        if bare and not (_WORD.match(raw, len(raw) - 1) and len(raw) < CUT_AT and _WORD.match(lower, end)):
            return True
        at = lower.find(raw, at + 1)
    return False


def _in_parameters(parameters: bytes, raw: bytes) -> bool:
    if not parameters or not raw:
        return False
    # a string's length may be a letter, too: of both sides alike
    lower, string = parameters.lower(), raw.lower()
    if len(raw) < 0xFB and (bytes((len(raw),)) + raw).lower() in lower:
        return True
    if len(raw) >= CUT_AT and string in lower:
        return True
    return raw.isdigit() and len(raw) <= DIGITS and _integer(int(raw)) in parameters


def _integer(number: int) -> bytes:
    """Write a number as parameters hold it at least: 8 bytes begin with its 4 where these are enough."""
    return number.to_bytes(4 if number < 1 << 31 else 8, "little")


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
    indexes = [offered.position(fold(column)) for column in columns]
    if None in indexes:
        return False
    return any(_joined(row, indexes, entry) for row in offered.rows)


def _joined(row: Sequence[Value], indexes: Sequence[int | None], entry: str) -> bool:
    written = [row[index].text for index in indexes if index is not None and index < len(row)]
    return None not in written and Printed(entry).shows("-".join(text or "" for text in written))
