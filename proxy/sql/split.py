"""Multi-statement texts: where one statement ends and the next begins.

Only statements whose end is a `;` and that leave alone how the next one reads are split. The bodies of stored programs
hold semicolons of their own, and after SET sql_mode, SET NAMES or USE the rest would have to be read in another way.
"""

from collections.abc import Generator
from typing import Final

from proxy.sql.cursor import Cursor
from proxy.sql.lexing import Lexing
from proxy.sql.patterns import GAP, WORD_END, compiled
from proxy.sql.reason import Reason, UnprovenError
from proxy.sql.span import Span
from proxy.sql.statement import Skip, check_characters

LIMIT: Final = 128 << 10
"""Bytes of the longest text that is split: a string of that size takes up to 3 ms."""
MOST: Final = 4096
"""Statements of the longest text that is split."""
_PIECES: Final = 512
"""Pieces of a text, or statements in it, that are looked at in one step: that takes about 1 ms."""

_SIMPLE = compiled(
    GAP
    + rb"(?:(?:COMMIT|DELETE|DO|INSERT|RELEASE|REPLACE|ROLLBACK|SAVEPOINT|SELECT|SHOW|TRUNCATE|UPDATE|WITH)"
    + WORD_END + rb"|BEGIN" + WORD_END + GAP + rb"(?:WORK" + WORD_END + GAP + rb")?+\Z"
    + rb"|START" + WORD_END + GAP + rb"TRANSACTION" + WORD_END
    + rb"|SET" + WORD_END + rb"|\(|\Z)"
)  # fmt: skip
_SET = compiled(GAP + rb"SET" + WORD_END)
# What a SET may name without a change to how the next statement is read; a user variable's value means nothing.
_READING = compiled(rb"sql_mode|names|char|collat|quer|statement|password|role|default")
_SEMICOLON = compiled(rb";")
_OTHER = compiled(rb"[(),?]++")


class Splitting:
    """Splits one text in steps, none of which an event loop has to wait long for.

    Args:
        text: one COM_QUERY text.
        lexing: how the session's server splits it into tokens.
    """

    __slots__ = ("_steps",)

    def __init__(self, text: bytes, lexing: Lexing) -> None:
        self._steps = _split(text, lexing)

    def step(self) -> tuple[Span, ...] | Skip | None:
        """Read on; give what `split` gives for the text, or None if it is not read to its end yet."""
        try:
            next(self._steps)
        except StopIteration as stop:
            found: tuple[Span, ...] = stop.value
            return found
        except UnprovenError as unproven:
            return Skip(unproven.reason)
        return None


def split(text: bytes, lexing: Lexing) -> tuple[Span, ...] | Skip:
    """Split a text into its statements; the `;` belong to none.

    Args:
        text: one COM_QUERY text.
        lexing: how the session's server splits it into tokens.

    Returns:
        The statements in their order, each with the whitespace and comments around it; what is behind the last `;` is
        one only if it holds more than whitespace. A text with a single statement gives one.
    """
    splitting, found = Splitting(text, lexing), None
    while found is None:
        found = splitting.step()
    return found


def _split(text: bytes, lexing: Lexing) -> Generator[None, None, tuple[Span, ...]]:
    if len(text) > LIMIT:
        raise UnprovenError(Reason.TOO_LARGE)
    if lexing.no_backslash_escapes is None and b"\\" in text:
        raise UnprovenError(Reason.BACKSLASH)
    check_characters(lexing, text)
    spans = yield from _ends(Cursor(text, lexing))
    if len(spans) > 1:
        for number, span in enumerate(spans, 1):
            if not _is_simple(text[span.start : span.end]):
                raise UnprovenError(Reason.MULTI_STATEMENT)
            if not number % _PIECES:
                yield
    return spans


def _ends(cursor: Cursor) -> Generator[None, None, tuple[Span, ...]]:
    spans: list[Span] = []
    start = pieces = 0
    while True:
        pieces += 1
        if not pieces % _PIECES:
            yield
        cursor.take(cursor.patterns.flat)
        if cursor.take(_OTHER):
            continue
        end = cursor.at
        if not cursor.take(_SEMICOLON):
            break
        spans.append(Span(start, end))
        if len(spans) > MOST:
            raise UnprovenError(Reason.TOO_LARGE)
        start = cursor.at
    if cursor.at < len(cursor.text):
        raise cursor.fault()
    if cursor.text[start:].strip() or not spans:
        spans.append(Span(start, cursor.at))
    return tuple(spans)


def _is_simple(statement: bytes) -> bool:
    if not _SIMPLE.match(statement):
        return False
    return not (_SET.match(statement) and _READING.search(statement))
