"""The client's prepared statements.

The server gives each an id, by which the client calls it from then on. MariaDB has a further one for whichever was
prepared last. As the proxy prepares rules' texts in between, that one is put into the client's own terms: it always
stands for the client's last statement.
"""

from dataclasses import dataclass
from typing import Final

from proxy.conflicts.insertions import bare
from proxy.rules.match import rule_for_insert
from proxy.session.client_stream import Pass
from proxy.session.command import Command
from proxy.session.fast_lane import FastLane
from proxy.session.prepared_insert import LongData, PreparedInsert
from proxy.session.statement import Statement
from proxy.session.variables import CHANGING, Variables
from proxy.sql.head import DEFINING, OFFERING, Head, head
from proxy.sql.reason import Reason
from proxy.wire import commands
from proxy.wire.answers import ERR
from proxy.wire.errors import ProtocolError
from proxy.wire.execute import Execution, parse_execution, statement_of, with_statement
from proxy.wire.framing import HEADER, frame

_LAST: Final = 0xFFFFFFFF  # MariaDB's id for the statement prepared last
_NO_ID: Final = -1
_KEPT_TEXT: Final = 4096
"""How many bytes of an INSERT's text are kept where no rules are for it."""
_WATCHED: Final = DEFINING | CHANGING | OFFERING


@dataclass(slots=True)
class Prepared:
    """One prepared statement of the client's.

    Args:
        head: what its text says.
        schema: the default schema when it was prepared.
        insert: more of it, if rules are for it.
        text: of an INSERT the text, or its beginning if it is not `whole`; bare: without a comment around it.
        parameters: how many it has.
        types: theirs, as they were sent last.
        unseen: why it is not followed, if rules are for it after all.
    """

    head: Head
    schema: str | None
    insert: PreparedInsert | None = None
    text: bytes = b""
    bare: bytes = b""
    whole: bool = False
    parameters: int = 0
    types: bytes = b""
    unseen: Reason = Reason.PREPARED


