"""Planned statements, executed: what becomes of the rows on real servers."""

from collections.abc import Callable

import pytest

from proxy.rules.rule import Rule
from proxy.sql.lexing import Lexing
from tests.rules.making import planned, rule
from tests.rules.real import Reply, Table
from tests.servers.launch import Server

USERS = (
    "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, email VARCHAR(50) UNIQUE, phone VARCHAR(50) UNIQUE, "
    "name VARCHAR(50) DEFAULT 'nobody', hits INT NOT NULL DEFAULT 1)"
)
ANN = "INSERT INTO t (email, phone, name) VALUES ('ann@x', '1', 'Ann')"
ANN_ROW = (1, "ann@x", "1", "Ann", 1)
BY_EMAIL = rule("update", {"name": "new.name"}, key="email", columns=["email"])
KEEP = rule("ignore", key="email", columns=["email"])


@pytest.fixture
def users(table: Table) -> Table:
    table.setup(USERS, ANN)
    return table


# --- the guard ------------------------------------------------------------------------------------------------------


def test_a_row_met_on_the_key_is_changed(users: Table) -> None:
    reply = users.follow("INSERT INTO t (email, phone, name) VALUES ('ann@x', '2', 'Anna')", BY_EMAIL)
    assert (reply.error, reply.affected, reply.warnings) == (0, 2, 0)
    assert users.rows() == [(1, "ann@x", "1", "Anna", 1)]


def test_a_new_row_is_inserted(users: Table) -> None:
    reply = users.follow("INSERT INTO t (email, name) VALUES ('bob@x', 'Bob')", BY_EMAIL)
    assert (reply.error, reply.affected, reply.insert_id, reply.warnings) == (0, 1, 2, 0)
    assert users.rows() == [ANN_ROW, (2, "bob@x", None, "Bob", 1)]


def test_a_row_met_on_another_key_raises_and_stays(users: Table) -> None:
    assert users.follow("INSERT INTO t (email, phone, name) VALUES ('bob@x', '1', 'Bob')", BY_EMAIL).raised
    assert users.follow("INSERT INTO t (id, email, name) VALUES (1, 'bob@x', 'Bob')", BY_EMAIL).raised
    assert users.rows() == [ANN_ROW]


def test_null_in_the_key_never_passes_the_guard(users: Table) -> None:
    users.setup("INSERT INTO t (email, phone, name) VALUES (NULL, '7', 'Nil')")
    assert users.follow("INSERT INTO t (email, phone, name) VALUES (NULL, '7', 'Other')", BY_EMAIL).raised
    assert users.rows("SELECT name FROM t WHERE phone = '7'") == [("Nil",)]


def test_the_collation_of_the_key_decides(users: Table) -> None:
    assert users.follow("INSERT INTO t (email, name) VALUES ('ANN@X', 'Anna')", BY_EMAIL).error == 0
    assert users.rows() == [(1, "ann@x", "1", "Anna", 1)]


def test_a_composite_key(table: Table) -> None:
    table.setup(
        "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b INT, c INT UNIQUE, v INT, UNIQUE k (a, b))",
        "INSERT INTO t (a, b, c, v) VALUES (1, 1, 1, 0), (1, NULL, 2, 0)",
    )
    own = rule("update", {"v": "new.v"}, key="k", columns=["a", "b"])
    assert table.follow("INSERT INTO t (a, b, c, v) VALUES (1, 1, 9, 5)", own).affected == 2
    assert table.follow("INSERT INTO t (a, b, c, v) VALUES (1, 2, 1, 6)", own).raised
    assert table.follow("INSERT INTO t (a, b, c, v) VALUES (1, NULL, 2, 7)", own).raised
    assert table.follow("INSERT INTO t (a, b, c, v) VALUES (1, NULL, 3, 8)", own).affected == 1
    assert table.rows("SELECT a, b, c, v FROM t ORDER BY id") == [
        (1, 1, 1, 5),
        (1, None, 2, 0),
        (1, None, 3, 8),
    ]


