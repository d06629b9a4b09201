"""What the status flags tell of the next statement."""

import pytest

from proxy.session.status import after_error, is_alone, is_at_rest
from proxy.wire import capabilities as cap
from proxy.wire import commands

AUTOCOMMIT, IN_TRANS = cap.STATUS_AUTOCOMMIT, cap.STATUS_IN_TRANS
CURSOR, LAST_ROW, MORE = cap.STATUS_CURSOR_EXISTS, cap.STATUS_LAST_ROW_SENT, cap.STATUS_MORE_RESULTS


@pytest.mark.parametrize(
    ("status", "alone"), [(AUTOCOMMIT, True), (0, False), (IN_TRANS, False), (AUTOCOMMIT | IN_TRANS, False)]
)
def test_a_statement_is_alone_with_autocommit_and_outside_of_a_transaction(status: int, alone: bool) -> None:
    assert is_alone(status) is alone
    assert is_alone(status | MORE) is alone


@pytest.mark.parametrize(
    ("status", "at_rest"),
    [(AUTOCOMMIT, True), (0, True), (IN_TRANS, False), (CURSOR, False), (CURSOR | LAST_ROW, True), (LAST_ROW, True)],
)
def test_a_transaction_or_an_open_cursor_is_no_rest(status: int, at_rest: bool) -> None:
    assert is_at_rest(status) is at_rest


@pytest.mark.parametrize(
    ("status", "code", "verb", "after"),
    [
        (AUTOCOMMIT, commands.QUERY, "insert", AUTOCOMMIT),
        (AUTOCOMMIT, commands.STMT_EXECUTE, "select", AUTOCOMMIT),
        (AUTOCOMMIT, commands.QUERY, "drop", AUTOCOMMIT),
        (AUTOCOMMIT, commands.QUERY, "call", AUTOCOMMIT | IN_TRANS),
        (AUTOCOMMIT, commands.STMT_EXECUTE, "other", AUTOCOMMIT | IN_TRANS),
        (AUTOCOMMIT, commands.PING, "other", AUTOCOMMIT),
        (0, commands.QUERY, "insert", IN_TRANS),
        (AUTOCOMMIT | MORE, commands.QUERY, "insert", AUTOCOMMIT | IN_TRANS),
        (AUTOCOMMIT | IN_TRANS, commands.QUERY, "insert", AUTOCOMMIT | IN_TRANS),
    ],
)
def test_after_an_error_a_transaction_is_open_if_there_may_be_one(
    status: int, code: int, verb: str, after: int
) -> None:
    assert after_error(status, code, verb) == after
