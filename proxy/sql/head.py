"""A cheap look at the start of a statement, for counting and for finding out whether a closer look is due.

It takes the text at its word: a versioned comment counts as executed, and double quotes in a table's place as a name's.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from proxy.sql.names import unquote

VERBS = frozenset(
    {
        *("alter", "analyze", "begin", "call", "commit", "create", "delete", "drop", "execute", "explain", "insert"),
        *("load", "prepare", "rename", "replace", "rollback", "select", "set", "show", "start", "truncate", "update"),
        *("use", "with"),
    }
)
OFFERING = frozenset({"insert", "load"})
"""The verbs of what may meet a duplicate that rules are for."""
DEFINING = frozenset({"create", "alter", "drop", "rename", "truncate"})
"""The verbs of what changes the definition of tables."""

_LOOK = 1024  # bytes
_NAME_BYTE = rb"[0-9A-Za-z_$\x80-\xff]"
_GAP = (
    rb"(?:[\t-\r\x20]++|/\*M?!(?:[0-9]++)?+|(?>/\*(?!M?!).*?\*/)|\*/"
    rb"|(?:\#|--(?=[\x01-\x20\x7f]|\Z))[^\n]*+(?:\n|\Z))*+"
)
_END = rb"(?!" + _NAME_BYTE + rb")" + _GAP
_NAME = rb"(" + _NAME_BYTE + rb"++|`(?:[^`]++|``)++`|\"(?:[^\"]++|\"\")++\")"
_STRING = rb"(?:'(?:[^'\\]++|\\.|'')*+'|\"(?:[^\"\\]++|\\.|\"\")*+\")"


def _any_of(words: bytes) -> bytes:
    return rb"(?:(?:" + words + rb")" + _END + rb")*+"


# Groups 1 to 3 are a verb whose table follows, 4 and 5 the names before and after the dot, 6 is any other verb.
_HEAD = re.compile(
    _GAP + rb"(?:(?:"
    + rb"(INSERT|REPLACE)" + _END + _any_of(rb"LOW_PRIORITY|HIGH_PRIORITY|DELAYED|IGNORE|INTO")
    + rb"|(UPDATE)" + _END + _any_of(rb"LOW_PRIORITY|IGNORE")
    + rb"|(LOAD)" + _END + _any_of(rb"DATA|XML|LOW_PRIORITY|CONCURRENT|LOCAL|INFILE") + _STRING + _GAP
    + _any_of(rb"REPLACE|IGNORE|INTO") + rb"TABLE" + _END
    + rb")" + _NAME + rb"(?:" + _GAP + rb"\." + _GAP + _NAME + rb")?+|([A-Z_]++))",
    re.IGNORECASE | re.DOTALL,
)  # fmt: skip

# A `;` that an INSERT may stand behind, for all that its next byte tells.
_BEFORE = re.compile(rb";(?=[\t-\r\x20]*+[I/#*\-])", re.IGNORECASE)


class Head(NamedTuple):
    """What a statement does and to which table, as far as its first bytes tell.

    Args:
        verb: one of `VERBS`, else "other".
        schema: the schema written before the table's name, unquoted.
        table: the (first) table of INSERT, REPLACE, UPDATE and LOAD DATA, unquoted; else None.
    """

    verb: str
    schema: str | None
    table: str | None


OTHER: Final = Head("other", None, None)
"""What says nothing that matters."""


def head(text: bytes) -> Head:
    """Look at the first KiB of a statement.

    Args:
        text: a statement, or at least its first KiB.
    """
    found = _HEAD.match(text, 0, _LOOK)
    if found is None:
        return OTHER
    insert, update, load, first, second, word = found.groups()
    if first is None:
        verb: str = word.decode().lower()
        return Head(verb, None, None) if verb in VERBS else OTHER
    verb = (insert or update or load).decode().lower()
    if found.end() == _LOOK:  # the name may go on
        return Head(verb, None, None)
    if second is None:
        return Head(verb, None, unquote(first))
    return Head(verb, unquote(first), unquote(second))


def heads_behind(text: bytes) -> Iterator[Head]:
    """Look at what may be an INSERT in a multi-statement text, but for what it begins with.

    What is in a string or in a comment may count as one, too.
    """
    return (head(text[mark.end() : mark.end() + _LOOK]) for mark in _BEFORE.finditer(text))
