"""The recogniser of INSERT: one statement's table, columns and byte spans, or why it is left alone."""

from functools import lru_cache
from typing import Final

from proxy.sql.cursor import Cursor
from proxy.sql.lexing import Lexing
from proxy.sql.reason import Reason, UnprovenError
from proxy.sql.recognition import SMALL, Recognition
from proxy.sql.statement import Insert, Skip, read_insert

__all__ = ["Insert", "Recognition", "Skip", "recognise"]


def recognise(text: bytes, lexing: Lexing) -> Insert | Skip:
    """Read a statement; what is not proven to be one INSERT, or one LOAD DATA, is skipped.

    A text of many MiB takes longer than an event loop may wait; see `Recognition`.

    Args:
        text: one COM_QUERY or COM_STMT_PREPARE text.
        lexing: how the session's server splits it into tokens.

    See the MySQL manual, "INSERT Statement" and "LOAD DATA Statement".
    """
    if len(text) <= _REMEMBERED_TEXT:
        return _remembered(text, lexing)
    if len(text) > SMALL:
        return Recognition(text, lexing).finish()
    return _recognise(text, lexing)


def _recognise(text: bytes, lexing: Lexing) -> Insert | Skip:
    if lexing.no_backslash_escapes is None and b"\\" in text:
        return Skip(Reason.BACKSLASH)
    try:
        return read_insert(Cursor(text, lexing))
    except UnprovenError as unproven:
        return Skip(unproven.reason)


_REMEMBERED_TEXT: Final = 1 << 10
# An application that retries sends the very same text again: to remember it saves 10 of 11 microseconds, and costs one
# for a new text. All that is remembered takes at most some 4 MiB.
_remembered: Final = lru_cache(maxsize=1024)(_recognise)
