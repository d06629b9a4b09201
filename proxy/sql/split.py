"""Multi-statement texts: where one statement ends and the next begins.

Only statements whose end is a `;` and that leave alone how the next one reads are split. The bodies of stored programs
hold semicolons of their own, and after SET sql_mode, SET NAMES or USE the rest would have to be read in another way.
"""

from proxy.sql.cursor import Cursor
from proxy.sql.lexing import Lexing
from proxy.sql.patterns import GAP, WORD_END, compiled
from proxy.sql.reason import Reason, UnprovenError
from proxy.sql.span import Span
from proxy.sql.statement import Skip, check_characters

LIMIT = 256 << 10
"""Bytes of the longest text that is split: that takes up to 5 ms."""

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


def split(text: bytes, lexing: Lexing) -> tuple[Span, ...] | Skip:
    """Split a text into its statements; the `;` belong to none.

    Args:
        text: one COM_QUERY text.
        lexing: how the session's server splits it into tokens.

    Returns:
        The statements in their order, each with the whitespace and comments around it; what is behind the last `;` is
        one only if it holds more than whitespace. A text with a single statement gives one.
    """
    if len(text) > LIMIT:
        return Skip(Reason.TOO_LARGE)
    if lexing.no_backslash_escapes is None and b"\\" in text:
        return Skip(Reason.BACKSLASH)
    try:
        check_characters(lexing, text)
        spans = _ends(Cursor(text, lexing))
    except UnprovenError as unproven:
        return Skip(unproven.reason)
    if len(spans) > 1 and not all(_is_simple(text[span.start : span.end]) for span in spans):
        return Skip(Reason.MULTI_STATEMENT)
    return spans


def _ends(cursor: Cursor) -> tuple[Span, ...]:
    spans = []
    start = 0
    while True:
        cursor.take(cursor.patterns.flat)
        if cursor.take(_OTHER):
            continue
        end = cursor.at
        if not cursor.take(_SEMICOLON):
            break
        spans.append(Span(start, end))
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
