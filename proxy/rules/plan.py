"""What a rule does to one insert: the statement that is sent for it.

A plan only splices: the client's bytes stay as they are, and a clause (see `proxy.rules.clause`) goes in right after
the last value, or a word where the statement's own would be.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from proxy.rules.clause import MARKER, Clause, Target, make_clause
from proxy.rules.definition import columns_of, may_meet_last_id, replace_refused
from proxy.rules.rule import Action, Returning, Rule, When
from proxy.rules.table import Table
from proxy.sql.dialect import Dialect
from proxy.sql.form import Form
from proxy.sql.insert import Insert, Skip
from proxy.sql.reason import Reason
from proxy.sql.span import Span

__all__ = ["MARKER", "Plan", "plan"]


class Plan(NamedTuple):
    """The statement that stands for one insert under one rule.

    Args:
        rule: the rule.
        statement: the text to be sent.
        guarded: it may end in the guard's own error, 1690 with the marker in its text.
        rows: the number of rows that it offers; 0: the text does not tell.
        when: the rule's own, but for a statement that is only sent after a conflict: one with RETURNING, and on MySQL
            one that might take the row with the last AUTO_INCREMENT id for a duplicate.
        returning: the reply to it are rows, not an OK.
    """

    rule: Rule
    statement: bytes
    guarded: bool
    rows: int
    when: When
    returning: bool = False


def plan(insert: Insert, rule: Rule, dialect: Dialect, table: Table | None = None) -> Plan | Skip:
    """Make the statement that does what a rule says about a duplicate of an insert, or tell why there is none.

    The number of `?` and the bytes of the values stay the same. An `observe` rule has no statement.

    Args:
        insert: the client's statement.
        rule: what to do.
        dialect: the server's.
        table: the definition of the insert's table, if it is known.
    """
    made = _plan(insert, rule, dialect, table)
    return Skip(made) if isinstance(made, Reason) else made


def _plan(insert: Insert, rule: Rule, dialect: Dialect, table: Table | None) -> Plan | Reason:
    if rule.action is Action.OBSERVE:
        return Reason.OBSERVE
    if insert.form is Form.LOAD_DATA:
        return _load(insert, rule)
    when = When.CONFLICT if insert.returning else rule.effective_when
    clause = _clause_of(insert, rule, dialect, table)
    if isinstance(clause, Reason):
        return clause
    guarded = clause is not None and clause.guarded
    if when is When.ALWAYS and not dialect.mariadb and _may_meet_last_id(insert, rule, table, guarded=guarded):
        when = When.CONFLICT  # whose error tells the id
    alone = when is When.ALWAYS and not guarded
    refused = _refused(insert, rule, dialect) or (None if alone else _second_refused(insert, table))
    if clause is None and refused is None:
        refused = replace_refused(insert, rule, table)
    if refused is not None:
        return refused
    if clause is None:
        return Plan(rule, _replace(insert), False, insert.rows, when, insert.returning)
    if not clause.text.isascii() and insert.lexing.utf8 is not True:
        return Reason.CHARSET
    before = b" WHERE TRUE" if insert.open_join else b""
    behind = b" " if insert.returning else b""  # an expression may end in a word, and RETURNING follow a parenthesis
    statement = _spliced(insert.text, insert.body_end, before, clause.text, behind)
    return Plan(rule, statement, clause.guarded, insert.rows, when, insert.returning)


def _may_meet_last_id(insert: Insert, rule: Rule, table: Table | None, *, guarded: bool) -> bool:
    columns = columns_of(insert, table)
    return not isinstance(columns, Reason) and may_meet_last_id(rule, table, columns, guarded=guarded)


def _refused(insert: Insert, rule: Rule, dialect: Dialect) -> Reason | None:
    """Tell why a statement is left alone whatever the table.

    An application may sort the ids that RETURNING gives it, for a plain INSERT counts them up in the order of its rows
    (SQLAlchemy does, on MariaDB). Among them, the id of a row that was there would become another row's.
    """
    if "delayed" in insert.modifiers:
        return Reason.DELAYED
    if insert.returning and not dialect.mariadb:
        return Reason.RETURNING
    if insert.returning and insert.rows != 1 and rule.returning is Returning.ONE and rule.action is not Action.REPLACE:
        return Reason.RETURNED_ROWS
    return None


def _second_refused(insert: Insert, table: Table | None) -> Reason | None:
    """Tell why a statement cannot follow one that has failed: the client's own, or the rule's if its guard raises.

    A failed statement of several rows leaves the first of them behind if the engine cannot undo it, and the id of one
    that it did undo in LAST_INSERT_ID(). A failed one of any kind leaves its traces in the diagnostics.
    """
    if table is not None and not table.transactional and insert.rows != 1:
        return Reason.ENGINE
    if insert.reads.diagnostics or (insert.reads.last_id and insert.rows != 1):
        return Reason.SESSION_STATE
    return None


# --------------------------------------------------------------------------------------------------------------------
# ON DUPLICATE KEY UPDATE


def _clause_of(insert: Insert, rule: Rule, dialect: Dialect, table: Table | None) -> Clause | Reason | None:
    """Make the clause of a rule; None: it needs none."""
    if rule.action is Action.REPLACE:
        return None
    if insert.self_select:
        return Reason.SELF_SELECT
    columns = columns_of(insert, table)
    if isinstance(columns, Reason):
        return columns
    written = insert.text[insert.table_span.start : insert.table_span.end]
    small = len(written) <= _REMEMBERED_NAME and len(columns or ()) <= _REMEMBERED_COLUMNS
    make = _remembered if small else _made
    # Behind SELECT an alias would be a column's (error 1054), behind VALUES ROW() it is 1064; that of a row in a view
    # has the names of the table behind the view.
    aliasable = not insert.form.is_query and not (table is not None and table.view)
    return make(rule, dialect, Target(written, insert.table, columns, aliasable), _Definition(table))


class _Definition:
    """A table's definition as the key of a dictionary: the very same one; whether two are equal takes long to tell."""

    __slots__ = ("table",)

    def __init__(self, table: Table | None) -> None:
        self.table = table

    def __hash__(self) -> int:
        return id(self.table)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Definition) and other.table is self.table


