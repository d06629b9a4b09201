"""What a rule does to one insert: the statement that is sent for it.

A plan only splices: the client's bytes stay as they are, and a clause (see `proxy.rules.clause`) goes in right after
the last value, or a word where the statement's own would be.
"""

from collections.abc import Iterable
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
    if insert.form is Form.LOAD_DATA and rule.action is not Action.OBSERVE:
        return _load(insert, rule)
    recipe = _recipe_for(insert, rule, dialect, table)
    if isinstance(recipe, Reason):
        return Skip(recipe)
    clause, guarded, when = recipe
    statement = _replace(insert) if clause is None else _spliced(insert.text, insert.body_end, clause)
    return Plan(rule, statement, guarded, insert.rows, when, insert.returning)


# --------------------------------------------------------------------------------------------------------------------
# What all inserts have in common that are alike


class _Recipe(NamedTuple):
    """How a rule's statement is made of any of them.

    clause: what is spliced in right after the values; None: the statement is to be a REPLACE.
    guarded, when: as of a `Plan`.
    """

    clause: bytes | None
    guarded: bool
    when: When


def _recipe_for(insert: Insert, rule: Rule, dialect: Dialect, table: Table | None) -> _Recipe | Reason:
    """Give the recipe for an insert, as it was made for one that is alike under the same definition of the table."""
    written = insert.text[insert.table_span.start : insert.table_span.end]
    alike = (
        *(rule, dialect, written, insert.table, insert.columns, insert.values, insert.form, insert.modifiers),
        *(insert.rows == 1, insert.returning, insert.self_select, insert.open_join, insert.reads, insert.lexing.utf8),
    )
    known_for, recipe = _remembered.get(alike, _UNKNOWN)
    if recipe is not None and known_for is table:  # the very same one: whether two are equal takes long to tell
        return recipe
    recipe = _recipe(insert, rule, dialect, table, written)
    columns = insert.columns or ()
    named = len(columns) <= _REMEMBERED_COLUMNS and sum(map(len, columns)) <= _REMEMBERED_NAMES
    if named and len(written) <= _REMEMBERED_NAME:
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        _remembered[alike] = table, recipe
    return recipe


# With `when: always` every INSERT is planned: a remembered recipe saves 15 of 17 microseconds. The client chooses the
# names in a clause, so only short ones are kept: a clause has at most some 60 KiB, all of them some 15 MiB.
_MOST_REMEMBERED: Final = 256
# Schema and table of 64 characters of up to 4 bytes each, quoted, are shorter.
_REMEMBERED_NAME: Final = 1024
_REMEMBERED_COLUMNS: Final = 64
_REMEMBERED_NAMES: Final = 64 * _REMEMBERED_COLUMNS
"""Characters of all these columns together: what stands in a name's place may be as long as a statement."""
_UNKNOWN: Final = (None, None)
_remembered: Final[dict[tuple[object, ...], tuple[Table | None, _Recipe | Reason]]] = {}


def _recipe(insert: Insert, rule: Rule, dialect: Dialect, table: Table | None, written: bytes) -> _Recipe | Reason:
    if rule.action is Action.OBSERVE:
        return Reason.OBSERVE
    when = When.CONFLICT if insert.returning else rule.effective_when
    clause = _clause_of(insert, rule, dialect, table, written)
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
        return _Recipe(None, False, when)
    if not clause.text.isascii() and insert.lexing.utf8 is not True:
        return Reason.CHARSET
    before = b" WHERE TRUE" if insert.open_join else b""
    behind = b" " if insert.returning else b""  # an expression may end in a word, and RETURNING follow a parenthesis
    return _Recipe(before + clause.text + behind, guarded, when)


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


def _clause_of(
    insert: Insert, rule: Rule, dialect: Dialect, table: Table | None, written: bytes
) -> Clause | Reason | None:
    """Make the clause of a rule; None: it needs none. written: the table as the insert writes it."""
    if rule.action is Action.REPLACE:
        return None
    if insert.self_select:
        return Reason.SELF_SELECT
    columns = columns_of(insert, table)
    if isinstance(columns, Reason):
        return columns
    # Behind SELECT an alias would be a column's (error 1054), behind VALUES ROW() it is 1064; that of a row in a view
    # has the names of the table behind the view.
    aliasable = not insert.form.is_query and not (table is not None and table.view)
    return make_clause(rule, dialect, Target(written, insert.table, columns, aliasable), table)


# --------------------------------------------------------------------------------------------------------------------
# REPLACE and LOAD DATA


def _replace(insert: Insert) -> bytes:
    """Write REPLACE for INSERT, without HIGH_PRIORITY, which REPLACE does not take."""
    text = insert.text
    dropped = [
        span for word, span in zip(insert.modifiers, insert.modifier_spans, strict=True) if word == "high_priority"
    ]
    return _exchanged(text, [(insert.verb, b"REPLACE"), *((span, b"") for span in dropped)])


def _load(insert: Insert, rule: Rule) -> Plan | Skip:
    """Write IGNORE or REPLACE before the INTO of a LOAD DATA (MySQL manual, "LOAD DATA Statement").

    Only in the first place: of a client's own file there is no second reading. LOCAL implies IGNORE, and saying so
    changes nothing; without LOCAL it would hide other errors as well (measured on both servers), which `ignore` never
    does. Neither word can be held to a key.
    """
    if rule.effective_when is not When.ALWAYS or rule.keys or rule.columns or rule.return_id is not None:
        return Skip(Reason.LOAD_DATA)
    if rule.action is Action.REPLACE:
        word = b" REPLACE "
    elif rule.action is Action.IGNORE and "local" in insert.modifiers:
        word = b" IGNORE "
    else:
        return Skip(Reason.LOAD_DATA)
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
