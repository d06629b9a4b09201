"""The recogniser of INSERT: one statement's table, columns and byte spans, or why it is left alone."""

import re
from dataclasses import dataclass
from enum import StrEnum

from proxy.sql.assignments import read_assignments
from proxy.sql.cursor import Cursor
from proxy.sql.lexing import Lexing
from proxy.sql.names import fold, unquote
from proxy.sql.patterns import GAP, compiled, keyword, patterns_for
from proxy.sql.reason import Reason, UnprovenError
from proxy.sql.rows import read_rows
from proxy.sql.span import Span
from proxy.sql.tail import read_tail

# A byte that may be the first half of a character whose second half is a backslash or a backtick.
_HALF_CHARACTER = compiled(rb"[\x80-\xff][\\`]")
_GAP = compiled(GAP)
_VERB = compiled(keyword(rb"INSERT|REPLACE|LOAD"))
_BODY = compiled(keyword(rb"VALUES?+|SET|SELECT|WITH|TABLE"))
_ROW = compiled(keyword(rb"ROW"))
_OPEN = compiled(rb"\(" + GAP)
_CLOSE = compiled(rb"\)" + GAP)
_QUERY = compiled(rb"\(|" + keyword(rb"SELECT|WITH|TABLE|VALUES"))
# Reserved words of this grammar; a plain name that is one of them is a statement that went wrong.
_RESERVED = frozenset(
    {
        *(b"DELAYED", b"HIGH_PRIORITY", b"IGNORE", b"INSERT", b"INTO", b"LOW_PRIORITY", b"ON", b"PARTITION"),
        *(b"SELECT", b"SET", b"TABLE", b"VALUES", b"WITH"),
    }
)


class Form(StrEnum):
    """How the statement gives its rows."""

    VALUES = "values"
    SET = "set"


@dataclass(frozen=True, slots=True)
class Insert:
    """One INSERT statement, proven to be nothing else. Offsets count bytes of `text`.

    Args:
        text: the whole statement as the client sent it.
        form: VALUES (also VALUE) or SET.
        verb: the keyword INSERT.
        modifiers: lower-case words between INSERT and INTO: low_priority, high_priority or delayed; at most one.
        modifier_spans: where they stand.
        schema: the schema as written before the table's name, unquoted; None when there is none.
        table: the table's name, unquoted; bytes that are not UTF-8 are surrogate escapes.
        table_span: the table as written, with its schema.
        columns: the columns that the statement names, unquoted, in its order; of `t.a` the last part.
            None when there is no column list or an empty one `()`.
        rows: how many rows are offered.
        values: how many values each row has; 0 for `VALUES ()`.
        placeholders: how many `?` there are.
        body_end: right after the last value (or the `)` of the last row): here, with a space before and after it,
            a clause may be spliced in.
        tail: from `body_end` to the end of the text: nothing but whitespace, comments and `;`. It may stay behind a
            clause spliced in at `body_end`: a line comment swallows nothing there and a `;` ends what it ended.
        tail_safe: the tail holds neither a `;` nor a line comment, so that a clause might follow it as well.
        partition: the statement names partitions.
    """

    text: bytes
    form: Form
    verb: Span
    modifiers: tuple[str, ...]
    modifier_spans: tuple[Span, ...]
    schema: str | None
    table: str
    table_span: Span
    columns: tuple[str, ...] | None
    rows: int
    values: int
    placeholders: int
    body_end: int
    tail: Span
    tail_safe: bool
    partition: bool


@dataclass(frozen=True, slots=True)
class Skip:
    """A statement that is passed on as it is."""

    reason: Reason


def recognise(text: bytes, lexing: Lexing) -> Insert | Skip:
    """Read a statement; what is not proven to be one INSERT of rows is skipped.

    Args:
        text: one COM_QUERY or COM_STMT_PREPARE text.
        lexing: how the session's server splits it into tokens.

    See the MySQL manual, "INSERT Statement".
    """
    try:
        return _read(Cursor(text, patterns_for(lexing), lexing.ansi_quotes), lexing)
    except UnprovenError as unproven:
        return Skip(unproven.reason)


def _read(cursor: Cursor, lexing: Lexing) -> Insert:
    text = cursor.text
    start = cursor.take(cursor.patterns.start)
    if start is None:
        raise _not_insert(cursor)
    if not lexing.charset_safe and _HALF_CHARACTER.search(text):
        raise UnprovenError(Reason.CHARSET)
    schema, table = _read_table(start)
    partition = cursor.take(cursor.patterns.partition) is not None
    columns = _read_columns(cursor)
    form = _read_form(cursor)
    if form is Form.SET:
        if columns is not None:
            raise UnprovenError(Reason.MALFORMED)
        columns = read_assignments(cursor)
        rows, values = 1, len(columns)
    else:
        rows, values = read_rows(cursor)
    _check_columns(columns, values)
    body_end = cursor.at
    modifier = start[2]
    return Insert(
        text=text,
        form=form,
        verb=Span(*start.span(1)),
        modifiers=(modifier.decode().lower(),) if modifier else (),
        modifier_spans=(Span(*start.span(2)),) if modifier else (),
        schema=schema,
        table=table,
        table_span=Span(start.start(5), start.end(6) if start[6] else start.end(5)),
        columns=columns,
        rows=rows,
        values=values,
        placeholders=cursor.placeholders,
        body_end=body_end,
        tail=Span(body_end, len(text)),
        tail_safe=read_tail(cursor),
        partition=partition,
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


def _read_table(start: re.Match[bytes]) -> tuple[str | None, str]:
    """Read schema and table from the match of a statement's start."""
    ignore, first, second = start.group(3, 5, 6)
    if ignore:
        raise UnprovenError(Reason.IGNORE)
    if second:
        return unquote(first), unquote(second)
    if first.upper() in _RESERVED:
        raise UnprovenError(Reason.MALFORMED)
    return None, unquote(first)


def _read_columns(cursor: Cursor) -> tuple[str, ...] | None:
    """Read the column list; None when there is none, or an empty one, which means the same."""
    if not cursor.take(_OPEN):
        return None
    if cursor.take(_CLOSE):
        return None
    if cursor.take(_QUERY):
        raise UnprovenError(Reason.SELECT)
    columns = []
    mark = b","
    while mark == b",":
        name, mark = cursor.expect(cursor.patterns.column).groups()
        columns.append(unquote(name))
    return tuple(columns)


def _read_form(cursor: Cursor) -> Form:
    word = cursor.expect(_BODY)[1].upper()
    if word == b"SET":
        return Form.SET
    if word == b"TABLE":
        raise UnprovenError(Reason.TABLE)
    if word in (b"SELECT", b"WITH"):
        raise UnprovenError(Reason.SELECT)
    if cursor.take(_ROW):
        raise UnprovenError(Reason.VALUES_ROW)
    return Form.VALUES


def _check_columns(columns: tuple[str, ...] | None, values: int) -> None:
    """Refuse what the server refuses: 1136 for a wrong number of values, 1110 for a column named twice."""
    if columns is None:
        return
    if len(columns) != values or len(set(map(fold, columns))) != values:
        raise UnprovenError(Reason.MALFORMED)
