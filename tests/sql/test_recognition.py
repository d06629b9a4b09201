"""Large texts: the same result in whatever steps they are read."""

import itertools
import random
from collections.abc import Iterator

import pytest

from proxy.sql import bounded, recognition
from proxy.sql.cursor import Cursor
from proxy.sql.insert import Insert, Recognition, Skip, recognise
from proxy.sql.lexing import Lexing
from proxy.sql.reason import Reason, UnprovenError
from proxy.sql.statement import read_insert
from tests.sql.test_on_servers import _NOISE, _text
from tests.sql.texts import ANSI, KNOWN, NO_ESCAPES, insert_of

MIB = 1 << 20
QUERIES = (
    b"INSERT INTO t SELECT 'a''b', 1 FROM u JOIN v -- x",
    b"INSERT INTO t (a) (SELECT /* c */ 'long long long long long', \"it\" FROM u)",
    b"INSERT INTO t VALUES (1) RETURNING a, 'x'",
    b"INSERT INTO t SET a = 'long long long string here', b = CONCAT('x', \"y\") # end",
    b"INSERT INTO t (a,b) VALUES (?,?),(?,?),(?,?),(?, 2)",
    b"INSERT INTO t VALUES (f(g(h(1)), 'a'), 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbb'), (1, 2) /* tail */ ;",
    b"INSERT INTO t VALUES (LAST_INSERT_ID(), 1 -- c\n), (row_count(), '\\\\''\\'')",
)


def at_once(text: bytes, lexing: Lexing) -> Insert | None:
    if lexing.no_backslash_escapes is None and b"\\" in text:
        return None
    try:
        return read_insert(Cursor(text, lexing))
    except UnprovenError:
        return None


def in_steps(text: bytes, lexing: Lexing, budgets: Iterator[int]) -> Insert | Skip:
    reading = Recognition(text, lexing, clock=lambda: 0.0)
    for _ in range(100_000):
        found = reading.step(next(budgets))
        if found is not None:
            return found
    raise AssertionError("it never ends")


@pytest.fixture
def choice(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> random.Random:
    """Make every text a large one: no name is longer than a window of these sizes, but strings and comments are."""
    seed = int(request.param)
    chosen = random.Random(seed)
    window = chosen.choice((13, 14, 17, 21, 34, 55))
    for module in (bounded, recognition):
        monkeypatch.setattr(module, "WINDOW", window)
    monkeypatch.setattr(recognition, "SMALL", 0)
    monkeypatch.setattr(recognition, "_LONG", 5)
    return chosen


@pytest.mark.parametrize("choice", range(12), indirect=True)
def test_a_text_in_steps_reads_as_at_once(choice: random.Random) -> None:
    found = 0
    for _ in range(300):
        text = _text(choice) if choice.random() < 0.6 else choice.choice(QUERIES)
        for _ in range(choice.choice((0, 0, 1, 2))):
            place = choice.randrange(len(text) + 1)
            noise = choice.choice(_NOISE) * choice.choice((1, 1, 9))
            text = text[:place] + noise + text[place + choice.choice((0, 0, 1, 3)) :]
        lexing = Lexing(choice.choice((None, False)), choice.choice((None, False, True)), choice.choice((None, True)))
        wanted = at_once(text, lexing)
        budgets = itertools.cycle((choice.choice((1, 7, 40)), choice.choice((1, 500))))
        read = in_steps(text, lexing, budgets)
        assert (read if isinstance(read, Insert) else None) == wanted, (text, lexing)
        found += wanted is not None
    assert found > 50


@pytest.mark.parametrize(
    ("text", "rows", "end"),
    [
        (b"INSERT INTO t (a, b) VALUES " + b", ".join([b"(1, 'abc')"] * 100_000), 100_000, 0),
        (b"INSERT INTO t (a, b) VALUES " + b", ".join([b"(1, f(g(h('x'))))"] * 9_000) + b" -- end", 9_000, 7),
        (b"INSERT INTO t VALUES " + b",".join([b"(?,?,?)"] * 200_000) + b";", 200_000, 1),
        (b"INSERT INTO t VALUES " + b",".join(b"(?,%d)" % number for number in range(20_000)), 20_000, 0),
        (b"INSERT INTO t VALUES (1, '" + b"\\\\''\\'" * (MIB // 6) + b"', 0x" + b"4f" * MIB + b"), (2, 3, 4)", 2, 0),
        (b"INSERT INTO t VALUES (1) /* " + b"*" * MIB + b" */ # " + b"x" * MIB, 1, 2 * MIB + 10),
        (b"INSERT INTO t SET a = '" + b"\\'x" * MIB + b"', b = 2 ; ", 1, 3),
        (b"INSERT INTO t SELECT 1, '" + b"x" * MIB + b"' FROM u -- " + b"y" * MIB, 0, MIB + 4),
        (b"INSERT INTO t VALUES ('" + b"z" * MIB + b"') RETURNING a, '" + b"z" * MIB + b"'", 1, MIB + 16),
    ],
)
def test_large_texts(text: bytes, rows: int, end: int) -> None:
    whole = recognise(text, KNOWN)
    assert isinstance(whole, Insert)
    assert (whole.rows, len(text) - whole.body_end) == (rows, end)
    assert in_steps(text, KNOWN, itertools.repeat(64 << 10)) == whole


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"INSERT INTO t VALUES ('" + b"x" * MIB, Reason.UNTERMINATED),
        (b"INSERT INTO t VALUES (1 /*" + b"x" * MIB, Reason.UNTERMINATED),
        (b"INSERT INTO t VALUES (1" + b"x" * MIB, Reason.UNTERMINATED),
        (b"INSERT INTO t VALUES (`" + b"x" * MIB + b"`)", Reason.UNTERMINATED),
        (b"INSERT INTO t VALUES (1) -- " + b"x" * MIB + b"\x00", Reason.MALFORMED),
        (b"INSERT INTO t VALUES (1 /*+ " + b"x" * MIB + b" */)", Reason.HINT),
        (b"INSERT INTO t VALUES (1, " + b"-" * MIB + b"1)", Reason.TOO_LARGE),
        (b"INSERT INTO t VALUES (" + b"(" * MIB + b"1" + b")" * MIB + b")", Reason.TOO_LARGE),
        (b"INSERT INTO t VALUES (1" + b",1" * MIB + b")", Reason.TOO_LARGE),
        (b"INSERT INTO t SELECT a" + b",a" * MIB, Reason.TOO_LARGE),
        (b"INSERT /*" + b" " * MIB + b"*/ INTO t VALUES (1)", Reason.UNTERMINATED),
        (b"LOAD DATA INFILE 'x' INTO TABLE t" + b" " * MIB, Reason.TOO_LARGE),
        (b"INSERT INTO t VALUES " + b",".join([b"(1,2)"] * 100_000) + b",(1)", Reason.MALFORMED),
        (b"INSERT INTO t VALUES " + b",".join([b"(1,2)"] * 100_000) + b"; SELECT 1", Reason.MULTI_STATEMENT),
        (b"INSERT INTO t VALUES " + b",".join([b"(1)"] * 100_000) + b" AS new", Reason.ROW_ALIAS),
        (b"INSERT INTO t VALUES " + b",".join([b"(1)"] * 100_000) + b" /*! */ /*! x */", Reason.VERSIONED_COMMENT),
        (b"INSERT INTO t VALUES " + b",".join([b"(1)"] * 100_000) + b",(/**/,1)", Reason.MALFORMED),
    ],
)
def test_large_texts_that_are_left_alone(text: bytes, reason: Reason) -> None:
    assert recognise(text, KNOWN) == Skip(reason)
    assert in_steps(text, KNOWN, itertools.repeat(64 << 10)) == Skip(reason)


