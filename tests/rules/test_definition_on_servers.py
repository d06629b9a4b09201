"""Plans made with the table's definition, executed on the tables that were looked up."""

import pytest

from proxy.rules.plan import Plan, plan
from proxy.rules.rule import When
from proxy.rules.table import KeyPart, UniqueKey
from proxy.rules.table import Table as Definition
from proxy.sql.reason import Reason
from tests.rules.making import MYSQL, insert, rule
from tests.rules.real import Table
from tests.servers.launch import Server

MYSQL_ONLY = pytest.mark.parametrize("server", ["mysql"], indirect=True)
MARIADB_ONLY = pytest.mark.parametrize("server", ["mariadb"], indirect=True)
USERS = (
    "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, email VARCHAR(50), phone VARCHAR(50), "
    "name VARCHAR(50) DEFAULT 'nobody', hits INT NOT NULL DEFAULT 1, UNIQUE ux_email (email), UNIQUE ux_phone (phone))"
)
ANN = "INSERT INTO t (email, phone, name) VALUES ('ann@x', '1', 'Ann')"
BY_EMAIL = rule("update", {"name": "new.name"}, key="UX_EMAIL")


@pytest.fixture
def users(table: Table) -> Table:
    table.setup(USERS, ANN)
    return table


# --- the columns of the keys ----------------------------------------------------------------------------------------


def test_the_columns_of_a_key_are_looked_up(users: Table) -> None:
    assert users.follow_known("INSERT INTO t (email, name) VALUES ('ann@x', 'Anna')", BY_EMAIL).affected == 2
    assert users.follow_known("INSERT INTO t (email, phone) VALUES ('bob@x', '1')", BY_EMAIL).raised
    assert users.rows() == [(1, "ann@x", "1", "Anna", 1)]


def test_the_definition_is_right_where_the_file_is_not(users: Table) -> None:
    own = rule("update", {"name": "new.name"}, key="ux_email", columns=["phone"])
    assert users.follow_known("INSERT INTO t (email, name) VALUES ('ann@x', 'Anna')", own).affected == 2


def test_several_keys_of_which_one_is_gone(users: Table) -> None:
    own = rule("update", {"name": "new.name"}, keys=("gone", "ux_phone"))
    assert users.follow_known("INSERT INTO t (phone, name) VALUES ('1', 'Anna')", own).affected == 2
    assert users.follow_known("INSERT INTO t (email, name) VALUES ('ann@x', 'Anna')", own).raised
    assert users.known(ANN, rule("ignore", key="gone")) is Reason.KEY_UNKNOWN


def test_a_composite_key_with_a_prefix(table: Table) -> None:
    table.setup(
        "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(20), b BLOB, c TEXT, v INT, w INT UNIQUE, "
        "UNIQUE k (a(3), b(2), c(4)))",
        "INSERT INTO t (a, b, c, v, w) VALUES ('abcdef', 'xyz', 'longer', 1, 1)",
    )
    own = rule("update", {"v": "new.v"}, key="k")
    columns = "INSERT INTO t (a, b, c, v, w) VALUES"
    assert table.follow_known(f"{columns} ('ABCxxx', 'xyyyy', 'longest', 5, 9)", own).affected == 2
    assert table.follow_known(f"{columns} ('abdefg', 'xyz', 'longer', 6, 1)", own).raised
    assert table.follow_known(f"{columns} ('abcdef', 'xz', 'longer', 7, 2)", own).affected == 1
    assert table.rows("SELECT v FROM t ORDER BY id") == [(5,), (7,)]


def test_the_files_columns_may_be_those_of_a_prefix_key(table: Table) -> None:
    table.setup("CREATE TABLE t (a VARCHAR(20), v INT, UNIQUE k (a(3)))", "INSERT INTO t VALUES ('abcdef', 1)")
    own = rule("update", {"v": "new.v"}, columns=["A"])
    assert table.follow_known("INSERT INTO t (a, v) VALUES ('abcxyz', 5)", own).affected == 2
    assert table.known("INSERT INTO t (a, v) VALUES ('a', 5)", rule("ignore", columns=["b"])) is Reason.DEFINITION


