"""What an OK packet says about the rows of a rewritten INSERT.

Affected rows count 1 for a row inserted, 2 for a row changed, 0 for a row left as it was - or 1, with
CLIENT_FOUND_ROWS. The info string of a multi-row INSERT, ``Records: N  Duplicates: M  Warnings: W``, tells the rest;
its words are localised, its digits are not. REPLACE counts 1 for each row inserted and 1 for each row deleted.
"""

import re
from typing import NamedTuple

_NUMBERS = re.compile(rb"\d+")


class Tally(NamedTuple):
    """How many of the offered rows were inserted, changed an existing one, or left it as it was."""

    inserted: int
    updated: int
    kept: int


def rows_of(info: bytes, rows: int) -> int:
    """Return how many rows an INSERT or a LOAD DATA has offered, by its info string if there is one, else as given."""
    if not info:
        return rows
    numbers = _NUMBERS.findall(info)
    return int(numbers[0]) if len(numbers) in (3, 4) else rows


def skipped_of(info: bytes) -> int:
    """Return how many rows a LOAD DATA has skipped: ``Records: N  Deleted: D  Skipped: S  Warnings: W``."""
    numbers = _NUMBERS.findall(info)
    return int(numbers[2]) if len(numbers) == 4 else 0


def tally_upsert(
    rows: int, affected_rows: int, info: bytes, found_rows: bool, *, queried: bool = False
) -> Tally | None:
    """Count the rows of an INSERT ... ON DUPLICATE KEY UPDATE; None where the reply does not tell.

    Args:
        rows: how many rows were offered; 0: not known.
        affected_rows: the OK packet's number.
        info: its info string, empty for one row.
        found_rows: the session has CLIENT_FOUND_ROWS.
        queried: the rows came from a query; then the info string counts only changed ones as duplicates, always.
    """
    if rows == 1:
        return _tally_one(affected_rows, found_rows)
    numbers = _NUMBERS.findall(info)
    if len(numbers) != 3:
        return None
    rows = int(numbers[0])
    duplicates = int(numbers[1])
    if found_rows and queried:  # an affected row was inserted or left as it was, and nothing tells which
        return Tally(0, duplicates, 0) if duplicates == rows else None
    if found_rows:  # every row that was there counts as a duplicate
        updated = affected_rows - rows
        tally = Tally(rows - duplicates, updated, duplicates - updated)
    else:  # only the changed ones do
        inserted = affected_rows - 2 * duplicates
        tally = Tally(inserted, duplicates, rows - inserted - duplicates)
    return tally if min(tally.inserted, tally.updated, tally.kept) >= 0 else None


def tally_replace(rows: int, affected_rows: int) -> Tally:
    """Count the rows of a REPLACE: those that took the place of others are ``updated``."""
    replaced = min(rows, max(0, affected_rows - rows))
    return Tally(rows - replaced, replaced, 0)


def _tally_one(affected_rows: int, found_rows: bool) -> Tally | None:
    if affected_rows == 1:
        return None if found_rows else Tally(1, 0, 0)
    return Tally(0, 1, 0) if affected_rows == 2 else Tally(0, 0, 1)
