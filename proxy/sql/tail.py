"""What stands behind the last value."""

from typing import NamedTuple

from proxy.sql.cursor import Cursor
from proxy.sql.patterns import GAP, QUIET_GAP, WORD_END, compiled
from proxy.sql.query import read_tokens
from proxy.sql.reason import Reason, UnprovenError

_QUIET = compiled(QUIET_GAP + rb"\Z")
_END = compiled(GAP + rb"(?:;" + GAP + rb")*+\Z")
_GAP = compiled(GAP)
_RETURNING = compiled(GAP + rb"RETURNING" + WORD_END)
_ON_DUPLICATE = compiled(rb"ON" + WORD_END + GAP + rb"DUPLICATE" + WORD_END)
_SEMICOLON = compiled(rb";")


class Tail(NamedTuple):
    """The rest of a text, which holds nothing but whitespace, comments and `;`, and RETURNING.

    Args:
        safe: it holds neither a `;` nor a line comment nor RETURNING.
        returning: it holds a RETURNING.
    """

    safe: bool
    returning: bool


_TAILS = (Tail(False, False), Tail(True, False))


def read_tail(cursor: Cursor) -> Tail:
    """Read the rest of the text.

    Raises:
        UnprovenError: there is more, with the reason for what there is.
    """
    if cursor.take(_QUIET):
        return _TAILS[True]
    if cursor.take(_END):
        return _TAILS[False]
    if cursor.take(_RETURNING):
        read_tokens(cursor, b"RETURNING")
        if cursor.take(_END):
            return Tail(False, True)
    raise _fault(cursor)


def _fault(cursor: Cursor) -> UnprovenError:
    """Give the reason that lies in what else there is."""
    cursor.expect(_GAP)
    alias = cursor.take(cursor.patterns.alias)
    if cursor.take(_ON_DUPLICATE):
        return UnprovenError(Reason.ON_DUPLICATE)
    if alias:
        return UnprovenError(Reason.ROW_ALIAS)
    if cursor.take(_SEMICOLON):
        return UnprovenError(Reason.MULTI_STATEMENT)
    return cursor.fault()
