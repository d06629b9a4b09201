"""Rows: the many ways to read them must count the same."""

import random
import sys
import time

import pytest

from proxy.sql.insert import recognise
from proxy.sql.reason import Reason
from tests.sql.texts import KNOWN, insert_of, reason_of

_VALUES = (
    *(b"1", b" 1", b"1 ", b"'a'", b" 'a,b' ", b"''''", b"'\\''", b"NULL", b"now()", b"f(1,2)", b"f(g(1,2),h())"),
    *(b"f(g(h(1,2)))", b"((((1))))", b"?", b"f(?)", b"/* , */ 1", b"1 -- ,\n", b"-1", b"'a' 'b'", b"a.b + 1", b"x''"),
)


@pytest.mark.parametrize("values", [1, 2, 5])
@pytest.mark.parametrize("seed", range(20))
def test_mixed_rows(values: int, seed: int) -> None:
    choice = random.Random(seed)
    rows = [[choice.choice(_VALUES) for _ in range(values)] for _ in range(choice.randrange(1, 200))]
    body = b" , ".join(b"(" + b",".join(row) + b")" for row in rows)
    insert = insert_of(b"INSERT INTO t VALUES " + body + b";")
    assert (insert.rows, insert.values) == (len(rows), values)
    assert insert.placeholders == sum(value.count(b"?") for row in rows for value in row)
    assert insert.text[: insert.body_end].endswith(body)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 36, 37, 38, 100])
@pytest.mark.parametrize("row", [b"()", b"(1)", b"(?)", b"(1,2)", b"(f(?), ?)", b"(f(g(h(1))),2)"])
def test_a_row_of_another_length_is_found_wherever_it_stands(rows: int, row: bytes) -> None:
    good = [row] * rows
    assert insert_of(b"INSERT INTO t VALUES " + b",".join(good)).rows == rows
    for place in {0, 1, rows // 2, rows}:
        mixed = [*good[:place], b"(1,2,3)", *good[place:]]
        assert reason_of(b"INSERT INTO t VALUES " + b",".join(mixed)) is Reason.MALFORMED


@pytest.mark.parametrize("rows", [1, 5, 40])
@pytest.mark.parametrize("bad", [b"(1,)", b"(,1)", b"( ,1)", b"(/* */,1)", b"(f(1),)", b"(?,)", b"(1,-- \n)"])
def test_a_missing_value_is_found_wherever_it_stands(rows: int, bad: bytes) -> None:
    assert reason_of(b"INSERT INTO t VALUES " + b",".join([b"(1,2)"] * rows + [bad])) is Reason.MALFORMED


_MEBIBYTE = 1 << 20


@pytest.mark.parametrize(
    "text",
    [
        b"INSERT INTO t VALUES " + b",".join([b"(1,2)"] * (_MEBIBYTE // 6)),
        b"INSERT INTO t VALUES " + b",".join([b"('a','b')", b"(f(f(f(1))),?)"] * (_MEBIBYTE // 25)),
        b"INSERT INTO t VALUES " + b",".join([b"(1,'b')"] * (_MEBIBYTE // 8) + [b"(1,[)"]),
        b"INSERT INTO t VALUES (" + b"(" * _MEBIBYTE,
        b"INSERT INTO t VALUES (" + b"(" * (_MEBIBYTE // 2) + b")" * (_MEBIBYTE // 2),
        b"INSERT INTO t VALUES ('" + b"\\'" * (_MEBIBYTE // 2),
        b"INSERT INTO t VALUES ('" + b"''" * (_MEBIBYTE // 2) + b"'",
        b"INSERT INTO t VALUES (" + b"/**/" * (_MEBIBYTE // 4),
        b"INSERT INTO t VALUES (" + b"/*" * (_MEBIBYTE // 2),
        b"INSERT INTO t VALUES (" + b"-- \n" * (_MEBIBYTE // 4),
        b"INSERT INTO t VALUES (" + b"'a' /* */" * (_MEBIBYTE // 9),
        b"INSERT INTO t VALUES (" + b"-/" * (_MEBIBYTE // 2),
        b"INSERT INTO t VALUES (1)" + b";" * _MEBIBYTE + b"x",
        b"INSERT INTO t VALUES (1)" + b" " * _MEBIBYTE + b"x",
        b"INSERT INTO t VALUES (1)" + b"/**/" * (_MEBIBYTE // 4) + b"x",
        b"/**/" * (_MEBIBYTE // 4) + b"x",
        b"INSERT INTO " + b"a" * _MEBIBYTE,
        b"INSERT INTO " + b"1" * _MEBIBYTE,
        b"INSERT INTO `" + b"``" * (_MEBIBYTE // 2),
        b"INSERT INTO t (" + b"a," * (_MEBIBYTE // 2),
        b"INSERT INTO t (" + b"a." * (_MEBIBYTE // 2),
        b"INSERT INTO t SET " + b"a=1," * (_MEBIBYTE // 4),
        b"INSERT INTO t SET a=" + b"1+" * (_MEBIBYTE // 2),
        b"INSERT INTO t SET a=" + b"- " * (_MEBIBYTE // 2),
        b"INSERT INTO t SET a=" + b"f(1)+" * (_MEBIBYTE // 5),
        b"INSERT INTO t SET a=" + b"'a' " * (_MEBIBYTE // 4),
        b"INSERT INTO t VALUES (1) AS " + b"a " * (_MEBIBYTE // 2),
        b"INSERT INTO t PARTITION (" + b"a," * (_MEBIBYTE // 2),
    ],
    ids=lambda text: repr(text[:40]),
)
def test_no_text_takes_long(text: bytes) -> None:
    trace = sys.gettrace()  # that of coverage takes four times as long as what it traces
    sys.settrace(None)
    begin = time.process_time()
    try:
        recognise(text, KNOWN)
    finally:
        sys.settrace(trace)
    assert time.process_time() - begin < 5  # a linear reading takes a second on a slow machine, any other one minutes


@pytest.mark.parametrize(
    "last", [b"(1) x, 2)", b"(1),2,3", b"(1,2) ,3)", b"(1)(2)(3)", b"(,1,2)", b"(1,,2)", b"(1,2,)"]
)
@pytest.mark.parametrize("rows", [1, 10, 100])
def test_a_row_is_only_one_between_its_own_parentheses(rows: int, last: bytes) -> None:
    text = b"INSERT INTO t VALUES " + b",".join([b"(1,2,3)"] * rows)
    assert insert_of(text).rows == rows
    assert reason_of(text + b"," + last) is Reason.MALFORMED
    assert reason_of(text + b"," + last + b",(1,2,3)") is Reason.MALFORMED
