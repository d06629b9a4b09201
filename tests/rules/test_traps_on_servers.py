"""The known traps of turning an INSERT into something else, by their numbers, each on both servers.

The numbers are those of the list that this project keeps of other proxies' and ORMs' faults. What only the session can
do wrong is in tests/e2e/test_traps.py under the same numbers.
"""

import pytest

from proxy.rules.plan import Plan
from proxy.rules.rule import When
from proxy.sql.insert import Skip, recognise
from proxy.sql.lexing import Lexing
from proxy.sql.reason import Reason
from proxy.sql.span import Span
from proxy.sql.split import split
from tests.rules.making import PLAIN, planned, rule, skipped
from tests.rules.real import Table
from tests.servers.accounts import AccountMaker
from tests.servers.launch import Server

T = "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT UNIQUE, b INT UNIQUE, v INT DEFAULT 7)"
KEEP = rule("ignore", key="a", columns=["a"])
SET_V = rule("update", {"v": "new.v"}, key="a", columns=["a"])
ANSI = Lexing(ansi_quotes=True, no_backslash_escapes=False, charset_safe=True)
NO_ESCAPES = Lexing(ansi_quotes=False, no_backslash_escapes=True, charset_safe=True)


@pytest.fixture
def t(table: Table) -> Table:
    table.setup(T, "INSERT INTO t (a, b, v) VALUES (1, 1, 1)")
    return table


def rows(table: Table) -> list[tuple[object, ...]]:
    return [row[1:] for row in table.rows("SELECT * FROM t ORDER BY id")]


@pytest.mark.parametrize(
    ("text", "reason", "error"),
    [
        ("INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE v = 5", Reason.ON_DUPLICATE, 0),
        ("INSERT INTO t (a) SELECT 1 ON DUPLICATE KEY UPDATE v = 5", Reason.ON_DUPLICATE, 0),
        ("INSERT IGNORE INTO t (a) VALUES (1)", Reason.IGNORE, 0),
        ("REPLACE INTO t (a) VALUES (1)", Reason.REPLACE, 0),
        ("/* INSERT INTO t (a) VALUES (1) */ DO 1", Reason.NOT_INSERT, 0),
        ("SELECT 'INSERT INTO t (a) VALUES (1)'", Reason.NOT_INSERT, 0),
        ("PREPARE s FROM 'INSERT INTO t (a) VALUES (1)'", Reason.NOT_INSERT, 0),
        ("CREATE PROCEDURE p() INSERT INTO t (a) VALUES (1)", Reason.NOT_INSERT, 0),
    ],
)
def test_trap_01_what_is_left_alone(t: Table, text: str, reason: Reason, error: int) -> None:
    assert recognise(text.encode(), PLAIN) == Skip(reason)
    assert t.run(text).error == error


@pytest.mark.parametrize(
    "text",
    [
        "INSERT LOW_PRIORITY INTO t (a, v) VALUES (1, 9)",
        "INSERT HIGH_PRIORITY t (a, v) VALUE (1, 9)",
        "INSERT INTO t SET a = 1, v = 9",
        "INSERT INTO t (a, v) SELECT 1, 9",
        "INSERT INTO t (a, v) WITH c AS (SELECT 1, 9) SELECT * FROM c",
        "insert/*+ SET_VAR(sort_buffer_size=65536) */into`t`(`a`,`v`)values(1,9)",
        "/* traceparent='00-01' */ INSERT INTO t (t.a, `t`.`v`) VALUES (1, 9) /* controller='x' */;",
        "INSERT /*! */ INTO t /*!99999 */ (a, v) VALUES /*M! */ (1, 9) /*! */",
        "-- x\nINSERT INTO t (a, v) # y\nVALUES (1, 9)",
    ],
)
def test_trap_02_the_grammar(t: Table, text: str) -> None:
    reply = t.follow(text, SET_V)
    assert (reply.error, reply.affected) == (0, 2)
    assert rows(t) == [(1, 1, 9)]


def test_trap_02_versioned_comments_that_say_something(t: Table) -> None:
    for text in (
        "INSERT INTO t (a) VALUES (1) /*! ON DUPLICATE KEY UPDATE v = 3 */",
        "INSERT /*! IGNORE */ t SET a = 1",
    ):
        assert recognise(text.encode(), PLAIN) == Skip(Reason.VERSIONED_COMMENT)
        assert t.run(text).error == 0