def test_several_keys_pass_on_any_of_them(users: Table) -> None:
    own = rule("update", {"name": "new.name"}, keys=("email", "phone"), groups=(("email",), ("phone",)))
    assert users.follow("INSERT INTO t (email, phone, name) VALUES ('ann@x', '9', 'A')", own).affected == 2
    assert users.follow("INSERT INTO t (email, phone, name) VALUES ('new@x', '1', 'B')", own).affected == 2
    assert users.follow("INSERT INTO t (id, email, phone, name) VALUES (1, 'c@x', '3', 'C')", own).raised
    assert users.rows() == [(1, "ann@x", "1", "B", 1)]


def test_two_rows_met_on_two_keys(users: Table) -> None:
    users.setup("INSERT INTO t (email, phone, name) VALUES ('bob@x', '2', 'Bob')")
    reply = users.follow("INSERT INTO t (email, phone, name) VALUES ('ann@x', '2', 'Both')", BY_EMAIL)
    by_phone = rule("update", {"name": "new.name"}, key="phone", columns=["phone"])
    assert reply.affected == 2
    assert users.follow("INSERT INTO t (email, phone, name) VALUES ('ann@x', '2', 'Phone')", by_phone).raised
    assert users.rows("SELECT name FROM t ORDER BY id") == [("Both",), ("Bob",)]


def test_the_guard_undoes_all_rows_of_the_statement(users: Table) -> None:
    many = "INSERT INTO t (email, phone, name) VALUES ('new@x', '5', 'New'), ('ann@x', '6', 'X'), ('zoe@x', '1', 'Zoe')"
    assert users.follow(many, BY_EMAIL).raised
    assert users.rows() == [ANN_ROW]


def test_a_transaction_outlives_the_guards_error(users: Table) -> None:
    users.setup("BEGIN", "INSERT INTO t (email) VALUES ('first@x')")
    assert users.follow("INSERT INTO t (email, phone) VALUES ('bob@x', '1')", BY_EMAIL).raised
    users.setup("COMMIT")
    assert users.rows("SELECT email FROM t ORDER BY id") == [("ann@x",), ("first@x",)]


def test_a_columns_rule_without_a_key(users: Table) -> None:
    own = rule("update", {"name": "new.name"}, columns=["email"])
    assert users.follow("INSERT INTO t (email, name) VALUES ('ann@x', 'Anna')", own).affected == 2
    assert users.follow("INSERT INTO t (email, phone) VALUES ('bob@x', '1')", own).raised


@pytest.mark.parametrize("mode", ["", "ANSI", "TRADITIONAL", "NO_BACKSLASH_ESCAPES", "HIGH_NOT_PRECEDENCE"])
def test_sql_mode_does_not_matter(users: Table, mode: str) -> None:
    users.setup(f"SET sql_mode = '{mode}'")
    assert users.follow("INSERT INTO t (email, name) VALUES ('ann@x', 'Anna')", BY_EMAIL).affected == 2
    assert users.follow("INSERT INTO t (email, phone) VALUES ('bob@x', '1')", BY_EMAIL).raised
    assert users.rows() == [(1, "ann@x", "1", "Anna", 1)]


# --- the actions ----------------------------------------------------------------------------------------------------


def test_ignore_keeps_the_row(users: Table) -> None:
    reply = users.follow("INSERT INTO t (email, phone, name) VALUES ('ann@x', '2', 'Anna')", KEEP)
    assert (reply.error, reply.affected, reply.warnings) == (0, 0, 0)
    assert users.rows() == [ANN_ROW]


def test_ignore_without_key_keeps_the_row_met_on_any_key(users: Table) -> None:
    for statement in (
        "INSERT INTO t (email, name) VALUES ('ann@x', 'A')",
        "INSERT INTO t (phone, name) VALUES ('1', 'A')",
        "INSERT INTO t (id, name) VALUES (1, 'A')",
    ):
        reply = users.follow(statement, rule("ignore"))
        assert (reply.error, reply.affected, reply.insert_id, reply.warnings) == (0, 0, 0, 0)
    assert users.rows() == [ANN_ROW]


