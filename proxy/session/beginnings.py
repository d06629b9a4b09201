"""What becomes of an INSERT, remembered by how it begins: most have one of a few beginnings and values of their own."""

import re
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from proxy.rules.match import RuleSet
from proxy.sql.head import Head, head

_LOOK: Final = 1024  # bytes, as `head` looks at
_MOST: Final = 256  # beginnings that one session remembers
_NAME: Final = rb"(?:[0-9A-Za-z_$]++|`[^`]++`)"
_BEGINNING: Final = re.compile(
    rb"INSERT\s++(?:INTO\s++)?+" + _NAME + rb"(?:\." + _NAME + rb")?+\s*+(?:VALUES?\s*+)?+", re.IGNORECASE
)
"""A beginning that tells everything: no comment, and no name that goes on."""


class Way(Enum):
    """How an INSERT may go that is a text of its own."""

    PLAIN = auto()  # as it is: no rules are for it
    WATCHED = auto()  # as it is; a rule may answer a conflict with a second statement
    READ = auto()  # a rule may put another text in its place


class Beginnings:
    """Remembers the ways of one user's INSERTs in a session, as long as rules and schema are the same.

    Args:
        judge: finds the way of a statement that begins so, in a default schema.
    """

    __slots__ = ("_judge", "_rules", "_schema", "_ways")

    def __init__(self, judge: Callable[[Head, str | None], Way]) -> None:
        self._judge = judge
        self._ways: dict[bytes, Way] = {}
        self._rules: RuleSet | None = None
        self._schema: str | None = None

    def way_of(self, data: bytes, at: int, rules: RuleSet, schema: str | None) -> Way:
        """Find the way of an INSERT.

        Args:
            data: bytes that hold all of it.
            at: where it begins.
            rules: those in force.
            schema: the default schema.
        """
        if rules is not self._rules or schema != self._schema:
            self._ways.clear()
            self._rules, self._schema = rules, schema
        end = data.find(b"(", at, at + _LOOK)
        beginning = data[at:end]
        way = self._ways.get(beginning) if end > 0 else None
        if way is None:
            way = self._judge(head(data[at : at + _LOOK]), schema)
            if end > 0 and _BEGINNING.fullmatch(beginning):
                if len(self._ways) >= _MOST:
                    self._ways.clear()
                self._ways[beginning] = way
        return way
