"""The expressions of a rule's `set`: checked once when the file is read, spliced into statements ever after."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class New:
    """A column of the row that the client offered."""

    column: str


@dataclass(frozen=True, slots=True)
class Old:
    """A column of the row that is there."""

    column: str


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression: the user's own text, cut where it names a column."""

    source: str
    parts: tuple[bytes | New | Old, ...]