class PreparedStatements:
    """All of them, by their ids.

    Args:
        lane: the session's fast lane, which is told whose executions it may take.
        variables: the session's.
        mariadb: the server is MariaDB, which has the id of the last one.
        query_attributes: whether the session negotiated CLIENT_QUERY_ATTRIBUTES.
        long_data: bytes of parameters that are kept at most for one INSERT's next execution.
    """

    __slots__ = ("_by_id", "_lane", "_last", "_latest", "_long_data", "_query_attributes", "_variables")

    def __init__(
        self, lane: FastLane, variables: Variables, *, mariadb: bool, query_attributes: bool, long_data: int
    ) -> None:
        self._lane = lane
        self._variables = variables
        self._query_attributes = query_attributes
        self._long_data = long_data
        self._by_id: dict[int, Prepared] = {}
        self._latest = _LAST if mariadb else _NO_ID
        self._last = 0  # the client's last one

    def get(self, number: int) -> Prepared | None:
        """Give the statement that the client calls so."""
        return self._by_id.get(self._own(number))

    def insert(self, number: int) -> PreparedInsert | None:
        """Give the INSERT that the client calls so, if rules are for it."""
        found = self.get(number)
        return found.insert if found else None

    def is_last(self, number: int) -> bool:
        """Tell whether this is the id of whichever statement was prepared last."""
        return number == self._latest

    def framed(self, payload: bytes) -> bytes:
        """Frame a command, so that the last statement is not one of the proxy's own."""
        if self._lane.own_last and statement_of(payload) == self._latest:
            payload = with_statement(payload, self._last)
        return frame(payload, 0)

    # ----------------------------------------------------------------------------------------------------------------
    # How they come and go

    def add(self, command: Command, payload: bytes) -> None:
        """Read the reply to a PREPARE: 0x00, statement id (4), columns (2), parameters (2), ...; or ERR."""
        self._lane.own_last = False
        if payload[0] == ERR:  # MariaDB knows no last one now
            self._last = 0
            return
        self._last = number = statement_of(payload)
        parameters = payload[7] | payload[8] << 8
        if command.statement is None:
            found = self._passed_on(command, parameters)
        else:
            found = self._ruled(command.statement, number, parameters)
        self._by_id[number] = found
        if found.insert or found.head.verb in _WATCHED:
            self._lane.watched.add(payload[1:5])
            self._lane.watched.add(_LAST.to_bytes(4, "little"))
        if not found.insert and found.head.verb in OFFERING:
            self._lane.inserts[payload[1:5]] = found

    def add_beside(self) -> None:
        """Take note that a text of the proxy's own is prepared."""
        self._lane.own_last = True

    def forget(self) -> None:
        """Forget all, as the server does when the session begins anew."""
        self._by_id.clear()
        self._lane.watched.clear()
        self._lane.inserts.clear()
        self._last = 0
        self._lane.own_last = False

    def _passed_on(self, command: Command, parameters: int) -> Prepared:
        """Make a statement that rules are not for, as far as is known."""
        found = Prepared(head(command.start[1:]), self._variables.schema)
        found.unseen = command.unseen or Reason.PREPARED
        if found.head.verb in OFFERING:
            found.text = command.payload[1 : _KEPT_TEXT + 1]
            found.bare = bare(found.text)
            found.whole = command.whole and len(command.payload) <= _KEPT_TEXT + 1
            found.parameters = parameters
        return found

    def _ruled(self, statement: Statement, number: int, parameters: int) -> Prepared:
        """Make an INSERT that rules are for."""
        insert = PreparedInsert(
            statement=statement,
            number=number,
            parameters=parameters,
            version=self._variables.version,
            always=rule_for_insert(statement.candidates) is not None,
            long_data=LongData(self._long_data),
        )
        return Prepared(statement.head, statement.schema, insert)

    def _own(self, number: int) -> int:
        return self._last if number == self._latest else number

    # ----------------------------------------------------------------------------------------------------------------
    # Commands on them

    def keep_long_data(self, payload: bytes) -> bytes | Pass:
        """Keep a SEND_LONG_DATA for the next execution; give what becomes of it now."""
        insert = self.insert(statement_of(payload))
        if insert is None:
            return Pass.ON
        insert.long_data.add(payload)
        return b"" if insert.always else self.framed(payload)

    def read_execution(self, insert: PreparedInsert, command: Command, payload: bytes) -> Execution | None:
        """Read an execution of an INSERT that rules are for; None: it cannot be read."""
        try:
            execution = parse_execution(payload, insert.parameters, query_attributes=self._query_attributes)
        except ProtocolError:
            return None
        insert.learn_types(execution)
        command.execution = execution
        command.blocked = insert.blocked(execution, self._variables.version)
        return execution

    def pass_on(self, command: Command, packet: bytes) -> bytes | Pass:
        """Take a command that is passed on unread, and as much of its packet as is there; give what becomes of it."""
        number = self._own(statement_of(command.start))
        found = self._by_id.get(number)
        if found and command.code == commands.STMT_SEND_LONG_DATA:
            found.whole = False  # what an EXECUTE says from now on is not all
        ahead = _ahead_of(command, found.insert) if found and found.insert else b""
        if command.code == commands.STMT_CLOSE:
            self._by_id.pop(number, None)
            self._lane.watched.discard(command.start[1:5])
            self._lane.inserts.pop(command.start[1:5], None)
        if self._lane.own_last and statement_of(command.start) == self._latest:
            return ahead + packet[:HEADER] + with_statement(packet[HEADER:], number)
        return ahead + packet if ahead else Pass.ON


def _ahead_of(command: Command, insert: PreparedInsert) -> bytes:
    """Return what goes to the backend before a command on a prepared INSERT that is passed on unread."""
    if command.code == commands.STMT_CLOSE:
        return insert.closes()
    if command.code == commands.STMT_RESET:
        insert.long_data.clear()
    elif command.code == commands.STMT_SEND_LONG_DATA:
        return insert.overflow()
    elif command.code in commands.EXECUTES:  # larger than what is read
        command.prepared = insert
        insert.types = None  # it may bring new ones
        return insert.overflow()
    return b""
