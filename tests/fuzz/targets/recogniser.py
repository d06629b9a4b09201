"""The recogniser of INSERT, on any text under any lexing, and the statements that rules make of what it has recognised.

What is read in steps must be what is read at once; a rule's statement must hold the client's bytes, and read as what it
is meant to be; and all who look at a text must take it for an insert into the same table.
"""

import itertools
from contextlib import ExitStack

from proxy.conflicts.offered import read_offered
from proxy.conflicts.redaction import redact
from proxy.conflicts.traces import trace_of
from proxy.rules.plan import Plan, plan
from proxy.rules.rule import Action, Returning, Rule, When
from proxy.sql import bounded, recognition
from proxy.sql.dialect import Dialect
from proxy.sql.form import Form
from proxy.sql.head import head, heads_behind
from proxy.sql.insert import Insert, Recognition, Skip, recognise
from proxy.sql.lexing import Lexing
from proxy.sql.names import fold
from proxy.sql.reason import Reason
from proxy.sql.session_state import session_state
from proxy.sql.split import Splitting, split
from tests.fuzz.target import Target, put, random_of
from tests.rules.making import MARIADB, MYSQL, OLD_MYSQL, rule

LEXINGS = tuple(
    itertools.starmap(
        Lexing, itertools.product((None, False, True), (None, False, True), (None, False, True), (None, True))
    )
)
DIALECTS: tuple[Dialect, ...] = (MYSQL, OLD_MYSQL, MARIADB)
RULES: tuple[Rule, ...] = (
    rule("ignore"),
    rule("ignore", key="ux", columns=["a"], when=When.ALWAYS),
    rule("update", {"b": "new.b", "c": "old.c + new.c"}, key="ux", columns=["a"], returning=Returning.SEVERAL),
    rule("update", {"b": "new.b"}, groups=(("a", "b"), ("c",)), keys=("ux", "uy"), return_id="id"),
    rule(
        "idempotent", key="ux", columns=["a"], compare_except=("c",), compare_json=("b",), returning=Returning.SEVERAL
    ),
    rule("replace", allow_replace=True, when=When.ALWAYS),
    rule("replace", allow_replace=True, key="ux", columns=["a"]),
    rule("ignore", key="ux", columns=["größe"]),
)
STOPPED = frozenset({Reason.TOO_LARGE, Reason.UNTERMINATED, Reason.HINT})
"""Why a text is left alone in short windows that is not in whole: something is longer than a window."""
READ_AS = {Action.REPLACE: {Reason.REPLACE, Reason.VERSIONED_COMMENT}}


def check(data: bytes) -> None:
    """Read a text in every way that the proxy does; the first byte says which lexing, dialect and rule."""
    how, text = data[:1] or b"\0", data[1:]
    lexing = LEXINGS[how[0] % len(LEXINGS)]
    random = random_of(data)
    found = recognise(text, lexing)
    _check_steps(text, lexing, found)
    _check_split(text, lexing)
    session_state(text, 0, len(text))
    redact(text)
    trace_of(text, 0.0)
    offered = read_offered(text)
    start = head(text)
    list(itertools.islice(heads_behind(text), 8))
    if isinstance(found, Skip):
        return
    _check_insert(found)
    if start.table is not None:
        assert (start.schema, start.table) == (found.schema, found.table)
    assert start.verb in ("insert", "load", "other")
    if offered.whole and found.lexing == Lexing(False, False, True):
        assert len(offered.rows) == found.rows
    dialect = random.choice(DIALECTS)
    for own in random.sample(RULES, 2):
        made = plan(found, own, dialect)
        if isinstance(made, Plan):
            _check_plan(found, own, made)


def _check_insert(found: Insert) -> None:
    text = found.text
    assert text[slice(*found.verb)].lower() in (b"insert", b"load")
    assert found.verb.start <= found.verb.end <= found.table_span.start < found.table_span.end
    assert found.tail == (found.body_end, len(text))
    assert 0 < found.body_end <= len(text)
    if found.form is not Form.LOAD_DATA:
        assert found.table_span.end <= found.body_end
    assert found.placeholders <= text.count(b"?")
    assert found.columns is None or len(set(map(fold, found.columns))) == len(found.columns) > 0
    assert recognise(text[: found.body_end], found.lexing) != Skip(Reason.NOT_INSERT)


def _check_plan(found: Insert, own: Rule, made: Plan) -> None:
    text, statement = found.text, made.statement
    values = text[found.table_span.start :] if found.form is not Form.LOAD_DATA else text[found.body_end :]
    again = recognise(statement, found.lexing)
    if text.count(b"?") == found.placeholders:  # and not in names or strings
        assert statement.count(b"?") == found.placeholders
    assert isinstance(again, Skip), again  # it says already what becomes of a duplicate
    if own.action is Action.REPLACE or found.form is Form.LOAD_DATA:
        assert statement.endswith(values)
        assert again.reason in (Reason.REPLACE, Reason.IGNORE, Reason.LOAD_DATA), again
    else:
        assert statement.startswith(text[: found.body_end])
        assert statement.endswith(text[found.body_end :])
        assert again.reason in (Reason.ON_DUPLICATE, Reason.ROW_ALIAS), again