@pytest.mark.parametrize(
    ("mode", "lexing", "text", "wanted"),
    [
        ("ANSI_QUOTES", ANSI, """INSERT INTO "t" ("a", "v") VALUES (1, '9')""", 9),
        ("NO_BACKSLASH_ESCAPES", NO_ESCAPES, r"INSERT INTO t (a, v) VALUES (1, 4 + LENGTH('\'))", 5),
        ("", PLAIN, r"INSERT INTO t (a, v) VALUES (1, LENGTH('\'), (2, 3'))", 9),
        ("", PLAIN, r"""INSERT INTO t (a, v) VALUES (1, LENGTH("\"'"))""", 2),
    ],
)
def test_trap_03_the_sql_mode_decides(t: Table, mode: str, lexing: Lexing, text: str, wanted: int) -> None:
    t.setup(f"SET sql_mode = '{mode}'")
    assert t.follow(text, SET_V, lexing).affected == 2
    assert rows(t) == [(1, 1, wanted)]


@pytest.mark.parametrize(("charset", "first"), [("sjis", b"\x95"), ("gbk", b"\x95"), ("big5", b"\xa4")])
def test_trap_03_a_backslash_that_is_half_a_character(t: Table, charset: str, first: bytes) -> None:
    text = b"INSERT INTO t (a, v) VALUES (1, CHAR_LENGTH('" + first + b"\\'))"
    t.setup(f"SET NAMES {charset}")
    assert t.run(text).error == 1062
    for safe in (False, None):
        assert recognise(text, Lexing(False, False, safe)) == Skip(Reason.CHARSET)
    plain = b"INSERT INTO t (a, v) VALUES (1, 9)"
    assert t.follow(plain, SET_V, Lexing(False, False, False)).affected == 2


@pytest.mark.parametrize("value", [b"_binary'\xff\x00\\'\xfe'", b"x'00ff'", b"0x00FF", b"'\xed\xa0\x80'", b"'\\0\\Z'"])
def test_trap_04_the_values_are_the_clients_bytes(table: Table, value: bytes) -> None:
    table.setup("CREATE TABLE t (a INT UNIQUE, v VARBINARY(20))", "SET NAMES binary")
    own = rule("update", {"v": "new.v"}, key="a", columns=["a"])
    text = b"INSERT INTO t (a, v) VALUES (1, " + value + b")"
    assert table.run(text).error == 0
    [(plain,)] = table.rows("SELECT HEX(v) FROM t")
    table.setup("UPDATE t SET v = ''")
    assert value in planned(text, own, table.dialect).statement
    assert table.follow(text, own).affected == 2
    assert table.rows("SELECT HEX(v) FROM t") == [(plain,)]


def test_trap_05_several_statements(t: Table) -> None:
    text = b"INSERT INTO t (a, v) VALUES (1, 5); INSERT INTO t (a) VALUES (2)"
    assert recognise(text, PLAIN) == Skip(Reason.MULTI_STATEMENT)
    assert split(text, PLAIN) == (Span(0, 34), Span(35, len(text)))
    assert split(b"SET NAMES gbk; " + text, PLAIN) == Skip(Reason.MULTI_STATEMENT)
    assert t.run(text).error == 1064, "the session asks for multi-statements first"


def test_trap_06_the_placeholders_stay(t: Table) -> None:
    text = "INSERT INTO t (a, b, v) SELECT ?, ?, ? FROM DUAL WHERE ? LIMIT 9"
    for own in (KEEP, SET_V, rule("idempotent"), rule("replace")):
        assert planned(text, own, t.dialect).statement.count(b"?") == 4
    statement = planned(text, SET_V, t.dialect).statement.decode()
    t.setup(f"PREPARE s FROM '{statement}'", "SET @a = 1, @b = NULL, @v = 9, @w = 1")
    assert t.run("EXECUTE s USING @a, @b, @v, @w").affected == 2
    assert rows(t) == [(1, 1, 9)]


def test_trap_07_without_a_column_list(t: Table) -> None:
    text = "INSERT INTO t VALUES (NULL, 1, NULL, 9)"
    assert skipped(text, rule("idempotent"), t.dialect) == Reason.NO_COLUMNS
    own = rule("idempotent", key="a", compare_except=("id", "b"))
    assert t.follow_known(text, own).raised
    assert t.follow_known(text.replace("9", "1"), own).affected == 0


def test_trap_08_columns_that_the_insert_does_not_name(t: Table) -> None:
    t.setup("ALTER TABLE t ALTER a SET DEFAULT 1")
    reply = t.follow("INSERT INTO t (b) VALUES (NULL)", SET_V)
    assert (reply.error, reply.affected) == (0, 2)
    assert reply.warnings == (0 if t.dialect.mariadb else 2), "each VALUES() is a warning 1287 of MySQL's"
    assert rows(t) == [(1, 1, 7)]


def test_trap_08_a_view_shows_its_own_names(t: Table) -> None:
    t.setup("CREATE VIEW w AS SELECT a AS x, v AS y FROM t")
    own = rule("update", {"y": "new.y"}, key="a", columns=["x"])
    assert t.follow_known("INSERT INTO w (x, y) VALUES (1, 9)", own, "w").affected == 2


