"""Whatever the fast lane takes for a whole reply, the general path must take for one too."""

from itertools import product

import pytest

from proxy.session.fast_lane import is_plain_result, plain_starts, start_of, status_of_ok
from proxy.sql.head import head
from proxy.wire import capabilities as cap
from proxy.wire import commands
from proxy.wire.replies import ReplyTracker
from tests.wire.following import follow
from tests.wire.packets import (
    AUTOCOMMIT,
    CURSOR_EXISTS,
    DEFINITION,
    LARGEST,
    MORE_RESULTS,
    PS_OUT_PARAMS,
    eof,
    error,
    ok,
    ok_as_eof,
    packets,
    progress,
    row,
)

MORE = AUTOCOMMIT | MORE_RESULTS
CHANGED = AUTOCOMMIT | cap.STATUS_SESSION_STATE_CHANGED
ROWS = (row(b"1"), row(None), row(b"x" * 300))

PLAIN = [
    packets(ok()),
    packets(ok(3, 7, info=b"Records: 3  Duplicates: 0  Warnings: 0")),
    *(
        packets(ok(affected, insert_id))
        for affected, insert_id in product((0, 250, 251, 70_000), (251, 70_000, 1 << 40))
    ),
    packets(ok(1 << 40, info=b"x" * 300)),
    packets(b"\1", DEFINITION, eof(), *ROWS, eof()),
    packets(b"\1", DEFINITION, eof(), eof()),
    packets(b"\2", DEFINITION, DEFINITION, eof(), row(b"a", b"b"), eof()),
]
PLAIN_WITHOUT_EOF = [
    packets(b"\1", DEFINITION, *ROWS, ok_as_eof()),
    packets(b"\1", DEFINITION, ok_as_eof()),
    packets(b"\1", DEFINITION, b"\0\0\1\0\0\0", ok_as_eof(0x22)),
]
OTHERS = [
    packets(ok(status=MORE)),
    packets(ok(300, 1 << 40, status=MORE)),
    packets(b"\0\1\xfb\2\0\0\0"),
    packets(b"\0\xff\1\2\0\0\0"),
    packets(b"\0\xfe\1\0\0\0\0\0\0\0\xfd\1\0"),
    packets(ok(status=CHANGED) + b"\0\6\1\4\3abc"),
    packets(ok(), ok()),
    packets(error(1062, "Duplicate entry", "23000")),
    packets(progress()),
    packets(b"\xfbfile"),
    packets(b"\1", DEFINITION, eof(AUTOCOMMIT | CURSOR_EXISTS)),
    packets(b"\1", DEFINITION, eof(), *ROWS),
    packets(b"\1", DEFINITION, eof(), *ROWS, eof(MORE)),
    packets(b"\1", DEFINITION, eof(), *ROWS, eof(CHANGED)),
    packets(b"\1", DEFINITION, eof(MORE | PS_OUT_PARAMS), row(b"1"), eof()),
    packets(b"\1", DEFINITION, eof(), *ROWS, eof(), ok()),
    packets(b"\1", DEFINITION, eof(), row(b"1"), error(1317, "interrupted", "70100")),
    packets(b"\1", DEFINITION, eof(), b"\xfe" + bytes(8)),
    packets(b"\1", DEFINITION, *ROWS, ok_as_eof(MORE)),
    packets(b"\1", DEFINITION, ok_as_eof(AUTOCOMMIT | CURSOR_EXISTS) * 2),
    packets(b"\1\0", eof(), *ROWS, eof()),
    packets(b"\1\1", DEFINITION, eof(), *ROWS, eof()),
    packets(b"\xfc\1\1", *[DEFINITION] * 257, eof(), eof()),
    packets(b"\1", DEFINITION, eof(), b"", eof()),
    packets(b"\1", DEFINITION) + b"\0\0\0\3\xfe\0\0\2\0" + packets(row(b"1"), eof(), sequence=4),
]


def is_plain(data: bytes, deprecate_eof: bool) -> bool:
    return status_of_ok(data) >= 0 or is_plain_result(data, deprecate_eof)


def is_whole(data: bytes, deprecate_eof: bool) -> bool:
    """What the general path says."""
    tracker = ReplyTracker(cap.DEPRECATE_EOF if deprecate_eof else 0)
    found = follow(tracker, commands.QUERY, (data,))
    return found.ended and not found.rest


@pytest.mark.parametrize("data", PLAIN)
def test_plain_replies(data: bytes) -> None:
    assert is_plain(data, False)


@pytest.mark.parametrize("data", PLAIN_WITHOUT_EOF)
def test_plain_replies_under_deprecate_eof(data: bytes) -> None:
    assert is_plain(data, True)


@pytest.mark.parametrize("data", OTHERS)
@pytest.mark.parametrize("deprecate_eof", [False, True])
def test_other_replies(data: bytes, deprecate_eof: bool) -> None:
    assert not is_plain(data, deprecate_eof) or is_whole(data, deprecate_eof)


@pytest.mark.parametrize("data", OTHERS)
def test_other_replies_are_not_plain(data: bytes) -> None:
    assert not is_plain(data, False)


@pytest.mark.parametrize("data", PLAIN + PLAIN_WITHOUT_EOF + OTHERS)
@pytest.mark.parametrize("deprecate_eof", [False, True])
def test_what_is_cut_or_goes_on_is_never_plain_unless_it_is_whole(data: bytes, deprecate_eof: bool) -> None:
    for end in range(len(data)):
        piece = data[:end]
        assert not is_plain(piece, deprecate_eof) or is_whole(piece, deprecate_eof), piece
    for behind in (b"\0", packets(ok()), packets(eof())):
        longer = data + behind
        assert not is_plain(longer, deprecate_eof) or is_whole(longer, deprecate_eof), longer


def test_rows_of_16_mib_are_not_plain() -> None:
    data = packets(b"\1", DEFINITION, eof()) + b"\xff\xff\xff\5" + bytes(LARGEST) + packets(b"", eof(), sequence=6)
    assert not is_plain(data, False)


def test_plain_texts_change_nothing_and_have_no_rules() -> None:
    plain = [b"SELECT", b"UPDATE", b"DELETE", b"BEGIN", b"COMMIT", b"ROLLBACK", b"REPLACE", b"SHOW"]
    assert plain_starts(mariadb=False) == set(map(start_of, plain))
    for word in (b"INSERT", b"SET", b"USE", b"CALL", b"EXECUTE", b"LOAD", b"/* x */", b"3%,"):
        assert start_of(word) not in plain_starts(mariadb=False)
    assert head(b"REPLACE INTO t VALUES (1)").verb == "replace"


def test_the_start_of_a_text_is_the_same_in_any_case_and_differs_from_all_others() -> None:
    assert start_of(b"?sElEcT", 1) == start_of(b"SELECT")
    for position, code in product(range(3), range(256)):
        other = bytearray(b"sel")
        other[position] = code
        assert (start_of(bytes(other)) == start_of(b"SEL")) == (bytes(other).upper() == b"SEL")


def test_mariadb_begins_compound_statements_like_plain_ones() -> None:
    assert start_of(b"BEGIN") in plain_starts(mariadb=False)
    assert not {start_of(b"BEGIN"), start_of(b"REPEAT")} & plain_starts(mariadb=True)
