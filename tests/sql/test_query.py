"""INSERT ... SELECT and its kin: where the query ends, and what a clause behind it would see."""

import pytest

from proxy.sql.form import Form
from proxy.sql.insert import Insert, recognise
from proxy.sql.reason import Reason
from tests.sql.texts import ANSI, KNOWN, UNKNOWN, insert_of, reason_of


@pytest.mark.parametrize(
    ("query", "form"),
    [
        (b"SELECT 1", Form.SELECT),
        (b"select a, b from u", Form.SELECT),
        (b"(SELECT 1)", Form.SELECT),
        (b"((SELECT 1) UNION ALL (SELECT 2)) ORDER BY 1 LIMIT 3, 4", Form.SELECT),
        (b"WITH c AS (SELECT 1) SELECT * FROM c", Form.SELECT),
        (b"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 9) SELECT n FROM c", Form.SELECT),
        (b"SELECT 'it''s', \"a;b\", `x;y` FROM u WHERE a LIKE '%;%'", Form.SELECT),
        (b"SELECT /*+ NO_ICP(u) */ /*!40001 SQL_NO_CACHE */ a FROM u FOR UPDATE", Form.SELECT),
        (b"SELECT /*!STRAIGHT_JOIN*/ a FROM u", Form.SELECT),
        (b"SELECT CASE WHEN a THEN 1 ELSE 2 END, @v, @@sql_mode, -1, .5, 1.5e3, 0x1F, b'1', N'x' FROM u", Form.SELECT),
        (b"SELECT u.`select`, v.into, u.on FROM u, v WHERE u.from = 1", Form.SELECT),
        (b"SELECT JSON_VALUE(doc, '$.a' RETURNING CHAR(9)) FROM u", Form.SELECT),
        (b"SELECT a FROM u LOCK IN SHARE MODE", Form.SELECT),
        (b"TABLE u", Form.TABLE),
        (b"TABLE u ORDER BY a LIMIT 1", Form.TABLE),
        (b"VALUES ROW(1, 2), ROW(3, 4)", Form.ROW),
        (b"VALUES ROW(1) UNION SELECT 2", Form.ROW),
    ],
)
@pytest.mark.parametrize("columns", [b" ", b" (a, b) "])
@pytest.mark.parametrize("tail", [b"", b" ", b";", b" -- x", b" /* x */ ; # y\n"])
def test_the_query_ends_where_the_statement_does(query: bytes, form: Form, columns: bytes, tail: bytes) -> None:
    body = b"INSERT INTO t" + columns + query
    insert = insert_of(body + tail)
    assert insert.form is form
    assert form.is_query
    assert insert.body_end == len(body)
    assert insert.columns == (("a", "b") if columns != b" " else None)
    assert (insert.rows, insert.values) == (0, 0)
    assert not insert.self_select


@pytest.mark.parametrize(
    ("query", "self_select"),
    [
        (b"SELECT a FROM t", True),
        (b"SELECT a FROM T", True),
        (b"SELECT a FROM `t` AS q", True),
        (b"SELECT a FROM shop.t q", True),
        (b"SELECT a FROM u AS t", True),
        (b"SELECT a FROM u JOIN (v, t) USING (a)", True),
        (b"SELECT a FROM (SELECT * FROM u) t", True),
        (b"SELECT a FROM u UNION SELECT a FROM t", True),
        (b"(SELECT a FROM t)", True),
        (b"(((SELECT a FROM u) UNION (SELECT a FROM t)))", True),
        (b"WITH t AS (SELECT 1) SELECT * FROM t", True),
        (b"TABLE t", True),
        (b"SELECT a FROM u WHERE a = (SELECT MAX(a) FROM t)", False),
        (b"SELECT 1 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM t WHERE a = 1)", False),
        (b"SELECT (SELECT MAX(a) FROM t), 2", False),
        (b"SELECT a FROM (SELECT a FROM t) AS q", False),
        (b"SELECT a FROM u WHERE a IN ((SELECT a FROM (SELECT a FROM t) q))", False),
        (b"WITH c AS (SELECT a FROM t) SELECT * FROM c", False),
        (b"SELECT t, a AS t FROM u", False),
        (b"SELECT a FROM tt, `t ` WHERE a = 't'", False),
        (b"SELECT EXTRACT(YEAR FROM a), TRIM(b FROM c) FROM u", False),
    ],
)
def test_a_table_under_the_same_name(query: bytes, self_select: bool) -> None:
    assert insert_of(b"INSERT INTO t (a) " + query).self_select is self_select


