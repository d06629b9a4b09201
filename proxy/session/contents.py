"""What the client's commands say: their texts, and which statement each is about, in which schema."""

from typing import NamedTuple

from proxy.session.command import Command
from proxy.session.prepared import Prepared, PreparedStatements
from proxy.session.variables import Variables
from proxy.sql.head import OFFERING, OTHER, Head, head
from proxy.sql.reason import Reason
from proxy.wire import commands
from proxy.wire.errors import ProtocolError
from proxy.wire.execute import statement_of
from proxy.wire.query import text_offset


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


_NOTHING = Said(b"", whole=False)


class Contents:
    """Reads what is here of one session's commands.

    Args:
        query_attributes: whether the session negotiated CLIENT_QUERY_ATTRIBUTES.
        statements: its prepared statements.
        variables: its variables, for the default schema.
    """

    __slots__ = ("_query_attributes", "_statements", "_variables")

    def __init__(self, statements: PreparedStatements, variables: Variables, *, query_attributes: bool) -> None:
        self._statements = statements
        self._variables = variables
        self._query_attributes = query_attributes

    def text_at(self, payload: bytes) -> int:
        """Return where the text begins in a COM_QUERY payload; -1 where its attributes do not tell."""
        try:
            return text_offset(payload, query_attributes=self._query_attributes)
        except ProtocolError:
            return -1  # attributes longer than what is looked at; the server says what is wrong with others

    def text(self, command: Command) -> bytes:
        """Return the start of a COM_QUERY's text; b"" where it is not here."""
        at = self.text_at(command.start)
        return command.start[at:] if at >= 0 else b""

    def prepared(self, command: Command) -> Prepared | None:
        """Give the prepared statement that a command runs."""
        return self._statements.get(statement_of(command.start))

    def about(self, command: Command) -> tuple[Head, str | None]:
        """Say what a command's statement does, prepared or not, and in which default schema."""
        if command.statement is not None:
            return command.statement.head, command.statement.schema
        if command.code in commands.EXECUTES:
            found = self.prepared(command)
            return (found.head, found.schema) if found else (OTHER, None)
        if command.batch is not None:
            return head(command.batch.text), self._variables.schema
        said = head(self.text(command)) if command.code == commands.QUERY else OTHER
        return said, self._variables.schema

    def schema(self, command: Command) -> str | None:
        """Give the default schema that a command's statement is read in; None if it is not known."""
        if command.statement is not None:
            return command.statement.schema
        if command.code in commands.EXECUTES:
            found = self.prepared(command)
            return found.schema if found else None
        return self._variables.schema

    def said(self, command: Command) -> Said:
        """Say which statement a command has sent."""
        insert, statement = command.prepared, command.statement
        if insert is not None:
            if command.execution is None or insert.long_data.payloads:
                return Said(insert.statement.text, whole=False)
            return Said(insert.statement.text, True, command.execution.payload, insert.parameters, insert.types or b"")
        if statement is not None:
            return Said(statement.text, whole=True)
        if command.batch is not None:
            return Said(command.batch.text, whole=True)
        if command.code in commands.EXECUTES:
            found = self.prepared(command)
            if found is None:
                return _NOTHING
            return Said(found.text, found.whole and command.whole, command.payload, found.parameters, found.types)
        at = self.text_at(command.payload)
        return Said(command.payload[at:], command.whole) if at >= 0 else _NOTHING

    def why_unseen(self, command: Command) -> Reason | None:
        """Say why a command has no statement of its own, if it may be an INSERT all the same."""
        if command.code in commands.EXECUTES:
            found = self.prepared(command)
            if found is None or found.head.verb not in OFFERING:
                return None
            return found.unseen if found.insert is None else Reason.TOO_LARGE
        hidden = command.verb == "hidden" or self.text_at(command.start) < 0
        return Reason.TOO_LARGE if command.code == commands.QUERY and hidden else None
