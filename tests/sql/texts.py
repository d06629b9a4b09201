"""Statements that several tests read."""

from proxy.sql.insert import Insert, Skip, recognise
from proxy.sql.lexing import Lexing
from proxy.sql.reason import Reason

KNOWN = Lexing(ansi_quotes=False, no_backslash_escapes=False, charset_safe=True)
ANSI = Lexing(ansi_quotes=True, no_backslash_escapes=False, charset_safe=True)
NO_ESCAPES = Lexing(ansi_quotes=False, no_backslash_escapes=True, charset_safe=True)
UNKNOWN = Lexing()


def insert_of(text: bytes, lexing: Lexing = KNOWN) -> Insert:
    """Recognise a text that is an INSERT."""
    found = recognise(text, lexing)
    assert isinstance(found, Insert), (text, found)
    return found


def reason_of(text: bytes, lexing: Lexing = KNOWN) -> Reason:
    """Recognise a text that is left alone."""
    found = recognise(text, lexing)
    assert isinstance(found, Skip), (text, found)
    return found.reason
