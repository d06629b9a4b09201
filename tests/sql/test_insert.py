"""The shapes of INSERT, and every reason to leave one alone."""

import pytest

from proxy.sql.form import Form
from proxy.sql.reason import Reason
from tests.sql.texts import ANSI, KNOWN, UNKNOWN, insert_of, reason_of


@pytest.mark.parametrize(
    ("text", "schema", "table"),
    [
        (b"INSERT INTO t VALUES (1)", None, "t"),
        (b"INSERT t VALUES (1)", None, "t"),
        (b"insert into T value (1)", None, "T"),
        (b"INSERT INTO shop.users VALUES (1)", "shop", "users"),
        (b"INSERT INTO shop . users VALUES (1)", "shop", "users"),
        (b"INSERT INTO shop/* a */./* b */users VALUES (1)", "shop", "users"),
        (b"INSERT INTO `t` VALUES (1)", None, "t"),
        (b"INSERT`t`VALUES(1)", None, "t"),
        (b"INSERT INTO`sh.op`.`us``ers`VALUES(1)", "sh.op", "us`ers"),
        (b"INSERT INTO ```` VALUES (1)", None, "`"),
        (b"INSERT INTO ```a``` VALUES (1)", None, "`a`"),
        (b"INSERT INTO `values` VALUES (1)", None, "values"),
        (b"INSERT INTO `a (b) VALUES (1)` VALUES (2)", None, "a (b) VALUES (1)"),
        (b"INSERT INTO db.values VALUES (1)", "db", "values"),
        (b"INSERT INTO value VALUES (1)", None, "value"),
        (b"INSERT INTO `a b; -- c` VALUES (1)", None, "a b; -- c"),
        (b"INSERT INTO 2fa VALUES (1)", None, "2fa"),
        (b"INSERT INTO a$b VALUES (1)", None, "a$b"),
        ("INSERT INTO größe VALUES (1)".encode(), None, "größe"),
        ("INSERT INTO `größe` VALUES (1)".encode(), None, "größe"),
        (b"INSERT INTO `\xe9t\xe9` VALUES (1)", None, "\udce9t\udce9"),
        (b"\n\tINSERT\r\nINTO\x0bt\x0cVALUES\n(1)", None, "t"),
        (b"INSERT INTO insert_log VALUES (1)", None, "insert_log"),
        (b"INSERT low_priority_jobs VALUES (1)", None, "low_priority_jobs"),
        (b"INSERT into_x VALUES (1)", None, "into_x"),
    ],
)
def test_table(text: bytes, schema: str | None, table: str) -> None:
    insert = insert_of(text)
    assert (insert.schema, insert.table) == (schema, table)


def test_a_double_quoted_table_needs_ansi_quotes() -> None:
    text = b'INSERT INTO "us""ers" ("a", b) VALUES (1, 2)'
    insert = insert_of(text, ANSI)
    assert (insert.table, insert.columns) == ('us"ers', ("a", "b"))
    assert reason_of(text, UNKNOWN) is Reason.ANSI_QUOTES
    assert reason_of(text, KNOWN) is Reason.MALFORMED


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        (b"INSERT INTO t VALUES (1, 2)", None),
        (b"INSERT INTO t () VALUES ()", None),
        (b"INSERT INTO t ( ) VALUES (1, 2)", None),
        (b"INSERT INTO t (a) VALUES (1)", ("a",)),
        (b"INSERT INTO t(a,b)VALUES(1,2)", ("a", "b")),
        (b"INSERT INTO t ( `a` , `b``c` ) VALUES (1, 2)", ("a", "b`c")),
        (b"INSERT INTO t (`a,b`, `c)`) VALUES (1, 2)", ("a,b", "c)")),
        (b"INSERT INTO t (t.a, `s`.`t`.`b`) VALUES (1, 2)", ("a", "b")),
        (b"INSERT INTO t (a /* b, c */, -- d)\n e) VALUES (1, 2)", ("a", "e")),
        (b"INSERT INTO t (`a--b`, `c/*`, `d#`) VALUES (1, 2, 3)", ("a--b", "c/*", "d#")),
        (b"INSERT INTO t (`values`, `select`) VALUES (1, 2)", ("values", "select")),
        (b"INSERT INTO t (selected, values_x) VALUES (1, 2)", ("selected", "values_x")),
        (b"INSERT INTO t SET a = 1", ("a",)),
        (b"INSERT INTO t SET a=1,`b`:=2, t.c = 3", ("a", "b", "c")),
    ],
)
def test_columns(text: bytes, columns: tuple[str, ...] | None) -> None:
    assert insert_of(text).columns == columns