def test_trap_08_the_alias_is_not_the_tables_name(table: Table) -> None:
    table.setup("CREATE TABLE New (a INT UNIQUE, v INT)", "INSERT INTO New VALUES (1, 1)")
    assert table.follow("INSERT INTO New (a, v) VALUES (1, 9)", SET_V).affected == 2


@pytest.mark.parametrize("tail", [";", " ; ", ";;", " -- x", " # x", "-- x\n;", "/* x */;", " --", "; -- x"])
def test_trap_09_what_stands_behind_the_values(t: Table, tail: str) -> None:
    for body in ("VALUES (1, 9)", "SELECT 1, 9", "SELECT q.* FROM (SELECT 1, 9) q JOIN (SELECT 1) r"):
        assert t.follow(f"INSERT INTO t (a, v) {body}{tail}", SET_V).affected == 2
        t.setup("UPDATE t SET v = 1")


def test_trap_09_the_no_op_writes_nothing(t: Table) -> None:
    t.setup("ALTER TABLE t ADD at TIMESTAMP(6) DEFAULT '2020-01-01' ON UPDATE CURRENT_TIMESTAMP(6)")
    before = rows(t)
    assert t.follow("INSERT INTO t (v, a) VALUES (9, 1)", rule("ignore")).affected == 0
    assert t.follow_known("INSERT INTO t (v, a) VALUES (9, 1)", KEEP).affected == 0
    assert rows(t) == before


def test_trap_10_the_update_itself_may_meet_a_duplicate(t: Table) -> None:
    t.setup("INSERT INTO t (a, b) VALUES (2, 2)")
    own = rule("update", {"b": "new.b"}, key="a", columns=["a"])
    reply = t.follow("INSERT INTO t (a, b) VALUES (1, 2)", own)
    assert reply.error == 1062
    assert rows(t) == [(1, 1, 1), (2, 2, 7)]


def test_trap_11_the_existing_rows_id(t: Table) -> None:
    own = rule("ignore", key="a", columns=["a"], return_id="id")
    reply = t.follow("INSERT INTO t (a) VALUES (1)", own)
    assert (reply.affected, reply.insert_id) == (0, 1)
    assert t.rows("SELECT LAST_INSERT_ID()") == [(1,)]
    assert t.known("INSERT INTO t (a) VALUES (1)", rule("ignore", return_id="v")) is Reason.RETURN_ID


@pytest.mark.parametrize(("value", "error"), [("1000", 1264), ("NULL", 1048), ("'x'", 1366)])
def test_trap_12_ignore_is_not_insert_ignore(table: Table, value: str, error: int) -> None:
    table.setup("CREATE TABLE t (a INT UNIQUE, v TINYINT NOT NULL)", "INSERT INTO t VALUES (1, 1)")
    for own in (rule("ignore"), KEEP, rule("ignore", when=When.ALWAYS)):
        assert table.follow(f"INSERT INTO t (a, v) VALUES (1, {value})", own).error == error
    assert table.rows() == [(1, 1)]


def test_trap_12_nor_is_load_data_ignore(t: Table) -> None:
    own = rule("ignore", when=When.ALWAYS)
    assert skipped("LOAD DATA INFILE '/x' INTO TABLE t", own, t.dialect) == Reason.LOAD_DATA


def test_trap_13_replace_deletes_every_row_it_meets(t: Table) -> None:
    t.setup("INSERT INTO t (a, b, v) VALUES (2, 2, 2)")
    assert t.follow("INSERT HIGH_PRIORITY INTO t (a, b) VALUES (1, 2)", rule("replace")).affected == 3
    assert rows(t) == [(1, 2, 7)]
    assert rule("replace", key="a", when=When.ALWAYS).effective_when is When.CONFLICT


def test_trap_14_triggers_before_insert_run_on_a_conflict_too(t: Table) -> None:
    t.setup(
        "CREATE TABLE log (what VARCHAR(9))",
        "CREATE TRIGGER bi BEFORE INSERT ON t FOR EACH ROW "
        "BEGIN SET NEW.v = 50; INSERT INTO log VALUES ('insert'); END",
        "CREATE TRIGGER bu BEFORE UPDATE ON t FOR EACH ROW INSERT INTO log VALUES ('update')",
    )
    assert t.follow("INSERT INTO t (a, v) VALUES (1, 9)", SET_V).affected == 2
    assert t.rows("SELECT what FROM log") == [("insert",), ("update",)]
    assert rows(t) == [(1, 1, 50)]
    assert t.definition().triggers == frozenset({"insert", "update"})


