"""What a session leaves behind for the search of causes: the inserts that it sends, and its last other commands."""

from collections import deque
from typing import Final, NamedTuple

from proxy.conflicts.attempt import Attempt
from proxy.conflicts.insertions import Insertions
from proxy.session.prepared import Prepared
from proxy.wire import commands
from proxy.wire.execute import cut
from proxy.wire.framing import HEADER

COMMANDS: Final = 4
"""How many commands are kept: COMMIT, BEGIN and more may stand between a SELECT and the INSERT that follows from it."""
_BITMAP_AT: Final = HEADER + 10
"""Where an EXECUTE's null bitmap begins in its packet, without query attributes."""
SHORT: Final = 1_024
"""Bytes of a command that is kept, or of the beginning that is kept of a longer one."""


class Said(NamedTuple):
    """A statement as a command has sent it.

    Args:
        text: its text, of a prepared one the text that was prepared; only its beginning if not `whole`.
        whole: whether that is all, and so is the execution.
        execution: of a prepared one the whole command that runs it.
        parameters: how many it has.
        types: two bytes for each, as they were sent last; b"" if they are not known.
    """

    text: bytes
    whole: bool
    execution: bytes = b""
    parameters: int = 0
    types: bytes = b""


class Trail:
    """Tells of one session's inserts.

    Args:
        insertions: who is told.
        query_attributes: whether the session negotiated CLIENT_QUERY_ATTRIBUTES.

    Attributes:
        commands: the last commands that were no inserts, the newest last; each as its packet, or the beginning of it.
    """

    __slots__ = ("_insertions", "_query_attributes", "_session", "commands")

    def __init__(self, insertions: Insertions, query_attributes: bool) -> None:
        self._insertions = insertions
        self._query_attributes = query_attributes
        self._session = insertions.opened()
        self.commands: deque[bytes] = deque(maxlen=COMMANDS)

    def sent(self, text: bytes, at: float) -> None:
        """Tell of an INSERT, all of it, that goes to the backend as text; at: when it was read."""
        self._insertions.sent(self._session, text, at)

    def executed(self, statement: Prepared, packet: bytes, at: float) -> None:
        """Tell of an execution of a prepared INSERT that no rules are for; packet: all of the EXECUTE."""
        count = statement.parameters
        if not statement.whole:
            return
        if self._query_attributes or not count:
            said = Said(statement.text, True, packet[HEADER:], count)
            statement.types = self.run(said, at) or statement.types
            return
        # what `cut` does, in a third of the time
        bound_at = _BITMAP_AT + (count + 7) // 8
        if len(packet) <= bound_at:
            return
        end = bound_at + 1
        if packet[bound_at] == 1:
            end += 2 * count
            statement.types = packet[bound_at + 1 : end]
        self._insertions.executed(self._session, statement.bare, at, packet[_BITMAP_AT:bound_at] + packet[end:])

    def run(self, said: Said, at: float) -> bytes:
        """Tell of any execution of an INSERT; return the types that it brings."""
        found = cut(said.execution, said.parameters, query_attributes=self._query_attributes)
        if found is None:
            return b""
        values, types = found
        self._insertions.sent(self._session, said.text, at, values)
        return types

    def attempt(self, said: Said, at: float, *, last: bool) -> Attempt:
        """Make an attempt of a statement that has met a conflict.

        Args:
            said: the statement.
            at: when it was read.
            last: whether no command was sent behind it.
        """
        # what was sent behind it may be among the commands, and tells nothing of why it was sent
        before = tuple(packet[HEADER:] for packet in reversed(self.commands)) if last else ()
        attempt = Attempt(self._session, said.text, said.whole, started=at, before=before)
        if not said.whole or not said.execution:
            return attempt
        found = cut(said.execution, said.parameters, query_attributes=self._query_attributes)
        if found is None:
            return attempt._replace(whole=False)
        values, types = found
        bulk = said.execution[0] == commands.STMT_BULK_EXECUTE
        return attempt._replace(parameters=values, types=types or said.types, bulk=bulk)

    def end(self) -> None:
        """Tell of the session's end."""
        self._insertions.ended(self._session)
