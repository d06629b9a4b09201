"""Tables out of CREATE TABLE statements."""

import pytest
import sqlglot
from sqlglot import exp

from proxy.demo.catalog import Key, Table, read_table
from proxy.demo.errors import ServerError


def read(statement: str) -> Table:
    parsed = sqlglot.parse_one(statement, read="mysql")
    assert isinstance(parsed, exp.Create)
    return read_table(parsed, "shop")


def test_columns() -> None:
    table = read(
        "CREATE TABLE t (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) COLLATE utf8mb4_bin, "
        "price DECIMAL(10,2) NOT NULL DEFAULT 1.5, raw BLOB, share DOUBLE, note TEXT COMMENT 'free')"
    )
    assert [column.affinity for column in table.columns] == ["INTEGER", "TEXT", "NUMERIC", "BLOB", "REAL", "TEXT"]
    assert [column.nullable for column in table.columns] == [False, True, False, True, True, True]
    assert [column.length for column in table.columns] == [None, 20, None, None, None, None]
    assert table.columns[1].binary
    assert table.columns[2].default is not None
    assert table.auto_increment == table.column("ID")
    assert table.column("nope") is None


def test_keys_are_in_the_order_in_which_mysql_checks_them() -> None:
    table = read(
        "CREATE TABLE other.t (a INT, b INT NOT NULL UNIQUE, c INT NOT NULL, "
        "UNIQUE KEY ka (a), UNIQUE INDEX kc (c, b), KEY k (a), PRIMARY KEY (c), UNIQUE (a, b))"
    )
    assert table.schema == "other"
    assert table.keys == (
        Key("PRIMARY", ("c",)),
        Key("kc", ("c", "b")),
        Key("b", ("b",)),
        Key("ka", ("a",)),
        Key("a", ("a", "b")),
    )


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE t LIKE u",
        "CREATE TABLE t (a TEXT, UNIQUE KEY k (a(10)))",
        "CREATE TABLE t (a INT, UNIQUE KEY k ((a + 1)))",
        "CREATE TABLE t (a INT, b INT AS (a + 1))",
        "CREATE TABLE t (a TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)",
        "CREATE TABLE t (a INT, FOREIGN KEY (a) REFERENCES u (a))",
    ],
)
def test_what_it_does_not_have_is_refused(statement: str) -> None:
    with pytest.raises(ServerError) as caught:
        read(statement)
    assert (caught.value.code, caught.value.sqlstate) == (1235, "42000")
