"""The inputs that are kept in the repository, in base64, one a line: the few that reach all that any has reached.

Those that have shown a fault are kept for good, in a file of their own.
"""

import base64
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

FOLDER = Path(__file__).parent / "inputs"
PROXY = str(Path(__file__).parents[2] / "proxy") + "/"

Step = tuple[CodeType, int, int]


def read(name: str) -> list[bytes]:
    """Read the inputs that are kept for a target."""
    paths = (FOLDER / f"{name}.txt", FOLDER / f"{name}.faults.txt")
    return [base64.b64decode(line) for path in paths if path.exists() for line in path.read_text().splitlines()]


def write(name: str, inputs: Iterable[bytes]) -> None:
    """Keep inputs for a target, in place of those that were kept but for those that have shown a fault."""
    lines = [base64.b64encode(data).decode() + "\n" for data in sorted(inputs, key=lambda data: (len(data), data))]
    (FOLDER / f"{name}.txt").write_text("".join(lines))


def fewest(check: Callable[[bytes], None], inputs: Iterable[bytes]) -> list[bytes]:
    """Give as few of the inputs as reach what all of them do: the shortest ones that reach something new."""
    reached: set[Step] = set()
    found = []
    for data in sorted(set(inputs), key=lambda data: (len(data), data)):
        steps = steps_of(check, data)
        if not steps <= reached:
            reached |= steps
            found.append(data)
    return found


def steps_of(check: Callable[[bytes], None], data: bytes) -> set[Step]:
    """Follow the proxy through an input; give each step from one of its lines to another."""
    steps: set[Step] = set()

    def begin(frame: FrameType, event: str, argument: Any) -> Callable[[FrameType, str, Any], Any] | None:
        if not frame.f_code.co_filename.startswith(PROXY):
            return None
        before = 0

        def go(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal before
            if event == "line":
                steps.add((frame.f_code, before, frame.f_lineno))
                before = frame.f_lineno
            return go

        return go

    outer = sys.gettrace()
    sys.settrace(begin)
    try:
        check(data)
    finally:
        sys.settrace(outer)
    return steps