def test_ignore_hides_no_other_error(table: Table) -> None:
    table.setup("CREATE TABLE t (a INT PRIMARY KEY, b TINYINT NOT NULL)", "INSERT INTO t VALUES (1, 1)")
    assert table.follow("INSERT INTO t (a, b) VALUES (1, 1000)", rule("ignore")).error == 1264
    assert table.follow("INSERT INTO t (a, b) VALUES (1, NULL)", rule("ignore")).error == 1048
    assert table.rows() == [(1, 1)]


def test_ignore_of_several_rows_inserts_the_new_ones(users: Table) -> None:
    reply = users.follow("INSERT INTO t (email, name) VALUES ('ann@x', 'A'), ('bob@x', 'Bob'), ('bob@x', 'Bob2')", KEEP)
    assert (reply.error, reply.affected) == (0, 1)
    assert users.rows("SELECT email, name FROM t ORDER BY id") == [("ann@x", "Ann"), ("bob@x", "Bob")]


def test_update_of_several_rows(users: Table) -> None:
    own = rule("update", {"hits": "old.hits + new.hits"}, key="email", columns=["email"])
    reply = users.follow("INSERT INTO t (email, hits) VALUES ('ann@x', 5), ('bob@x', 7), ('bob@x', 8)", own)
    assert (reply.error, reply.affected) == (0, 5)
    assert users.rows("SELECT email, hits FROM t ORDER BY id") == [("ann@x", 6), ("bob@x", 15)]


def test_return_id_gives_the_id_of_the_row_there(users: Table) -> None:
    own = rule("ignore", key="email", columns=["email"], return_id="id")
    reply = users.follow("INSERT INTO t (email) VALUES ('ann@x')", own)
    assert (reply.error, reply.insert_id) == (0, 1)
    assert users.rows("SELECT LAST_INSERT_ID()") == [(1,)]
    assert users.follow("INSERT INTO t (email) VALUES ('new@x')", own).insert_id > 1
    assert users.rows("SELECT id > 1 FROM t WHERE email = 'new@x'") == [(1,)]


def test_return_id_with_the_guard_on_the_id(users: Table) -> None:
    own = rule("update", {"name": "new.name"}, key="PRIMARY", columns=["id"], return_id="id")
    assert users.follow("INSERT INTO t (id, name) VALUES (1, 'Anna')", own).insert_id == 1
    assert users.rows() == [(1, "ann@x", "1", "Anna", 1)]


def test_return_id_without_a_column_list(users: Table) -> None:
    reply = users.follow("INSERT INTO t VALUES (NULL, 'ann@x', '2', 'A', 2)", rule("ignore", return_id="id"))
    assert (reply.error, reply.insert_id, reply.affected) == (0, 1, 0)


def test_replace(users: Table) -> None:
    reply = users.follow("INSERT HIGH_PRIORITY INTO t (email, name) VALUES ('ann@x', 'New')", rule("replace"))
    assert (reply.error, reply.affected) == (0, 2)
    assert [row[1:] for row in users.rows()] == [("ann@x", None, "New", 1)]


@pytest.mark.parametrize("start", ["INSERT LOW_PRIORITY t SET", "insert/**/into t SET", "/* a */ INSERT t SET"])
def test_replace_of_other_forms(users: Table, start: str) -> None:
    assert users.follow(f"{start} id = 1, email = 'new@x'; -- done", rule("replace")).affected == 2
    assert [row[:2] for row in users.rows()] == [(1, "new@x")]


