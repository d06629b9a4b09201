"""What a statement reads of its session that a failed statement before it may have changed.

A rule's second statement runs after the client's own has failed. By then ROW_COUNT() is -1, and LAST_INSERT_ID() is the
id of a row that was rolled back if the failed statement had more than one row (MySQL 9.7, MariaDB 10.11).
"""

import re
from typing import NamedTuple

_WORD_END = rb"(?![0-9A-Za-z_$\x80-\xff])"
# Each begins with a byte that is searched for by itself, which takes 1 ms for 16 MiB without one.
_LAST_ID = re.compile(rb"_(?<=(?i:INSERT_))(?i:ID)" + _WORD_END)
_IDENTITY = re.compile(rb"@@[`.A-Z_a-z]*(?i:IDENTITY)" + _WORD_END)
_DIAGNOSTICS = re.compile(
    rb"_(?:(?<=(?i:ROW_))(?i:COUNT)|(?<=(?i:ERROR_))(?i:COUNT)|(?<=(?i:WARNING_))(?i:COUNT)|(?<=(?i:FOUND_))(?i:ROWS))"
    + _WORD_END
)
OVERLAP = 64
"""Bytes that two neighbouring stretches must share, so that no name is cut."""


class SessionState(NamedTuple):
    """What may be read: a name in a string or in a comment counts as well.

    Args:
        last_id: LAST_INSERT_ID(), @@last_insert_id, @@insert_id or @@identity.
        diagnostics: ROW_COUNT(), FOUND_ROWS(), @@error_count or @@warning_count.
    """

    last_id: bool
    diagnostics: bool


_NOTHING = SessionState(False, False)


def session_state(text: bytes, start: int, end: int) -> SessionState:
    """Look for what is read between two offsets of a text."""
    if text.find(b"_", start, end) < 0 and text.find(b"@@", start, end) < 0:
        return _NOTHING
    last_id = _LAST_ID.search(text, start, end) or _IDENTITY.search(text, start, end)
    return SessionState(last_id is not None, _DIAGNOSTICS.search(text, start, end) is not None)
