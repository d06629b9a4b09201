"""Sequence ids are found and given anew wherever the chunks are cut."""

import pytest

from proxy.wire.framing import HEADER, MAX_PAYLOAD, frame
from proxy.wire.sequence import Headers, Sequencer, Shift

REPLY = frame(b"\x01", 7) + frame(b"x" * 300, 8) + frame(b"", 9) + frame(b"\xfe\0\0\2\0", 10)


def ids(data: bytes) -> list[int]:
    return [data[at] for at in Headers().walk(data)]


@pytest.mark.parametrize("cut", range(len(REPLY) + 1))
def test_headers_are_found_at_every_cut(cut: int) -> None:
    headers = Headers()
    first, second = REPLY[:cut], REPLY[cut:]
    found = [first[at] for at in headers.walk(first)] + [second[at] for at in headers.walk(second)]
    assert found == [7, 8, 9, 10]


def test_a_reply_counts_on_from_the_command() -> None:
    sequencer = Sequencer(commands=False)
    sequencer.received(frame(b"\x03SELECT 1", 0))
    assert ids(sequencer.renumbered(REPLY)) == [1, 2, 3, 4]


def test_a_reply_in_two_chunks_goes_on_counting() -> None:
    sequencer = Sequencer(commands=False)
    sequencer.received(frame(b"\x03SELECT 1", 0))
    first, second = REPLY[:40], REPLY[40:]
    assert ids(sequencer.renumbered(first) + sequencer.renumbered(second)) == [1, 2, 3, 4]


def test_a_reply_with_the_right_ids_is_not_copied() -> None:
    sequencer = Sequencer(commands=False)
    sequencer.received(frame(b"\x03SELECT 1", 0))
    reply = frame(b"\0\0\0\2\0\0\0", 1)
    assert sequencer.renumbered(reply) is reply


def test_commands_start_from_0_and_what_answers_a_reply_counts_on() -> None:
    sequencer = Sequencer(commands=True)
    assert ids(sequencer.renumbered(frame(b"\x03LOAD DATA LOCAL ...", 0))) == [0]
    sequencer.received(frame(b"\xfbfile", 1))
    assert ids(sequencer.renumbered(frame(b"1,2\n", 5) + frame(b"", 6))) == [2, 3]
    sequencer.received(frame(b"\0\1\0\2\0\0\0", 4))
    assert ids(sequencer.renumbered(frame(b"\x0e", 0))) == [0]


def test_a_long_command_counts_on_though_each_of_its_packets_is_numbered_0() -> None:
    """As MariaDB's clients number them inside the compressed protocol."""
    sequencer = Sequencer(commands=True)
    long, rest = frame(b"\x03" + bytes(MAX_PAYLOAD), 0)[: HEADER + MAX_PAYLOAD], frame(b"x", 0)
    cut = HEADER + MAX_PAYLOAD - 10
    sent = [sequencer.renumbered(part) for part in (long[:cut], long[cut:] + rest, frame(b"\x0e", 0))]
    assert ids(b"".join(sent)) == [0, 1, 0]


def test_ids_come_round_within_a_long_upload() -> None:
    sequencer = Sequencer(commands=True)
    sequencer.renumbered(frame(b"\x03LOAD DATA LOCAL ...", 0))
    sequencer.received(frame(b"\xfbfile", 1))
    sent = b"".join(frame(b"1,2\n", number & 0xFF) for number in range(2, 300))
    assert sequencer.renumbered(sent) == sent


@pytest.mark.parametrize("cut", range(len(REPLY) + 1))
def test_a_shift_raises_every_id(cut: int) -> None:
    shift = Shift()
    shift.by = 250
    assert ids(shift.raised(REPLY[:cut]) + shift.raised(REPLY[cut:])) == [1, 2, 3, 4]


def test_a_shift_may_change_between_packets() -> None:
    shift = Shift()
    assert shift.raised(REPLY) is REPLY
    shift.by = 3
    assert ids(shift.raised(REPLY)) == [10, 11, 12, 13]
