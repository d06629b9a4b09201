"""The embedded backend's errors."""

import sqlite3

import pytest

from proxy.demo.errors import ServerError, duplicate, from_sqlite, sqlstate


def test_the_entry_is_cut_at_64_bytes() -> None:
    assert duplicate(["ä" * 40, 1], "t", "k").message == f"Duplicate entry '{'ä' * 32}' for key 't.k'"


def test_the_parts_of_an_entry_are_joined() -> None:
    assert str(duplicate(["a", 1], "t", "k")) == "1062: Duplicate entry 'a-1' for key 't.k'"


@pytest.mark.parametrize(("code", "state"), [(1062, "23000"), (1690, "22003"), (1205, "HY000"), (1364, "HY000")])
def test_sqlstates(code: int, state: str) -> None:
    assert sqlstate(code) == state
    assert ServerError(code, "").sqlstate == state


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("no such column: x.y", 1054, "Unknown column 'x.y' in 'field list'"),
        ("ambiguous column name: k", 1052, "Column 'k' in field list is ambiguous"),
        ("no such function: FOO", 1305, "FUNCTION shop.FOO does not exist"),
        ("odd", 1235, "This version of MySQL doesn't yet support 'odd' (the demo's embedded backend)"),
    ],
)
def test_sqlites_errors_become_mysqls(text: str, code: int, message: str) -> None:
    error = from_sqlite(sqlite3.OperationalError(text), "shop")
    assert (error.code, error.message) == (code, message)
