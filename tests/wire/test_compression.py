"""The compressed protocol: what is written can be read, wherever it is cut, and nothing swells beyond its word."""

import hashlib
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config import CompressionAlgorithm
from proxy.wire.compression import COMPRESSED_HEADER, CompressedReader, CompressedWriter
from proxy.wire.errors import ProtocolError
from proxy.wire.framing import HEADER, MAX_PAYLOAD, frame

ALGORITHMS = list(CompressionAlgorithm)
COMMAND = frame(b"\x03SELECT '" + b"abc" * 50 + b"'", 0)


def packets(data: bytes) -> list[tuple[int, int, int]]:
    """Return each compressed packet's length, sequence id, and length before compression."""
    found = []
    position = 0
    while position < len(data):
        length = int.from_bytes(data[position : position + 3], "little")
        found.append((length, data[position + 3], int.from_bytes(data[position + 4 : position + 7], "little")))
        position += COMPRESSED_HEADER + length
    assert position == len(data)
    return found


def written(algorithm: CompressionAlgorithm, *chunks: bytes, commands: bool = True) -> bytes:
    writer = CompressedWriter(algorithm, 3, CompressedReader(algorithm), commands)
    return b"".join(map(writer.write, chunks))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_reads_what_was_written_at_every_cut(algorithm: CompressionAlgorithm) -> None:
    plain = COMMAND + frame(b"\x0e", 0) + COMMAND
    data = written(algorithm, plain)
    for cut in range(len(data) + 1):
        reader = CompressedReader(algorithm)
        assert b"".join((*reader.read(data[:cut]), *reader.read(data[cut:]))) == plain


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(payload=st.binary(max_size=2000), size=st.integers(1, 300))
@settings(max_examples=50)
def test_reads_any_bytes(algorithm: CompressionAlgorithm, payload: bytes, size: int) -> None:
    plain = frame(payload, 1)
    data = written(algorithm, plain, commands=False)
    reader = CompressedReader(algorithm)
    got = b"".join(piece for at in range(0, len(data), size) for piece in reader.read(data[at : at + size]))
    assert got == plain


def test_short_bytes_are_not_compressed() -> None:
    ping = frame(b"\x0e", 0)
    assert written(CompressionAlgorithm.ZLIB, ping) == b"\x05\0\0\0\0\0\0" + ping


def test_bytes_that_do_not_shrink_are_not_compressed() -> None:
    noise = frame(bytes(range(200)), 1)
    (found,) = packets(written(CompressionAlgorithm.ZLIB, noise, commands=False))
    assert found == (204, 0, 0)


def test_each_command_starts_the_ids_anew() -> None:
    data = written(CompressionAlgorithm.ZLIB, COMMAND + frame(b"\x0e", 0), frame(b"\x0e", 0))
    assert [sequence for _, sequence, _ in packets(data)] == [0, 0, 0]


def test_a_command_in_several_chunks_counts_on() -> None:
    plain = frame(b"\x03" + b"x" * 1000, 0)
    data = written(CompressionAlgorithm.ZLIB, plain[:500], plain[500:])
    assert [sequence for _, sequence, _ in packets(data)] == [0, 1]


def test_a_long_command_counts_on_though_each_of_its_packets_is_numbered_0() -> None:
    plain = frame(b"\x03" + bytes(MAX_PAYLOAD - 1), 0)  # a second packet, which is empty, ends it
    data = written(CompressionAlgorithm.ZLIB, plain[:-4] + frame(b"", 0), frame(b"\x0e", 0))
    assert [sequence & 0xFF for _, sequence, _ in packets(data)] == [*range(65), 0]


def test_a_reply_counts_on_from_the_command() -> None:
    reader = CompressedReader(CompressionAlgorithm.ZLIB)
    writer = CompressedWriter(CompressionAlgorithm.ZLIB, 6, reader, commands=False)
    list(reader.read(b"\x05\0\0\x02\0\0\0" + frame(b"\x0e", 0)))
    answer = writer.write(frame(b"\0\0\0\2\0\0\0", 1)) + writer.write(frame(b"x", 2))
    assert [sequence for _, sequence, _ in packets(answer)] == [3, 4]


def plain_parts(data: bytes, algorithm: CompressionAlgorithm = CompressionAlgorithm.ZLIB) -> list[bytes]:
    """Return what each compressed packet holds."""
    reader = CompressedReader(algorithm)
    parts = []
    position = 0
    for length, _, _ in packets(data):
        end = position + COMPRESSED_HEADER + length
        parts.append(b"".join(reader.read(data[position:end])))
        position = end
    return parts


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 5, 500, 1004, 1005])
def test_a_packet_of_a_reply_stays_in_one_however_it_comes(cut: int) -> None:
    row, short = frame(b"r" * 1000, 3), frame(b"s", 4)
    whole = row + short + row
    data = written(CompressionAlgorithm.ZLIB, whole[:cut], whole[cut:], commands=False)
    parts = plain_parts(data)
    assert b"".join(parts) == whole
    assert {len(part) for part in parts} <= {len(row), len(row + short), len(short + row), len(whole)}