# --- what `set` may say ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "hits"),
    [
        ("new.hits", 5),
        ("old.hits", 10),
        ("old.hits + new.hits", 15),
        ("GREATEST(old.hits, new.hits)", 10),
        ("CASE WHEN new.hits > old.hits THEN new.hits ELSE old.hits END", 10),
        ("IF(new.name = 'Anna', old.hits * 2, 0)", 20),
        ("COALESCE(NULL, old.`hits`) - 1", 9),
        ("old.hits DIV 3 + 2", 5),
        ("CHAR_LENGTH(CONCAT(old.name, ':', NEW.name))", 8),
        ("CAST('7' AS UNSIGNED)", 7),
        ("old.hits + (new.hits IN (4, 5))", 11),
        ("DAYOFMONTH(DATE_ADD('2024-01-01', INTERVAL new.hits DAY))", 6),
        ("0", 0),
    ],
)
def test_expressions(users: Table, expression: str, hits: int) -> None:
    users.setup("UPDATE t SET hits = 10")
    own = rule("update", {"hits": expression}, key="email", columns=["email"])
    reply = users.follow("INSERT INTO t (email, name, hits) VALUES ('ann@x', 'Anna', 5)", own)
    assert (reply.error, reply.warnings) == (0, 0)
    assert users.rows("SELECT hits FROM t") == [(hits,)]


def test_a_column_that_the_insert_does_not_name(users: Table) -> None:
    own = rule("update", {"name": "new.name", "hits": "new.hits + 10"}, key="email", columns=["email"])
    reply = users.follow("INSERT INTO t (email) VALUES ('ann@x')", own)
    assert (reply.error, reply.affected) == (0, 2)
    assert users.rows() == [(1, "ann@x", "1", "nobody", 11)]


def test_a_key_that_the_insert_does_not_name(users: Table) -> None:
    own = rule("update", {"name": "new.name"}, key="PRIMARY", columns=["id"])
    assert users.follow("INSERT INTO t (email, name) VALUES ('ann@x', 'B')", own).raised
    assert users.follow("INSERT INTO t (email, name) VALUES ('bob@x', 'B')", own).error == 0


def test_default_values(users: Table) -> None:
    own = rule("update", {"name": "new.name", "hits": "new.hits"}, key="email", columns=["email"])
    reply = users.follow("INSERT INTO t (id, email, name, hits) VALUES (DEFAULT, 'ann@x', DEFAULT, 1 + 4)", own)
    assert reply.affected == 2
    assert users.rows() == [(1, "ann@x", "1", "nobody", 5)]


def test_a_column_is_set_after_it_carried_the_guard(users: Table) -> None:
    own = rule("update", {"email": "new.email"}, key="email", columns=["email"])
    assert users.follow("INSERT INTO t (email) VALUES ('ANN@x')", own).affected == 2
    assert users.rows("SELECT email FROM t") == [("ANN@x",)]


# --- the forms of INSERT --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t (email, name) VALUE ('ann@x', 'Anna')",
        "INSERT t (email, name) VALUES ('ann@x', 'Anna');",
        "INSERT INTO t SET email = 'ann@x', name = 'Anna'",
        "INSERT INTO t SET email = 'ann@x', name = 'Anna' ; ",
        "INSERT LOW_PRIORITY INTO t (`email`, `name`) VALUES ('ann@x', 'Anna') -- sent twice",
        "INSERT HIGH_PRIORITY INTO t (email, name) VALUES ('ann@x', 'Anna') # sent twice",
        "/* a */ INSERT INTO t(EMAIL,NAME)VALUES('ann@x','Anna')/* route=signup */",
        "INSERT INTO t (email, name) VALUES ('ann@x', 'Anna') -- no newline; nothing",
        "INSERT INTO t VALUES (NULL, 'ann@x', '1', 'Anna', 1)",
        "INSERT INTO `t` (email, name) VALUES (CONCAT('ann', '@x'), (SELECT 'Anna'))",
        "INSERT INTO t (t.email, t.name) VALUES ('ann@x', 'Anna')",
    ],
)
def test_forms(users: Table, statement: str) -> None:
    reply = users.follow(statement, BY_EMAIL)
    assert (reply.error, reply.affected, reply.warnings) == (0, 2, 0)
    assert users.rows() == [(1, "ann@x", "1", "Anna", 1)]


