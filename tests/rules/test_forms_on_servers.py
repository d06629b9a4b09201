"""Queries, RETURNING and LOAD DATA under rules, executed."""

from dataclasses import replace
from pathlib import Path

import pytest

from proxy.rules.rule import Returning, When
from proxy.sql.lexing import Lexing
from proxy.sql.reason import Reason
from tests.rules.making import MARIADB, MYSQL, OLD_MYSQL, planned, rule, skipped
from tests.rules.real import Table
from tests.servers.launch import Server

T = "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT UNIQUE, b INT UNIQUE, v INT)"
BY_A = rule("update", {"v": "old.v + new.v"}, key="a", columns=["a"])
MYSQL_ONLY = pytest.mark.parametrize("server", ["mysql"], indirect=True)
MARIADB_ONLY = pytest.mark.parametrize("server", ["mariadb"], indirect=True)


@pytest.fixture
def filled(table: Table) -> Table:
    table.setup(T, "INSERT INTO t (a, b, v) VALUES (1, 1, 1)")
    table.setup("CREATE TABLE u (a INT, b INT, v INT)", "INSERT INTO u VALUES (1, 7, 10), (2, 8, 20)")
    table.setup("CREATE TABLE w (a INT)", "INSERT INTO w VALUES (1), (2)")
    return table


def values(table: Table) -> list[tuple[int, ...]]:
    return [row[1:] for row in table.rows("SELECT * FROM t ORDER BY a")]


QUERIES = [
    "SELECT a, b, v FROM u",
    "(SELECT a, b, v FROM u)",
    "SELECT * FROM u ORDER BY a LIMIT 9",
    "SELECT a, b, v FROM u FOR UPDATE",
    "SELECT a, b, v FROM u LOCK IN SHARE MODE",
    "SELECT 1, 7, 10 UNION ALL SELECT 2, 8, 20",
    "(SELECT 1, 7, 10) UNION (SELECT a, b, v FROM u WHERE a = 2)",
    "WITH x AS (SELECT * FROM u) SELECT * FROM x",
    "WITH x AS (SELECT a FROM t) SELECT u.* FROM u WHERE u.a NOT IN (SELECT a + 100 FROM x)",
    "SELECT u.a, u.b, u.v FROM u NATURAL JOIN w",
    "SELECT u.a, u.b, u.v FROM u JOIN w ON u.a = w.a",
    "SELECT DISTINCT u.a, u.b, u.v FROM u JOIN w",
    "SELECT a, b, SUM(v) FROM u GROUP BY a, b",
    "SELECT a, b, v FROM u WHERE NOT EXISTS (SELECT 1 FROM t WHERE t.a = u.a + 50)",
    "SELECT q.a, q.b, u.v FROM (SELECT u.a, u.b FROM u LEFT JOIN t USING (a)) AS q JOIN u WHERE q.a = u.a",
    "SELECT /*!40001 SQL_NO_CACHE */ a, b, v FROM u;",
    "SELECT a, b, v FROM u -- the end",
]


@pytest.mark.parametrize("query", QUERIES)
def test_the_rows_of_a_query(filled: Table, query: str) -> None:
    reply = filled.follow(f"INSERT INTO t (a, b, v) {query}", BY_A)
    assert (reply.error, reply.affected) == (0, 3)
    assert values(filled) == [(1, 1, 11), (2, 8, 20)]


@pytest.mark.parametrize("query", QUERIES)
def test_a_row_of_a_query_met_on_another_key(filled: Table, query: str) -> None:
    filled.setup("UPDATE t SET b = 8")
    own = rule("update", {"v": "new.v"}, key="a", columns=["a"])
    assert filled.follow(f"INSERT INTO t (a, b, v) {query}", own).raised
    assert values(filled) == [(1, 8, 1)]


@pytest.mark.parametrize("action", ["ignore", "idempotent"])
def test_keeping_actions_with_a_query(filled: Table, action: str) -> None:
    filled.setup("UPDATE t SET b = 7, v = 10")
    reply = filled.follow("INSERT INTO t (a, b, v) SELECT * FROM u", rule(action, key="a", columns=["a"]))
    assert (reply.error, reply.affected) == (0, 1)
    assert values(filled) == [(1, 7, 10), (2, 8, 20)]


def test_idempotent_sees_a_difference_in_a_query(filled: Table) -> None:
    assert filled.follow("INSERT INTO t (a, b, v) SELECT * FROM u", rule("idempotent")).raised
    assert values(filled) == [(1, 1, 1)]


