import pytest

from proxy.net.login_reader import LoginReader, UnexpectedProxyHeaderError
from tests.net.doubles import packet

PACKETS = [packet(b"first"), packet(b"", 1), packet(b"x" * 5000, 2), packet(b"y" * 4096, 3), packet(b"last", 4)]
PIECES = [piece for each in PACKETS for piece in (each[:4], each[4:]) if piece]


class Watched:
    """A reader, and what it delivers."""

    def __init__(self) -> None:
        self.delivered: list[bytes] = []
        self.reader = LoginReader(self.delivered.append)

    def receive(self, data: bytes, at_most: int = 1 << 20) -> None:
        """Give the reader so many bytes at a time."""
        for begin in range(0, len(data), at_most):
            self.reader.take(data[begin : begin + at_most])


@pytest.mark.parametrize("at_most", [*range(1, 12), 4095, 4096, 1 << 20])
def test_headers_and_payloads_are_delivered_one_by_one_however_they_arrive(at_most: int) -> None:
    watched = Watched()
    watched.receive(b"".join(PACKETS), at_most)
    assert watched.delivered == PIECES


@pytest.mark.parametrize("size", range(12))
def test_what_is_begun_can_be_taken(size: int) -> None:
    watched = Watched()
    data = packet(b"abc") + packet(b"defghi")
    watched.receive(data[:size])
    assert b"".join(watched.delivered) + watched.reader.rest() == data[:size]
    watched.receive(packet(b"new"))
    assert watched.delivered[-2:] == [packet(b"new")[:4], b"new"]


@pytest.mark.parametrize("at_most", [1, 3, 1 << 20])
def test_no_byte_behind_a_packet_is_taken_from_whom_it_is_for(at_most: int) -> None:
    elsewhere: list[bytes] = []

    def feed(data: bytes) -> None:
        delivered.append(data)
        if data == b"TLS":
            reader.redirect(elsewhere.append)

    delivered: list[bytes] = []
    reader = LoginReader(feed)
    data = packet(b"TLS") + b"a handshake" + packet(b"more")
    for begin in range(0, len(data), at_most):
        reader.take(data[begin : begin + at_most])
    assert delivered == [packet(b"TLS")[:4], b"TLS"]
    assert b"".join(elsewhere) == b"a handshake" + packet(b"more")
    reader.redirect(None)
    reader.take(packet(b"back"))
    assert delivered[2:] == [packet(b"back")[:4], b"back"]


@pytest.mark.parametrize("start", [b"PROX", b"\r\n\r\n"])
def test_a_proxy_header_is_told_from_a_login_only_in_the_beginning(start: bytes) -> None:
    with pytest.raises(UnexpectedProxyHeaderError):
        Watched().receive(start)
    watched = Watched()
    watched.receive(packet(b"abc") + start)
    assert watched.delivered == [packet(b"abc")[:4], b"abc", start]