def test_a_table_with_its_schema(users: Table, database: str) -> None:
    users.setup("USE information_schema")
    for table in (f"{database}.t", f"`{database}` . `t`", f"{database}./* here */t"):
        assert users.follow(f"INSERT INTO {table} (email, name) VALUES ('ann@x', RAND())", BY_EMAIL).affected == 2


def test_double_quotes_as_names(users: Table) -> None:
    users.setup("SET sql_mode = 'ANSI_QUOTES'")
    text = """INSERT INTO "t" ("email", "name") VALUES ('ann@x', 'Anna')"""
    lexing = Lexing(ansi_quotes=True, no_backslash_escapes=False, charset_safe=True)
    assert users.follow(text, BY_EMAIL, lexing).affected == 2


def test_double_quotes_as_text(users: Table) -> None:
    assert users.follow("""INSERT INTO t (email, name) VALUES ("ann@x", "An\\"na")""", BY_EMAIL).affected == 2
    assert users.rows("SELECT name FROM t") == [('An"na',)]


def test_a_table_whose_name_is_that_of_the_alias(table: Table) -> None:
    table.setup("CREATE TABLE new (new INT PRIMARY KEY, old INT)", "INSERT INTO new VALUES (1, 1)")
    own = rule("update", {"old": "old.old + new.old"}, table="new", key="PRIMARY", columns=["new"])
    assert table.follow("INSERT INTO new (new, old) VALUES (1, 5)", own).affected == 2
    assert table.follow("INSERT INTO new VALUES (1, 5)", own).affected == 2
    assert table.rows("SELECT * FROM new") == [(1, 11)]


def test_odd_names(table: Table) -> None:
    table.setup("CREATE TABLE `a ``b` (`order` INT PRIMARY KEY, `x``y` INT, `ключ` INT)")
    own = rule("update", {"x`y": "old.`x``y` + new.`x``y`", "ключ": "new.ключ"}, key="PRIMARY", columns=["order"])
    for _ in range(2):
        assert table.follow("INSERT INTO `a ``b` (`order`, `x``y`, `ключ`) VALUES (1, 2, 3)", own).error == 0
    assert table.rows("SELECT * FROM `a ``b`") == [(1, 4, 3)]


def test_a_partition(table: Table) -> None:
    table.setup(
        "CREATE TABLE t (a INT PRIMARY KEY, b INT) PARTITION BY RANGE (a) "
        "(PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))",
        "INSERT INTO t VALUES (1, 1)",
    )
    own = rule("update", {"b": "new.b"}, key="PRIMARY", columns=["a"])
    assert table.follow("INSERT INTO t PARTITION (p0) (a, b) VALUES (1, 5)", own).affected == 2
    assert table.follow("INSERT INTO t PARTITION (p0) (a, b) VALUES (11, 5)", own).error == 1748
    assert table.rows() == [(1, 5)]


def test_values_that_read_the_rows_own_columns(table: Table) -> None:
    table.setup("CREATE TABLE t (a INT PRIMARY KEY, b INT)", "INSERT INTO t VALUES (3, 1)")
    own = rule("update", {"b": "new.b"}, key="PRIMARY", columns=["a"])
    assert table.follow("INSERT INTO t (a, b) VALUES (3, a * 5)", own).affected == 2
    assert table.follow("INSERT INTO t SET a = 3, b = a * 7", own).affected == 2
    assert table.rows() == [(3, 21)]


def test_a_row_of_defaults_only(table: Table) -> None:
    table.setup("CREATE TABLE t (a INT PRIMARY KEY DEFAULT 1, b INT DEFAULT 3)", "INSERT INTO t VALUES (1, 1)")
    own = rule("update", {"b": "old.b + new.b"}, key="PRIMARY", columns=["a"])
    assert table.follow("INSERT INTO t () VALUES ()", own).affected == 2
    assert table.follow("INSERT INTO t VALUES ()", own).affected == 2
    assert table.rows() == [(1, 7)]


