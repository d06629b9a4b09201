"""All of an INSERT that stands before its values: most applications write the same few of them over and over."""

import re
from dataclasses import dataclass
from functools import lru_cache

from proxy.sql.cursor import Cursor
from proxy.sql.form import Form
from proxy.sql.lexing import Lexing
from proxy.sql.names import fold
from proxy.sql.patterns import GAP, WORD_END, compiled, keyword
from proxy.sql.reason import Reason, UnprovenError
from proxy.sql.span import Span

_GAP = compiled(GAP)
_VERB = compiled(keyword(rb"INSERT|REPLACE|LOAD"))
_BODY = compiled(keyword(rb"VALUES?+|SET|SELECT|WITH|TABLE"))
_ROW = compiled(keyword(rb"ROW"))
_OPEN = compiled(rb"\(" + GAP)
_CLOSE = compiled(rb"\)" + GAP)
_QUERY = compiled(rb"\(" + GAP + rb"(?:\(|(?:SELECT|WITH|TABLE|VALUES)" + WORD_END + rb")")
_QUERY_FORMS = {b"TABLE": Form.TABLE, b"VALUES": Form.ROW}
# Reserved words of this grammar; a plain name that is one of them is a statement that went wrong.
_RESERVED = frozenset(
    {
        *(b"DELAYED", b"HIGH_PRIORITY", b"IGNORE", b"INSERT", b"INTO", b"LOW_PRIORITY", b"ON", b"PARTITION"),
        *(b"SELECT", b"SET", b"TABLE", b"VALUES", b"WITH"),
    }
)
# A guess at where the prefix ends, without strings and comments. It need not be right: what does not read as a whole
# prefix is read again from the statement itself.
_USUAL = compiled(
    rb"[\t-\r\x20]*+INSERT[\t-\r\x20$(),.0-9A-Z_`\x80-\xff]{1,1000}?(?<=[\t-\r\x20)`])"
    rb"(?:VALUES?+[\t-\r\x20]*+(?=\()|SET[\t-\r\x20]++(?=[A-Z_`]))"
)


@dataclass(frozen=True, slots=True)
class Prefix:
    """An INSERT up to its values; the fields are those of `Insert`.

    Args:
        columns: those of the column list.
        end: where the values or the query begin, in bytes; of a LOAD DATA, right after the file's name.
    """

    verb: Span
    modifiers: tuple[str, ...]
    modifier_spans: tuple[Span, ...]
    schema: str | None
    table: str
    table_span: Span
    partition: bool
    columns: tuple[str, ...] | None
    form: Form
    end: int


def read_prefix(cursor: Cursor) -> Prefix:
    """Read up to the values, or to the query that gives them, and leave the cursor there.

    Raises:
        UnprovenError: the text does not begin as an INSERT.
    """
    # Of the 15 us that an INSERT of one row and four columns takes, the cache saves 6.
    usual = _USUAL.match(cursor.text)
    prefix = _cached(usual[0], cursor.lexing) if usual else None
    if prefix is None:
        prefix = _read(cursor)
    cursor.at = prefix.end
    return prefix


@lru_cache(maxsize=1024)
def _cached(text: bytes, lexing: Lexing) -> Prefix | None:
    """Read a text that is a prefix and nothing more; return None if it is something else."""
    try:
        prefix = _read(Cursor(text, lexing))
    except UnprovenError:
        return None
    return prefix if prefix.end == len(text) else None


def _read(cursor: Cursor) -> Prefix:
    start = cursor.take(cursor.patterns.start)
    if start is None:
        load = cursor.take(cursor.patterns.load)
        if load is None:
            raise _not_insert(cursor)
        return _load(cursor, load)
    schema, table = _read_table(cursor, start)
    partition = cursor.take(cursor.patterns.partition) is not None
    listed = cursor.text.startswith(b"(", cursor.at) and not _QUERY.match(cursor.text, cursor.at)
    columns = _read_columns(cursor) if listed else None
    form = _read_form(cursor)
    if form is Form.SET and listed:
        raise UnprovenError(Reason.MALFORMED)
    modifier = start[2]
    return Prefix(
        verb=Span(*start.span(1)),
        modifiers=(modifier.decode().lower(),) if modifier else (),
        modifier_spans=(Span(*start.span(2)),) if modifier else (),
        schema=schema,
        table=table,
        table_span=Span(start.start(5), start.end(6) if start[6] else start.end(5)),
        partition=partition,
        columns=columns,
        form=form,
        end=cursor.at,
    )


def _load(cursor: Cursor, found: re.Match[bytes]) -> Prefix:
    """Read the match of a LOAD DATA up to its table."""
    _, local, _, duplicates, first, second = found.groups()
    if duplicates:
        raise UnprovenError(Reason.IGNORE if duplicates.upper() == b"IGNORE" else Reason.REPLACE)
    return Prefix(
        verb=Span(*found.span(1)),
        modifiers=("local",) if local else (),
        modifier_spans=(Span(*found.span(2)),) if local else (),
        schema=cursor.name(first) if second else None,
        table=cursor.name(second or first),
        table_span=Span(found.start(5), found.end(6) if second else found.end(5)),
        partition=False,
        columns=None,
        form=Form.LOAD_DATA,
        end=found.end(3),
    )


def _not_insert(cursor: Cursor) -> UnprovenError:
    """Give the reason why a text does not begin as an INSERT with a table."""
    cursor.expect(_GAP)
    verb = cursor.take(_VERB)
    if verb is None:
        return cursor.fault() if cursor.text.startswith(b"/*", cursor.at) else UnprovenError(Reason.NOT_INSERT)
    word = verb[1].upper()
    if word == b"INSERT":
        return cursor.fault()
    return UnprovenError(Reason.REPLACE if word == b"REPLACE" else Reason.LOAD_DATA)


def _read_table(cursor: Cursor, start: re.Match[bytes]) -> tuple[str | None, str]:
    """Read schema and table from the match of a statement's start."""
    ignore, first, second = start.group(3, 5, 6)
    if ignore:
        raise UnprovenError(Reason.IGNORE)
    if second:
        return cursor.name(first), cursor.name(second)
    if first.upper() in _RESERVED:
        raise UnprovenError(Reason.MALFORMED)
    return None, cursor.name(first)


def _read_columns(cursor: Cursor) -> tuple[str, ...] | None:
    """Read the column list; None for an empty one, which means the same as none."""
    cursor.expect(_OPEN)
    if cursor.take(_CLOSE):
        return None
    columns = []
    mark = b","
    while mark == b",":
        name, mark = cursor.expect(cursor.patterns.column).groups()
        columns.append(cursor.name(name))
    if len(set(map(fold, columns))) != len(columns):
        raise UnprovenError(Reason.MALFORMED)  # error 1110
    return tuple(columns)


def _read_form(cursor: Cursor) -> Form:
    """Read the word before the values; of a query read nothing."""
    start = cursor.at
    if cursor.take(_OPEN):
        cursor.at = start
        return Form.SELECT
    word = cursor.expect(_BODY)[1].upper()
    if word == b"SET":
        return Form.SET
    if word in (b"VALUES", b"VALUE") and not _ROW.match(cursor.text, cursor.at):
        return Form.VALUES
    cursor.at = start
    return _QUERY_FORMS.get(word, Form.SELECT)