def test_a_step_ends_when_its_bytes_are_read() -> None:
    text = b"INSERT INTO t VALUES " + b",".join([b"(1,'abc')"] * 500_000)
    reading = Recognition(text, NO_ESCAPES, clock=lambda: 0.0)
    steps = 0
    while reading.step(64 << 10) is None:
        steps += 1
    assert len(text) // (80 << 10) < steps < len(text) // (40 << 10)


def test_a_step_ends_when_its_time_is_over() -> None:
    text = b"INSERT INTO t VALUES " + b",".join([b"(1,'abc')"] * 100_000)
    clock = itertools.count(0.0, 0.001)
    reading = Recognition(text, KNOWN, clock=lambda: next(clock))
    steps = 0
    while reading.step(len(text)) is None:
        steps += 1
    assert steps > 20


def test_a_large_text_with_backslashes_of_unknown_meaning() -> None:
    text = b"INSERT INTO t VALUES ('" + b"\\" * MIB + b"')"
    assert recognise(text, Lexing(False, None, True)) == Skip(Reason.BACKSLASH)


def test_a_large_text_in_a_charset_with_backslashes_in_characters() -> None:
    lexing = Lexing(False, False, False)
    values = b",".join([b"(1,'abc')"] * 10_000)
    assert isinstance(recognise(b"INSERT INTO t VALUES " + values, lexing), Insert)
    assert recognise(b"INSERT INTO t VALUES " + values + b",(1,'\x95\\')", lexing) == Skip(Reason.CHARSET)


@pytest.mark.parametrize("shift", range(0, 40, 3))
def test_what_a_large_text_reads_of_its_session(shift: int) -> None:
    rows = b",".join([b"(1)"] * 20_000)
    size = bounded.WINDOW * 6 - shift
    filler = rows[: size - size % 4] + b"(1),"
    text = b"INSERT INTO t VALUES " + filler + b"(LAST_INSERT_ID()),(ROW_COUNT())," + rows
    found = recognise(text, KNOWN)
    assert isinstance(found, Insert)
    assert found.reads == (True, True)


def test_a_window_may_end_between_the_halves_of_a_doubled_quote() -> None:
    """The fourth one does: 8192 bytes are three more than a multiple of what is repeated."""
    for name, lexing in ((b"`x```", KNOWN), (b'"x"""', ANSI)):
        text = b"INSERT INTO t SELECT " + b", 1234567890, ".join([name] * 3000) + b" FROM u"
        assert len(text) > recognition.SMALL
        assert insert_of(text, lexing).body_end == len(text)


@pytest.mark.parametrize(
    "comment", [b"/* " + b"it's" * 99 + b" */", b"-- " + b"it's" * 99 + b"\n*/", b"# `" + b"x" * 300 + b"\n*/"]
)
@pytest.mark.parametrize("before", [b"SET a = ", b"SELECT ", b"VALUES (1) RETURNING "])
def test_what_is_in_a_hint_is_not_left_out_of_it(before: bytes, comment: bytes) -> None:
    """Quotes in a hint may hide its end, even where they look as if they were in a comment."""
    text = b"INSERT INTO t " + before + b"1 /*+ a " + comment
    for written in (text, text + b" /*" + b"x" * recognition.SMALL + b"*/"):
        assert recognise(written, KNOWN) == Skip(Reason.HINT)


def test_a_hint_may_be_longer_than_a_window() -> None:
    text = b"INSERT INTO t SELECT /*+ " + b"NO_ICP(t) " * 4000 + b"*/ 1"
    assert len(text) > recognition.SMALL
    assert insert_of(text, KNOWN).body_end == len(text)
