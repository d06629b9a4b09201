"""The recogniser of INSERT: one statement's table, columns and byte spans, or why it is left alone."""

from dataclasses import dataclass

from proxy.sql.assignments import read_assignments
from proxy.sql.cursor import Cursor
from proxy.sql.form import Form
from proxy.sql.lexing import Lexing
from proxy.sql.patterns import compiled
from proxy.sql.prefix import read_prefix
from proxy.sql.reason import Reason, UnprovenError
from proxy.sql.rows import read_rows
from proxy.sql.span import Span
from proxy.sql.tail import read_tail

# A byte that may be the first half of a character whose second half is a backslash or a backtick.
_HALF_CHARACTER = compiled(rb"[\x80-\xff][\\`]")


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
    if lexing.no_backslash_escapes is None and b"\\" in text:
        return Skip(Reason.BACKSLASH)
    try:
        return _read(Cursor(text, lexing))
    except UnprovenError as unproven:
        return Skip(unproven.reason)


def _read(cursor: Cursor) -> Insert:
    text = cursor.text
    prefix = read_prefix(cursor)
    if not cursor.lexing.charset_safe and _HALF_CHARACTER.search(text):
        raise UnprovenError(Reason.CHARSET)
    columns = prefix.columns
    if prefix.form is Form.SET:
        columns = read_assignments(cursor)
        rows, values = 1, len(columns)
    else:
        rows, values = read_rows(cursor)
        if columns is not None and len(columns) != values:
            raise UnprovenError(Reason.MALFORMED)  # error 1136
    body_end = cursor.at
    return Insert(
        text=text,
        form=prefix.form,
        verb=prefix.verb,
        modifiers=prefix.modifiers,
        modifier_spans=prefix.modifier_spans,
        schema=prefix.schema,
        table=prefix.table,
        table_span=prefix.table_span,
        columns=columns,
        rows=rows,
        values=values,
        placeholders=cursor.placeholders,
        body_end=body_end,
        tail=Span(body_end, len(text)),
        tail_safe=read_tail(cursor),
        partition=prefix.partition,
    )