@pytest.mark.parametrize("kind", ["VIRTUAL", "STORED"])
def test_a_generated_key(table: Table, kind: str) -> None:
    table.setup(
        f"CREATE TABLE t (a INT, g INT GENERATED ALWAYS AS (a * 2) {kind}, b INT UNIQUE, v INT, UNIQUE k (g))",
        "INSERT INTO t (a, b, v) VALUES (1, 1, 1)",
    )
    own = rule("update", {"v": "new.v"}, key="k")
    assert table.follow_known("INSERT INTO t (a, v) VALUES (1, 5)", own).affected == 2
    assert table.follow_known("INSERT INTO t (g, a, v) VALUES (DEFAULT, 1, 6)", own).affected == 2
    assert table.follow_known("INSERT INTO t VALUES (1, DEFAULT, 9, 7)", own).affected == 2
    assert table.follow_known("INSERT INTO t (a, b) VALUES (2, 1)", own).raised
    assert table.follow_known("INSERT INTO t VALUES (2, DEFAULT, 1, 8)", own).raised
    assert table.rows() == [(1, 2, 1, 7)]


def test_a_generated_column_is_never_the_anchor(table: Table) -> None:
    table.setup(
        "CREATE TABLE t (g INT GENERATED ALWAYS AS (a * 2) STORED UNIQUE, a INT)", "INSERT INTO t (a) VALUES (1)"
    )
    for text in ("INSERT INTO t (g, a) VALUES (DEFAULT, 1)", "INSERT INTO t VALUES (DEFAULT, 1)"):
        assert table.follow_known(text, rule("ignore")).affected == 0
        assert table.follow_known(text, rule("idempotent", key="g")).affected == 0


@MYSQL_ONLY
@pytest.mark.parametrize(
    ("part", "same", "other"),
    [
        ("(LOWER(a))", "'ANN'", "'ann '"),
        ("(CONCAT(a, '-', b))", "'Ann'", "'Anna'"),
        ("a, (b + 1)", "'Ann'", "'Ann', 2"),
        ("(JSON_VALUE(d, '$.k' RETURNING CHAR(9)))", "'Ann'", "'Ann', 1, '{\"k\": \"z\"}'"),
        ("(YEAR('2024-05-05') + b)", "'Anna'", "'Anna', 2"),
    ],
)
def test_a_functional_key(table: Table, part: str, same: str, other: str) -> None:
    table.setup(
        f'CREATE TABLE t (a VARCHAR(9), b INT DEFAULT 1, d JSON DEFAULT (\'{{"k": "x"}}\'), c INT UNIQUE, v INT, '
        f"UNIQUE k ({part}))",
        "INSERT INTO t (a, c, v) VALUES ('Ann', 1, 1)",
    )
    own = rule("update", {"v": "old.v + 1"}, key="k")
    assert table.follow_known(f"INSERT INTO t (a) VALUES ({same})", own).affected == 2
    named = ("a", "a, b", "a, b, d")[other.count(", ")] if "$" not in part else "a, b, d"
    assert table.follow_known(f"INSERT INTO t ({named}, c) VALUES ({other}, 1)", own).raised
    assert table.rows("SELECT v FROM t") == [(2,)]


@MYSQL_ONLY
@pytest.mark.parametrize("part", ["(CAST(d->'$.a' AS UNSIGNED ARRAY))", "(CONCAT(a, 'it''s'))", "(CONCAT(a, 'ü'))"])
def test_a_functional_key_that_is_left_alone(table: Table, part: str) -> None:
    table.setup(f"CREATE TABLE t (a VARCHAR(9), d JSON, v INT, UNIQUE k ({part}))")
    assert table.known("INSERT INTO t (a) VALUES ('x')", rule("ignore", key="k")) is Reason.FUNCTIONAL_KEY


@MARIADB_ONLY
def test_a_key_of_periods(table: Table) -> None:
    table.setup("CREATE TABLE t (a INT, s DATE, e DATE, PERIOD FOR p (s, e), UNIQUE k (a, p WITHOUT OVERLAPS))")
    assert table.known("INSERT INTO t (a, s, e) VALUES (1, '2024-01-01', '2024-01-02')", rule("ignore", key="k")) is (
        Reason.FUNCTIONAL_KEY
    )


# --- the columns of the insert --------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["ignore", "idempotent"])
def test_without_a_column_list_the_definition_tells(users: Table, action: str) -> None:
    text = "INSERT INTO t VALUES (1, 'ann@x', '1', 'Ann', 1)"
    assert users.follow_known(text, rule(action)).affected == 0
    other = users.follow_known(text.replace("'Ann'", "'ann'"), rule(action))
    assert other.raised is (action == "idempotent")
    assert users.rows() == [(1, "ann@x", "1", "Ann", 1)]


def test_a_definition_that_does_not_fit_the_values(users: Table) -> None:
    assert users.known("INSERT INTO t VALUES (1, 'ann@x')", rule("ignore")) is Reason.DEFINITION
    assert users.known("INSERT INTO t VALUES ()", rule("idempotent")) is Reason.NO_COLUMNS
    own = rule("update", {"gone": "1"})
    assert users.known(ANN, own) is Reason.DEFINITION