@pytest.mark.parametrize(
    ("text", "modifiers"),
    [
        (b"INSERT INTO t VALUES (1)", ()),
        (b"INSERT LOW_PRIORITY INTO t VALUES (1)", ("low_priority",)),
        (b"INSERT high_priority t VALUES (1)", ("high_priority",)),
        (b"INSERT /*+ SET_VAR(foreign_key_checks=0) */ DELAYED INTO t VALUES (1)", ("delayed",)),
    ],
)
def test_modifiers(text: bytes, modifiers: tuple[str, ...]) -> None:
    insert = insert_of(text)
    assert insert.modifiers == modifiers
    assert tuple(text[start:end].decode().lower() for start, end in insert.modifier_spans) == modifiers


def test_spans() -> None:
    text = b"/* x */ INSERT INTO `s` . t PARTITION (p0, `p1`) (a) VALUES (1), (2) ; -- end"
    insert = insert_of(text)
    assert text[slice(*insert.verb)] == b"INSERT"
    assert text[slice(*insert.table_span)] == b"`s` . t"
    assert text[: insert.body_end].endswith(b"(1), (2)")
    assert text[slice(*insert.tail)] == b" ; -- end"
    assert insert.text is text
    assert insert.form is Form.VALUES
    assert insert.partition
    assert (insert.rows, insert.values) == (2, 1)


@pytest.mark.parametrize("start", [b"", b" ", b"/* so */", b"-- so\n", b"#so\n"])
def test_spans_do_not_depend_on_what_was_read_before(start: bytes) -> None:
    for _ in range(2):
        text = start + b"INSERT INTO s.t (a, b) VALUES (1, 2)"
        insert = insert_of(text)
        assert text[slice(*insert.verb)] == b"INSERT"
        assert text[slice(*insert.table_span)] == b"s.t"
        assert insert.body_end == len(text)


