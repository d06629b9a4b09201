"""A target, and the forms that inputs have."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from types import ModuleType
from typing import Final
from zlib import crc32

_FEW: Final = 48
SEPARATOR: Final = b"\x1c\x1d"
"""What stands between the parts of an input."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something that takes bytes of any making.

    Args:
        check: takes an input, and raises if something does not hold that must.
        seeds: inputs to begin with.
        words: bytes that mean something to it.
        longest: bytes of the longest input that is tried.
    """

    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...] = ()
    longest: int = 1024


def joined(*parts: bytes) -> bytes:
    """Make an input of parts."""
    return SEPARATOR.join(parts)


def parts(data: bytes, count: int) -> list[bytes]:
    """Take an input apart into so many parts; those that are missing are empty, and the last is all the rest."""
    found = data.split(SEPARATOR, count - 1)
    return found + [b""] * (count - len(found))


def pieces(data: bytes, random: Random) -> Iterator[bytes]:
    """Cut bytes: at some places, or a few of them into single ones."""
    if len(data) <= _FEW and not random.randrange(4):
        yield from (data[at : at + 1] for at in range(len(data)))
        return
    cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.randrange(1, 5)))
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        if start < end:
            yield data[start:end]


def random_of(data: bytes) -> Random:
    """Give what decides on cuts: the same for the same input."""
    return Random(crc32(data))


@contextmanager
def put(module: ModuleType, **values: object) -> Iterator[None]:
    """Put other values in the place of a module's own for a while."""
    own = {name: getattr(module, name) for name in values}
    for name, value in values.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in own.items():
            setattr(module, name, value)
