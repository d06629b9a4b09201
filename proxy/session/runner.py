"""INSERTs that rules are for: what the backend is sent in the client's place.

The resolver decides on a text; here it becomes packets, in the form that the client's own command has: a COM_QUERY, one
statement of several, or an execution of a prepared statement, for which the text is prepared first, out of the client's
sight.
"""

from dataclasses import replace
from functools import partial
from typing import Final

from proxy.session.batch import Batch, first_ruled, may_be_several
from proxy.session.client_stream import ClientStream, Pass
from proxy.session.command import Command, Stage
from proxy.session.contents import Contents
from proxy.session.decision import Pause, Send, Wait
from proxy.session.effects import Effects
from proxy.session.in_flight import InFlight
from proxy.session.prepared import PreparedStatements
from proxy.session.reply_gate import ReplyGate
from proxy.session.resolution import Resolver
from proxy.session.selection import Selection
from proxy.session.settings import Tables, Wires
from proxy.session.statement import Statement
from proxy.session.status import is_alone
from proxy.session.trail import Trail
from proxy.sql.head import Head
from proxy.sql.statement import Skip
from proxy.wire import commands
from proxy.wire.answers import ERR
from proxy.wire.errors import ProtocolError
from proxy.wire.execute import statement_of
from proxy.wire.framing import HEADER, frame, reply_id
from proxy.wire.replies import ReplyTracker
from proxy.wire.sequence import Shift

_ERR: Final = bytes((ERR,))
_NOTHING: Final = (b"", None)