def _made(rule: Rule, dialect: Dialect, target: Target, definition: _Definition) -> Clause | Reason:
    return make_clause(rule, dialect, target, definition.table)


# Schema and table of 64 characters of up to 4 bytes each, quoted, are shorter.
_REMEMBERED_NAME: Final = 1024
_REMEMBERED_COLUMNS: Final = 64
# With `when: always` every INSERT is planned: a remembered clause saves 10 of 12 microseconds. The client chooses the
# names in a clause, so only short ones are kept: a clause has at most some 60 KiB, all of them some 15 MiB.
_remembered: Final = lru_cache(maxsize=256)(_made)


# --------------------------------------------------------------------------------------------------------------------
# REPLACE and LOAD DATA


def _replace(insert: Insert) -> bytes:
    """Write REPLACE for INSERT, without HIGH_PRIORITY, which REPLACE does not take."""
    text = insert.text
    dropped = [
        span for word, span in zip(insert.modifiers, insert.modifier_spans, strict=True) if word == "high_priority"
    ]
    return _exchanged(text, [(insert.verb, b"REPLACE"), *((span, b"") for span in dropped)])


def _load(insert: Insert, rule: Rule) -> Plan | Reason:
    """Write IGNORE or REPLACE before the INTO of a LOAD DATA (MySQL manual, "LOAD DATA Statement").

    Only in the first place: of a client's own file there is no second reading. LOCAL implies IGNORE, and saying so
    changes nothing; without LOCAL it would hide other errors as well (measured on both servers), which `ignore` never
    does. Neither word can be held to a key.
    """
    if rule.effective_when is not When.ALWAYS or rule.keys or rule.columns or rule.return_id is not None:
        return Reason.LOAD_DATA
    if rule.action is Action.REPLACE:
        word = b" REPLACE "
    elif rule.action is Action.IGNORE and "local" in insert.modifiers:
        word = b" IGNORE "
    else:
        return Reason.LOAD_DATA
    return Plan(rule, _spliced(insert.text, insert.body_end, word), False, 0, When.ALWAYS)


# --------------------------------------------------------------------------------------------------------------------
# Splicing


def _spliced(text: bytes, at: int, *pieces: bytes) -> bytes:
    """Insert pieces into a text that may be large: it is copied once."""
    view = memoryview(text)
    return b"".join((view[:at], *pieces, view[at:]))


def _exchanged(text: bytes, exchanges: Iterable[tuple[Span, bytes]]) -> bytes:
    """Write other bytes for stretches of a text, given in their order."""
    view, pieces, done = memoryview(text), [], 0
    for span, written in exchanges:
        pieces += [view[done : span.start], memoryview(written)]
        done = span.end
    return b"".join([*pieces, view[done:]])
