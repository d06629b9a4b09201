"""Every shape of a reply, under every capability that changes it, cut in every way.

``Case.packets`` is written from the manual's layouts and from what the servers send (test_replies_on_servers.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pytest

from proxy.wire import capabilities as cap
from proxy.wire import commands
from proxy.wire.commands import SHAPES, Shape
from proxy.wire.errors import ProtocolError
from proxy.wire.replies import Event, Part, ReplyTracker
from tests.wire.following import Followed, follow, splits
from tests.wire.packets import (
    AUTOCOMMIT,
    CURSOR_EXISTS,
    DEFINITION,
    LARGEST,
    LAST_ROW_SENT,
    MORE_RESULTS,
    PS_OUT_PARAMS,
    eof,
    error,
    ok,
    ok_as_eof,
    packets,
    prepared,
    progress,
    row,
)

BEHIND = packets(ok())  # the reply to the next command: it must be left alone
QUERY, EXECUTE, FETCH, PREPARE = commands.QUERY, commands.STMT_EXECUTE, commands.STMT_FETCH, commands.STMT_PREPARE
SINGLES = tuple(code for code in range(256) if SHAPES[code] is Shape.SINGLE)
RESULTS = tuple(code for code in range(256) if SHAPES[code] is Shape.RESULTS)


@dataclass(frozen=True)
class Terms:
    """The capabilities that change a reply."""

    deprecate_eof: bool = False
    optional_metadata: bool = False
    cache_metadata: bool = False

    def tracker(self) -> ReplyTracker:
        return ReplyTracker(
            (cap.DEPRECATE_EOF if self.deprecate_eof else 0) | (cap.OPTIONAL_METADATA if self.optional_metadata else 0),
            cap.MARIADB_CACHE_METADATA if self.cache_metadata else 0,
        )

    def end(self, status: int = AUTOCOMMIT) -> bytes:
        """What ends rows."""
        return ok_as_eof(status) if self.deprecate_eof else eof(status)

    def middle(self, status: int = AUTOCOMMIT) -> tuple[bytes, ...]:
        """What stands behind definitions."""
        return () if self.deprecate_eof else (eof(status),)

    def count(self, columns: int, *, definitions: bool = True) -> bytes:
        """What opens a result set."""
        flagged = self.optional_metadata or self.cache_metadata
        return bytes((columns,)) + (bytes((definitions,)) if flagged else b"")

    def result(self, *rows: bytes, columns: int = 2, definitions: bool = True, status: int = AUTOCOMMIT) -> list[bytes]:
        """A whole result set."""
        return [
            self.count(columns, definitions=definitions),
            *([DEFINITION] * columns if definitions else ()),
            *self.middle(status),
            *rows,
            self.end(status),
        ]

    def prepared(self, columns: int, parameters: int, *, definitions: bool = True) -> list[bytes]:
        """A whole reply to PREPARE."""
        flag = bytes((definitions,)) if self.optional_metadata else b""
        reply = [prepared(columns, parameters, flag)]
        for count in (parameters, columns):
            if count:
                reply += [DEFINITION] * (count if definitions else 0)
                reply += self.middle()
        return reply


TERMS = tuple(Terms(*flags) for flags in product((False, True), repeat=3))
LEAVES_OUT = tuple(terms for terms in TERMS if terms.optional_metadata or terms.cache_metadata)


def followed(terms: Terms, command: int, payloads: list[bytes]) -> Followed:
    """Follow a reply cut in every way, and return what came of it: always the same."""
    whole = packets(*payloads)
    expected = follow(terms.tracker(), command, (whole + BEHIND,))
    for pieces in splits(whole + BEHIND):
        assert follow(terms.tracker(), command, pieces) == expected, pieces
    return expected


def ends(terms: Terms, command: int, payloads: list[bytes]) -> Followed:
    """Assert that a reply ends with the last of these packets and not before."""
    found = followed(terms, command, payloads)
    assert found.ended
    assert found.rest == BEHIND
    return found


# --------------------------------------------------------------------------------------------------------------------
# One packet


@pytest.mark.parametrize("code", SINGLES, ids=commands.NAMES.__getitem__)
@pytest.mark.parametrize("terms", TERMS)
def test_a_single_packet_ends_the_reply(code: int, terms: Terms) -> None:
    for payload in (ok(), terms.end(), error(1047, "Unknown command"), b"Uptime: 85  Threads: 2"):
        ends(terms, code, [payload])


@pytest.mark.parametrize("first", range(256))
def test_a_single_packet_of_any_first_byte_ends_the_reply(first: int) -> None:
    for terms in TERMS:
        found = ends(terms, 0x09, [bytes((first,)) + b"\0\0\2\0\0\0"])
        assert found.looked_at[-1][0] is Event.END


@pytest.mark.parametrize("code", [commands.QUIT, commands.STMT_CLOSE, commands.STMT_SEND_LONG_DATA])
def test_what_needs_no_reply_gets_none(code: int) -> None:
    assert follow(ReplyTracker(0), code, (BEHIND,)).rest == BEHIND


def test_the_status_is_kept() -> None:
    assert ends(Terms(), 0x0E, [ok(status=0x4203)]).status == 0x4203
    assert ends(Terms(), 0x1B, [eof(status=0x8202)]).status == 0x8202
    assert ends(Terms(deprecate_eof=True), 0x1B, [ok_as_eof(status=0x8202)]).status == 0x8202


# --------------------------------------------------------------------------------------------------------------------
# Results


@pytest.mark.parametrize("code", RESULTS, ids=commands.NAMES.__getitem__)
@pytest.mark.parametrize("terms", TERMS)
def test_ok_or_error_ends_the_reply(code: int, terms: Terms) -> None:
    ends(terms, code, [ok(3, 300, info=b"Records: 3  Duplicates: 0  Warnings: 0")])
    ends(terms, code, [error(1062, "Duplicate entry 'a' for key 't.u'", "23000")])


@pytest.mark.parametrize("code", RESULTS, ids=commands.NAMES.__getitem__)
@pytest.mark.parametrize("terms", TERMS)
def test_a_result_set(code: int, terms: Terms) -> None:
    ends(terms, code, terms.result(row(b"1", b"a"), row(None, b""), row(None, None)))


@pytest.mark.parametrize("terms", TERMS)
def test_a_result_set_without_rows(terms: Terms) -> None:
    ends(terms, QUERY, terms.result())


@pytest.mark.parametrize("terms", LEAVES_OUT)
@pytest.mark.parametrize("rows", [(), (row(b"1", b"2"),)])
def test_a_result_set_whose_definitions_are_left_out(terms: Terms, rows: tuple[bytes, ...]) -> None:
    ends(terms, EXECUTE, terms.result(*rows, definitions=False))


@pytest.mark.parametrize("terms", TERMS)
def test_binary_rows(terms: Terms) -> None:
    ends(terms, EXECUTE, terms.result(b"\0\0\xfe\0\0\0\1\0\0\0", b"\0\x0c"))


@pytest.mark.parametrize("columns", [1, 250])
def test_any_number_of_columns(columns: int) -> None:
    for terms in (Terms(), Terms(deprecate_eof=True)):
        whole = packets(*terms.result(row(*[b"x"] * columns), columns=columns))
        assert follow(terms.tracker(), QUERY, (whole + BEHIND,)).rest == BEHIND


def test_more_columns_than_one_byte_holds() -> None:
    payloads = [b"\xfc\x2c\x01", *[DEFINITION] * 300, eof(), row(*[b"x"] * 300), eof()]
    whole = packets(*payloads)
    for pieces in ((whole + BEHIND,), [whole[at : at + 7] for at in range(0, len(whole), 7)] + [BEHIND]):
        found = follow(ReplyTracker(0), QUERY, pieces)
        assert found.ended
        assert found.rest == BEHIND


@pytest.mark.parametrize("terms", TERMS)
def test_several_results(terms: Terms) -> None:
    more = AUTOCOMMIT | MORE_RESULTS
    found = ends(
        terms,
        QUERY,
        [*terms.result(row(b"1", b"2"), status=more), ok(status=more), *terms.result(status=more), ok()],
    )
    assert [event for event, _ in found.looked_at].count(Event.RESULT) == 3


@pytest.mark.parametrize("terms", TERMS)
def test_an_error_ends_several_results(terms: Terms) -> None:
    more = AUTOCOMMIT | MORE_RESULTS
    ends(terms, QUERY, [*terms.result(status=more), ok(status=more), error(1064, "You have an error", "42000")])


@pytest.mark.parametrize("terms", TERMS)
def test_an_error_between_rows(terms: Terms) -> None:
    rows = [*terms.result(row(b"1", b"2"))[:-1], error(1242, "Subquery returns more than 1 row", "21000")]
    ends(terms, QUERY, rows)
    ends(terms, QUERY, [*terms.result()[:-1], error(1317, "Query execution was interrupted", "70100")])


def test_an_error_in_place_of_the_end_of_definitions() -> None:
    ends(Terms(), QUERY, [b"\1", DEFINITION, error(1105, "Unknown error")])


@pytest.mark.parametrize("optional_metadata", [False, True])
def test_out_parameters_are_followed_by_an_ok(optional_metadata: bool) -> None:
    """MySQL 9.7 without DEPRECATE_EOF tells it in front of their row, and not behind it."""
    terms = Terms(optional_metadata=optional_metadata)
    more = AUTOCOMMIT | MORE_RESULTS
    values = [terms.count(1), DEFINITION, eof(more | PS_OUT_PARAMS), b"\0\0\5\0\0\0", eof()]
    ends(terms, EXECUTE, [*terms.result(status=more), *values, ok()])
    ends(terms, EXECUTE, [*values[:-1], error(1317, "Query execution was interrupted", "70100")])
    tracker = terms.tracker()
    follow(tracker, EXECUTE, (packets(*values, ok()),))
    assert follow(tracker, EXECUTE, (packets(*terms.result()) + BEHIND,)).rest == BEHIND


@pytest.mark.parametrize("terms", TERMS)
def test_progress_reports_are_no_errors(terms: Terms) -> None:
    found = ends(terms, QUERY, [progress(), progress(b"Enabling keys"), ok(5)])
    assert [event for event, _ in found.looked_at] == [Event.PART, Event.PART, Event.END]
    result = terms.result(row(b"1", b"2"))
    ends(terms, QUERY, [progress(), *result[:-1], progress(), row(b"3", b"4"), progress(), result[-1]])


def test_other_errors_are_no_progress() -> None:
    ends(Terms(), QUERY, [error(0xFFFE, "")])


@pytest.mark.parametrize("terms", TERMS)
def test_local_infile(terms: Terms) -> None:
    found = ends(terms, QUERY, [b"\xfbfile.csv", progress(b"End bulk insert"), ok(2, info=b"Records: 2")])
    assert found.looked_at[0] == (Event.LOCAL_INFILE, b"\xfbfile.csv")
    ends(terms, QUERY, [b"\xfbfile.csv", error(1062, "Duplicate entry", "23000")])
    more = AUTOCOMMIT | MORE_RESULTS
    ends(terms, QUERY, [b"\xfba", ok(status=more), b"\xfbb", ok(status=more), *terms.result()])


# --------------------------------------------------------------------------------------------------------------------
# Cursors


@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("definitions", [True, False])
def test_a_cursor_has_no_rows(terms: Terms, definitions: bool) -> None:
    if definitions or terms in LEAVES_OUT:
        opened = terms.result(definitions=definitions)[: -1 if terms.deprecate_eof else -2]
        ends(terms, EXECUTE, [*opened, terms.end(AUTOCOMMIT | CURSOR_EXISTS)])


@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("status", [CURSOR_EXISTS, LAST_ROW_SENT])
def test_fetch(terms: Terms, status: int) -> None:
    ends(terms, FETCH, [b"\0\0\1\0\0\0", b"\0\0\2\0\0\0", terms.end(AUTOCOMMIT | status)])
    ends(terms, FETCH, [terms.end(AUTOCOMMIT | status)])
    ends(terms, FETCH, [error(1421, "The statement (1) has no open cursor.")])
    ends(terms, FETCH, [b"\0\0\1\0\0\0", error(1317, "Query execution was interrupted", "70100")])


@pytest.mark.parametrize("terms", TERMS)
def test_field_list(terms: Terms) -> None:
    ends(terms, commands.FIELD_LIST, [DEFINITION, DEFINITION, terms.end()])
    ends(terms, commands.FIELD_LIST, [terms.end()])
    ends(terms, commands.FIELD_LIST, [ok()])
    ends(terms, commands.FIELD_LIST, [error(1146, "Table 'a.b' doesn't exist", "42S02")])


# --------------------------------------------------------------------------------------------------------------------
# PREPARE


@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("columns", [0, 1, 3])
@pytest.mark.parametrize("parameters", [0, 1, 2])
def test_prepare(terms: Terms, columns: int, parameters: int) -> None:
    ends(terms, PREPARE, terms.prepared(columns, parameters))
    if terms.optional_metadata:
        ends(terms, PREPARE, terms.prepared(columns, parameters, definitions=False))


def test_prepare_with_an_error() -> None:
    ends(Terms(), PREPARE, [error(1064, "You have an error", "42000")])


def test_a_result_follows_prepare_as_if_there_had_been_none() -> None:
    for terms in TERMS:
        tracker = terms.tracker()
        follow(tracker, PREPARE, (packets(*terms.prepared(1, 2)),))
        found = follow(tracker, EXECUTE, (packets(*terms.result(row(b"1", b"2"))) + BEHIND,))
        assert found.ended
        assert found.rest == BEHIND


# --------------------------------------------------------------------------------------------------------------------
# Rows that look like something else, and rows of 16 MiB


def test_a_row_that_begins_with_0xfe_is_no_end() -> None:
    long_eof = b"\xfe" + bytes(8)  # nine bytes: too long for an EOF packet
    assert ends(Terms(), FETCH, [long_eof, eof()]).looked_at == [(Event.END, eof())]


def big_row(deprecate_eof: bool, tail: bytes) -> Iterator[bytes]:
    """Yield a result whose row is a first value of 16 MiB and more, packet by packet: it begins with 0xFE."""
    terms = Terms(deprecate_eof=deprecate_eof)
    opened = packets(*terms.result(columns=1)[:-1])
    size = LARGEST + len(tail) - 9
    first = b"\xfe" + size.to_bytes(8, "little")
    yield opened
    yield b"\xff\xff\xff\x05" + first + bytes(LARGEST - len(first))
    yield packets(tail, terms.end(), sequence=6)


@pytest.mark.parametrize("deprecate_eof", [False, True])
@pytest.mark.parametrize(
    "tail",
    [b"", b"\xfe", b"\xff", b"\xfe\0\0\2\0", b"\xfe\0\0\2\0\0\0", b"\xff\x26\4#23000no error", b"\0" * 20],
)
def test_a_row_of_16_mib_is_passed_over(deprecate_eof: bool, tail: bytes) -> None:
    pieces = list(big_row(deprecate_eof, tail))
    terms = Terms(deprecate_eof=deprecate_eof)
    end = packets(terms.end())[4:]
    for cut in ((b"".join(pieces) + BEHIND,), (*pieces, BEHIND), (*pieces[:2], *_bytewise(pieces[2]), BEHIND)):
        found = follow(terms.tracker(), QUERY, cut)
        assert found.rest == BEHIND
        assert found.looked_at[-1] == (Event.END, end)


def test_a_row_of_16_mib_may_be_cut_behind_its_header() -> None:
    tracker = ReplyTracker(0)
    tracker.part = Part.ROWS
    header = b"\xff\xff\xff\5"
    for end in range(5):
        assert tracker.pass_over(header[:end], 0) == 0
        assert tracker.measure(header[:end], 0) == 0
    assert tracker.pass_over(header + b"\xfe", 0) == 5


def test_a_row_of_32_mib_is_passed_over_without_being_gathered() -> None:
    tracker = ReplyTracker(cap.DEPRECATE_EOF)
    tracker.begin(QUERY)
    opened = packets(b"\1", DEFINITION)
    position = tracker.pass_over(opened, 0)
    assert tracker.packet(opened[position + 4 : tracker.measure(opened, position)]) is Event.PART
    assert tracker.pass_over(opened, 5) == len(opened)
    block = bytes(1 << 20)
    for sequence in (3, 4):
        header = b"\xff\xff\xff" + bytes((sequence,))
        assert tracker.pass_over(header + b"\xfe", 0) == 5
        left = LARGEST - 1
        while left:
            piece = block[:left]
            assert tracker.pass_over(piece, 0) == len(piece)
            left -= len(piece)
    last = packets(b"\xfe", ok_as_eof())
    assert tracker.pass_over(last, 0) == 5


def _bytewise(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


# --------------------------------------------------------------------------------------------------------------------
# What the protocol does not allow


def test_an_error_may_come_unasked() -> None:
    tracker = ReplyTracker(0)
    assert tracker.packet(error(4031, "The client was disconnected by the server because of inactivity")) is Event.END
    assert tracker.ended


@pytest.mark.parametrize(
    ("part", "payload"),
    [
        (Part.IDLE, ok()),
        (Part.FIRST, b""),
        (Part.FIRST, b"\xfc\1"),
        (Part.FIRST, b"\0\1"),
        (Part.FIRST, b"\xff\1"),
        (Part.ROWS, b"\xff"),
        (Part.PREPARED, b"\0\1\0\0"),
        (Part.PREPARED, eof()),
        (Part.LOGIN, b"\0"),
    ],
)
def test_what_cannot_stand_there_is_refused(part: Part, payload: bytes) -> None:
    tracker = ReplyTracker(0)
    tracker.part = part
    with pytest.raises(ProtocolError):
        tracker.packet(payload)


def test_an_answer_has_a_limit() -> None:
    tracker = ReplyTracker(0)
    tracker.begin(0x09)
    with pytest.raises(ProtocolError):
        tracker.measure(b"\1\0\x10\1U", 0)
    assert tracker.measure(b"\0\0\x10\1U", 0) == 0


# --------------------------------------------------------------------------------------------------------------------
# COM_CHANGE_USER


def test_a_change_of_user_ends_with_ok_or_error() -> None:
    switch = b"\xfecaching_sha2_password\0" + b"n" * 20 + b"\0"
    ends(Terms(), commands.CHANGE_USER, [switch, b"\1\3", ok()])
    ends(Terms(), commands.CHANGE_USER, [switch, b"\1\4", b"\1-----BEGIN PUBLIC KEY-----", ok()])
    ends(Terms(), commands.CHANGE_USER, [switch, error(1045, "Access denied", "28000")])
    ends(Terms(), commands.CHANGE_USER, [ok()])
