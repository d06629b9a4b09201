"""The files of what clients should not say, and the script that has made them: `python -m tests.fuzz.corpus`."""

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz import logins, packets

COUNT = 500
SEED = 20261125
LOGINS = Path(__file__).parent / "logins.txt"
PACKETS = Path(__file__).parent / "packets.txt"


@dataclass(frozen=True, slots=True)
class Case:
    """What a client says; kind: the function that has made it."""

    kind: str
    data: bytes


def make(kinds: Sequence[Callable[[Random], bytes]]) -> Iterator[Case]:
    """Make COUNT different cases of all kinds."""
    random = Random(SEED)
    seen: set[bytes] = set()
    while len(seen) < COUNT:
        kind = random.choice(kinds)
        data = kind(random)
        if data not in seen:
            seen.add(data)
            yield Case(kind.__name__, data)


def read(path: Path) -> list[Case]:
    """Read a file of cases: the kind and the bytes, in base64, one case a line."""
    lines = (line.split() for line in path.read_text().splitlines())
    return [Case(kind, base64.b64decode(data)) for kind, data in lines]


def write(path: Path, cases: Iterator[Case]) -> None:
    """Write a file of cases."""
    path.write_text("".join(f"{case.kind} {base64.b64encode(case.data).decode()}\n" for case in cases))


if __name__ == "__main__":
    write(LOGINS, make(logins.KINDS))
    write(PACKETS, make(packets.KINDS))
