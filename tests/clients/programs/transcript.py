"""What the Python programs print: each step's title with what came of it, the same on every run."""

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

LONGEST = 300


def read_settings() -> dict[str, Any]:
    """Read where to connect and what to run from the standard input."""
    settings: dict[str, Any] = json.load(sys.stdin)
    return settings


def blob(size: int) -> bytes:
    """Return bytes of every value, in an order that does not repeat."""
    return hashlib.shake_256(b"keyclash").digest(size)


def show(title: str, value: object) -> None:
    """Print one line."""
    print(f"{title}: {plain(value)!r}")


def refuse(title: str, number: int, action: Callable[[], object]) -> None:
    """Print the error with which an action fails; raise AssertionError if it is not the one with this number."""
    try:
        result = action()
    except Exception as error:
        refused(title, number, error)
    else:
        raise AssertionError(f"{title} ended well, with {result!r}, and not with error {number}")


def refused(title: str, number: int, error: Exception) -> None:
    """Print an error; raise it if it is not the one with this number."""
    if number not in (getattr(error, "errno", None), *error.args):
        raise error
    show(title, [type(error).__name__, error.args, getattr(error, "sqlstate", None)])


def plain(value: object) -> object:
    """Return a value that prints the same way every time: sets in order, long values by their digest."""
    match value:
        case set() | frozenset():
            return sorted(value)
        case Mapping():
            return {key: plain(item) for key, item in value.items()}
        case tuple() | list():
            return [plain(item) for item in value]
        case str() | bytes() | bytearray() if len(value) > LONGEST:
            data = value.encode() if isinstance(value, str) else bytes(value)
            return f"{type(value).__name__} of {len(value)}: {hashlib.sha256(data).hexdigest()}"
        case _:
            return value
