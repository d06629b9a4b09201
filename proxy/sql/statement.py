"""One INSERT statement, put together from its parts."""

from typing import NamedTuple

from proxy.sql.assignments import read_assignments
from proxy.sql.cursor import Cursor
from proxy.sql.form import Form
from proxy.sql.lexing import Lexing
from proxy.sql.names import fold
from proxy.sql.patterns import compiled
from proxy.sql.prefix import Prefix, read_prefix
from proxy.sql.query import read_query, read_tokens
from proxy.sql.reason import Reason, UnprovenError
from proxy.sql.rows import read_rows
from proxy.sql.session_state import SessionState, session_state
from proxy.sql.span import Span
from proxy.sql.tail import Tail, read_tail

# A byte that may be the first half of a character whose second half is a backslash or a backtick.
_HALF_CHARACTER = compiled(rb"[\x80-\xff][\\`]")


class Insert(NamedTuple):
    """One INSERT statement, proven to be nothing else; or one LOAD DATA. Offsets count bytes of `text`.

    Args:
        text: the whole statement as the client sent it.
        lexing: how it was read.
        form: what gives the rows.
        verb: the keyword INSERT, or LOAD.
        modifiers: lower-case words between INSERT and INTO: low_priority, high_priority or delayed; at most one. Of a
            LOAD DATA only local.
        modifier_spans: where they stand.
        schema: the schema as written before the table's name, unquoted; None when there is none.
        table: the table's name, unquoted; bytes that are not UTF-8 are surrogate escapes.
        table_span: the table as written, with its schema.
        columns: the columns that the statement names, unquoted, in its order; of `t.a` the last part.
            None when there is no column list or an empty one `()`. Not read of a LOAD DATA.
        rows: how many rows are offered; 0 when the text does not tell, as of a query.
        values: how many values each row has; 0 for `VALUES ()`, and when the text does not tell.
        placeholders: how many `?` there are.
        body_end: right after the last value (or the `)` of the last row), or the last token of the query: here, with a
            space before and after it, a clause may be spliced in. Of a LOAD DATA, right after the file's name: here
            IGNORE or REPLACE may be.
        tail: from `body_end` to the end of the text: nothing but whitespace, comments and `;`, and RETURNING. It may
            stay behind a clause spliced in at `body_end`: a line comment swallows nothing there and a `;` ends what it
            ended. Of a LOAD DATA, the rest of it.
        tail_safe: the tail holds neither a `;` nor a line comment nor RETURNING, so that a clause might follow it.
        partition: the statement names partitions.
        returning: there is a RETURNING (MariaDB), so that rows are the answer.
        self_select: a clause behind the query would see another table under the name of this one.
        open_join: a clause behind the query must not begin with ON, which would be that of a join: WHERE TRUE before it
            changes nothing and ends the FROM clause.
        reads: what the values may read of the session.
    """

    text: bytes
    lexing: Lexing
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
    returning: bool
    self_select: bool
    open_join: bool
    reads: SessionState


class Skip(NamedTuple):
    """A statement that is passed on as it is."""

    reason: Reason


class Body(NamedTuple):
    """The values of an INSERT, or the query that gives them; the fields are those of `Insert`.

    Args:
        end: right after the last of them: `Insert.body_end`.
    """

    end: int
    columns: tuple[str, ...] | None
    rows: int = 0
    values: int = 0
    self_select: bool = False
    open_join: bool = False


def read_insert(cursor: Cursor) -> Insert:
    """Read a whole statement at once.

    Raises:
        UnprovenError: it is not proven to be one INSERT, or one LOAD DATA.
    """
    prefix = read_prefix(cursor)
    check_characters(cursor.lexing, cursor.text)
    body = read_body(cursor, prefix)
    state = session_state(cursor.text, prefix.end, body.end)
    return insert_of(cursor.text, cursor, prefix, body, state, read_tail(cursor))


def check_characters(lexing: Lexing, text: bytes) -> None:
    """Refuse a text in which a backslash or a backtick may be half of a character.

    Raises:
        UnprovenError: it is one.
    """
    if not lexing.charset_safe and _HALF_CHARACTER.search(text):
        raise UnprovenError(Reason.CHARSET)


def read_body(cursor: Cursor, prefix: Prefix) -> Body:
    """Read the values of a statement, or its query.

    Raises:
        UnprovenError: something in them is not understood.
    """
    if prefix.form is Form.SET:
        columns = read_assignments(cursor)
        return Body(cursor.at, columns, rows=1, values=len(columns))
    if prefix.form is Form.VALUES:
        rows, values = read_rows(cursor)
        return values_body(prefix, cursor.at, rows, values)
    if prefix.form is Form.LOAD_DATA:
        cursor.at = prefix.table_span.end
        read_tokens(cursor, b"`")
        return Body(prefix.end, None)
    query = read_query(cursor)
    return Body(query.end, prefix.columns, self_select=fold(prefix.table) in query.names, open_join=query.open_join)


def values_body(prefix: Prefix, end: int, rows: int, values: int) -> Body:
    """Make the body of the rows behind VALUES.

    Raises:
        UnprovenError: the columns are more or fewer than the values.
    """
    if prefix.columns is not None and len(prefix.columns) != values:
        raise UnprovenError(Reason.MALFORMED)  # error 1136
    return Body(end, prefix.columns, rows, values)


def insert_of(text: bytes, cursor: Cursor, prefix: Prefix, body: Body, state: SessionState, tail: Tail) -> Insert:
    """Put an INSERT together from its parts; the cursor has read them."""
    return Insert(
        text=text,
        lexing=cursor.lexing,
        form=prefix.form,
        verb=prefix.verb,
        modifiers=prefix.modifiers,
        modifier_spans=prefix.modifier_spans,
        schema=prefix.schema,
        table=prefix.table,
        table_span=prefix.table_span,
        columns=body.columns,
        rows=body.rows,
        values=body.values,
        placeholders=cursor.placeholders,
        body_end=body.end,
        tail=Span(body.end, len(text)),
        tail_safe=tail.safe and prefix.form is not Form.LOAD_DATA,
        partition=prefix.partition,
        returning=tail.returning,
        self_select=body.self_select,
        open_join=body.open_join,
        reads=state,
    )
