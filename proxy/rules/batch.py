"""Multi-statement texts: each INSERT in them for itself.

A conflict in the middle of a text cannot be resolved after the fact, as the statements behind it did not run. So only
rules with `when: always` are followed. If one of their statements fails all the same, those before it have run and must
not run again: `Batch.resumed` gives the text that goes on from there, with the client's own statement in its place.
"""

from collections.abc import Callable
from dataclasses import dataclass

from proxy.rules.match import rule_for_insert
from proxy.rules.plan import Plan, plan
from proxy.rules.rule import Rule, When
from proxy.rules.table import Table
from proxy.sql.dialect import Dialect
from proxy.sql.head import Head, head
from proxy.sql.insert import Insert, Skip, recognise
from proxy.sql.lexing import Lexing
from proxy.sql.reason import Reason
from proxy.sql.span import Span
from proxy.sql.split import split

TableOf = Callable[[Head], Table | None]


@dataclass(frozen=True, slots=True)
class Part:
    """One statement of a text: where it is, what it was recognised as, and the plan or the reason that it has none.

    `rule`: the rule in charge of it, if there is one.
    """

    span: Span
    insert: Insert | None = None
    rule: Rule | None = None
    plan: Plan | Skip | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """A text with a plan for at least one of its statements.

    Args:
        text: as the client sent it.
        parts: its statements, in their order; the server answers each with one result, or with the error that ends all.
        statement: what is sent in its place.
    """

    text: bytes
    parts: tuple[Part, ...]
    statement: bytes

    def resumed(self, failed: int) -> bytes:
        """Give the text to go on with after a planned statement has failed: the client's own, and what is behind it.

        Args:
            failed: the position in `parts` of the statement that failed; as many results came before its error.
        """
        part = self.parts[failed]
        return self.text[part.span.start : part.span.end] + _written(self.text, part.span.end, self.parts[failed + 1 :])


def plan_batch(
    text: bytes,
    lexing: Lexing,
    candidates_of: Callable[[Head], tuple[Rule, ...]],
    dialect: Dialect,
    table_of: TableOf = lambda head: None,
) -> Batch | Skip:
    """Follow the rules with `when: always` in a text of several statements.

    Args:
        text: one COM_QUERY text; of a single statement, it is done for that one.
        lexing: how the session's server splits it into tokens.
        candidates_of: gives the rules for a statement that begins so.
        dialect: the server's.
        table_of: gives the definition of the table of a statement that begins so, if it is known.

    Returns:
        What is sent in place of the text, or why it is left as it is: it cannot be split, or no
        rule has a plan for any of its statements. What a statement was left alone for is in `Part.plan`.
    """
    spans = split(text, lexing)
    if isinstance(spans, Skip):
        return spans
    parts = tuple(_part(text, span, lexing, candidates_of, dialect, table_of) for span in spans)
    if not any(isinstance(part.plan, Plan) for part in parts):
        reasons = [part.plan.reason for part in parts if isinstance(part.plan, Skip)]
        return Skip(reasons[0] if reasons else Reason.MULTI_STATEMENT)
    return Batch(text, parts, _written(text, 0, parts))


def _part(
    text: bytes,
    span: Span,
    lexing: Lexing,
    candidates_of: Callable[[Head], tuple[Rule, ...]],
    dialect: Dialect,
    table_of: TableOf,
) -> Part:
    statement = text[span.start : span.end]
    start = head(statement)
    if start.verb != "insert" or start.table is None:
        return Part(span)
    rule = rule_for_insert(candidates_of(start))
    if rule is None or rule.dry_run:
        return Part(span)
    insert = recognise(statement, lexing)
    if isinstance(insert, Skip):
        return Part(span, rule=rule, plan=insert)
    made = plan(insert, rule, dialect, table_of(start))
    if isinstance(made, Plan) and made.when is not When.ALWAYS:
        made = Skip(Reason.MULTI_STATEMENT)
    return Part(span, insert, rule, made)


def _written(text: bytes, start: int, parts: tuple[Part, ...]) -> bytes:
    """Write a text from an offset on, with the planned statements in place of the client's."""
    pieces = []
    for part in parts:
        if isinstance(part.plan, Plan):
            pieces += [text[start : part.span.start], part.plan.statement]
            start = part.span.end
    return b"".join([*pieces, text[start:]])
