"""Multi-statement texts, cut into statements or left alone."""

import pytest

from proxy.sql.insert import Skip
from proxy.sql.lexing import Lexing
from proxy.sql.reason import Reason
from proxy.sql.split import LIMIT, MOST, Splitting, split
from tests.sql.texts import KNOWN, NO_ESCAPES, UNKNOWN


def pieces(text: bytes, lexing: Lexing = KNOWN) -> list[bytes]:
    spans = split(text, lexing)
    assert not isinstance(spans, Skip), spans
    return [text[span.start : span.end] for span in spans]


def reason(text: bytes, lexing: Lexing = KNOWN) -> Reason:
    found = split(text, lexing)
    assert isinstance(found, Skip), found
    return found.reason


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"", [b""]),
        (b"SELECT 1", [b"SELECT 1"]),
        (b"SELECT 1;", [b"SELECT 1"]),
        (b"SELECT 1; \n", [b"SELECT 1"]),
        (b"a anything goes; ", [b"a anything goes"]),
        (b"SELECT 1;SELECT 2", [b"SELECT 1", b"SELECT 2"]),
        (b"SELECT ';'; SELECT \";\"; SELECT `;`", [b"SELECT ';'", b' SELECT ";"', b" SELECT `;`"]),
        (
            b"SELECT 1 /* ; */; SELECT 2 -- ;\n; SELECT 3 # ;",
            [b"SELECT 1 /* ; */", b" SELECT 2 -- ;\n", b" SELECT 3 # ;"],
        ),
        (b"SELECT 1; -- x", [b"SELECT 1", b" -- x"]),
        (b"SELECT 1;;SELECT 2", [b"SELECT 1", b"", b"SELECT 2"]),
        (b"SELECT f(1, ?), 'a\\';b'; SELECT 2", [b"SELECT f(1, ?), 'a\\';b'", b" SELECT 2"]),
        (b"BEGIN; INSERT INTO t VALUES (1); COMMIT", [b"BEGIN", b" INSERT INTO t VALUES (1)", b" COMMIT"]),
        (b"BEGIN WORK /* x */;COMMIT;", [b"BEGIN WORK /* x */", b"COMMIT"]),
        (b"START TRANSACTION READ WRITE;COMMIT", [b"START TRANSACTION READ WRITE", b"COMMIT"]),
        (b"SET @a = 1, autocommit = 0; SELECT 1", [b"SET @a = 1, autocommit = 0", b" SELECT 1"]),
        (b"(SELECT 1);WITH a AS (SELECT 1) SELECT 2", [b"(SELECT 1)", b"WITH a AS (SELECT 1) SELECT 2"]),
    ],
)
def test_split(text: bytes, wanted: list[bytes]) -> None:
    assert pieces(text) == wanted


@pytest.mark.parametrize(
    "first",
    [
        b"CREATE PROCEDURE p() BEGIN INSERT INTO t VALUES (1)",
        b"CREATE TABLE t (a INT)",
        b"BEGIN NOT ATOMIC INSERT INTO t VALUES (1)",
        b"IF 1 THEN INSERT INTO t VALUES (1)",
        b"l: LOOP INSERT INTO t VALUES (1)",
        b"USE other",
        b"SET NAMES gbk",
        b"SET SESSION sql_mode = ''",
        b"SET @@sql_mode = @saved",
        b"SET CHARACTER SET latin1",
        b"SET character_set_client = sjis",
        b"SET STATEMENT max_statement_time = 1 FOR INSERT INTO t VALUES (1)",
        b"CALL p()",
        b"EXECUTE s",
        b"PREPARE s FROM 'SELECT 1'",
        b"LOAD DATA LOCAL INFILE 'x' INTO TABLE t",
        b"/*!40101 SET NAMES utf8 */",
        b"DELIMITER //",
    ],
)
def test_what_may_change_how_the_rest_reads_is_not_split(first: bytes) -> None:
    assert reason(first + b"; INSERT INTO t VALUES (2)") in (
        Reason.MULTI_STATEMENT,
        Reason.VERSIONED_COMMENT,
        Reason.MALFORMED,
    )


@pytest.mark.parametrize(
    ("text", "lexing", "wanted"),
    [
        (b"SELECT 'a; SELECT 1", KNOWN, Reason.UNTERMINATED),
        (b"SELECT 1; SELECT /* x", KNOWN, Reason.UNTERMINATED),
        (b'SELECT 1; SELECT ";"', UNKNOWN, Reason.ANSI_QUOTES),
        (b"SELECT '\\'; SELECT 1'", Lexing(False, None, True), Reason.BACKSLASH),
        (b"SELECT '\x95\\'; SELECT 1", Lexing(False, False, None), Reason.CHARSET),
        (b"SELECT @a := 1; SELECT 2", KNOWN, Reason.ASSIGNMENT),
        (b"SELECT 1\x00; SELECT 2", KNOWN, Reason.MALFORMED),
        (b"SELECT 1; " + b" " * LIMIT, KNOWN, Reason.TOO_LARGE),
        (b";" * (MOST + 1), KNOWN, Reason.TOO_LARGE),
    ],
)
def test_left_alone(text: bytes, lexing: Lexing, wanted: Reason) -> None:
    assert reason(text, lexing) is wanted


def test_backslashes_decide_where_a_statement_ends() -> None:
    text = b"SELECT '\\'; SELECT '2'"
    assert pieces(text, NO_ESCAPES) == [b"SELECT '\\'", b" SELECT '2'"]
    assert reason(text) is Reason.UNTERMINATED


def test_a_long_text_is_split_in_steps() -> None:
    text = b"DO (1);" * 3000
    splitting = Splitting(text, KNOWN)
    steps = 1
    while (found := splitting.step()) is None:
        steps += 1
    assert found == split(text, KNOWN)
    assert steps > 10
