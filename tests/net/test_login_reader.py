from itertools import pairwise

import pytest

from proxy.net.login_reader import LoginReader, UnexpectedProxyHeaderError
from tests.net.doubles import packet

PACKETS = [packet(b"first"), packet(b"", 1), packet(b"x" * 5000, 2), packet(b"y" * 4096, 3), packet(b"last", 4)]


class Watched:
    """A reader, and what it delivers."""

    def __init__(self) -> None:
        self.delivered: list[bytes] = []
        self.reader = LoginReader(self.delivered.append)

    def receive(self, data: bytes, at_most: int = 1 << 20) -> None:
        """Give the reader so many bytes at a time."""
        for begin in range(0, len(data), at_most):
            self.reader.take(data[begin : begin + at_most])


def delivered_of(each: bytes, arrivals: list[bytes]) -> list[bytes]:
    """What is delivered of a packet that arrives in such pieces: its header once it is whole, the rest as it comes."""
    pieces: list[bytes] = []
    begun = b""
    for arrival in arrivals:
        begun += arrival
        if pieces or len(begun) >= 4:
            pieces.append(begun)
            begun = b""
    assert b"".join(pieces) == each
    return pieces


def arrivals_of(begin: int, each: bytes, at_most: int) -> list[bytes]:
    """How a packet arrives that begins there in the stream."""
    cuts = [0, *range(at_most - begin % at_most, len(each), at_most), len(each)]
    return [each[start:end] for start, end in pairwise(cuts)]


@pytest.mark.parametrize("at_most", [*range(1, 12), 4095, 4096, 1 << 20])
def test_packets_are_delivered_one_by_one_however_they_arrive(at_most: int) -> None:
    watched = Watched()
    watched.receive(b"".join(PACKETS), at_most)
    expected, begin = [], 0
    for each in PACKETS:
        expected += delivered_of(each, arrivals_of(begin, each, at_most))
        begin += len(each)
    assert watched.delivered == expected


def test_whole_packets_are_delivered_whole() -> None:
    watched = Watched()
    watched.receive(b"".join(PACKETS))
    assert watched.delivered == PACKETS


@pytest.mark.parametrize("size", range(12))
def test_what_is_begun_can_be_taken(size: int) -> None:
    watched = Watched()
    data = packet(b"abc") + packet(b"defghi")
    watched.receive(data[:size])
    assert b"".join(watched.delivered) + watched.reader.rest() == data[:size]
    watched.receive(packet(b"new"))
    assert watched.delivered[-1] == packet(b"new")


@pytest.mark.parametrize("at_most", [1, 3, 1 << 20])
def test_no_byte_behind_a_packet_is_taken_from_whom_it_is_for(at_most: int) -> None:
    elsewhere: list[bytes] = []

    def feed(data: bytes) -> None:
        delivered.extend(data)
        if delivered == [*packet(b"TLS")]:
            reader.redirect(elsewhere.append)

    delivered: list[int] = []
    reader = LoginReader(feed)
    data = packet(b"TLS") + b"a handshake" + packet(b"more")
    for begin in range(0, len(data), at_most):
        reader.take(data[begin : begin + at_most])
    assert bytes(delivered) == packet(b"TLS")
    assert b"".join(elsewhere) == b"a handshake" + packet(b"more")
    reader.redirect(None)
    reader.take(packet(b"back"))
    assert bytes(delivered) == packet(b"TLS") + packet(b"back")


@pytest.mark.parametrize("start", [b"PROX", b"\r\n\r\n"])
def test_a_proxy_header_is_told_from_a_login_only_in_the_beginning(start: bytes) -> None:
    with pytest.raises(UnexpectedProxyHeaderError):
        Watched().receive(start)
    watched = Watched()
    watched.receive(packet(b"abc") + start)
    assert watched.delivered == [packet(b"abc"), start]
