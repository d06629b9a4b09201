"""The numbers of OK packets, as both servers give them for every variant (measured on MySQL 9.7 and MariaDB 10.11)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.session.tally import Tally, rows_of, skipped_of, tally_replace, tally_upsert


def info(records: int, duplicates: int) -> bytes:
    return b"Records: %d  Duplicates: %d  Warnings: 0" % (records, duplicates)


@pytest.mark.parametrize(
    ("affected", "found_rows", "tally"),
    [
        (1, False, Tally(1, 0, 0)),
        (2, False, Tally(0, 1, 0)),
        (0, False, Tally(0, 0, 1)),
        (2, True, Tally(0, 1, 0)),
        (1, True, None),  # inserted, or there and left as it was
        (0, True, Tally(0, 0, 1)),
    ],
)
def test_one_row(affected: int, found_rows: bool, tally: Tally | None) -> None:
    assert tally_upsert(1, affected, b"", found_rows) == tally


@pytest.mark.parametrize(
    ("affected", "duplicates", "found_rows", "tally"),
    [
        (3, 0, False, Tally(3, 0, 0)),
        (2, 0, False, Tally(2, 0, 1)),  # one is there already and stays
        (4, 1, False, Tally(2, 1, 0)),
        (6, 3, False, Tally(0, 3, 0)),
        (0, 0, False, Tally(0, 0, 3)),
        (3, 1, True, Tally(2, 0, 1)),
        (4, 1, True, Tally(2, 1, 0)),
        (3, 3, True, Tally(0, 0, 3)),
        (6, 3, True, Tally(0, 3, 0)),
        (3, 0, True, Tally(3, 0, 0)),
    ],
)
def test_three_rows(affected: int, duplicates: int, found_rows: bool, tally: Tally) -> None:
    assert tally_upsert(3, affected, info(3, duplicates), found_rows) == tally


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.booleans())
def test_every_mixture(inserted: int, updated: int, kept: int, found_rows: bool) -> None:
    rows = inserted + updated + kept
    if rows < 2:
        return
    affected = inserted + 2 * updated + (kept if found_rows else 0)
    duplicates = updated + (kept if found_rows else 0)
    assert tally_upsert(rows, affected, info(rows, duplicates), found_rows) == Tally(inserted, updated, kept)


@pytest.mark.parametrize(
    ("affected", "duplicates", "tally"),
    [
        (3, 0, None),  # each may have been inserted, or left as it was
        (4, 1, None),
        (6, 3, Tally(0, 3, 0)),
    ],
)
def test_three_rows_of_a_query_with_found_rows(affected: int, duplicates: int, tally: Tally | None) -> None:
    assert tally_upsert(3, affected, info(3, duplicates), True, queried=True) == tally


@pytest.mark.parametrize("told", [b"", b"Records: 3", b"1 2 3 4"])
def test_what_does_not_tell(told: bytes) -> None:
    assert tally_upsert(3, 3, told, False) is None


def test_numbers_that_do_not_add_up() -> None:
    assert tally_upsert(3, 1, info(3, 2), False) is None
    assert tally_upsert(3, 1, info(3, 2), True) is None


def test_a_localised_text() -> None:
    told = "Datensätze: 3  Duplikate: 1  Warnungen: 0".encode()
    assert tally_upsert(3, 4, told, False) == Tally(2, 1, 0)


@pytest.mark.parametrize(
    ("rows", "affected", "tally"),
    [
        (1, 1, Tally(1, 0, 0)),
        (1, 2, Tally(0, 1, 0)),
        (1, 3, Tally(0, 1, 0)),  # one row has taken the place of two
        (3, 4, Tally(2, 1, 0)),
        (3, 9, Tally(0, 3, 0)),
        (3, 0, Tally(3, 0, 0)),
    ],
)
def test_replace(rows: int, affected: int, tally: Tally) -> None:
    assert tally_replace(rows, affected) == tally


def test_rows_of() -> None:
    assert rows_of(info(3, 1), 0) == 3
    assert rows_of(b"Records: 4  Deleted: 1  Skipped: 0  Warnings: 0", 0) == 4
    assert rows_of(b"", 1) == 1


def test_rows_that_a_load_has_skipped() -> None:
    assert skipped_of(b"Records: 3  Deleted: 0  Skipped: 2  Warnings: 2") == 2
    assert skipped_of(info(3, 1)) == skipped_of(b"") == 0
