import time

import pytest

from proxy.conflicts.offered import LOOK, MAX_ROWS, NOTHING, Printed, entry_of, find_columns, read_offered


def texts(statement: str) -> list[list[str | None]]:
    return [[value.text for value in row] for row in read_offered(statement.encode()).rows]


def test_literals_are_read() -> None:
    statement = r"""INSERT INTO t (A, `b``c`, d) VALUES ('O''B', "x""y", 'a\'b\n'), (-1.5e3, +7, 0)"""
    assert texts(statement) == [["O'B", 'x"y', "a'b\n"], ["-1.5e3", "+7", "0"]]
    assert read_offered(statement.encode()).columns == ("a", "b`c", "d")


def test_what_is_not_written_out() -> None:
    (row,) = read_offered(b"INSERT INTO t VALUES (NULL, DEFAULT, 0, ?, NOW(), 1 + 1, x'41', DEFAULT(a), f(1, 2))").rows
    assert [value.generated for value in row] == [True, True, True] + [False] * 6
    assert [value.parameter for value in row] == [False] * 3 + [True] + [False] * 5
    assert [value.expression for value in row] == [False] * 4 + [True] * 5


def test_set() -> None:
    offered = read_offered(b"INSERT INTO t SET a = 1, t.`B` := 'x', c = NOW() -- end")
    assert offered.columns == ("a", "b", "c")
    assert [value.text for value in offered.rows[0]] == ["1", "x", None]


@pytest.mark.parametrize(
    "text", [b"INSERT INTO t SELECT 1", b"SELECT 1", b"", b"INSERT INTO t", b"INSERT INTO t SET a"]
)
def test_other_statements_offer_nothing(text: bytes) -> None:
    assert read_offered(text) == NOTHING


def test_a_text_that_ends_too_soon_is_not_whole() -> None:
    assert not read_offered(b"INSERT INTO t VALUES (1), (2, 'ab").whole
    assert read_offered(b"INSERT INTO t VALUES (1), (2)").whole
    long = b"INSERT INTO t VALUES " + b", ".join(b"(%d, '%s')" % (number, b"x" * 200) for number in range(500))
    assert not read_offered(long).whole
    assert len(read_offered(long).rows) < LOOK / 200
    assert len(read_offered(b"INSERT INTO t VALUES " + b",".join([b"(1)"] * 5000)).rows) == MAX_ROWS


@pytest.mark.parametrize(
    ("value", "entry", "same"),
    [
        ("abc", "ABC", True), ("abc ", "abc", True), ("abc", "abd", False), ("1", "1.000", True), ("01", "1", True),
        ("a" * 100, "a" * 64, True), ("a" * 100, "a" * 61 + "...", True), ("a" * 100, "a" * 10, False), ("", "", True),
        ("nan", "1", False),
    ],
)  # fmt: skip
def test_values_and_entries(value: str, entry: str, same: bool) -> None:
    assert Printed(entry).shows(value) is same


@pytest.mark.parametrize(
    ("statement", "entry", "columns"),
    [
        ("INSERT INTO t (a, b) VALUES ('x', 'y')", "y", ("b",)),
        ("INSERT INTO t (a, b) VALUES ('x', 'x')", "x", ()),
        ("INSERT INTO t (a, b, c) VALUES ('x-y', 'z', 'w')", "x-y-z", ("a", "b")),
        ("INSERT INTO t (a, b) VALUES (1, 2)", "2-1", ("b", "a")),
        ("INSERT INTO t (a, b, c) VALUES (1, 2, 2)", "1-2", ()),
        ("INSERT INTO t (a) VALUES ('x'), ('y')", "y", ("a",)),
        ("INSERT INTO t VALUES ('x')", "x", ()),
        ("INSERT INTO t (a, b) VALUES ('x')", "x", ()),
    ],
)
def test_the_keys_columns_are_found(statement: str, entry: str, columns: tuple[str, ...]) -> None:
    assert find_columns(read_offered(statement.encode()), entry) == columns


def test_entries_of_rows_compare() -> None:
    offered = read_offered(b"INSERT INTO t (a, b) VALUES ('X ', 1), ('x', '01'), (NOW(), 1)")
    first, second, third = (entry_of(offered, row, ("A", "b")) for row in offered.rows)
    assert first == second
    assert third is None
    assert entry_of(offered, offered.rows[0], ("nothing",)) is None


@pytest.mark.parametrize(
    "row", [b"1/*),(", b"1/*,(", b"'),(", b"`),(", b'",(', b"1 - (),(", b"/*x*/1),(", b"-- ),(", b"0x),("]
)
def test_no_text_takes_long(row: bytes) -> None:
    text = b"INSERT INTO t VALUES (1 -- ),(" + row * (LOOK // len(row)) + b"1)\n)"
    began = time.process_time()
    read_offered(text)
    assert time.process_time() - began < 0.3  # with a search to the end from each row, some took more than a second