@pytest.mark.parametrize(
    ("query", "open_join"),
    [
        (b"SELECT 1 FROM u JOIN v", True),
        (b"SELECT 1 FROM u STRAIGHT_JOIN v", True),
        (b"SELECT 1 FROM u LEFT JOIN v ON u.a = v.a", True),
        (b"SELECT 1 FROM u WHERE a UNION SELECT 1 FROM u JOIN v USING (a)", True),
        (b"SELECT 1 FROM u, v", False),
        (b"SELECT STRAIGHT_JOIN 1 FROM u", False),
        (b"SELECT 1 FROM u JOIN v WHERE u.a", False),
        (b"SELECT 1 FROM u JOIN v GROUP BY u.a", False),
        (b"SELECT 1 FROM u JOIN v ORDER BY u.a", False),
        (b"SELECT 1 FROM u JOIN v LIMIT 1", False),
        (b"SELECT 1 FROM u JOIN v FOR UPDATE", False),
        (b"SELECT 1 FROM u JOIN v LOCK IN SHARE MODE", False),
        (b"SELECT 1 FROM u JOIN v UNION SELECT 2", False),
        (b"(SELECT 1 FROM u JOIN v)", False),
        (b"SELECT 1 FROM (SELECT 1 FROM u JOIN v) q", False),
        (b"SELECT 1 FROM u USE INDEX FOR JOIN (a)", True),
    ],
)
def test_an_on_that_a_join_would_take(query: bytes, open_join: bool) -> None:
    assert insert_of(b"INSERT INTO t (a) " + query).open_join is open_join


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (b"SELECT 1 ON DUPLICATE KEY UPDATE a = 2", Reason.ON_DUPLICATE),
        (b"SELECT 1 FROM u JOIN v ON/**/DUPLICATE KEY UPDATE a = 2", Reason.ON_DUPLICATE),
        (b"SELECT 1; SELECT 2", Reason.MULTI_STATEMENT),
        (b"SELECT 1 INTO @a", Reason.MALFORMED),
        (b"SELECT 1 INTO OUTFILE 'x'", Reason.MALFORMED),
        (b"SELECT @a := 1", Reason.ASSIGNMENT),
        (b"SELECT (1", Reason.UNTERMINATED),
        (b"SELECT 1)", Reason.MALFORMED),
        (b"SELECT 'a", Reason.UNTERMINATED),
        (b"SELECT `a", Reason.UNTERMINATED),
        (b"SELECT 1 /* a", Reason.UNTERMINATED),
        (b"SELECT /*! a, */ b", Reason.VERSIONED_COMMENT),
        (b"SELECT 1 /*!40001 SQL_NO_CACHE */", Reason.VERSIONED_COMMENT),
        (b"SELECT 1 /*! ON DUPLICATE KEY UPDATE a = 1 */", Reason.VERSIONED_COMMENT),
        (b"SELECT /*+ QB_NAME(`x`) */ 1", Reason.HINT),
        (b"SELECT", Reason.MALFORMED),
        (b"SELECT 1,", Reason.MALFORMED),
        (b"SELECT 1 FROM u JOIN", Reason.MALFORMED),
        (b"SELECT 1 FROM u JOIN v ON", Reason.MALFORMED),
        (b"SELECT 1 +", Reason.MALFORMED),
        (b"SELECT $$a$$", Reason.MALFORMED),
        (b"SELECT 1 FROM t\x95 q", Reason.CHARSET),
        (b"SELECT 1 --\xa0 x", Reason.CHARSET),
        (b"SELECT 1\x00", Reason.MALFORMED),
    ],
)
def test_left_alone(query: bytes, reason: Reason) -> None:
    assert reason_of(b"INSERT INTO t (a) " + query) is reason


def test_placeholders() -> None:
    assert insert_of(b"INSERT INTO t SELECT ?, f(?) FROM u WHERE a IN (?, ?) AND b = '?' LIMIT ?").placeholders == 5
    assert insert_of(b"INSERT INTO t VALUES ROW(?, ?), ROW(?, ?)").placeholders == 4


def test_double_quotes() -> None:
    text = b'INSERT INTO u SELECT 1 FROM "t" AS "u"'
    assert insert_of(text, ANSI).self_select
    assert reason_of(text, UNKNOWN) is Reason.ANSI_QUOTES
    assert not insert_of(text, KNOWN).self_select


@pytest.mark.parametrize(
    ("text", "end"),
    [
        (b"INSERT INTO t (a) VALUES (1) RETURNING a", 28),
        (b"INSERT INTO t SET a = 1 RETURNING a, (SELECT 1) AS b;", 23),
        (b"INSERT INTO t SELECT 1 FROM u RETURNING * -- x", 29),
        (b"INSERT INTO t (a) VALUES (1)RETURNING`a`", 28),
    ],
)
def test_returning(text: bytes, end: int) -> None:
    insert = insert_of(text)
    assert insert.returning
    assert not insert.tail_safe
    assert insert.body_end == end


@pytest.mark.parametrize(
    "tail", [b"RETURNING", b"RETURNING a,", b"RETURNING (a", b"RETURNING a RETURNING b", b"RETURNING a; SELECT 1"]
)
def test_a_returning_that_is_not_whole(tail: bytes) -> None:
    assert not isinstance(recognise(b"INSERT INTO t VALUES (1) " + tail, KNOWN), Insert)


def test_the_placeholders_of_returning_count() -> None:
    assert insert_of(b"INSERT INTO t VALUES (?) RETURNING a + ?").placeholders == 2


def test_load_data() -> None:
    text = (
        b"LOAD DATA LOW_PRIORITY LOCAL INFILE '/a;b' INTO TABLE shop.`t` FIELDS TERMINATED BY ';' (a, @b) SET c = @b;"
    )
    insert = insert_of(text)
    assert insert.form is Form.LOAD_DATA
    assert (insert.schema, insert.table, insert.modifiers) == ("shop", "t", ("local",))
    assert text[slice(*insert.table_span)] == b"shop.`t`"
    assert text[: insert.body_end].endswith(b"INFILE '/a;b'")
    assert (insert.columns, insert.rows, insert.tail_safe) == (None, 0, False)
    assert insert_of(b"LOAD XML INFILE 'x' INTO TABLE t").modifiers == ()