def test_invisible_columns(table: Table) -> None:
    table.setup("CREATE TABLE t (a INT UNIQUE, i INT INVISIBLE DEFAULT 7, v INT)", "INSERT INTO t VALUES (1, 1)")
    own = rule("update", {"v": "new.v + new.i"}, key="a")
    assert table.follow_known("INSERT INTO t VALUES (1, 5)", own).affected == 2
    assert table.rows() == [(1, 12)]


def test_a_query_without_a_column_list(users: Table) -> None:
    own = rule("idempotent", key="ux_email")
    assert users.known("INSERT INTO t SELECT NULL, email, phone, name, hits FROM t AS q", own) is Reason.SELF_SELECT
    users.setup("CREATE TABLE u AS SELECT 0 AS id, email, phone, name, hits FROM t")
    same = rule("idempotent", key="ux_email", compare_except=("ID",))
    assert users.follow_known("INSERT INTO t SELECT * FROM u", same).affected == 0
    users.setup("UPDATE u SET name = 'ANN'")
    assert users.follow_known("INSERT INTO t SELECT * FROM u", same).raised


def test_the_anchor_keeps_on_update_alive(table: Table) -> None:
    table.setup(
        "CREATE TABLE t (at TIMESTAMP(6) DEFAULT '2020-01-01' ON UPDATE CURRENT_TIMESTAMP(6), v INT, k INT UNIQUE)",
        "INSERT INTO t (v, k) VALUES (1, 1)",
        "ALTER TABLE t ALTER k SET DEFAULT 1",
    )
    own = rule("update", {"v": "new.v"})
    assert table.follow_known("INSERT INTO t (at, v) VALUES ('2020-01-01', 5)", own).affected == 2
    assert table.rows("SELECT v, at > '2021-01-01' FROM t") == [(5, 1)]


# --- AUTO_INCREMENT -------------------------------------------------------------------------------------------------


def test_a_key_that_the_server_fills(users: Table) -> None:
    assert users.known(ANN, rule("ignore", key="PRIMARY")) is Reason.AUTO_INCREMENT
    found = users.known("INSERT INTO t (id, email) VALUES (1, 'x')", rule("ignore", key="PRIMARY"))
    assert isinstance(found, Plan)
    both = rule("update", {"name": "new.name"}, keys=("PRIMARY", "ux_email"))
    assert users.follow_known("INSERT INTO t (email, name) VALUES ('ann@x', 'A')", both).affected == 2


def test_an_auto_increment_at_its_end_is_no_duplicate(table: Table) -> None:
    table.setup(
        "CREATE TABLE t (id TINYINT AUTO_INCREMENT PRIMARY KEY, a INT UNIQUE, v INT)",
        "INSERT INTO t VALUES (127, 1, 1)",
    )
    own = rule("ignore", when=When.ALWAYS)
    lost = table.follow_known("INSERT INTO t (a, v) VALUES (2, 9)", own)
    assert lost.error == 167 if table.dialect.mariadb else lost.raised
    assert table.rows() == [(127, 1, 1)]


def test_any_key_of_a_table_that_fills_one(users: Table) -> None:
    own = rule("update", {"name": "new.name"})
    for text, name in (("INSERT INTO t (email, name) VALUES ('ann@x', 'A')", "A"),
                       ("INSERT INTO t (phone, name) VALUES ('1', 'B')", "B"),
                       ("INSERT INTO t (id, name) VALUES (1, 'C')", "C")):  # fmt: skip
        assert users.follow_known(text, own).affected == 2
        assert users.rows("SELECT name FROM t") == [(name,)]
    assert users.follow_known("INSERT INTO t (name) VALUES ('D')", own).affected == 1


