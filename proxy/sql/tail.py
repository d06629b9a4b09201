"""What stands behind the last value."""

from proxy.sql.cursor import Cursor
from proxy.sql.patterns import GAP, QUIET_GAP, WORD_END, compiled
from proxy.sql.reason import Reason, UnprovenError

_QUIET = compiled(QUIET_GAP + rb"\Z")
_END = compiled(GAP + rb"(?:;" + GAP + rb")*+\Z")
_GAP = compiled(GAP)
_CLAUSES = (
    (compiled(rb"ON" + WORD_END + GAP + rb"DUPLICATE" + WORD_END), Reason.ON_DUPLICATE),
    (compiled(rb"RETURNING" + WORD_END), Reason.RETURNING),
)
_SEMICOLON = compiled(rb";")


def read_tail(cursor: Cursor) -> bool:
    """Read the rest of the text, which must hold nothing but whitespace, comments and `;`.

    Returns:
        Whether it holds neither a `;` nor a line comment.

    Raises:
        UnprovenError: there is more, with the reason for what there is.
    """
    if cursor.take(_QUIET):
        return True
    if cursor.take(_END):
        return False
    raise _fault(cursor)


def _fault(cursor: Cursor) -> UnprovenError:
    """Give the reason that lies in what else there is."""
    cursor.expect(_GAP)
    alias = cursor.take(cursor.patterns.alias)
    for pattern, reason in _CLAUSES:
        if cursor.take(pattern):
            return UnprovenError(reason)
    if alias:
        return UnprovenError(Reason.ROW_ALIAS)
    if cursor.take(_SEMICOLON):
        return UnprovenError(Reason.MULTI_STATEMENT)
    return cursor.fault()
