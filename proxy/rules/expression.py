"""The expressions of a rule's `set`, as statements are made of them: the user's text, cut at its columns."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class New:
    """A column of the row that the client offered."""

    column: str


@dataclass(frozen=True, slots=True)
class Old:
    """A column of the row that is there."""

    column: str


Part = bytes | New | Old


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression: the user's own text, cut where it names a column."""

    source: str
    parts: tuple[Part, ...]

    def render(self, new: Callable[[str], bytes], old: Callable[[str], bytes]) -> bytes:
        """Give the SQL, with what `new` and `old` make of each column's name in place of it."""
        return b"".join(_rendered(part, new, old) for part in self.parts)

    @property
    def reads(self) -> frozenset[str]:
        """The columns of the existing row that it reads, in lower case."""
        return frozenset(part.column.lower() for part in self.parts if isinstance(part, Old))


def _rendered(part: Part, new: Callable[[str], bytes], old: Callable[[str], bytes]) -> bytes:
    match part:
        case New(column):
            return new(column)
        case Old(column):
            return old(column)
        case _:
            return part
