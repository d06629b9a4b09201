"""Definitions of tables as values."""

import pytest

from proxy.rules.table import Absence, Column, KeyPart, Missing, Table, UniqueKey


def column(name: str, *, auto_increment: bool = False, invisible: bool = False) -> Column:
    return Column(name, "int", None, None, False, False, auto_increment, False, invisible)


PRIMARY = UniqueKey("PRIMARY", (KeyPart("id"),))
PAIR = UniqueKey("Pair", (KeyPart("a"), KeyPart("b")))
PREFIX = UniqueKey("prefix", (KeyPart("a", prefix=3), KeyPart("b")))
FUNCTION = UniqueKey("function", (KeyPart("a"), KeyPart(None, expression="lower(`b`)")))
MANY = UniqueKey("many", (KeyPart(None, expression="cast(json_extract(`j`,_utf8mb4'$') as unsigned array)"),))
PERIOD = UniqueKey("period", (KeyPart("id"), KeyPart("e"), KeyPart("s")), without_overlaps=True)
TABLE = Table(
    "shop",
    "users",
    (column("id", auto_increment=True), column("Email"), column("hidden", invisible=True)),
    (PRIMARY, PAIR, PREFIX, FUNCTION, MANY, PERIOD),
    "InnoDB",
    True,
    frozenset(),
    False,
)


def test_names_are_found_in_any_case() -> None:
    assert TABLE.column("EMAIL") == column("Email")
    assert TABLE.column("mail") is None
    assert TABLE.key("pair") is PAIR
    assert TABLE.key("primary") is PRIMARY
    assert TABLE.key("idx") is None


@pytest.mark.parametrize(
    ("key", "columns"),
    [
        ("PRIMARY", ("id",)),
        ("pair", ("a", "b")),
        ("prefix", None),
        ("function", None),
        ("many", None),
        ("period", None),
        ("idx", None),
    ],
)
def test_columns_of_a_key_are_given_when_their_equality_is_all(key: str, columns: tuple[str, ...] | None) -> None:
    assert TABLE.key_columns(key) == columns


def test_multi_valued_parts() -> None:
    assert MANY.parts[0].multi_valued
    assert not any(part.multi_valued for key in (PAIR, FUNCTION) for part in key.parts)


def test_what_an_insert_without_a_column_list_names() -> None:
    assert [column.name for column in TABLE.listed] == ["id", "Email"]


def test_auto_increment() -> None:
    assert TABLE.auto_increment == column("id", auto_increment=True)
    assert Table("s", "t", (column("a"),), (), None, False, None, True).auto_increment is None


@pytest.mark.parametrize("why", Absence)
def test_a_missing_definition_says_why(why: Absence) -> None:
    assert len(str(Missing(why)).split()) > 4