@pytest.mark.parametrize(
    ("tail", "safe"),
    [
        (b"", True),
        (b" \n", True),
        (b" /* route=/x */ /* -- */", True),
        (b";", False),
        (b" ; ; \n;", False),
        (b"; /* x */ ; -- y", False),
        (b" -- x", False),
        (b" -- x\n", False),
        (b"--", False),
        (b"--\n", False),
        (b"#", False),
        (b"# INSERT INTO u VALUES (2)", False),
        (b" -- ON DUPLICATE KEY UPDATE", False),
        (b" /*+ NO_ICP(t) */", False),
    ],
)
def test_tail(tail: bytes, safe: bool) -> None:
    for body in (b"INSERT INTO t (a) VALUES (1)", b"INSERT INTO t SET a = 'x'"):
        insert = insert_of(body + tail)
        assert insert.body_end == len(body)
        assert insert.tail == (len(body), len(body + tail))
        assert insert.tail_safe is safe


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", Reason.NOT_INSERT),
        (b"   ", Reason.NOT_INSERT),
        (b"SELECT 1", Reason.NOT_INSERT),
        (b"INSERTED INTO t VALUES (1)", Reason.NOT_INSERT),
        (b"INSERT$ INTO t VALUES (1)", Reason.NOT_INSERT),
        (b"(INSERT INTO t VALUES (1))", Reason.NOT_INSERT),
        (b"EXPLAIN INSERT INTO t VALUES (1)", Reason.NOT_INSERT),
        (b"ANALYZE INSERT INTO t VALUES (1)", Reason.NOT_INSERT),
        (b"WITH c AS (SELECT 1) INSERT INTO t SELECT * FROM c", Reason.NOT_INSERT),
        (b"BEGIN; INSERT INTO t VALUES (1)", Reason.NOT_INSERT),
        (b"PREPARE s FROM 'INSERT INTO t VALUES (1)'", Reason.NOT_INSERT),
        (b"-- INSERT INTO t VALUES (1)", Reason.NOT_INSERT),
        (b"'INSERT INTO t VALUES (1)'", Reason.NOT_INSERT),
        (b"/* INSERT INTO t VALUES (1) */", Reason.NOT_INSERT),
        (b"INSERT IGNORE INTO t VALUES (1)", Reason.IGNORE),
        (b"INSERT LOW_PRIORITY IGNORE t VALUES (1)", Reason.IGNORE),
        (b"REPLACE INTO t VALUES (1)", Reason.REPLACE),
        (b"LOAD DATA FROM URL 'x' INTO TABLE t", Reason.LOAD_DATA),
        (b"LOAD DATA INFILE 'x' IGNORE INTO TABLE t", Reason.IGNORE),
        (b"LOAD DATA LOCAL INFILE 'x' REPLACE INTO TABLE t", Reason.REPLACE),
        (b"LOAD DATA INFILE 'x' INTO TABLE t; SELECT 1", Reason.MULTI_STATEMENT),
        (b"LOAD DATA INFILE 'x' INTO TABLE s.*/t (a)", Reason.LOAD_DATA),
        (b"LOAD DATA INFILE 'x' INTO TABLE s */ . t (a)", Reason.LOAD_DATA),
        (b"LOAD DATA INFILE 'x' INTO TABLE s.t.u (a)", Reason.LOAD_DATA),
        (b"LOAD DATA INFILE 'x' INTO TABLE t SET a = (1", Reason.UNTERMINATED),
        (b"LOAD DATA INFILE 'x' INTO TABLE t (a, @b) SET c = @b := 1", Reason.ASSIGNMENT),
        (b"INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 2", Reason.ON_DUPLICATE),
        (b"INSERT INTO t VALUES (1)ON/**/DUPLICATE KEY UPDATE a = 2", Reason.ON_DUPLICATE),
        (b"INSERT INTO t SET a = 1 ON DUPLICATE KEY UPDATE a = 2", Reason.ON_DUPLICATE),
        (b"INSERT INTO t VALUES (1) AS new ON DUPLICATE KEY UPDATE a = new.a", Reason.ON_DUPLICATE),
        (b"INSERT INTO t VALUES (1) AS new (x) ON DUPLICATE KEY UPDATE a = x", Reason.ON_DUPLICATE),
        (b"INSERT INTO t SET a = 1 AS new ON DUPLICATE KEY UPDATE a = new.a", Reason.ON_DUPLICATE),
        (b"INSERT INTO t VALUES (1) AS new", Reason.ROW_ALIAS),
        (b"INSERT INTO t VALUES (1) AS new (x);", Reason.ROW_ALIAS),
        (b"INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)", Reason.MULTI_STATEMENT),
        (b"INSERT INTO t VALUES (1); -- a\n SELECT 1", Reason.MULTI_STATEMENT),
        (b"INSERT INTO t VALUES (1);; /* a */ DROP TABLE t", Reason.MULTI_STATEMENT),
        (b"INSERT INTO t SET a = 1; SELECT 1", Reason.MULTI_STATEMENT),
        (b"INSERT /*!80000 IGNORE */ INTO t VALUES (1)", Reason.VERSIONED_COMMENT),
        (b"/*!40000 INSERT INTO t VALUES (1) */", Reason.VERSIONED_COMMENT),
        (b"INSERT INTO t VALUES (1 /*M! , 2 */)", Reason.VERSIONED_COMMENT),
        (b"INSERT INTO t /*! (a) */ VALUES (1)", Reason.VERSIONED_COMMENT),
        (b"INSERT INTO t VALUES (1) /*! ON DUPLICATE KEY UPDATE a = 1 */", Reason.VERSIONED_COMMENT),
        (b"INSERT INTO t SET a = /*! 1 + */ 2", Reason.VERSIONED_COMMENT),
        (b"INSERT /*+ QB_NAME(`a*/b`) */ INTO t VALUES (1)", Reason.HINT),
        (b"INSERT /*+ SET_VAR(sql_mode = 'ANSI_QUOTES') */ INTO t VALUES (1)", Reason.HINT),
        (b"INSERT INTO t VALUES ((SELECT /*+ QB_NAME(`x`) */ 1))", Reason.HINT),
        (b"INSERT INTO t VALUES ('a", Reason.UNTERMINATED),
        (b"INSERT INTO t VALUES ('a\\')", Reason.UNTERMINATED),
        (b"INSERT INTO t VALUES (1", Reason.UNTERMINATED),
        (b"INSERT INTO t VALUES (f(1)", Reason.UNTERMINATED),
        (b"INSERT INTO `t VALUES (1)", Reason.UNTERMINATED),
        (b"INSERT INTO t VALUES (1) /* a", Reason.UNTERMINATED),
        (b"INSERT INTO t VALUES (1) /*+ a", Reason.UNTERMINATED),
        (b"INSERT INTO t SELECT ```a FROM u", Reason.UNTERMINATED),
        (b"INSERT INTO t SELECT `` FROM u", Reason.MALFORMED),
        (b"INSERT INTO t SET a = (1", Reason.UNTERMINATED),
        (b"INSERT INTO t VALUES (@a := 1)", Reason.ASSIGNMENT),
        (b"INSERT INTO t SET a = @x := 1", Reason.ASSIGNMENT),
        (b"INSERT INTO t SET a = f(@x := 1)", Reason.ASSIGNMENT),
        (b"INSERT", Reason.MALFORMED),
        (b"INSERT INTO", Reason.MALFORMED),
        (b"INSERT INTO t", Reason.MALFORMED),
        (b"INSERT INTO t VALUES", Reason.MALFORMED),
        (b"INSERT INTO t VALUES 1", Reason.MALFORMED),
        (b"INSERT INTO VALUES (a) VALUES (1)", Reason.MALFORMED),
        (b"INSERT INTO .t VALUES (1)", Reason.MALFORMED),
        (b"INSERT INTO a.b.c VALUES (1)", Reason.MALFORMED),
        (b"INSERT INTO t u VALUES (1)", Reason.MALFORMED),
        (b"INSERT INTO `` VALUES (1)", Reason.MALFORMED),
        (b"INSERT INTO 12 VALUES (1)", Reason.MALFORMED),
        (b"INSERT INTO 0x1F VALUES (1)", Reason.MALFORMED),
        (b"INSERT INTO 1e5 VALUES (1)", Reason.MALFORMED),
        (b"INSERT INTO $t VALUES (1)", Reason.MALFORMED),
        (b"INSERT INTO t-u VALUES (1)", Reason.MALFORMED),
        (b"INSERT INTO 't' VALUES (1)", Reason.MALFORMED),
        (b"INSERT INTO @t VALUES (1)", Reason.MALFORMED),
        (b"INSERT LOW_PRIORITY HIGH_PRIORITY t VALUES (1)", Reason.MALFORMED),
        (b"INSERT INTO t (a, A) VALUES (1, 2)", Reason.MALFORMED),
        (b"INSERT INTO t (a, t.`a`) VALUES (1, 2)", Reason.MALFORMED),
        (b"INSERT INTO t SET a = 1, A = 2", Reason.MALFORMED),
        (b"INSERT INTO t (a) SET a = 1", Reason.MALFORMED),
        (b"INSERT INTO t () SET a = 1", Reason.MALFORMED),
        (b"INSERT INTO t (a b) VALUES (1)", Reason.MALFORMED),
        (b"INSERT INTO t (a,) VALUES (1)", Reason.MALFORMED),
        (b"INSERT INTO t (a, b) VALUES (1)", Reason.MALFORMED),
        (b"INSERT INTO t (a) VALUES (1, 2)", Reason.MALFORMED),
        (b"INSERT INTO t (a) VALUES ()", Reason.MALFORMED),
        (b"INSERT INTO t VALUES (1), (1, 2)", Reason.MALFORMED),
        (b"INSERT INTO t VALUES (1), ()", Reason.MALFORMED),
        (b"INSERT INTO t VALUES (1,)", Reason.MALFORMED),
        (b"INSERT INTO t VALUES (, 1)", Reason.MALFORMED),
        (b"INSERT INTO t VALUES (1),", Reason.MALFORMED),
        (b"INSERT INTO t VALUES (1) (2)", Reason.MALFORMED),
        (b"INSERT INTO t VALUES (1))", Reason.MALFORMED),
        (b"INSERT INTO t VALUES (1) WHERE 1", Reason.MALFORMED),
        (b"INSERT INTO t VALUES (1) UNION SELECT 2", Reason.MALFORMED),
        (b"INSERT INTO t VALUES (1; 2)", Reason.MALFORMED),
        (b"INSERT INTO t VALUES (\\N)", Reason.MALFORMED),
        (b"INSERT INTO t VALUES (a[1])", Reason.MALFORMED),
        (b"INSERT INTO t VALUES (:a)", Reason.MALFORMED),
        (b"INSERT INTO t PARTITION () VALUES (1)", Reason.MALFORMED),
        (b"INSERT INTO t VALUES (1) ON DUP", Reason.MALFORMED),
        (b"INSERT INTO t VALUES (1) AS", Reason.MALFORMED),
        (b"\x00INSERT INTO t VALUES (1)", Reason.NOT_INSERT),
        (b"INSERT INTO t VALUES (1)\x00", Reason.MALFORMED),
        (b"INSERT INTO t VALUES (1) -- \x00", Reason.MALFORMED),
        (b"INSERT INTO t VALUES (1,\x00 2)", Reason.MALFORMED),
        (b"INSERT INTO `t\x00` VALUES (1)", Reason.UNTERMINATED),
    ],
)
def test_left_alone(text: bytes, reason: Reason) -> None:
    assert reason_of(text) is reason


def test_placeholders() -> None:
    assert insert_of(b"INSERT INTO t (a, b) VALUES (?, f(?, '?')), (?, \"?\")").placeholders == 3
    assert insert_of(b"INSERT INTO t VALUES (1 /* ? */, '?') -- ?").placeholders == 0
    assert insert_of(b"INSERT INTO t SET a = ?, b = f(?) + ?").placeholders == 3
    assert insert_of(b"INSERT INTO t VALUES " + b",".join([b"(?, ?)"] * 100)).placeholders == 200


def test_the_text_is_not_copied_into_the_result() -> None:
    text = b"INSERT INTO t VALUES ('" + bytes(range(0x28, 0x5C)) + b"\x00\xff')"
    assert insert_of(text).text is text
