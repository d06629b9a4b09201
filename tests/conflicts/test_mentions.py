import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.conflicts.mentions import mentions, mentions_table, needle_of, offers
from proxy.conflicts.offered import read_offered


@pytest.mark.parametrize(
    ("text", "entry", "found"),
    [
        ("VALUES ('alice@x', 5)", "ALICE@x", True),
        ("VALUES ('alice@x', 5)", "5", True),
        ("VALUES ('alice@x', 15)", "5", False),
        ("VALUES ('alice@xy')", "alice@x", False),
        ("VALUES ('O''Brien')", "O'Brien", True),
        ("VALUES (7, 'b')", "7-b", True),
        ("VALUES (7, 'c')", "7-b", False),
        ("VALUES ('" + "a" * 90 + "')", "a" * 61 + "...", True),
        ("", "x", False),
        ("x", "", False),
    ],
)
def test_texts(text: str, entry: str, found: bool) -> None:
    assert mentions(text.encode(), b"", entry) is found


@pytest.mark.parametrize(
    ("entry", "found"), [("abc", True), ("ab", False), ("77", True), ("78", False), ("abc-77", True), ("x" * 70, False)]
)
def test_parameters(entry: str, found: bool) -> None:
    assert mentions(b"", b"\0\x03abc" + struct.pack("<q", 77), entry) is found


def test_long_parameters_may_be_cut() -> None:
    assert mentions(b"", b"\0\xfc\x00\x01" + b"x" * 256, "x" * 64)


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (b"\x03SELECT * FROM users", True),
        (b"\x03\0\x01(select 1 from `Users`)", True),
        (b"\x03SELECT * FROM users_old", False),
        (b"\x03UPDATE users SET a = 1", False),
        (b"\x17\1\0\0\0", True),
        (b"\x0e", False),
        (b"", False),
    ],
)
def test_tables(payload: bytes, found: bool) -> None:
    assert mentions_table(payload, "users") is found


def test_what_an_insert_offers_in_the_keys_columns() -> None:
    offered = read_offered(b"INSERT INTO t (a, b) VALUES (1, 2), (3, 4)")
    assert offers(offered, b"", ("B", "a"), "4-3")
    assert not offers(offered, b"", ("b",), "3")
    assert not offers(offered, b"", ("c",), "3")
    assert not offers(offered, b"", (), "3"), "a short number is in many statements"
    assert offers(offered, b"", (), "alice@x")
    assert offers(offered, b"\0", ("c",), "3"), "parameters are not looked into"


PIECES = st.sampled_from(["a", "B", "7", "123456", "4294967296", "-", "'", ".", "...", "é", "@", "\x00", "x" * 58, " "])


@given(st.lists(PIECES, max_size=6).map("".join), st.lists(PIECES, max_size=3).map("".join), st.booleans())
def test_what_mentions_an_entry_holds_its_needle(entry: str, around: str, quoted: bool) -> None:
    needle = needle_of(entry)
    text = (around + " " + (entry.replace("'", "''") if quoted else entry) + " " + around).upper().encode()
    if mentions(text, b"", entry):
        assert needle.is_in((b"", text))
    integers = b"".join(
        struct.pack("<Q", int(part)) for part in entry.split("-") if part.isdecimal() and len(part) < 19
    )
    for parameters in (integers, bytes((len(entry.encode()) % 250,)) + text.strip()):
        if mentions(b"", parameters, entry):
            assert needle.is_in_parameters((b"", parameters))