def test_bytes_that_are_no_text_survive(table: Table) -> None:
    table.setup("CREATE TABLE t (a INT PRIMARY KEY, b VARBINARY(10))", "INSERT INTO t VALUES (1, 'x')")
    own = rule("update", {"b": "new.b"}, key="PRIMARY", columns=["a"])
    assert table.follow(b"INSERT INTO t (a, b) VALUES (1, _binary'\xff\x00\xfe\\'')", own).affected == 2
    assert table.rows() == [(1, b"\xff\x00\xfe'")]


def test_prepared_with_placeholders(users: Table) -> None:
    own = rule("update", {"name": "new.name", "hits": "old.hits + new.hits"}, key="email", columns=["email"])
    text = "INSERT INTO t (email, phone, name, hits) VALUES (?, ?, ?, ?)"
    statement = planned(text, own, users.dialect).statement.decode()
    assert statement.count("?") == text.count("?")
    users.setup(f"PREPARE p FROM '{statement}'", "SET @e = 'ann@x', @p = '1', @n = 'Anna', @h = 5, @o = 'bob@x'")
    assert users.run("EXECUTE p USING @e, @p, @n, @h").affected == 2
    assert users.run("EXECUTE p USING @o, @p, @n, @h").raised
    assert users.run("EXECUTE p USING @e, @p, @n, @h").affected == 2
    assert users.rows() == [(1, "ann@x", "1", "Anna", 11)]


# --- idempotent -----------------------------------------------------------------------------------------------------

SAME = rule("idempotent", key="k", columns=["k"])