class Runner:
    """Runs them, one at a time: what the client sends behind one is kept until its reply has ended.

    Args:
        wires: where to write, and who calls back after others have had their turn.
        tables: looks up the definitions that a command waits for.
        client: the client's bytes, which it keeps.
        tracker: follows the reply to what is sent.
        flight: the commands that are under way.
        gate: what the client gets of the replies.
        resolver: decides.
        selection: makes statements of texts.
        statements: the client's prepared statements.
        contents: reads the commands.
        effects: is told of texts that cannot be read as single statements.
        trail: is told of what is sent.

    Attributes:
        preparing: the text that is being prepared on a rule's behalf; b"" if none is.
        waiting: a command waits to be gone on with, and so does its reply if there was one.
    """

    __slots__ = (
        "_client",
        "_contents",
        "_effects",
        "_ended",
        "_flight",
        "_foreseen",
        "_gate",
        "_resolver",
        "_selection",
        "_statements",
        "_tables",
        "_tracker",
        "_trail",
        "_wires",
        "preparing",
        "waiting",
    )

    def __init__(
        self,
        wires: Wires,
        tables: Tables | None,
        client: ClientStream,
        tracker: ReplyTracker,
        flight: InFlight,
        gate: ReplyGate,
        resolver: Resolver,
        selection: Selection,
        statements: PreparedStatements,
        contents: Contents,
        effects: Effects,
        trail: Trail,
    ) -> None:
        self._wires = wires
        self._tables = tables
        self._client = client
        self._tracker = tracker
        self._flight = flight
        self._gate = gate
        self._resolver = resolver
        self._selection = selection
        self._statements = statements
        self._contents = contents
        self._effects = effects
        self._trail = trail
        self._ended = False
        self._foreseen: tuple[bytes, Statement | None] = _NOTHING
        self.preparing = b""
        self.waiting = False

    def release(self) -> None:
        """Read on what the client has sent meanwhile, if nothing stands in its way any more."""
        if self._client.held and (self._flight.infile or not self._flight.commands):
            if self._client.waiting:
                self._wires.release_client()
            self._client.release()

    def end(self) -> None:
        """Do nothing any more, whatever is still called back."""
        self._ended = True
        if self._flight.commands:
            self._resolver.broken_off(self._flight.commands[0])

    # ----------------------------------------------------------------------------------------------------------------
    # What is sent in the first place

    def foresee(self, data: bytes) -> None:
        """Get ready for the conflict that an INSERT will most likely meet, while the backend is at work on it.

        data: a chunk that is one whole COM_QUERY, and that the fast lane is about to send.
        """
        self._wires.soon(partial(self._foresee, data))

    def _foresee(self, data: bytes) -> None:
        """Read an INSERT that the fast lane has sent, and make a rule's statement."""
        if self._ended:
            return
        statement = self._ruled(data[HEADER:])
        if statement is not None:
            self._resolver.foresee(statement)
        self._foreseen = data, statement

    def take_up(self, command: Command) -> None:
        """Go on with a text that the fast lane has sent, if a rule may answer its conflict with a second one."""
        chunk, statement = self._foreseen
        self._foreseen = _NOTHING
        if chunk is not command.chunk:
            statement = self._ruled(command.payload)
        if statement is not None:
            self._hold(command)
            self._resolver.watch(command, statement)

    def _ruled(self, payload: bytes) -> Statement | None:
        """Make a statement of a COM_QUERY that the fast lane has sent, if it is an INSERT that rules are for."""
        at = self._contents.text_at(payload)
        return self._selection.insert(payload[at:], payload[:at]) if payload[at : at + 3].lower() == b"ins" else None

    def start(self, command: Command, begins: Head, data: bytes, start: int, end: int) -> bytes | Pass:
        """Begin with a command that is here as a whole.

        Args:
            command: it.
            begins: what the start of its text says.
            data: bytes that hold its payload.
            start: where that begins in them.
            end: where it ends.

        Returns:
            What becomes of its packet, or what goes to the backend in its place.
        """
        self._hold(command)
        answer = self._start(command, begins, data, start, end)
        if isinstance(answer, Pause):
            self._wait(command, answer)
            return b""
        return answer

    def _hold(self, command: Command) -> None:
        self._client.hold()
        command.alone = is_alone(self._tracker.status)

    def _start(self, command: Command, begins: Head, data: bytes, start: int, end: int) -> bytes | Pass | Pause:
        """Begin with a command; a large one is not copied more than it must be."""
        if command.code in commands.EXECUTES:
            return self._start_execution(command, data[start:end])
        at = start + (1 if command.code == commands.STMT_PREPARE else self._contents.text_at(command.start))
        text = data[at:end]
        command.statement = statement = self._selection.statement(data[start:at], text, begins)
        if command.code == commands.STMT_PREPARE:
            return Pass.ON
        if self._selection.takes_several() and may_be_several(text):
            command.batch = Batch(statement, self._selection.insert, self._resolver.first_text)
        else:
            self._trail.sent(text, command.started, statement.schema)
        first = self._first_text(command, statement)
        if isinstance(first, Pause):
            return first
        return Pass.ON if first is text else self._asking(command, (command.batch or statement).packets(first))

    def _start_execution(self, command: Command, payload: bytes) -> bytes | Pass | Pause:
        """Begin with an execution of a prepared INSERT."""
        command.prepared = insert = self._statements.insert(statement_of(payload))
        if insert is None:
            return Pass.ON
        execution = self._statements.read_execution(insert, command, payload)
        if execution is None:  # the server says what is wrong with it
            return insert.overflow() + self._statements.framed(payload)
        self._gate.keeping = insert.statement.returning
        self._trail.tell(command)
        first = self._resolver.first_text(command, insert.statement)
        if isinstance(first, Pause):
            return first
        if first is not insert.statement.text:
            self._run(command, first)
            return b""
        if insert.always:
            return self._asking(command, insert.packets(execution, insert.number))
        return self._statements.framed(payload)

    def _first_text(self, command: Command, statement: Statement) -> bytes | Pause:
        """Decide what is sent in the first place for a statement, or for the first one of several."""
        if command.batch is not None:
            first = command.batch.read_on(command)
            if isinstance(first, Pause):
                command.stage = Stage.UNSENT
                return first
            if isinstance(first, bytes):
                self._gate.keeping = command.statement is not None and command.statement.returning
                return first
            command.batch = None
            if statement.head.verb == "insert":
                self._trail.sent(statement.text, command.started, statement.schema)
            if isinstance(first, Skip):
                statement = self._opaque(command, statement, first)
        self._gate.keeping = statement.returning
        return self._resolver.first_text(command, statement)

    def _opaque(self, command: Command, whole: Statement, skip: Skip) -> Statement:
        """Let a text whose statements cannot be told apart stand for the first INSERT in it that rules are for."""
        command.unseen = skip.reason
        self._effects.sent(command)
        if whole.candidates:
            return whole
        ruled = first_ruled(whole.text, self._selection.is_for_rules)
        if ruled is None:
            return whole
        return replace(self._selection.statement(whole.prefix, whole.text, ruled), insert=skip)

    # ----------------------------------------------------------------------------------------------------------------
    # What is sent next

    def follow(self, command: Command, answer: Send | Wait | Pause) -> None:
        """Go on with a command as the resolver says."""
        if isinstance(answer, Send):
            self._selection.met_conflict()
            self._run(command, answer.text)
        else:
            self._wait(command, answer)

    def _wait(self, command: Command, wait: Wait | Pause) -> None:
        """Let a command wait for the definition of its table, or until others have had their turn."""
        self.waiting = True
        if isinstance(wait, Pause):
            self._wires.soon(partial(self._resume, command))
        elif self._tables is not None:
            self._tables.request(wait.schema, wait.table, partial(self._resume, command))

    def _resume(self, command: Command) -> None:
        """Go on with a command that has waited."""
        if self._ended or not self._flight.commands or self._flight.commands[0] is not command:
            return
        self.waiting = False
        answer = self._first(command) if command.stage is Stage.UNSENT else self._resolver.resumed(command)
        if not isinstance(answer, bytes):
            self.follow(command, answer)
            return
        self._flight.finish()
        self._wires.to_client(frame(answer, command.error_id))
        self.release()

    def _first(self, command: Command) -> Send | Pause:
        """Decide what is sent in the first place, in a later turn."""
        statement = command.batch.whole if command.batch is not None else command.statement
        if statement is None:
            raise ProtocolError("a command goes on that never was")
        first = self._first_text(command, statement)
        return first if isinstance(first, Pause) else Send(first)

    def _run(self, command: Command, text: bytes) -> None:
        """Have the backend run a text in place of the client's command, or the client's own text again."""
        statement, insert, execution = command.batch or command.statement, command.prepared, command.execution
        if statement is None:
            raise ProtocolError("a reply asks for a statement that is not there")
        if insert is None or execution is None:
            self._tracker.begin(commands.QUERY)
            self._wires.to_backend(self._asking(command, statement.packets(text)))
            return
        number = insert.number_of(text)
        if number is None:
            self.preparing = text
            self._statements.add_beside()
            self._gate.swallowing = True
            self._tracker.begin(commands.STMT_PREPARE)
            self._wires.to_backend(statement.packets(text))
        else:
            self._tracker.begin(commands.STMT_EXECUTE)
            self._wires.to_backend(self._asking(command, insert.packets(execution, number)))

    def _asking(self, command: Command, data: bytes) -> bytes:
        """Give what is sent, and have the client see the ids of a reply to one packet: its own command was one."""
        first = reply_id(data)
        if command.batch is not None:
            command.batch.join(first)
            self._gate.shift = command.batch.shift
        else:
            self._gate.shift = Shift(1 - first) if first > 1 else None
        return data

    def read_prepared(self, command: Command, payload: bytes) -> None:
        """Read the first packet of the reply to the PREPARE of a text: the id that it has, or an ERR."""
        if payload[0] != ERR and command.prepared is not None:
            command.prepared.beside[self.preparing] = statement_of(payload)

    def end_preparing(self, command: Command, payload: bytes) -> bytes | None:
        """Run the text whose PREPARE has been answered; where that was an ERR, return the payload for the client.

        Args:
            command: what it is run for.
            payload: of the packet that has ended the answer; b"" for definitions.
        """
        self._gate.swallowing = False
        text, self.preparing = self.preparing, b""
        if payload[:1] == _ERR:
            answer = self._resolver.not_prepared(command, payload)
            if not isinstance(answer, Send):
                return answer
            text = answer.text
        self._run(command, text)
        return None
