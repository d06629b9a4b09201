import pytest

from proxy.net.readers import EncryptedBulkReader, LoginReader
from proxy.net.side import Side
from tests.net.doubles import packet

PACKETS = [packet(b"first"), packet(b"", 1), packet(b"x" * 5000, 2), packet(b"y" * 4096, 3), packet(b"last", 4)]
PIECES = [piece for each in PACKETS for piece in (each[:4], each[4:]) if piece]


class Watched:
    """A reader, what it delivers, and the faults that it tells of."""

    def __init__(self, hold: bool = False) -> None:
        self.delivered: list[bytes] = []
        self.faults: list[Exception] = []
        side = Side(lambda _reason: None, lambda: False, self.faults.append)
        self.reader = LoginReader(side, self.delivered.append, hold)

    def receive(self, data: bytes, at_most: int = 1 << 20) -> None:
        """Fill the reader's buffer as an event loop does, from a socket that gives so many bytes at a time."""
        while data:
            buffer = self.reader.get_buffer(-1)
            size = min(len(buffer), at_most, len(data))
            buffer[:size], data = data[:size], data[size:]
            self.reader.buffer_updated(size)


@pytest.mark.parametrize("at_most", [*range(1, 12), 4095, 4096, 1 << 20])
def test_headers_and_payloads_are_delivered_one_by_one_however_they_arrive(at_most: int) -> None:
    watched = Watched()
    watched.receive(b"".join(PACKETS), at_most)
    assert watched.delivered == PIECES


def test_no_byte_behind_a_packet_is_asked_for() -> None:
    watched = Watched()
    assert len(watched.reader.get_buffer(1 << 16)) == 4
    watched.receive(b"\x03\0\0\0")
    assert len(watched.reader.get_buffer(1 << 16)) == 3
    watched.receive(b"a")
    assert len(watched.reader.get_buffer(1 << 16)) == 2


@pytest.mark.parametrize("size", range(12))
def test_what_is_begun_can_be_taken(size: int) -> None:
    watched = Watched()
    data = packet(b"abc") + packet(b"defghi")
    watched.receive(data[:size])
    assert b"".join(watched.delivered) + watched.reader.take() == data[:size]
    assert len(watched.reader.get_buffer(-1)) == 4


def test_a_reader_that_holds_delivers_nothing_until_released() -> None:
    watched = Watched(hold=True)
    watched.receive(b"".join(PACKETS[:3]))
    assert watched.delivered == []
    watched.reader.release()
    assert b"".join(watched.delivered) == b"".join(PACKETS[:3])
    watched.receive(b"".join(PACKETS[3:]))
    assert watched.delivered == PIECES


def test_what_is_decrypted_is_handed_on_before_the_next_session_s() -> None:
    delivered: list[bytes] = []
    faults: list[Exception] = []
    side = Side(lambda _reason: None, lambda: False, faults.append)
    first, second = (EncryptedBulkReader(side, delivered.append) for _ in range(2))
    for reader, data in (first, b"one"), (second, b"other"), (first, b"more"):
        reader.get_buffer(-1)[: len(data)] = data
        reader.buffer_updated(len(data))
    assert delivered == [b"one", b"other", b"more"]
    first.feed_to(lambda data: delivered.remove(data))
    first.buffer_updated(100)
    assert [type(fault) for fault in faults] == [ValueError]