def test_replace_with_a_query_even_of_its_own_table(filled: Table) -> None:
    assert filled.follow("INSERT HIGH_PRIORITY INTO t (a, b, v) SELECT a, b, v + 4 FROM t", rule("replace")).error == 0
    assert values(filled) == [(1, 1, 5)]


@MYSQL_ONLY
@pytest.mark.parametrize(
    "query", ["TABLE u", "(TABLE u)", "VALUES ROW(1, 7, 10), ROW(2, 8, 20)", "VALUES ROW(1,7,10) UNION TABLE u"]
)
def test_the_queries_that_only_mysql_knows(filled: Table, query: str) -> None:
    assert filled.follow(f"INSERT INTO t (a, b, v) {query}", BY_A).error == 0
    assert values(filled) == [(1, 1, 11), (2, 8, 20)]


@pytest.mark.parametrize(
    "query",
    ["SELECT a, b, v FROM t", "SELECT a, b, v FROM u AS t", "SELECT u.* FROM u JOIN t", "TABLE t", "SELECT a FROM t q"],
)
def test_a_query_that_reads_the_table_is_left_alone(query: str) -> None:
    assert skipped(f"INSERT INTO t (a, b, v) {query}", BY_A) == Reason.SELF_SELECT


def test_a_query_of_the_same_table_would_make_the_clause_ambiguous(filled: Table) -> None:
    clause = "ON DUPLICATE KEY UPDATE a = t.a"
    assert filled.run(f"INSERT INTO t (a, b, v) SELECT a, b, v FROM t {clause}").error == 1052


def test_a_query_has_no_alias() -> None:
    for dialect in (MYSQL, OLD_MYSQL, MARIADB):
        statement = planned("INSERT INTO t (a, v) SELECT 1, 2", BY_A, dialect).statement
        assert b" AS new" not in statement
        assert b"VALUES(`a`)" in statement


def test_the_number_of_rows_of_a_query_is_not_known() -> None:
    assert planned("INSERT INTO t (a) SELECT 1", rule("ignore")).rows == 0


# --- RETURNING ------------------------------------------------------------------------------------------------------


@MARIADB_ONLY
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t (a, v) VALUES (1, 10) RETURNING id, v",
        "INSERT INTO t SET a = 1, v = 10 RETURNING id, v;",
        "INSERT INTO t (a, v) VALUES (1, 10)RETURNING id, v",
        "INSERT INTO t (a, v) SELECT 1, 10 FROM u JOIN w LIMIT 1 RETURNING id, v -- x",
    ],
)
def test_the_clause_stands_before_returning(filled: Table, statement: str) -> None:
    made = planned(statement, replace(BY_A, returning=Returning.SEVERAL), filled.dialect)
    assert made.returning
    assert filled.rows(made.statement.decode()) == [(1, 11)]
    assert values(filled) == [(1, 1, 11)]


@pytest.mark.parametrize("rows", ["VALUES (5, 1), (1, 10)", "SELECT 1, 10", "TABLE u"])
def test_several_rows_are_returned_only_where_the_rule_says_so(rows: str) -> None:
    """Those that were there have ids out of order."""
    text = f"INSERT INTO t (a, v) {rows} RETURNING id"
    assert skipped(text, BY_A, MARIADB) == Reason.RETURNED_ROWS
    assert planned(text, replace(BY_A, returning=Returning.SEVERAL), MARIADB).returning
    assert planned(text, rule("replace"), MARIADB).returning


@MARIADB_ONLY
def test_replace_returns_too(filled: Table) -> None:
    made = planned("INSERT INTO t (a, v) VALUES (1, 10) RETURNING id, v", rule("replace"), filled.dialect)
    assert filled.rows(made.statement.decode()) == [(2, 10)]


@MARIADB_ONLY
def test_a_guard_raises_before_any_row_is_returned(filled: Table) -> None:
    assert filled.follow("INSERT INTO t (a, b) VALUES (5, 1) RETURNING id", BY_A).raised


def test_returning_is_only_followed_after_a_conflict() -> None:
    text = "INSERT INTO t (a) VALUES (1) RETURNING a"
    assert planned(text, rule("ignore", when=When.ALWAYS), MARIADB).when is When.CONFLICT
    assert planned(text.split(" RET")[0], rule("ignore", when=When.ALWAYS), MARIADB).when is When.ALWAYS
    assert skipped(text, rule("ignore"), MYSQL) == Reason.RETURNING


