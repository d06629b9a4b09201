"""Which of the client's commands are INSERTs that rules have a say in.

A command is told by its start, before it is there as a whole: what rules are for must be read as one piece, all else
may be passed on in any. Where that depends on a reply that is still due (to a USE, a PREPARE) the command is taken for
one of them, and looked at again when it is known.
"""

from collections.abc import Callable, Collection
from typing import Final

from proxy.conflicts.insertions import Insertions
from proxy.rules.match import RuleSet, Way, way_for
from proxy.rules.rule import Rule
from proxy.session.batch import may_be_several, may_hold
from proxy.session.command import HEAD, Command
from proxy.session.contents import Contents
from proxy.session.fast_lane import FastLane
from proxy.session.insert_lane import InsertLane, may_return
from proxy.session.prepared import PreparedStatements
from proxy.session.resolution import Resolver
from proxy.session.statement import Statement
from proxy.session.variables import Variables
from proxy.sql.head import OFFERING, OTHER, Head, head
from proxy.sql.split import LIMIT
from proxy.wire import commands
from proxy.wire.execute import statement_of
from proxy.wire.framing import HEADER

WANTED: Final = tuple(
    {
        commands.QUERY: HEAD,
        commands.STMT_PREPARE: HEAD,
        commands.INIT_DB: HEAD,
        commands.SET_OPTION: 3,
        **dict.fromkeys(commands.ON_STATEMENTS, 5),
        **dict.fromkeys(commands.EXECUTES, HEAD),
    }.get(code, 1)
    for code in range(256)
)
"""How many bytes of a command's payload must be there before it can be passed on, by its code."""


