"""The compressed protocol: any bytes are read alike wherever they are cut, and what is written can be read."""

import zlib
from random import Random

import zstandard

from proxy.config import CompressionAlgorithm
from proxy.wire.compression import CompressedReader, CompressedWriter
from proxy.wire.errors import ProtocolError
from tests.e2e.raw import framed
from tests.fuzz.target import Target, pieces, random_of

LARGEST = 1 << 20
"""Bytes that an input may announce: reading more takes long, and shows nothing else."""
ALGORITHMS = (CompressionAlgorithm.ZLIB, CompressionAlgorithm.ZSTD)


def check(data: bytes) -> None:
    """Read bytes as compressed ones, compress them, and read that; the first one says how."""
    how, data = data[:1], data[1:]
    algorithm = ALGORITHMS[how == b"s"]
    random = random_of(data)
    if _announced(data)[0] <= LARGEST:
        _check_read(algorithm, data, random)
    _check_written(algorithm, data, random, commands=how > b"m")


def _read(algorithm: CompressionAlgorithm, cut: list[bytes]) -> tuple[bytes, bool, int]:
    """Give what was read, whether all of it could be, and how many packets there were."""
    reader, found = CompressedReader(algorithm), []
    try:
        for piece in cut:
            found += list(reader.read(piece))
    except ProtocolError:
        return b"".join(found), False, 0
    return b"".join(found), True, reader.packets


def _check_read(algorithm: CompressionAlgorithm, data: bytes, random: Random) -> None:
    plain, good, packets = _read(algorithm, [data])
    parted, also_good, as_many = _read(algorithm, list(pieces(data, random)))
    announced, end = _announced(data)
    assert max(len(plain), len(parted)) <= announced
    if end == len(data):
        assert (good, packets) == (also_good, as_many)
    if good and end == len(data):
        assert plain == parted
        assert len(plain) == announced
    else:  # of a packet that is not whole, or not as it should be, more or less may have been given out
        assert plain.startswith(parted) or parted.startswith(plain)


def _announced(data: bytes) -> tuple[int, int]:
    """Give how many bytes all headers together announce, and where the last packet ends."""
    at = size = 0
    while at + 7 <= len(data):
        length = int.from_bytes(data[at : at + 3], "little")
        size += int.from_bytes(data[at + 4 : at + 7], "little") or length
        at += 7 + length
    return size, at


def _check_written(algorithm: CompressionAlgorithm, data: bytes, random: Random, *, commands: bool) -> None:
    """Commands are written with their headers whole; of a reply, what is not a whole packet may be held back."""
    writer = CompressedWriter(algorithm, 1, CompressedReader(algorithm), commands)
    cut = [data] if commands else list(pieces(data, random))
    plain, good, _ = _read(algorithm, [b"".join(map(writer.write, cut))])
    assert good
    assert data.startswith(plain)
    assert plain == data if commands else len(data) - len(plain) <= _unfinished(data)


def _unfinished(data: bytes) -> int:
    """Give how many bytes at the end are of a packet that is not whole."""
    at = 0
    while at + 4 <= len(data) and at + 4 + int.from_bytes(data[at : at + 3], "little") <= len(data):
        at += 4 + int.from_bytes(data[at : at + 3], "little")
    return len(data) - at


def _packed(plain: bytes, packed: bytes, sequence: int = 0) -> bytes:
    return len(packed).to_bytes(3, "little") + bytes((sequence,)) + len(plain).to_bytes(3, "little") + packed


_PLAIN = framed(b"\x03SELECT '" + b"abc" * 50 + b"'", 0)
_LONG = b"".join(framed(bytes((number,)) * 60, number) for number in range(8))

TARGET = Target(
    check,
    seeds=(
        b"z" + _packed(_PLAIN, zlib.compress(_PLAIN)),
        b"s" + _packed(_PLAIN, zstandard.compress(_PLAIN)) + _packed(_LONG, zstandard.compress(_LONG), 1),
        b"z" + _packed(b"", _PLAIN) + _packed(_PLAIN, zlib.compress(_PLAIN), 1),
        b"a" + _LONG,
        b"s" + _LONG + _PLAIN,
        b"s" + _packed(bytes(LARGEST), zstandard.compress(bytes(LARGEST))),
        b"z" + _packed(bytes(LARGEST), zlib.compress(bytes(LARGEST))),
    ),
    words=(b"\x28\xb5\x2f\xfd", b"\x78\x9c", b"\0\0\0\0\0\0\0"),
    longest=1500,
)
