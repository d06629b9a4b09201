"""Packets: whatever the bytes and wherever they are cut, the same packets come out, and no byte is lost or made up."""

from random import Random

from proxy.wire.errors import ProtocolError
from proxy.wire.framing import HEADER, PacketBuffer, frame, frame_pieces, packet_count
from proxy.wire.sequence import Headers, Sequencer, Shift
from tests.e2e.raw import framed
from tests.fuzz.target import Target, pieces, random_of

LIMIT = 200


def check(data: bytes) -> None:
    """Read bytes as packets in every way that the proxy does."""
    random = random_of(data)
    cut = list(pieces(data, random))
    _check_buffer(data, cut)
    _check_headers(data, cut)
    _check_ids(data, cut, random)
    _check_framed(cut, random)


def _starts(data: bytes) -> list[int]:
    """Find where the packets begin whose headers are whole."""
    found, at = [], 0
    while at + HEADER <= len(data):
        found.append(at)
        at += HEADER + int.from_bytes(data[at : at + 3], "little")
    return found


def _check_buffer(data: bytes, cut: list[bytes]) -> None:
    buffer, found, refused = PacketBuffer(LIMIT), [], False
    try:
        for piece in cut:
            buffer.feed(piece)
            while (packet := buffer.next()) is not None:
                found.append(packet)
    except ProtocolError:
        refused = True
    expected = []
    for at in _starts(data):
        length = int.from_bytes(data[at : at + 3], "little")
        if length > LIMIT:
            assert refused
            break
        if at + HEADER + length <= len(data):
            expected.append((data[at + 3], data[at + HEADER : at + HEADER + length]))
    else:
        assert not refused
        assert data.endswith(buffer.take_rest())
    assert found == expected


def _check_headers(data: bytes, cut: list[bytes]) -> None:
    headers, found, passed = Headers(), [], 0
    for piece in cut:
        found += [passed + at for at in headers.walk(piece)]
        passed += len(piece)
    starts = _starts(data)
    assert found == [at + 3 for at in starts]
    rest = data[starts[-1] :] if starts else data
    size = HEADER + int.from_bytes(rest[:3], "little") if starts else HEADER
    assert headers.unfinished == (len(rest) if len(rest) < size else len(rest) - size)


def _check_ids(data: bytes, cut: list[bytes], random: Random) -> None:
    heard, by, commands = random.randbytes(6), random.randrange(256), bool(random.getrandbits(1))
    whole, parted = Sequencer(commands=commands), Sequencer(commands=commands)
    shift, shifted = Shift(), Shift()
    shift.by = shifted.by = by
    whole.received(heard)
    parted.received(heard)
    renumbered = whole.renumbered(data)
    assert renumbered == b"".join(map(parted.renumbered, cut))
    raised = shift.raised(data)
    assert raised == b"".join(map(shifted.raised, cut))
    ids = [at + 3 for at in _starts(data)]
    assert [raised[at] for at in ids] == [(data[at] + by) & 0xFF for at in ids]
    assert _without(ids, data) == _without(ids, renumbered) == _without(ids, raised)


def _without(ids: list[int], data: bytes) -> bytes:
    rest = bytearray(data)
    for at in ids:
        rest[at] = 0
    return bytes(rest)


def _check_framed(cut: list[bytes], random: Random) -> None:
    payload, sequence = b"".join(cut), random.randrange(512)
    packet = frame(payload, sequence)
    assert (
        packet == frame_pieces(cut, sequence) == len(payload).to_bytes(3, "little") + bytes((sequence & 255,)) + payload
    )
    assert packet_count(len(payload)) == 1


TARGET = Target(
    check,
    seeds=(
        b"",
        framed(b"\x03SELECT 1", 0),
        framed(b"", 255) + framed(b"\xff" * 201, 0),
        b"".join(framed(bytes((number,)) * number, number) for number in range(20)),
        b"\xff\xff\xff\0" + b"a" * 300,
        framed(b"\x0e", 0) * 3 + b"\1\0",
    ),
    words=(b"\xff\xff\xff", b"\xc8\0\0", b"\xc9\0\0", b"\0\0\0\0"),
    longest=600,
)
