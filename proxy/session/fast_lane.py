"""What a chunk of bytes must look like to be passed on after a few comparisons.

Most of a session is this: one whole packet that holds a command of no interest, then a whole reply. The general path
gives the same bytes; the fast lane only skips looking for what cannot be there.
"""

from itertools import product
from struct import Struct
from typing import Final

from proxy.wire import capabilities as cap
from proxy.wire.framing import HEADER, MAX_PAYLOAD

word: Final = Struct("<I").unpack_from
"""Reads a packet's header as one number: the payload's length, and the sequence id in the highest byte."""


def _cases(text: bytes) -> set[bytes]:
    """Return a text in every mixture of upper and lower case."""
    return {bytes(letters) for letters in product(*((letter | 0x20, letter & ~0x20) for letter in text))}


_PLAIN: Final = frozenset().union(*map(_cases, (b"SEL", b"UPD", b"DEL", b"COM", b"ROL", b"SHO")))
_BEGINNING: Final = frozenset().union(*map(_cases, (b"BEG", b"REP")))
_NO_ATTRIBUTES: Final = b"\0\1"  # a parameter count (none) and the number of parameter sets


def plain_starts(query_attributes: bool, mariadb: bool) -> frozenset[bytes]:
    """Return how texts begin that no rules are for and that change nothing in how later ones read: SELECT, UPDATE ...

    Args:
        query_attributes: whether the session has them: then their counts stand before the text.
        mariadb: whether the server is MariaDB, where BEGIN NOT ATOMIC and REPEAT may hold a SET.
    """
    starts = _PLAIN if mariadb else _PLAIN | _BEGINNING
    return frozenset(_NO_ATTRIBUTES + start for start in starts) if query_attributes else starts


_INSERT: Final = _cases(b"INS")
INSERT_START: Final = 3
"""Bytes of such a beginning, behind the query attributes' counts."""
INSERT_STARTS: Final = (frozenset(_INSERT), frozenset(_NO_ATTRIBUTES + start for start in _INSERT))
"""How INSERT begins, which is as plain if no rules are for its table; without and with query attributes."""

SHORTEST: Final = 5
"""Bytes that the payload of a command on the fast lane has at least."""

_EXCEPTIONAL: Final = cap.STATUS_MORE_RESULTS | cap.STATUS_SESSION_STATE_CHANGED
_NO_PLAIN_ROWS: Final = cap.STATUS_CURSOR_EXISTS | cap.STATUS_PS_OUT_PARAMS  # see `ReplyTracker`
_SHORT: Final = 0xFB  # a length-encoded integer below this is one byte


def is_plain_ok(data: bytes) -> bool:
    """Tell whether a chunk is one whole OK packet that ends its reply and changes nothing in the session.

    Args:
        data: a chunk that begins with a packet.
    """
    return (
        len(data) >= 11
        and data[4] == 0
        and (word(data)[0] & MAX_PAYLOAD) == len(data) - HEADER
        and data[5] < _SHORT
        and data[6] < _SHORT
        and not (data[7] | data[8] << 8) & _EXCEPTIONAL
    )


def is_plain_result(data: bytes, deprecate_eof: bool) -> bool:
    """Tell whether a chunk is one whole result set (of fewer than 251 columns) that ends its reply.

    Args:
        data: a chunk that begins with a packet.
        deprecate_eof: whether the session has DEPRECATE_EOF: an OK ends the rows, and nothing the definitions.
    """
    size = len(data)
    last = size - HEADER - 1  # the last offset at which a header and a first byte fit
    if size < 16 or data[0] != 1 or data[1] or data[2] or not 0 < data[4] < _SHORT:
        return False
    position = 5
    columns = data[4]
    while columns and position <= last:
        position += HEADER + (word(data, position)[0] & MAX_PAYLOAD)
        columns -= 1
    if not deprecate_eof:
        if position + 9 > size or data[position + 4] != 0xFE or word(data, position + 5)[0] >> 16 & _NO_PLAIN_ROWS:
            return False
        position += 9
    while position <= last and data[position + HEADER] < 0xFE:
        length = word(data, position)[0] & MAX_PAYLOAD
        if length == MAX_PAYLOAD or not length:
            return False
        position += HEADER + length
    if position > last or data[position + HEADER] != 0xFE:
        return False
    if (word(data, position)[0] & MAX_PAYLOAD) != size - position - HEADER:
        return False
    if not deprecate_eof:
        return size == position + 9 and not (data[position + 7] | data[position + 8] << 8) & _EXCEPTIONAL
    return (
        size >= position + 11
        and not data[position + 5]
        and not data[position + 6]
        and not (data[position + 7] | data[position + 8] << 8) & _EXCEPTIONAL
    )
