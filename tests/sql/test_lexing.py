"""Where literals and comments end: the traps of MySQL's lexer."""

import pytest

from proxy.sql.lexing import Lexing
from proxy.sql.reason import Reason
from tests.sql.texts import ANSI, KNOWN, NO_ESCAPES, UNKNOWN, insert_of, reason_of

BACKSLASH = b"\\"


@pytest.mark.parametrize(
    "value",
    [
        b"'a'",
        b"''",
        b"''''",
        b"'it''s'",
        b"'it\\'s'",
        b"'a\\\\'",
        b"'\\\\\\''",
        b"'\\''''",
        b"'a\\0b\\n\\Z'",
        b"'a\x00b'",
        b"'),('",
        b"'a, b'",
        b"'; DROP TABLE t; -- '",
        b"'/* a'",
        b"'*/'",
        b"'/*! a */'",
        b"'-- a'",
        b"'# a'",
        b"'?'",
        b"'\"'",
        b"'`'",
        b"'ON DUPLICATE KEY UPDATE'",
        b"'a\nb'",
        b"'\xff\xfe\x80'",
        b"'a' 'b' /* c */ 'd'",
        b"N'it\\'s'",
        b"n'a'",
        b"_utf8mb4'a,b'",
        b"_binary 'a\\'),('",
        b"_latin1 /* x */ 'a' COLLATE latin1_bin",
        b"x'2729'",
        b"X''",
        b"b'01'",
        b"0x2729",
        b"0b01",
        b"_binary 0x27",
        b"DATE '2020-01-01'",
        b"{d '2020-01-01'}",
        b"-1",
        b"- -1",
        b"1--1",
        b"1- -1",
        b"1---1",
        b"1/2",
        b"4//**/2",
        b"1.5e-3",
        b".5",
        b"NULL",
        b"DEFAULT",
        b"DEFAULT(a)",
        b"NOW()",
        b"NOW(6)",
        b"CONCAT('a,b', f(g(1, 2), ')'), \"(\")",
        b"(SELECT MAX(a), ')' FROM u WHERE b IN (1, 2))",
        b"CASE WHEN a > 1 THEN 'x' ELSE (2) END",
        b"@a",
        b"@'a, b'",
        b"@`a)`",
        b"@@session.sql_mode",
        b"a + `b,c`",
        b"a->'$.x, y'",
        b"a->>'$[0]'",
        b'"a, b"',
        b'"it""s"',
        b'"it\\"s"',
        b'"\'"',
        b"/* , ) ' \" ` */ 1",
        b"1 -- , ) '\n",
        b"1 --\t,\n",
        b"1 --\n",
        b"1 --\x01,\n",
        b'1 # , ) "\n',
        b"1 -- \r, \n",
        b"/**/1/***/",
        b"/*/ , */1",
        b"/* /* , */1",
        b"/* -- */1",
        b"-- /*\n1",
        b"/* a */ /*b*/ 1",
        b"!1",
        b"~0 & 1 | 2 ^ 3 << 1",
        b"a <=> b",
        b"a LIKE 'x\\_%' ESCAPE '|'",
        b"INTERVAL 1 DAY + NOW()",
        b"CAST(1 AS CHAR)",
        b"((((((1))))))",
    ],
)
def test_one_value(value: bytes) -> None:
    text = b"INSERT INTO t (a, b, c) VALUES (1, " + value + b", 2)"
    insert = insert_of(text)
    assert (insert.rows, insert.values, insert.body_end) == (1, 3, len(text))
    assert insert.placeholders == 0
    many = insert_of(b"INSERT INTO t VALUES " + b", ".join([b"(" + value + b")"] * 70) + b" -- end")
    assert (many.rows, many.values) == (70, 1)


@pytest.mark.parametrize(
    ("text", "lexing", "values"),
    [
        # A backslash before a quote: an escaped quote, or the end of the string.
        (rb"('\', '\')", KNOWN, None),
        (rb"('\', '\')", NO_ESCAPES, 2),
        (rb"('\'', '')", KNOWN, 2),
        (rb"('\'', '')", NO_ESCAPES, None),
        (rb"('\', 'a')", KNOWN, None),
        (rb"('a\\', 'b')", KNOWN, 2),
        (rb"('a\\', 'b')", NO_ESCAPES, 2),
        (rb"('\',')", KNOWN, 1),
        # Double quotes: a string with escapes, or a name without.
        (rb'("\", ")', KNOWN, 1),
        (rb'("\", ")', ANSI, None),
        (rb'("\", "\")', ANSI, 2),
        (rb'("\", "\")', KNOWN, None),
        (rb'("\", "\")', NO_ESCAPES, 2),
        (rb'("a""b", "c")', ANSI, 2),
    ],
)
def test_sql_modes_move_the_ends_of_strings(text: bytes, lexing: Lexing, values: int | None) -> None:
    text = b"INSERT INTO t VALUES " + text
    if values is None:
        assert reason_of(text, lexing) in (Reason.UNTERMINATED, Reason.MALFORMED)
    else:
        assert insert_of(text, lexing).values == values


