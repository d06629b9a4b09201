"""What a statement reads of its session."""

import pytest

from proxy.sql.session_state import SessionState, session_state
from tests.sql.texts import insert_of


@pytest.mark.parametrize(
    ("values", "last_id", "diagnostics"),
    [
        (b"1", False, False),
        (b"LAST_INSERT_ID()", True, False),
        (b"last_insert_id()", True, False),
        (b"@@last_insert_id", True, False),
        (b"@@session.insert_id", True, False),
        (b"@@IDENTITY", True, False),
        (b"@@`identity`", True, False),
        (b"Row_Count()", False, True),
        (b"FOUND_ROWS()", False, True),
        (b"@@warning_count", False, True),
        (b"@@error_count", False, True),
        (b"LAST_INSERT_ID() + ROW_COUNT()", True, True),
        (b"last_insert_identity, row_counter, user_id, _id, @@ident", False, False),
    ],
)
def test_what_is_read(values: bytes, last_id: bool, diagnostics: bool) -> None:
    for text in (b"INSERT INTO t SELECT " + values, b"INSERT INTO t VALUES (" + values + b")"):
        assert insert_of(text).reads == SessionState(last_id, diagnostics)
    assert session_state(values, 0, len(values)) == SessionState(last_id, diagnostics)


def test_only_the_values_count() -> None:
    assert insert_of(b"INSERT INTO last_insert_id (row_count) VALUES (1) -- LAST_INSERT_ID").reads == (False, False)
