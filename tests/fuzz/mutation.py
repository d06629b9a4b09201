"""Changes inputs at random, without a look at what they reach: for the short runs of the tests."""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final

from tests.fuzz.target import SEPARATOR, Target

_TELLING: Final = (
    b"\0",
    b"\xff",
    b"\xfe",
    b"\xfb",
    b"\xfc\xff\xff",
    b"\xfe" + b"\xff" * 8,
    b"'",
    b'"',
    b"`",
    b"\\",
    b";",
)


def _flip(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + bytes(byte ^ 1 << random.randrange(8) for byte in data[at : at + 1]) + data[at + 1 :]


def _cut_out(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + data[at + random.randrange(1, 9) :]


def _put_in(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice((*_TELLING, SEPARATOR, random.randbytes(2))) + data[at:]


def _repeat(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    start = random.randrange(len(data) + 1)
    end = start + random.randrange(1, 33)
    return data[:end] + data[start:]


def _splice(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    other = random.choice(others)
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


def _insert_of_another(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    other = random.choice(others)
    at, start = random.randrange(len(data) + 1), random.randrange(len(other) + 1)
    return data[:at] + other[start : start + random.randrange(1, 33)] + data[at:]


_WAYS: Final[tuple[Callable[[Random, bytes, Sequence[bytes]], bytes], ...]] = (
    *(_flip, _cut_out, _put_in, _repeat, _splice, _insert_of_another),
)


def inputs(target: Target, kept: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Make so many inputs of the target's seeds and of those that are kept; the same for the same seed."""
    random = Random(seed)
    others = (*target.seeds, *kept, *target.words)
    for _ in range(count):
        data = random.choice(others)
        for _ in range(random.randrange(1, 6)):
            data = random.choice(_WAYS)(random, data, others)
        yield data[: target.longest]