def test_every_byte_of_a_reply_may_come_alone() -> None:
    whole = frame(b"a" * 30, 1) + frame(b"", 2) + frame(b"b", 3)
    data = written(CompressionAlgorithm.ZLIB, *(whole[at : at + 1] for at in range(len(whole))), commands=False)
    assert plain_parts(data) == [frame(b"a" * 30, 1), frame(b"", 2), frame(b"b", 3)]


def test_many_packets_are_parted_between_them() -> None:
    row = frame(b"r" * 100_000, 1)
    data = written(CompressionAlgorithm.ZLIB, row * 5, commands=False)
    assert plain_parts(data) == [row * 2, row * 2, row]


NOISE = b"".join(hashlib.sha512(number.to_bytes(4)).digest() for number in range(1 << 16))  # 4 MiB
LONG = {
    "a_little": NOISE[: 1 << 20],
    "noise": NOISE,
    "zeros": bytes(9_000_000),
    "zeros_and_noise": bytes(9_000_000) + NOISE,
    "nearly_the_longest": bytes(MAX_PAYLOAD - HEADER),
    "the_longest": bytes(MAX_PAYLOAD),
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("step", [4096, 250_000, 1 << 25])
@pytest.mark.parametrize("name", LONG)
def test_a_long_packet_of_a_reply_goes_into_two_at_most(algorithm: CompressionAlgorithm, step: int, name: str) -> None:
    before, long, behind = frame(b"x", 1), frame(LONG[name], 2), frame(b"y", 4)
    whole = before + long + behind
    pieces = [whole[at : at + step] for at in range(0, len(whole), step)]
    parts = plain_parts(written(algorithm, *pieces, commands=False), algorithm)
    assert b"".join(parts) == whole
    sizes = [len(part) for part in parts]
    assert sizes[0] == len(before)
    assert sizes[-1] in (len(behind), len(behind) + HEADER)  # together with the empty packet that ends the longest
    assert len(sizes) <= 4


def test_of_a_long_packet_no_more_is_kept_than_is_told() -> None:
    reader = CompressedReader(CompressionAlgorithm.ZLIB)
    writer = CompressedWriter(CompressionAlgorithm.ZLIB, 6, reader, commands=False)
    long = frame(NOISE * 3, 1)
    taken = given_out = 0
    for at in range(0, len(long), 1 << 16):
        taken += len(long[at : at + (1 << 16)])
        given_out += len(writer.write(long[at : at + (1 << 16)]))
        assert taken - given_out <= (1 << 20) + (1 << 17)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_refuses_what_swells_beyond_its_word(algorithm: CompressionAlgorithm) -> None:
    data = bytearray(written(algorithm, frame(b"a" * 5000, 1), commands=False))
    data[4:7] = (100).to_bytes(3, "little")
    with pytest.raises(ProtocolError, match="more than its header"):
        list(CompressedReader(algorithm).read(bytes(data)))


def test_refuses_a_frame_of_zstd_before_it_has_swollen() -> None:
    """One of 32 KiB can hold 1 GiB: a window of 128 KiB, and blocks of as much that repeat one byte."""
    block = (1 << 17 << 3 | 1 << 1).to_bytes(3, "little") + b"a"
    frame_of_1_gib = b"\x28\xb5\x2f\xfd\0\x38" + block * 8192
    header = len(frame_of_1_gib).to_bytes(3, "little") + b"\0" + (1 << 20).to_bytes(3, "little")
    tracemalloc.start()
    with pytest.raises(ProtocolError, match="more than its header"):
        list(CompressedReader(CompressionAlgorithm.ZSTD).read(header + frame_of_1_gib))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 22


def test_what_is_refused_leaves_nothing_behind() -> None:
    def refuse() -> None:
        data = bytearray(written(CompressionAlgorithm.ZSTD, frame(bytes(1 << 18), 1), commands=False))
        data[4:7] = (100).to_bytes(3, "little")
        with pytest.raises(ProtocolError, match="more than its header"):
            list(CompressedReader(CompressionAlgorithm.ZSTD).read(bytes(data)))

    refuse()
    tracemalloc.start()
    for _ in range(20):
        refuse()
    left = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert left < 1 << 20


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_refuses_what_breaks_off(algorithm: CompressionAlgorithm) -> None:
    data = bytearray(written(algorithm, frame(b"a" * 5000, 1), commands=False))
    cut = (len(data) - COMPRESSED_HEADER - 8).to_bytes(3, "little") + data[3:-8]
    for broken in (cut, b"\0\0\0\0\x40\0\0"):
        with pytest.raises(ProtocolError, match="less than its header"):
            list(CompressedReader(algorithm).read(bytes(broken)))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_refuses_what_is_not_compressed(algorithm: CompressionAlgorithm) -> None:
    with pytest.raises(ProtocolError, match="cannot be decompressed"):
        list(CompressedReader(algorithm).read(b"\x08\0\0\0\x40\0\0" + b"nonsense"))


def test_gives_out_large_contents_in_pieces() -> None:
    packed = zlib.compress(bytes(1 << 23))
    header = len(packed).to_bytes(3, "little") + b"\0" + (1 << 23).to_bytes(3, "little")
    pieces = list(CompressedReader(CompressionAlgorithm.ZLIB).read(header + packed))
    assert max(map(len, pieces)) <= 1 << 18
    assert sum(map(len, pieces)) == 1 << 23
