"""Conversations that once differed."""

import pytest

from tests import raw
from tests.diff.commands import Execute, OnStatement, Prepare, Query, Raw
from tests.diff.conversation import Batch, ChangeUser, Conversation, Last, Profile, Step, Upload
from tests.diff.recorder import Recorder

ONE = Batch((Query(b"SELECT 1"),))
FIELD_LIST, LONG_DATA, CLOSE, UNKNOWN = 0x04, 0x18, 0x19, 0x7F


def check(recorder: Recorder, *steps: Step, flags: int = 0, backend_cuts: tuple[int, ...] = ()) -> None:
    conversation = Conversation(Profile(flags), steps, backend_cuts=backend_cuts)
    recorder.careful = True
    difference = recorder.run(conversation)
    assert difference is None, str(difference)


@pytest.mark.parametrize("flags", [0, raw.DEPRECATE_EOF])
def test_the_header_of_a_large_row_arrives_without_its_first_byte(recorder: Recorder, flags: int) -> None:
    query = Batch((Query(b"SELECT REPEAT('x', 2000000)"),))
    for size in range(1, 12):
        check(recorder, ONE, query, ONE, flags=flags, backend_cuts=(size,))


@pytest.mark.parametrize("code", [LONG_DATA, CLOSE])
@pytest.mark.parametrize("size", range(6))
@pytest.mark.parametrize("server", ["mysql"], indirect=True)
def test_mysql_answers_a_command_without_a_reply_that_is_too_short(recorder: Recorder, code: int, size: int) -> None:
    check(recorder, Batch((Raw(code, bytes(size)), Query(b"SELECT 1"))), ONE)


def test_a_statement_that_had_a_cursor_is_run_without_one(recorder: Recorder) -> None:
    with_cursor = Batch((Prepare(b"SELECT 1"), Execute(0, cursor=1)))
    check(recorder, with_cursor, Batch((Execute(0),)), ONE, Batch((OnStatement(CLOSE, 0), Query(b"SELECT 1"))))


@pytest.mark.parametrize("tail", [b"\x20", b"\x20\0\0\0", b"\x20\0\0\0\x03SELECT 1"])
def test_a_client_breaks_off_in_the_middle_of_a_packet(recorder: Recorder, tail: bytes) -> None:
    check(recorder, ONE, Last(tail=tail))


def test_the_locks_of_a_client_that_is_gone_are_gone_soon(recorder: Recorder) -> None:
    """Even when the proxy only relays, since a command that it does not know."""
    lock = Batch((Query(b"LOCK TABLES t WRITE"),))
    check(recorder, lock, Batch((Raw(UNKNOWN),)))
    check(recorder, lock, Last(tail=b"\x20\0\0\0\x03SELECT 1"))
    check(recorder, lock)


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
def test_reports_of_progress_come_through(recorder: Recorder) -> None:
    """One report is sent at the end of the rows if the time is over by then."""
    slowly = Query(b"LOAD DATA LOCAL INFILE 'sent' INTO TABLE nothing (a) SET b = SLEEP(0.6)")
    steps = Batch((Query(b"SET progress_report_time = 1"),)), Upload(slowly, (b"1\n2\n",)), ONE
    difference = recorder.run(Conversation(Profile(raw.LOCAL_FILES, raw.MARIADB_PROGRESS), steps))
    assert difference is None, str(difference)


def test_fields_of_a_table_in_no_schema(recorder: Recorder) -> None:
    """MariaDB says OK to that, after a large result and a change of the user."""
    large = Query(
        b"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT REPEAT('x', 65530) FROM n"
    )
    check(recorder, Batch((large,)), ChangeUser(), Batch((Raw(FIELD_LIST, b"t\0"),)))
