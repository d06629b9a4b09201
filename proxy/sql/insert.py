"""The recogniser of INSERT: one statement's table, columns and byte spans, or why it is left alone."""

from dataclasses import dataclass
from enum import StrEnum

from proxy.sql.lexing import Lexing
from proxy.sql.reason import Reason
from proxy.sql.span import Span


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
    """Read a statement.

    Args:
        text: one COM_QUERY or COM_STMT_PREPARE text.
        lexing: how the session's server splits it into tokens.
    """
    return Skip(Reason.NOT_INSERT)
