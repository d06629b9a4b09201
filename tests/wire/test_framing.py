from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import framing
from proxy.wire.errors import ProtocolError
from proxy.wire.framing import MAX_PAYLOAD, PacketBuffer, frame, frame_pieces, packet_count


@given(st.binary(max_size=300), st.integers(0, 600))
def test_a_small_payload_is_one_packet(payload: bytes, sequence: int) -> None:
    framed = frame(payload, sequence)
    assert framed == len(payload).to_bytes(3, "little") + bytes((sequence % 256,)) + payload
    assert packet_count(len(payload)) == 1


@pytest.mark.parametrize(
    ("length", "lengths"),
    [
        (MAX_PAYLOAD - 1, [MAX_PAYLOAD - 1]),
        (MAX_PAYLOAD, [MAX_PAYLOAD, 0]),
        (MAX_PAYLOAD + 1, [MAX_PAYLOAD, 1]),
        (2 * MAX_PAYLOAD, [MAX_PAYLOAD, MAX_PAYLOAD, 0]),
    ],
)
def test_a_large_payload_continues(length: int, lengths: list[int]) -> None:
    framed = frame(bytes(length), 255)
    found, at = [], 0
    for number in range(len(lengths)):
        assert framed[at + 3] == (255 + number) % 256
        found.append(int.from_bytes(framed[at : at + 3], "little"))
        at += 4 + found[-1]
    assert found == lengths
    assert at == len(framed)
    assert packet_count(length) == len(lengths)


@given(st.lists(st.binary(max_size=40), max_size=6), st.lists(st.integers(0, 300), max_size=10))
def test_packets_come_out_however_they_are_cut(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frame(payload, number) for number, payload in enumerate(payloads))
    points = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    buffer = PacketBuffer(limit=40)
    found = []
    for start, end in pairwise(points):
        buffer.feed(stream[start:end])
        while (packet := buffer.next()) is not None:
            found.append(packet)
    assert found == list(enumerate(payloads))
    assert buffer.take_rest() == b""


def test_what_is_not_whole_can_be_taken_back() -> None:
    buffer = PacketBuffer(limit=10)
    buffer.feed(frame(b"abc", 0) + b"\3\0\0\1ab")
    assert buffer.next() == (0, b"abc")
    assert buffer.next() is None
    assert buffer.take_rest() == b"\3\0\0\1ab"
    assert buffer.next() is None


def test_a_packet_over_the_limit_is_refused_by_its_header_alone() -> None:
    buffer = PacketBuffer(limit=10)
    buffer.feed(b"\x0a\0\0\0")
    assert buffer.next() is None
    buffer = PacketBuffer(limit=10)
    buffer.feed(b"\x0b\0\0\0")
    with pytest.raises(ProtocolError):
        buffer.next()


def test_what_nobody_takes_has_a_limit() -> None:
    buffer = PacketBuffer(limit=10)
    buffer.feed(bytes(15))
    with pytest.raises(ProtocolError):
        buffer.feed(b"a")


def test_header_size() -> None:
    assert framing.HEADER == 4


@pytest.mark.parametrize("length", [0, 1, MAX_PAYLOAD - 1, MAX_PAYLOAD, MAX_PAYLOAD + 5, 2 * MAX_PAYLOAD])
def test_pieces_are_framed_as_the_whole_is(length: int) -> None:
    payload = bytes(range(251)) * (length // 251 + 1)
    whole = payload[:length]
    expected = b"".join(
        len(part := whole[start : start + MAX_PAYLOAD]).to_bytes(3, "little") + bytes((255 + number & 0xFF,)) + part
        for number, start in enumerate(range(0, length + 1, MAX_PAYLOAD))
    )
    for cut in (0, 1, length // 2, length):
        assert frame_pieces((whole[:cut], whole[cut:]), 255) == expected
    assert frame(whole, 255) == expected
