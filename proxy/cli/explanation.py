"""The lines that `keyclash explain` prints."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from proxy.rules.match import Mismatch, RuleSet, mismatch, rule_for_insert
from proxy.rules.plan import Plan, plan
from proxy.rules.rule import Action, AffectedRows, Rule, When
from proxy.sql.dialect import Dialect
from proxy.sql.form import Form
from proxy.sql.head import head, heads_behind
from proxy.sql.insert import Insert, Skip, recognise
from proxy.sql.lexing import Lexing
from proxy.sql.reason import explain_reason
from proxy.sql.split import split

_ANSI_QUOTES: Final = frozenset({"ANSI_QUOTES", "ANSI", "DB2", "MAXDB", "MSSQL", "ORACLE", "POSTGRESQL"})
"""The modes that are ANSI_QUOTES or hold it (MySQL and MariaDB manuals, SQL modes)."""

_WRAPPER: Final = textwrap.TextWrapper(
    width=100, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
)


@dataclass(frozen=True, slots=True)
class Question:
    """One text (its bytes), and all that decides what becomes of it; `modes` are the words of sql_mode."""

    text: bytes
    rules: RuleSet
    dialect: Dialect
    schema: str | None
    user: str
    modes: frozenset[str]


def explanation(question: Question) -> Iterator[str]:
    """Explain a text, line by line: headings begin at the margin, what is spliced in with + or -."""
    lexing = Lexing(
        ansi_quotes=not _ANSI_QUOTES.isdisjoint(question.modes),
        no_backslash_escapes="NO_BACKSLASH_ESCAPES" in question.modes,
        charset_safe=True,
        utf8=True,
    )
    spans = split(question.text, lexing)
    if isinstance(spans, Skip) and _hides_insert(question.text):
        yield "Statement"
        yield from _passed_on(spans)
        return
    if isinstance(spans, Skip) or len(spans) == 1:
        yield from _explain_one(question, lexing, "Statement")
        return
    for number, span in enumerate(spans, 1):
        text = question.text[span.start : span.end]
        yield from _explain_one(replace(question, text=text), lexing, f"Statement {number} of {len(spans)}")


def _explain_one(question: Question, lexing: Lexing, heading: str) -> Iterator[str]:
    insert = recognise(question.text, lexing)
    yield heading
    if isinstance(insert, Skip):
        yield from _passed_on(insert)
        return
    yield from _told(_described(insert))
    yield from _explain_rules(question, insert)


def _hides_insert(text: bytes) -> bool:
    """Tell whether there is an INSERT behind another statement."""
    return head(text).verb not in ("insert", "load") and any(found.verb == "insert" for found in heads_behind(text))


def _passed_on(skip: Skip) -> Iterator[str]:
    yield from _told(f"passed on as it is: {explain_reason(skip.reason)} ({skip.reason})")


def _described(insert: Insert) -> str:
    table = insert.table if insert.schema is None else f"{insert.schema}.{insert.table}"
    if insert.form is Form.LOAD_DATA:
        local = " LOCAL" if "local" in insert.modifiers else ""
        return _printable(f"LOAD DATA{local} into {table}".encode("utf-8", "surrogateescape"))
    columns = "no column list" if insert.columns is None else f"columns {', '.join(insert.columns)}"
    partition = ", into named partitions" if insert.partition else ""
    returning = ", with RETURNING" if insert.returning else ""
    described = f"INSERT ... {insert.form.upper()} into {table}: {columns}; {_rows(insert)}{partition}{returning}"
    return _printable(described.encode("utf-8", "surrogateescape"))


def _rows(insert: Insert) -> str:
    if not insert.rows:
        return "as many rows as the query has"
    return "1 row" if insert.rows == 1 else f"{insert.rows} rows"


def _explain_rules(question: Question, insert: Insert) -> Iterator[str]:
    schema = insert.schema or question.schema
    candidates = question.rules.candidates(schema, insert.table, question.user)
    yield "Rules"
    yield from _asked(question, insert, schema)
    if not candidates:
        yield "Sent"
        yield from _told("the statement as it is; a duplicate-key error goes to the client, counted and explained")
    else:
        yield from _explain_statements(question, insert, candidates)


# --------------------------------------------------------------------------------------------------------------------
# Which rules


def _asked(question: Question, insert: Insert, schema: str | None) -> Iterator[str]:
    none = True
    for rule in question.rules.rules:
        why = mismatch(rule, schema, insert.table, question.user)
        if why is not Mismatch.TABLE:
            none = False
            yield from _told(f"{rule.name} (line {rule.line}, table {rule.table}): {_verdict(rule, why, schema)}")
    if none:
        yield from _told(f"none of the {len(question.rules.rules)} in {question.rules.source} is for this table")


def _verdict(rule: Rule, why: Mismatch | None, schema: str | None) -> str:
    if why is Mismatch.SCHEMA:
        place = "the statement's schema is not known (see --schema)" if schema is None else f"the schema is {schema}"
        return f"not asked, {place}"
    if why is Mismatch.USER:
        return f"not asked, it is only for {_list(rule.users, 'user')} (see --user)"
    dry = ", but only counted: dry_run" if rule.dry_run else ""
    return f"asked for a conflict on {_keys(rule)}: {rule.action}{dry}"


def _keys(rule: Rule) -> str:
    if rule.keys:
        return _list(rule.keys, "key")
    return "any unique key" if not rule.columns else f"the unique key of {' or '.join(map(_group, rule.columns))}"


def _group(columns: tuple[str, ...]) -> str:
    return f"({', '.join(columns)})"


def _list(names: tuple[str, ...], kind: str) -> str:
    return f"the {kind}{'s' if len(names) > 1 else ''} {', '.join(names)}"


# --------------------------------------------------------------------------------------------------------------------
# Which statements


def _explain_statements(question: Question, insert: Insert, rules: tuple[Rule, ...]) -> Iterator[str]:
    plans = {rule.name: plan(insert, rule, question.dialect) for rule in rules}
    always = rule_for_insert(rules)
    first = None if always is None else plans[always.name]
    if isinstance(first, Plan) and first.when is not When.ALWAYS:
        first = None  # what answers with rows is sent as it is
    yield from _first(insert, always, first)
    for rule in rules:
        if not (rule is always and isinstance(first, Plan)):
            yield from _after(insert, rule, plans[rule.name])
    if all(rule.keys for rule in rules):
        yield "After any other conflict"
        yield from _told(_NOTHING)
    yield from _hints(question, insert, [each for each in plans.values() if isinstance(each, Plan)])


_NOTHING: Final = "nothing is sent: the duplicate-key error goes to the client, counted and explained"


def _first(insert: Insert, always: Rule | None, first: Plan | Skip | None) -> Iterator[str]:
    if always is None or not isinstance(first, Plan):
        yield "Sent first"
        yield from _told("the statement as it is")
        return
    yield f"Sent first (rule {always.name}, when: always)"
    yield from _sent(insert, first)
    if first.guarded and not always.dry_run:
        yield "After the guard's error (1690 with 7001062: the row was met on another key)"
        yield from _told("the statement as it is; its reply is the client's")


def _after(insert: Insert, rule: Rule, planned: Plan | Skip) -> Iterator[str]:
    yield f"After a conflict on {_keys(rule)} (rule {rule.name})"
    if isinstance(planned, Plan):
        yield from _sent(insert, planned)
    elif rule.action is Action.OBSERVE:
        yield from _told(_NOTHING)
    else:
        yield from _told(f"{_NOTHING}; {explain_reason(planned.reason)} ({planned.reason})")


def _sent(insert: Insert, planned: Plan) -> Iterator[str]:
    if planned.rule.dry_run:
        told = "the statement as it is" if planned.rule.effective_when is When.ALWAYS else "nothing"
        yield from _told(f"{told}, for the rule has dry_run: true; without it:")
    yield from _marked("  ", planned.statement)
    yield from _told("of which spliced in (+) and taken away (-):")
    yield from _picture(insert.text, planned.statement)


def _picture(before: bytes, after: bytes) -> Iterator[str]:
    start = _alike(before, after)
    end = _alike(before[start:][::-1], after[start:][::-1])
    yield from _marked(" ", before[:start])
    yield from _marked("-", before[start : len(before) - end])
    yield from _marked("+", after[start : len(after) - end])
    yield from _marked(" ", before[len(before) - end :].removeprefix(b"\n"))


def _alike(one: bytes, other: bytes) -> int:
    """Count the bytes with which both begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((position for position, (left, right) in pairs if left != right), min(len(one), len(other)))