# --- LOAD DATA ------------------------------------------------------------------------------------------------------


@pytest.fixture
def loader(server: Server, database: str) -> Table:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL local_infile = 1")
    connection = server.connect(database=database, local_infile=True)
    table = Table(connection, server.version_text)
    table.setup("CREATE TABLE t (a INT UNIQUE, v INT)", "INSERT INTO t VALUES (1, 1)")
    return table


ALWAYS_REPLACE = rule("replace", when=When.ALWAYS)
ALWAYS_IGNORE = rule("ignore", when=When.ALWAYS)


def test_load_data_local(loader: Table, tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text("1\t9\n2\t8\n")
    text = f"LOAD DATA LOCAL INFILE '{path}' /* INTO TABLE u */ INTO TABLE t (a, v);"
    with loader.connection:
        plain, kept = loader.run(text), loader.follow(text, ALWAYS_IGNORE)
        assert (plain.error, plain.affected, plain.warnings) == (0, 1, 1)
        assert (kept.error, kept.affected, kept.warnings) == (0, 0, 2)
        assert loader.rows("SELECT * FROM t ORDER BY a") == [(1, 1), (2, 8)]
        assert loader.follow(text, ALWAYS_REPLACE).error == 0
        assert loader.rows("SELECT * FROM t ORDER BY a") == [(1, 9), (2, 8)]


def test_ignore_with_local_changes_nothing_about_other_errors(loader: Table, tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text("1\t9\nx\t8\n")
    text = f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE t"
    with loader.connection:
        plain = loader.run(text)
        loader.setup("DELETE FROM t WHERE a <> 1")
        assert loader.follow(text, ALWAYS_IGNORE) == plain


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("LOAD DATA INFILE 'x' INTO TABLE t", rule("ignore", when=When.ALWAYS)),
        ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", rule("ignore")),
        ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", rule("ignore", columns=["a"], when=When.ALWAYS)),
        ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", rule("ignore", key="a", when=When.ALWAYS)),
        ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", rule("ignore", return_id="a", when=When.ALWAYS)),
        ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", rule("idempotent", when=When.ALWAYS)),
        ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", rule("update", {"a": "1"}, when=When.ALWAYS)),
        ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", rule("replace", key="a", when=When.ALWAYS)),
        ("LOAD DATA INFILE 'x' INTO TABLE t", rule("replace")),
    ],
)
def test_load_data_that_is_left_alone(text: str, own: object) -> None:
    assert skipped(text, own) == Reason.LOAD_DATA  # type: ignore[arg-type]


def test_where_the_word_goes() -> None:
    text = "load data low_priority local infile 'x' into table s.t lines terminated by ';'"
    wanted = text.replace("'x'", "'x' REPLACE ")
    assert planned(text, ALWAYS_REPLACE).statement == wanted.encode()
    text = "LOAD DATA INFILE 'x'INTO TABLE t"
    assert planned(text, ALWAYS_REPLACE).statement == b"LOAD DATA INFILE 'x' REPLACE INTO TABLE t"


# --- character sets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("utf8", [None, False])
def test_text_outside_ascii_is_only_spliced_into_utf8(utf8: bool | None) -> None:
    own = rule("update", {"größe": "new.größe"}, columns=["a"])
    lexing = Lexing(False, False, True, utf8)
    text = "INSERT INTO t (a) VALUES ('ü')"
    assert skipped(text, own, MYSQL, lexing) == Reason.CHARSET
    assert skipped("INSERT INTO `ü` (a) VALUES (1)", rule("ignore"), MYSQL, lexing) == Reason.CHARSET
    assert b"ON DUPLICATE" in planned(text, rule("ignore"), MYSQL, lexing).statement
    assert planned(text, own, MYSQL, Lexing(False, False, True, True)).statement.count("größe".encode()) == 2


def test_names_outside_ascii_on_the_server(table: Table) -> None:
    table.setup("CREATE TABLE t (a INT PRIMARY KEY, größe INT)", "INSERT INTO t VALUES (1, 1)")
    own = rule("update", {"größe": "old.größe + new.größe"}, columns=["a"])
    assert table.follow("INSERT INTO t (a, größe) VALUES (1, 5)", own).affected == 2
    assert table.rows() == [(1, 6)]