def _check_split(text: bytes, lexing: Lexing) -> None:
    found = split(text, lexing)
    splitting, steps = Splitting(text, lexing), 0
    while (step := splitting.step()) is None:
        steps += 1
        assert steps <= len(text)
    assert step == found
    if isinstance(found, Skip):
        return
    at = 0
    for span in found:
        assert at <= span.start <= span.end <= len(text)
        assert text[at : span.start] in (b"", b";")
        at = span.end
    assert not text[at:].strip(b"; \t\n\v\f\r")


def _check_steps(text: bytes, lexing: Lexing, found: Insert | Skip) -> None:
    """Read a short text as if it was a large one."""
    with _short_windows():
        reading, steps = Recognition(text, lexing, lambda: 0.0), 0
        while (step := reading.step(16)) is None:
            steps += 1
            assert steps <= 8 * len(text) + 8
    if isinstance(step, Insert):
        assert step == found
    elif isinstance(found, Insert):
        assert step.reason in STOPPED


def _short_windows() -> ExitStack:
    """Make a text of a few bytes a large one, and one that is longer than a window."""
    stack = ExitStack()
    stack.enter_context(put(bounded, WINDOW=40, _UNTIMED=0))
    stack.enter_context(put(recognition, WINDOW=40, SMALL=0, _LONG=8))
    return stack


_TEXTS = (
    "INSERT INTO users (email, name) VALUES ('a@x', 'A')",
    "INSERT INTO t (a, b, c) VALUES (1, 'x', NULL), (2, \"y\", DEFAULT) ; -- end",
    "insert low_priority into `sh.op` . `us``ers` () values ()",
    "INSERT INTO t SET a = 1 + 2, b := CASE WHEN 1 THEN 'x' END, t.c = NOW() /* x */",
    "INSERT INTO t (a) SELECT a FROM u JOIN t ON u.a = t.a WHERE a IN ('x', ?) ORDER BY a LIMIT 3",
    "INSERT INTO t (a, b) VALUES (?, ?), (?, ?), (?, ?)",
    "INSERT INTO t (a) VALUES (_utf8mb4'x' 'y'), (x'00'), (0x1F), (-1.5e3), (N'a\\'b')",
    "INSERT INTO t PARTITION (p0, `p1`) (a) VALUES ROW(1), ROW(2)",
    "INSERT INTO t (a) TABLE u",
    "INSERT INTO t (a) VALUES (1) RETURNING a, 'x'",
    "INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = 2",
    "INSERT INTO t (a) VALUES (1) AS new",
    "INSERT IGNORE INTO t VALUES (1)",
    "REPLACE INTO t VALUES (1)",
    "LOAD DATA LOCAL INFILE 'x' INTO TABLE s.t FIELDS TERMINATED BY ',' (a, b)",
    "/*!50000 INSERT */ INTO t VALUES (1)",
    "INSERT /*+ SET_VAR(foreign_key_checks=0) */ INTO t VALUES (1)",
    'INSERT INTO "t" ("a") VALUES (\'\\\\\')',
    "INSERT INTO t (a, b, c) VALUES ((SELECT MAX(a) FROM u), LAST_INSERT_ID(), @@identity) # x",
    "SET @a = 1; INSERT INTO t (a) VALUES (1); SELECT ';', \";\" ; UPDATE t SET a = 1;",
    "WITH x AS (SELECT 1) SELECT 1",
    "INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x UNION ALL SELECT `t`.b FROM t",
    "INSERT INTO t (a) VALUES (1) -- it's\n /*traceparent='00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00'*/",
    "INSERT INTO t (a) VALUES ('" + "x" * 60 + "'), (/* " + "y" * 60 + " */ 1)",
)

TARGET = Target(
    check,
    seeds=tuple(bytes((number % 54,)) + text.encode() for number, text in enumerate(_TEXTS, 20)),
    words=(
        *(
            b"INSERT ",
            b"INTO ",
            b"VALUES",
            b" VALUES (",
            b"SELECT ",
            b" SET ",
            b"ON DUPLICATE KEY UPDATE ",
            b"RETURNING ",
        ),
        *(
            b"REPLACE ",
            b"IGNORE ",
            b"LOAD DATA INFILE 'x' INTO TABLE t",
            b"ROW(",
            b"TABLE ",
            b"PARTITION (",
            b" AS new",
        ),
        *(
            b"/*",
            b"*/",
            b"/*!",
            b"/*M!",
            b"/*+",
            b"-- ",
            b"#",
            b"\n",
            b"''",
            b"``",
            b'""',
            b"\\'",
            b"), (",
            b"; ",
            b"@a := ",
        ),
        *(
            b"\xa0",
            b"\xe5\x5c",
            b"\x00",
            b"_utf8mb4",
            b"x'00'",
            b"INTERVAL 1 DAY",
            b"CASE WHEN ",
            b" JOIN ",
            b" UNION ",
        ),
        *(
            b"LOW_PRIORITY ",
            b"DELAYED ",
            b"DEFAULT",
            b"WITH x AS (",
            b"LAST_INSERT_ID()",
            b"ROW_COUNT()",
            b"0x",
            b"1e5",
            b"N'",
        ),
    ),
    longest=400,
)