def _marked(mark: str, text: bytes) -> Iterator[str]:
    for line in text.splitlines():
        yield mark + _printable(line)


# --------------------------------------------------------------------------------------------------------------------
# Hints


def _hints(question: Question, insert: Insert, plans: list[Plan]) -> Iterator[str]:
    hints = [f"{each.rule.name}: {hint}" for each in plans for hint in _hints_of(question.dialect, insert, each)]
    if hints:
        yield "Hints"
    for hint in hints:
        yield from _told(hint)


def _hints_of(dialect: Dialect, insert: Insert, planned: Plan) -> Iterator[str]:
    rule, rows = planned.rule, insert.rows
    added = planned.statement[insert.body_end : len(planned.statement) - (len(insert.text) - insert.body_end)]
    if rule.effective_when is When.CONFLICT and rule.action is not Action.REPLACE:
        whole = " of all its rows" if rows != 1 else ""
        yield (
            "when: always is better where many of these inserts conflict, or where they run in transactions: it spares "
            f"a conflict the second statement{whole} and the second AUTO_INCREMENT value, and no failed INSERT leaves "
            "a shared lock behind, on which transactions deadlock"
        )
    if rule.action is not Action.REPLACE and dialect.row_alias and b"VALUES(" in added:
        yield "columns that the INSERT does not name are read by VALUES(), for each of which MySQL adds warning 1287"
    if rule.affected_rows is AffectedRows.NATIVE:
        yield "the client reads 0, 1 or 2 affected rows for a conflict; affected_rows: insert gives the 1 of an INSERT"
    if rule.return_id is not None and rows != 1:
        yield f"one id comes back for {rows or 'all'} rows: it cannot be told which row it belongs to"


# --------------------------------------------------------------------------------------------------------------------
# Lines


def _told(text: str) -> Iterator[str]:
    yield from _WRAPPER.wrap(text)


def _printable(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")