TYPES = [
    # type, the value there, the value offered, whether they are the same
    ("INT", "5", "'5'", True),
    ("INT", "5", "6", False),
    ("INT", "NULL", "NULL", True),
    ("INT", "NULL", "0", False),
    ("INT", "0", "NULL", False),
    ("BIGINT UNSIGNED", "18446744073709551615", "18446744073709551615", True),
    ("BIGINT UNSIGNED", "18446744073709551615", "18446744073709551614", False),
    ("BIGINT", "9007199254740993", "9007199254740992", False),
    ("BOOLEAN", "TRUE", "1", True),
    ("BIT(8)", "b'101'", "5", True),
    ("BIT(64)", "18446744073709551615", "18446744073709551614", False),
    ("YEAR", "2024", "'2024'", True),
    ("DECIMAL(3,2)", "'1.005'", "1.01", True),
    ("DECIMAL(30,10)", "12345678901234567890.0000000001", "12345678901234567890.0000000001", True),
    ("DECIMAL(30,10)", "12345678901234567890.0000000001", "12345678901234567890.0000000002", False),
    ("FLOAT", "0.1", "0.1", True),
    ("FLOAT", "0.1", "0.10000001", False),
    ("FLOAT", "16777216", "16777218", False),
    ("DOUBLE", "0.1", "0.1", True),
    ("DOUBLE", "0.1", "0.10000000000000002", False),
    ("DOUBLE", "1e300", "1e300", True),
    ("DATETIME", "'2024-01-01 00:00:00.6'", "'2024-01-01 00:00:00.6'", True),
    ("DATETIME(6)", "'2024-01-01 00:00:00.600001'", "'2024-01-01 00:00:00.600002'", False),
    ("TIMESTAMP(6) NULL", "'2024-01-01 00:00:00.1'", "'2024-01-01 00:00:00.100'", True),
    ("TIMESTAMP NULL", "NULL", "'2024-01-01 00:00:00'", False),
    ("TIME(3)", "'-10:11:12.1234'", "'-10:11:12.1234'", True),
    ("TIME", "'10:11:12'", "'10:11:13'", False),
    ("DATE", "'2024-01-01'", "20240101", True),
    ("DATE", "'2024-01-01'", "'2024-01-02'", False),
    ("ENUM('a','b')", "'b'", "2", True),
    ("ENUM('a','b')", "'b'", "'a'", False),
    ("SET('x','y')", "'x,y'", "'y,x'", True),
    ("SET('x','y')", "'x'", "'y'", False),
    ("BINARY(4)", "'a'", "0x61000000", True),
    ("BINARY(4)", "'a'", "'b'", False),
    ("VARBINARY(9)", "'a'", "'a '", False),
    ("BLOB", "0x00FF", "0x00FF", True),
    ("BLOB", "0x00FF", "0x00FE", False),
    ("BLOB", "''", "NULL", False),
    ("LONGTEXT", "REPEAT('a', 99999)", "REPEAT('a', 99999)", True),
    ("LONGTEXT", "REPEAT('a', 99999)", "CONCAT(REPEAT('a', 99998), 'A')", False),
    ("JSON", """'{"a": [1, 2]}'""", """'{"a": [1, 2]}'""", True),
    ("JSON", """'{"a": [1, 2]}'""", """'{"a": [1, 3]}'""", False),
    ("JSON", """'"a"'""", """'"A"'""", False),
    ("JSON", "'null'", "NULL", False),
    ("POINT", "ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('POINT(1 2)')", True),
    ("POINT", "ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('POINT(1 3)')", False),
]
CHARSETS = ["utf8mb4 COLLATE utf8mb4_general_ci", "utf8mb4 COLLATE utf8mb4_bin", "latin1", "utf16", "ucs2", "utf32"]
CHARSETS += ["utf16le", "sjis", "cp932", "gbk", "big5", "swe7", "ujis", "euckr", "ascii", "binary"]
TEXTS = [("'abc'", "'abc'", True), ("'abc'", "'ABC'", False), ("'abc'", "NULL", False), ("NULL", "NULL", True)]
ONLY = {
    "mysql": [
        ("VECTOR(2)", "TO_VECTOR('[1,2]')", "TO_VECTOR('[1,2]')", True),
        ("VECTOR(2)", "TO_VECTOR('[1,2]')", "TO_VECTOR('[1,3]')", False),
        ("JSON", """'{"a": 1, "b": 2}'""", """'{"b": 2, "a": 1}'""", True),
        ("VARCHAR(9) COLLATE utf8mb4_0900_ai_ci", "'a'", "'ä'", False),
    ],
    "mariadb": [
        ("UUID", "'123e4567-e89b-12d3-a456-426614174000'", "'123E4567E89B12D3A456426614174000'", True),
        ("UUID", "'123e4567-e89b-12d3-a456-426614174000'", "'123e4567-e89b-12d3-a456-426614174001'", False),
        ("INET6", "'::1'", "'0::1'", True),
        ("INET6", "'::1'", "'::2'", False),
        ("JSON", """'{"a": 1, "b": 2}'""", """'{"b": 2, "a": 1}'""", False),
    ],
}


def check_same(table: Table, kind: str, there: str, offered: str, same: bool) -> None:
    """Offer a row again, to statements that were made without the definition of the table and with it."""
    bare = kind.removesuffix(" NULL")
    kinds = [kind] if "NULL" in (there, offered) else [kind, f"{bare} NOT NULL"]
    runs: list[tuple[str, Callable[[str, Rule], Reply]]] = [(kind, table.follow)]
    for column, follow in (*runs, *((each, table.follow_known) for each in kinds)):
        table.setup("DROP TABLE IF EXISTS t", f"CREATE TABLE t (k INT UNIQUE, c {column})")
        table.setup(f"INSERT INTO t VALUES (1, {there})")
        new_row = follow(f"INSERT INTO t (k, c) VALUES (2, {offered})", SAME)
        assert (new_row.error, new_row.affected) == (0, 1), "a row without a duplicate is inserted, and nothing raised"
        reply = follow(f"INSERT INTO t (k, c) VALUES (1, {offered})", SAME)
        if same:
            assert (reply.error, reply.affected, reply.warnings) == (0, 0, 0), (column, there, offered)
        else:
            assert reply.raised, (column, there, offered, reply)