def test_trap_14_a_duplicate_inside_a_trigger_is_not_resolved(t: Table) -> None:
    t.setup(
        "CREATE TABLE log (what INT UNIQUE)",
        "CREATE TRIGGER bi BEFORE INSERT ON t FOR EACH ROW INSERT INTO log VALUES (1)",
        "INSERT INTO t (a) VALUES (2)",
    )
    reply = t.follow("INSERT INTO t (a) VALUES (3)", KEEP)
    assert reply.error == 1062
    assert ("log.what" in reply.message) is not t.dialect.mariadb


@pytest.mark.parametrize(
    ("grants", "upsert", "replace"),
    [("INSERT, SELECT", 1142, 1142), ("INSERT, SELECT, UPDATE", 0, 1142), ("INSERT, SELECT, DELETE", 1142, 0)],
)
def test_trap_15_privileges(
    t: Table, server: Server, database: str, make_account: AccountMaker, grants: str, upsert: int, replace: int
) -> None:
    account = make_account(grants=f"{grants} ON {database}.*")
    with server.connect(user=account.user, password=account.password, database=database) as connection:
        limited = Table(connection, server.version_text)
        for text in ("INSERT INTO t (a) VALUES (1)", "INSERT INTO t (a) VALUES (NULL)"):
            assert limited.follow(text, SET_V).error == upsert
            assert limited.follow(text, rule("replace")).error == replace


def test_trap_16_the_default_leaves_statements_without_a_conflict_as_they_are(t: Table) -> None:
    assert planned("INSERT INTO t (a) VALUES (1)", rule("ignore"), t.dialect).when is When.CONFLICT


def follow_after_failing(t: Table, text: str) -> Plan | Reason:
    assert t.run(text).error == 1062
    return t.known(text, KEEP)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ("(5, LAST_INSERT_ID()), (1, LAST_INSERT_ID())", Reason.SESSION_STATE),
        ("(1, ROW_COUNT())", Reason.SESSION_STATE),
        ("(1, FOUND_ROWS())", Reason.SESSION_STATE),
        ("(1, @@warning_count)", Reason.SESSION_STATE),
        ("(5, @@identity), (1, 1)", Reason.SESSION_STATE),
    ],
)
def test_trap_17_a_failed_insert_changes_what_the_next_one_reads(t: Table, values: str, reason: Reason) -> None:
    assert follow_after_failing(t, f"INSERT INTO t (a, v) VALUES {values}") is reason
    text = f"INSERT INTO t (a, v) VALUES {values}"
    at_once = rule("replace", when=When.ALWAYS)  # which MySQL's may not be: see the trap 25
    assert isinstance(t.known(text, at_once), Plan) if t.dialect.mariadb else t.known(text, at_once) is reason
    assert t.known(text, rule("ignore", key="a", when=When.ALWAYS)) is reason, (
        "its guard may raise, and the original follow"
    )


def test_trap_17_a_failed_insert_of_one_row_keeps_the_last_id(t: Table) -> None:
    t.setup("INSERT INTO t (a) VALUES (50)", "SELECT LAST_INSERT_ID(77)")
    text = "INSERT INTO t (a, v) VALUES (1, LAST_INSERT_ID())"
    assert isinstance(follow_after_failing(t, text), Plan)
    assert t.follow(text, SET_V).affected == 2
    assert t.rows("SELECT v FROM t WHERE a = 1") == [(77,)]


def test_trap_17_a_failed_insert_of_several_rows_loses_the_last_id(t: Table) -> None:
    t.setup("SELECT LAST_INSERT_ID(77)")
    assert t.run("INSERT INTO t (a) VALUES (5), (1)").error == 1062
    assert t.rows("SELECT LAST_INSERT_ID()") != [(77,)]


@pytest.mark.parametrize("engine", ["MyISAM", "MEMORY"])
def test_trap_18_engines_that_undo_nothing(table: Table, engine: str) -> None:
    table.setup(T + f" ENGINE = {engine}", "INSERT INTO t (a, b, v) VALUES (1, 1, 1)")
    assert table.run("INSERT INTO t (a) VALUES (5), (1)").error == 1062
    assert [row[0] for row in rows(table)] == [1, 5], "the first row of the failed statement is there"
    for text in ("INSERT INTO t (a) VALUES (6), (1)", "INSERT INTO t (a) SELECT 1"):
        for own in (KEEP, rule("ignore"), rule("replace"), rule("ignore", key="a", when=When.ALWAYS)):
            assert table.known(text, own) is Reason.ENGINE
        at_once = table.known(text, rule("replace", when=When.ALWAYS))
        assert isinstance(at_once, Plan) if table.dialect.mariadb else at_once is Reason.ENGINE
    assert table.follow_known("INSERT INTO t (a, v) VALUES (1, 9)", SET_V).affected == 2