class Selection:
    """Tells them for one session.

    Args:
        rules: gives the rules in force.
        resolver: knows which of them are for a statement of this session's user.
        contents: reads the commands.
        statements: the client's prepared statements.
        variables: the session's.
        lane: the session's fast lane, which knows whether a text may hold several statements.
        pending: the commands whose replies are due.
        mariadb: the server is MariaDB, where rows may be the reply to an INSERT.
        longest: see below.

    Attributes:
        longest: bytes of a statement that is read; a longer one is passed on.
    """

    __slots__ = (
        "_batch_limit",
        "_contents",
        "_lane",
        "_mariadb",
        "_pending",
        "_resolver",
        "_rules",
        "_statements",
        "_variables",
        "longest",
    )

    def __init__(
        self,
        rules: Callable[[], RuleSet],
        resolver: Resolver,
        contents: Contents,
        statements: PreparedStatements,
        variables: Variables,
        lane: FastLane,
        pending: Collection[Command],
        *,
        mariadb: bool,
        longest: int,
    ) -> None:
        self._rules = rules
        self._resolver = resolver
        self._contents = contents
        self._statements = statements
        self._variables = variables
        self._lane = lane
        self._pending = pending
        self._mariadb = mariadb
        self.longest = longest
        self._batch_limit = min(longest, LIMIT)

    def changed_user(self) -> None:
        """Go on for another user, for whom other rules may be."""
        self._lane.insert_lane = None

    # ----------------------------------------------------------------------------------------------------------------
    # By how an INSERT begins

    def insert_lane(
        self, user: str, insertions: Insertions, session: int, foresee: Callable[[bytes], None]
    ) -> InsertLane:
        """Make the lane for INSERTs that go as they are, see there."""
        rules, variables, mariadb, longest = self._rules, self._variables, self._mariadb, self.longest
        return InsertLane(self, rules, user, variables, insertions, session, foresee, mariadb=mariadb, longest=longest)

    def met_conflict(self) -> None:
        """Take note that a rule's statement follows the one that was sent last."""
        if self._lane.insert_lane is not None:
            self._lane.insert_lane.met()

    def way_of(self, start: Head, schema: str | None) -> Way:
        """Find the way of an INSERT that begins so, in a default schema."""
        return way_for(self._resolver.candidates(start, schema))

    # ----------------------------------------------------------------------------------------------------------------
    # By a command's start

    def needed(self, code: int, length: int) -> int:
        """Return how many bytes of a command's payload must be there before it can be judged.

        Args:
            code: its first byte.
            length: of the whole payload, in bytes.
        """
        if code == commands.QUERY and length <= self._batch_limit and self.takes_several() and self._rules().rules:
            return length  # they may be for any of its statements
        return min(length, WANTED[code])

    def is_too_long(self, size: int) -> bool:
        """Tell whether a text of so many bytes is passed on without being read."""
        return size > self.longest or (self._lane.several and size > self._batch_limit)

    def takes_several(self) -> bool:
        """Tell whether the server may take a text of several statements."""
        return self._lane.several or any(before.code == commands.SET_OPTION for before in self._pending)

    def ruled(self, code: int, data: bytes, position: int) -> Head | None:
        """Look whether a command is an INSERT that rules are for (as its start says), so that it must be seen whole.

        Args:
            code: its first byte.
            data: bytes that hold what is `needed` of it.
            position: where its packet begins in them.

        Returns:
            If it is one, how its text begins; `OTHER` for a command that has none.
        """
        if data[position + 3]:
            return None
        if code == commands.QUERY or code == commands.STMT_PREPARE:
            return self._ruled_text(code, data, position + HEADER) if self._rules().rules else None
        return OTHER if code in commands.ON_STATEMENTS and self._is_on_ruled(code, data, position) else None

    def is_for_rules(self, found: Head) -> bool:
        """Tell whether rules are for a statement that begins so, or may be."""
        if found.verb not in OFFERING:
            return False
        if any(before.code == commands.INIT_DB or before.verb == "use" for before in self._pending):
            return True  # it is looked at again when the schema is known
        return bool(self._resolver.candidates(found, self._variables.schema))

    def _ruled_text(self, code: int, data: bytes, start: int) -> Head | None:
        end = start + int.from_bytes(data[start - HEADER : start - 1], "little")
        at = 1 if code == commands.STMT_PREPARE else self._contents.text_at(data[start : min(start + HEAD, end)])
        if at < 0:
            return None
        at += start
        text = data[at : min(at + HEAD, end)]
        if _may_offer(text) and self.is_for_rules(found := head(text)):
            return found if found.verb == "insert" or code == commands.QUERY else None
        several = code == commands.QUERY and self.takes_several() and self._holds_ruled(data, start, end)
        return head(text) if several else None

    def _holds_ruled(self, data: bytes, start: int, end: int) -> bool:
        """Tell whether a text may hold an INSERT that rules are for behind another statement."""
        text = data[start:end]
        return end <= len(data) and may_be_several(text) and may_hold(text, self.is_for_rules)

    def _is_on_ruled(self, code: int, data: bytes, position: int) -> bool:
        """Tell the same of a command on a prepared statement, whatever the rules in force by now."""
        number = statement_of(data[position + HEADER : position + HEADER + 5])
        if self._statements.is_last(number) and any(before.code == commands.STMT_PREPARE for before in self._pending):
            return True  # it is looked at again when that statement's id is known
        if code not in commands.EXECUTES and code != commands.STMT_SEND_LONG_DATA:
            return False
        insert = self._statements.insert(number)
        if insert is None or code in commands.EXECUTES:
            return insert is not None
        return insert.long_data.takes(int.from_bytes(data[position : position + 3], "little"))

    # ----------------------------------------------------------------------------------------------------------------
    # Of a whole one

    def statement(
        self, prefix: bytes, text: bytes, start: Head, candidates: tuple[Rule, ...] | None = None
    ) -> Statement:
        """Make a statement, with the rules that are for it.

        Args:
            prefix: the payload up to the text.
            text: the text.
            start: what it begins with, or what stands for that.
            candidates: the rules; None: they are looked for.
        """
        variables = self._variables
        if candidates is None:
            candidates = self._resolver.candidates(start, variables.schema)
        lexing, definite = variables.lexing(), not variables.temporary
        returning = self._mariadb and may_return(text)
        return Statement(prefix, text, start, variables.schema, candidates, lexing, definite, returning)

    def insert(self, text: bytes, prefix: bytes = b"") -> Statement | None:
        """Make a statement of a text, or of one in a multi-statement text, if it is an INSERT that rules are for."""
        start = head(text[:HEAD])
        candidates = self._resolver.candidates(start, self._variables.schema)
        return self.statement(prefix, text, start, candidates) if candidates else None


def _may_offer(text: bytes) -> bool:
    """Tell whether a text may be an INSERT or a LOAD DATA, by its first byte: I, L, or no letter (a comment)."""
    first = text[:1]
    return first in b"iIlL" or not first.isalpha()