@pytest.mark.parametrize(("kind", "there", "offered", "same"), TYPES)
def test_idempotent_knows_the_same_value_of_every_type(
    table: Table, kind: str, there: str, offered: str, same: bool
) -> None:
    check_same(table, kind, there, offered, same)


@pytest.mark.parametrize("kind", ["CHAR(9)", "VARCHAR(9)", "TEXT"])
@pytest.mark.parametrize("charset", CHARSETS)
def test_idempotent_compares_text_byte_by_byte(table: Table, kind: str, charset: str) -> None:
    for there, offered, same in TEXTS:
        check_same(table, f"{kind} CHARACTER SET {charset}", there, offered, same)


def test_idempotent_with_the_types_of_one_server(server: Server, table: Table) -> None:
    for kind, there, offered, same in ONLY[server.name]:
        check_same(table, kind, there, offered, same)


@pytest.mark.parametrize(
    "collation", ["utf16_general_ci", "ucs2_bin", "utf32_general_ci", "sjis_japanese_ci", "utf8mb4_bin", "binary"]
)
def test_idempotent_is_out_of_reach_of_the_sessions_collation(users: Table, collation: str) -> None:
    users.setup(f"SET collation_connection = {collation}")
    own = rule("idempotent", key="email", columns=["email"])
    assert users.follow(ANN, own).error == 0
    assert users.follow(ANN.replace("'Ann'", "'ANN'"), own).raised


def test_idempotent_compares_trailing_spaces(users: Table) -> None:
    assert users.follow(ANN.replace("'Ann'", "'Ann '"), rule("idempotent")).raised
    assert users.follow(ANN, rule("idempotent")).error == 0


def test_idempotent_writes_nothing(users: Table) -> None:
    users.setup("ALTER TABLE t ADD changed TIMESTAMP(6) DEFAULT '2020-01-01' ON UPDATE CURRENT_TIMESTAMP(6)")
    before = users.rows()
    reply = users.follow(ANN, rule("idempotent", return_id="id"))
    assert (reply.error, reply.affected, reply.insert_id) == (0, 0, 1)
    assert users.rows() == before


def test_idempotent_of_several_rows_is_all_or_nothing(users: Table) -> None:
    same = "INSERT INTO t (email, name) VALUES ('ann@x', 'Ann'), ('bob@x', 'Bob')"
    other = "INSERT INTO t (email, name) VALUES ('zoe@x', 'Zoe'), ('ann@x', 'Anna')"
    assert users.follow(same, rule("idempotent")).affected == 1
    assert users.follow(other, rule("idempotent")).raised
    assert users.rows("SELECT name FROM t ORDER BY id") == [("Ann",), ("Bob",)]


def test_idempotent_says_nothing_of_columns_that_the_insert_does_not_name(users: Table) -> None:
    assert users.follow("INSERT INTO t (email) VALUES ('ann@x')", rule("idempotent")).error == 0


def test_idempotent_refuses_a_row_met_on_another_key_although_it_is_the_same(users: Table) -> None:
    own = rule("idempotent", key="email", columns=["email"])
    assert users.follow("INSERT INTO t (phone, name) VALUES ('1', 'Ann')", own).raised


def test_idempotent_prepared_with_placeholders(users: Table) -> None:
    text = "INSERT INTO t (email, name, hits) VALUES (?, ?, ?)"
    statement = planned(text, rule("idempotent"), users.dialect).statement.decode().replace("'", "''")
    users.setup(f"PREPARE p FROM '{statement}'", "SET @e = 'ann@x', @n = 'Ann', @h = 1, @m = 'ANN', @i = 2")
    assert users.run("EXECUTE p USING @e, @n, @h").error == 0
    assert users.run("EXECUTE p USING @e, @m, @h").raised
    assert users.run("EXECUTE p USING @e, @n, @i").raised
    assert users.run("EXECUTE p USING @e, @n, @h").error == 0
