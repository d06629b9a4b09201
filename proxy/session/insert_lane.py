"""INSERTs on the fast lane: which of them go as they are, remembered by how they begin.

Most have one of a few beginnings, and values of their own. What can be compiled is: see `insert_lane.pxd`.
"""

import re
from collections.abc import Callable
from typing import Final, Protocol

from proxy.conflicts.insertions import Insertions
from proxy.rules.match import RuleSet, Way, Ways
from proxy.session.variables import Variables
from proxy.sql.head import Head, head
from proxy.wire import commands

_LOOK: Final = 1024  # bytes, as `head` looks at
_MOST: Final = 256  # beginnings that are remembered
_TAIL: Final = 1 << 16
_NAME: Final = rb"(?:[0-9A-Za-z_$]++|`[^`]++`)"
_BEGINNING: Final = re.compile(
    rb"INSERT\s++(?:INTO\s++)?+" + _NAME + rb"(?:\." + _NAME + rb")?+"
    rb"(?:\s++SET\s++" + _NAME + rb"\s*+|\s*+(?:VALUES?\s*+)?+)",
    re.IGNORECASE,
)
"""A beginning, up to `(` or `=`, that tells everything: no comment, and no name that goes on."""
_OPENING: Final = ord("(")  # of bytes in bytes, Python tries a number first, and makes an error of it
_EQUALS: Final = ord("=")
_SEMICOLON: Final = ord(";")
_EXPECTED: Final = 3  # conflicts in a row: with half of all INSERTs in conflict, one in sixteen is foreseen in vain
_FORESEEN: Final = 1024  # bytes: what was read for nothing is kept until the next one
_PLAIN: Final = Way.PLAIN
_WATCHED: Final = Way.WATCHED


class Judge(Protocol):
    """What the insert lane asks, as `Selection` has it."""

    def way_of(self, start: Head, schema: str | None) -> Way:
        """Find the way of a statement that begins so, in a default schema."""

    def ruled(self, code: int, data: bytes, position: int) -> Head | None:
        """Look whether a command is, or may hold, an INSERT that rules are for; None: neither."""


class InsertLane:
    """Takes the INSERTs that one user sends as texts in a session, and tells of those that go as they are.

    Args:
        judge: finds the ways of INSERTs.
        rules: gives the rules in force.
        user: who is logged in.
        variables: the session's, for the default schema.
        insertions: who is told.
        session: the session's number there.
        mariadb: the server is MariaDB, where rows may be the reply to an INSERT.
        longest: bytes of a statement that rules are for; a longer one goes as it is.
        foresee: called with a chunk that goes if it will most likely meet a conflict, as those before it did, and rules
            may answer that; called before it is sent.
    """

    __slots__ = (
        "_foresee",
        "_in_a_row",
        "_insertions",
        "_judge",
        "_known_for",
        "_longest",
        "_mariadb",
        "_rules",
        "_schema",
        "_session",
        "_user",
        "_variables",
        "_ways",
        "_were_in_a_row",
    )

    def __init__(
        self,
        judge: Judge,
        rules: Callable[[], RuleSet],
        user: str,
        variables: Variables,
        insertions: Insertions,
        session: int,
        foresee: Callable[[bytes], None],
        *,
        mariadb: bool,
        longest: int,
    ) -> None:
        self._judge = judge
        self._rules = rules
        self._user = user
        self._variables = variables
        self._insertions = insertions
        self._session = session
        self._foresee = foresee
        self._mariadb = mariadb
        self._longest = longest
        self._ways: Ways = {}
        self._known_for: RuleSet | None = None
        self._schema: str | None = None
        self._in_a_row = self._were_in_a_row = 0

    def goes(self, data: bytes, at: int, started: float, several: bool) -> bool:
        """Tell of an INSERT that goes as it came, with nothing of its reply kept back; False: it must be read first.

        Args:
            data: a chunk that is one whole COM_QUERY.
            at: where the text begins in it.
            started: when it was read, in seconds of the monotonic clock.
            several: the text may hold several statements.
        """
        if several and _SEMICOLON in data:
            if self._judge.ruled(commands.QUERY, data, 0) is not None:
                return False
        else:
            way = self._way_of(data, at)
            if way is not _PLAIN:
                if way is not _WATCHED or not self._may_be_watched(data):
                    return False
                if self._in_a_row >= _EXPECTED and len(data) <= _FORESEEN:
                    self._foresee(data)
                self._were_in_a_row = self._in_a_row
                self._in_a_row = 0
        self._insertions.sent(self._session, data[at:], started, b"", self._variables.schema)
        return True

    def met(self) -> None:
        """Take note that a rule answers a conflict of the INSERT that went last."""
        self._in_a_row = self._were_in_a_row + 1

    def _may_be_watched(self, data: bytes) -> bool:
        return len(data) <= self._longest and not (self._mariadb and may_return(data))

    def _way_of(self, data: bytes, at: int) -> Way:
        rules, schema = self._rules(), self._variables.schema
        if rules is not self._known_for or schema != self._schema:
            self._ways = rules.ways(schema, self._user)
            self._known_for, self._schema = rules, schema
        end = data.find(_OPENING, at, at + _LOOK)
        way = self._ways.get(data[at:end]) if end > 0 else None
        return way or self._way_by_sign(data, at, end, schema)

    def _way_by_sign(self, data: bytes, at: int, end: int, schema: str | None) -> Way:
        """Find the way of an INSERT that is not known by what stands before its `(`, which is here; -1: far away."""
        equals = data.find(_EQUALS, at, end if end > 0 else at + _LOOK)
        beginning = data[at : equals if equals > 0 else max(at, end)]
        way = self._ways.get(beginning)
        if way is None:
            way = self._judge.way_of(head(data[at : at + _LOOK]), schema)
            if _BEGINNING.fullmatch(beginning):
                if len(self._ways) >= _MOST:
                    self._ways.clear()
                self._ways[beginning] = way
        return way


def may_return(text: bytes) -> bool:
    """Tell whether rows may be the reply to an INSERT, which begins before the server has met a duplicate.

    RETURNING is the last clause: a text's end is searched for it.
    """
    return b"returning" in text[-_TAIL:].lower()