@pytest.mark.parametrize(
    "text",
    [
        b'INSERT INTO t VALUES ("a")',
        b'INSERT INTO t ("a") VALUES (1)',
        b'INSERT INTO t SET "a" = 1',
        b'INSERT INTO t SET a = "a"',
        b'INSERT INTO t VALUES (f("a"))',
        b'INSERT INTO t VALUES (@"a")',
    ],
)
def test_double_quotes_of_unknown_meaning(text: bytes) -> None:
    assert reason_of(text, UNKNOWN) is Reason.ANSI_QUOTES


@pytest.mark.parametrize(
    "text",
    [
        b"INSERT INTO t VALUES ('\"')",
        b'INSERT INTO `"` VALUES (1)',
        b'INSERT INTO t VALUES (1) /* " */ -- "',
    ],
)
def test_double_quotes_inside_literals_and_comments_mean_nothing(text: bytes) -> None:
    assert insert_of(text, UNKNOWN)._replace(lexing=ANSI) == insert_of(text, ANSI)


@pytest.mark.parametrize("safe", [None, False])
@pytest.mark.parametrize(
    "text",
    [
        b"INSERT INTO t VALUES ('\x95\\')",
        b"INSERT INTO t VALUES ('\x95\\'')",
        b"INSERT INTO `\x95`` VALUES (1)",
        b"INSERT INTO t (`\x95`, a) VALUES (1, 2)",
        b"INSERT INTO t VALUES (1) -- \x95\\",
    ],
)
def test_a_backslash_or_backtick_may_be_half_a_character(text: bytes, safe: bool | None) -> None:
    assert reason_of(text, Lexing(False, False, safe)) in (Reason.CHARSET, Reason.UNTERMINATED)


def test_the_same_bytes_in_a_charset_without_such_characters() -> None:
    text = "INSERT INTO `é` VALUES ('é\\'')".encode()
    assert insert_of(text).table == "é"
    assert reason_of(text, Lexing(False, False, None)) is Reason.CHARSET


def test_names_without_quotes_end_where_the_charset_says() -> None:
    # 0xA0 is whitespace in latin1; 0x95 is the first half of a character in sjis.
    for text in (
        b"INSERT INTO t (a\xa0, b) VALUES (1, 2)",
        b"INSERT INTO t\x95 VALUES (1)",
        b"INSERT INTO t SET \xa0a = 1",
    ):
        assert reason_of(text) is Reason.CHARSET
    for text in (b"INSERT INTO t SET a = b\xa0+ 1", b"INSERT INTO t SET a = NOT\xa0b"):
        assert reason_of(text) is Reason.CHARSET
    text = "INSERT INTO tést (ü) VALUES (1)".encode()
    assert insert_of(text).columns == ("ü",)
    assert reason_of(text, UNKNOWN) is Reason.CHARSET


def test_names_in_quotes_may_hold_any_bytes() -> None:
    assert insert_of(b"INSERT INTO `\xa0` (`\x95a`) VALUES (1)", KNOWN).columns == ("\udc95a",)
    assert insert_of(b"INSERT INTO t (`\x95a`) VALUES ('\x95')", UNKNOWN).columns == ("\udc95a",)


@pytest.mark.parametrize(
    "text",
    [
        b"INSERT INTO t VALUES (1 --\xa0, 2\n)",
        b"INSERT INTO t VALUES (1) --\xa0",
        b"INSERT INTO t --\xa0\n VALUES (1)",
        b"INSERT INTO t SET a = 1 --\xa02",
    ],
)
def test_two_minuses_before_what_is_whitespace_in_some_charsets(text: bytes) -> None:
    assert reason_of(text) is Reason.CHARSET


@pytest.mark.parametrize("value", [b"1 --2", b"1 --(2)", b"1--@a", b"1 --'2'"])
def test_two_minuses_before_anything_else_are_two_minuses(value: bytes) -> None:
    assert insert_of(b"INSERT INTO t VALUES (0, " + value + b", 3)").values == 3


@pytest.mark.parametrize("control", range(1, 32))
def test_control_characters_outside_literals(control: int) -> None:
    byte = bytes([control])
    text = b"INSERT INTO t VALUES (1," + byte + b"2)"
    if byte.isspace() and byte not in b"\x1c\x1d\x1e\x1f":
        assert insert_of(text).values == 2
    else:
        assert reason_of(text) is Reason.MALFORMED