def test_a_table_whose_only_key_the_server_fills(table: Table) -> None:
    table.setup("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
    found = table.known("INSERT INTO t (v) VALUES (1)", rule("ignore"))
    assert isinstance(found, Plan) if table.dialect.mariadb else found is Reason.AUTO_INCREMENT


def test_return_id_must_be_the_auto_increment_column(users: Table) -> None:
    reply = users.follow_known("INSERT INTO t (email) VALUES ('ann@x')", rule("ignore", key="ux_email", return_id="ID"))
    assert (reply.error, reply.insert_id) == (0, 1)
    for name in ("hits", "gone", "email"):
        assert users.known(ANN, rule("ignore", return_id=name)) is Reason.RETURN_ID


def test_an_auto_increment_of_floats_gives_no_id(server: Server, table: Table) -> None:
    if server.name == "mysql" and server.version >= (8, 4, 0):
        assert table.run("CREATE TABLE t (id DOUBLE AUTO_INCREMENT PRIMARY KEY)").error == 1063
        return
    table.setup("CREATE TABLE t (id DOUBLE AUTO_INCREMENT PRIMARY KEY, a INT UNIQUE)")
    assert table.known("INSERT INTO t (a) VALUES (1)", rule("ignore", return_id="id")) is Reason.RETURN_ID


# --- engines and views ----------------------------------------------------------------------------------------------


def test_a_view(users: Table) -> None:
    users.setup("CREATE VIEW w AS SELECT id AS number, email AS mail, phone, name AS called FROM t")
    own = rule("update", {"called": "new.called"}, key="ux_email", columns=["mail"])
    assert users.follow_known("INSERT INTO w (mail, called) VALUES ('ann@x', 'Anna')", own, "w").affected == 2
    assert users.follow_known("INSERT INTO w (mail, phone) VALUES ('bob@x', '1')", own, "w").raised
    assert users.rows() == [(1, "ann@x", "1", "Anna", 1)]
    assert users.known("INSERT INTO w (mail) VALUES ('ann@x')", rule("ignore", key="ux_email"), "w") is (
        Reason.COLUMNS_UNKNOWN
    )


# --- idempotent -----------------------------------------------------------------------------------------------------


def test_columns_that_are_not_compared(users: Table) -> None:
    own = rule("idempotent", key="ux_email", compare_except=("HITS", "name"))
    text = "INSERT INTO t (email, phone, name, hits) VALUES ('ann@x', '1', 'Anna', 99)"
    for reply in (
        users.follow_known(text, own),
        users.follow(text, rule("idempotent", compare_except=("hits", "name"))),
    ):
        assert (reply.error, reply.affected) == (0, 0)
    assert users.follow_known(text.replace("'1'", "'2'"), own).raised


def test_documents(table: Table) -> None:
    table.setup("CREATE TABLE t (k INT UNIQUE, j JSON, x LONGTEXT)")
    table.setup("""INSERT INTO t VALUES (1, '{"a": 1, "b": [1, "x"]}', '{"c": [1], "d": null}')""")
    own = rule("idempotent", compare_json=("J", "x"))
    good = (
        """'{"b":[1,"x"],"a":1}', '{"d":null,  "c":[1]}'""",
        """'{"a": 1, "b": [1, "x"]}', '{"c": [1], "d": null}'""",
    )
    bad = (
        """'{"b":[1,"X"],"a":1}', '{"c": [1], "d": null}'""",
        """'{"a": 1, "b": ["x", 1]}', '{"c": [1], "d": null}'""",
        """NULL, '{"c": [1], "d": null}'""",
        """'{"a": 1, "b": [1, "x"]}', 'no document'""",
        """'{"a": 1, "b": [1, "x"]}', NULL""",
        """'{"a": 1, "b": [1, "x"]}', '{"c": [1]}'""",
        """'null', '{"c": [1], "d": null}'""",
    )
    for follow in (table.follow, table.follow_known):
        for values in good:
            assert follow(f"INSERT INTO t (k, j, x) VALUES (1, {values})", own).affected == 0, values
        for values in bad:
            assert follow(f"INSERT INTO t (k, j, x) VALUES (1, {values})", own).raised, values


def test_text_that_is_no_document_is_compared_as_it_is(table: Table) -> None:
    table.setup("CREATE TABLE t (k INT UNIQUE, x LONGTEXT)", "INSERT INTO t VALUES (1, 'abc'), (2, NULL)")
    own = rule("idempotent", compare_json=("x",))
    assert table.follow_known("INSERT INTO t (k, x) VALUES (1, 'abc')", own).affected == 0
    assert table.follow_known("INSERT INTO t (k, x) VALUES (1, 'ABC')", own).raised
    assert table.follow_known("INSERT INTO t (k, x) VALUES (2, NULL)", own).affected == 0


# --- definitions made by hand ---------------------------------------------------------------------------------------


def test_a_clause_is_not_taken_for_another_definition(users: Table) -> None:
    definition = users.definition()
    renamed = Definition(
        definition.schema,
        definition.name,
        definition.columns,
        (UniqueKey("ux_email", (KeyPart("phone"),)),),
        definition.engine,
        definition.transactional,
        definition.triggers,
        definition.view,
    )
    own = rule("ignore", key="ux_email")
    made = [plan(insert(ANN), own, MYSQL, each) for each in (definition, renamed, definition, None)]
    statements = [each.statement if isinstance(each, Plan) else each.reason for each in made]
    assert statements[0] == statements[2] != statements[1]
    assert statements[3] is Reason.COLUMNS_UNKNOWN
