"""What a session leaves behind for the search of causes: the inserts that it sends, and its last other commands."""

from collections import deque
from collections.abc import Sized
from typing import Final

from proxy.conflicts.attempt import Attempt
from proxy.conflicts.insertions import Insertions
from proxy.session.command import Command
from proxy.session.contents import Contents, Said
from proxy.session.fast_lane import SHORT
from proxy.session.prepared import Prepared
from proxy.sql.head import OFFERING
from proxy.wire import commands
from proxy.wire.execute import cut
from proxy.wire.framing import HEADER

RECENT: Final = 4
"""How many commands are kept: COMMIT, BEGIN and more may stand between a SELECT and the INSERT that follows from it."""
_BITMAP_AT: Final = HEADER + 10
"""Where an EXECUTE's null bitmap begins in its packet, without query attributes."""


class Trail:
    """Tells of one session's inserts.

    Args:
        insertions: who is told.
        contents: reads the session's commands.
        pending: those whose replies are due.
        recent: the last commands that were no inserts, the newest last; each as its packet, or the beginning of it.
        query_attributes: whether the session negotiated CLIENT_QUERY_ATTRIBUTES.

    Attributes:
        session: its number among those who tell.
    """

    __slots__ = ("_contents", "_insertions", "_pending", "_query_attributes", "_recent", "session")

    def __init__(
        self,
        insertions: Insertions,
        contents: Contents,
        pending: Sized,
        recent: deque[bytes],
        *,
        query_attributes: bool,
    ) -> None:
        self._insertions = insertions
        self._contents = contents
        self._pending = pending
        self._recent = recent
        self._query_attributes = query_attributes
        self.session = insertions.opened()

    def passed(self, command: Command, verb: str, packet: bytes, *, whole: bool) -> None:
        """Tell of a command with this verb that goes to the backend as it is, and as much of its packet as is there."""
        if verb not in OFFERING:
            self._recent.append(packet[:SHORT])
        elif whole:
            command.keep(packet)
            self.tell(command)

    def tell(self, command: Command) -> None:
        """Tell of an INSERT, all of which is here, that goes to the backend."""
        said = self._contents.said(command)
        schema = self._contents.schema(command)
        if said.whole and said.execution:
            types = self._run(said, command.started, schema)
            found = self._contents.prepared(command)
            if types and found:
                found.types = types
        elif said.whole:
            self.sent(said.text, command.started, schema)

    def sent(self, text: bytes, at: float, schema: str | None) -> None:
        """Tell of an INSERT, all of it, that goes to the backend as text.

        Args:
            text: the text.
            at: when it was read.
            schema: the default schema, as far as it is known.
        """
        self._insertions.sent(self.session, text, at, b"", schema)

    def executed(self, statement: Prepared, packet: bytes, at: float) -> None:
        """Tell of an execution of a prepared INSERT that no rules are for; packet: all of the EXECUTE."""
        count = statement.parameters
        if not statement.whole:
            return
        if self._query_attributes or not count:
            said = Said(statement.text, True, packet[HEADER:], count)
            statement.types = self._run(said, at, statement.schema) or statement.types
            return
        # what `cut` does, in a third of the time
        bound_at = _BITMAP_AT + (count + 7) // 8
        if len(packet) <= bound_at:
            return
        end = bound_at + 1
        if packet[bound_at] == 1:
            end += 2 * count
            statement.types = packet[bound_at + 1 : end]
        values = packet[_BITMAP_AT:bound_at] + packet[end:]
        self._insertions.executed(self.session, statement.bare, at, values, statement.schema)

    def attempt(self, command: Command, table: str | None) -> Attempt:
        """Say what is known of a command that has met a conflict; table: the one that its statement names."""
        said = self._contents.said(command)
        # what was sent behind it may be among the commands, and tells nothing of why it was sent
        last = len(self._pending) == 1
        before = tuple([packet[HEADER:] for packet in reversed(self._recent)]) if last else ()
        schema = self._contents.schema(command)
        attempt = Attempt(self.session, said.text, said.whole, b"", command.started, before, table, schema=schema)
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
        self._insertions.ended(self.session)

    def _run(self, said: Said, at: float, schema: str | None) -> bytes:
        """Tell of any execution of an INSERT; return the types that it brings."""
        found = cut(said.execution, said.parameters, query_attributes=self._query_attributes)
        if found is None:
            return b""
        values, types = found
        self._insertions.sent(self.session, said.text, at, values, schema)
        return types
