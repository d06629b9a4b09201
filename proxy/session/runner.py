"""INSERTs that rules are for: what the backend is sent in the client's place.

The resolver decides on a text; here it becomes packets, in the form that the client's own command has: a COM_QUERY, one
statement of several, or an execution of a prepared statement, for which the text is prepared first, out of the client's
sight.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from proxy.session.batch import Batch, first_ruled, may_be_several
from proxy.session.client_stream import Pass
from proxy.session.command import HEAD, Command, Stage, Statement
from proxy.session.contents import Contents
from proxy.session.effects import Effects
from proxy.session.prepared import PreparedStatements
from proxy.session.reply_stream import ReplyStream
from proxy.session.resolution import Pause, Resolver, Send
from proxy.session.selection import Selection
from proxy.session.trail import Trail
from proxy.session.withheld import Withheld
from proxy.sql.head import head
from proxy.sql.statement import Skip
from proxy.wire import commands
from proxy.wire.answers import ERR
from proxy.wire.errors import ProtocolError
from proxy.wire.execute import statement_of

_ERR: Final = bytes((ERR,))


class Runner:
    """Runs them, one at a time: while one is under way, no command is sent behind it.

    Args:
        selection: makes statements of texts.
        resolver: decides.
        contents: reads the commands.
        statements: the client's prepared statements.
        effects: is told of texts that cannot be read as single statements.
        trail: is told of what is sent.
        replies: the backend's answers.
        withheld: keeps the beginning of an answer back.
        to_backend: sends bytes to the backend.

    Attributes:
        preparing: the text that is being prepared on a rule's behalf; b"" if none is.
    """

    __slots__ = (
        "_contents",
        "_effects",
        "_replies",
        "_resolver",
        "_selection",
        "_statements",
        "_to_backend",
        "_trail",
        "_withheld",
        "preparing",
    )

    def __init__(
        self,
        selection: Selection,
        resolver: Resolver,
        contents: Contents,
        statements: PreparedStatements,
        effects: Effects,
        trail: Trail,
        replies: ReplyStream,
        withheld: Withheld,
        to_backend: Callable[[bytes], None],
    ) -> None:
        self._selection = selection
        self._resolver = resolver
        self._contents = contents
        self._statements = statements
        self._effects = effects
        self._trail = trail
        self._replies = replies
        self._withheld = withheld
        self._to_backend = to_backend
        self.preparing = b""

    # ----------------------------------------------------------------------------------------------------------------
    # What is sent in the first place

    def take_up(self, command: Command) -> bool:
        """Go on with a text that the fast lane has sent, if a rule may answer its conflict; tell whether one may."""
        payload = command.payload
        at = self._contents.text_at(payload)
        if payload[at : at + 3].lower() != b"ins":
            return False
        text = payload[at:]
        statement = self._selection.statement(payload[:at], text, head(text[:HEAD]))
        if not statement.candidates:
            return False
        self._resolver.watch(command, statement)
        return True

    def start(self, command: Command, data: bytes, start: int, end: int) -> bytes | Pass | Pause:
        """Begin with a command that is here as a whole; a large one is not copied more than it must be.

        Args:
            command: it.
            data: bytes that hold its payload.
            start: where that begins in them.
            end: where it ends.

        Returns:
            What becomes of its packet, or what goes to the backend in its place; or that `go_on` must be called.
        """
        if command.code in commands.EXECUTES:
            return self._start_execution(command, data[start:end])
        at = start + (1 if command.code == commands.STMT_PREPARE else self._contents.text_at(command.start))
        text = data[at:end]
        command.statement = statement = self._selection.statement(data[start:at], text, head(text[:HEAD]))
        if command.code == commands.STMT_PREPARE:
            return Pass.ON
        if self._selection.takes_several() and may_be_several(text):
            command.batch = Batch(statement, self._selection.insert, self._resolver.first_text)
        else:
            self._trail.sent(text, command.started)
        first = self._first_text(command, statement)
        if isinstance(first, Pause):
            return first
        return Pass.ON if first is text else (command.batch or statement).packets(first)

    def go_on(self, command: Command) -> Pause | None:
        """Go on with a command that nothing has been sent for yet, for another turn."""
        statement = command.batch.whole if command.batch is not None else command.statement
        if statement is None:
            raise ProtocolError("a command goes on that never was")
        first = self._first_text(command, statement)
        if isinstance(first, Pause):
            return first
        self.run(command, first)
        return None

    def _start_execution(self, command: Command, payload: bytes) -> bytes | Pass | Pause:
        """Begin with an execution of a prepared INSERT."""
        command.prepared = insert = self._statements.insert(statement_of(payload))
        if insert is None:
            return Pass.ON
        execution = self._statements.read_execution(insert, command, payload)
        if execution is None:  # the server says what is wrong with it
            return insert.overflow() + self._statements.framed(payload)
        self._withheld.active = insert.statement.returning
        self._trail.tell(command)
        first = self._resolver.first_text(command, insert.statement)
        if isinstance(first, Pause):
            return first
        if first is not insert.statement.text:
            self.run(command, first)
            return b""
        return insert.packets(execution, insert.number) if insert.always else self._statements.framed(payload)

    def _first_text(self, command: Command, statement: Statement) -> bytes | Pause:
        """Decide what is sent in the first place for a statement, or for the first one of several."""
        if command.batch is not None:
            first = command.batch.read_on(command)
            if isinstance(first, Pause):
                command.stage = Stage.UNSENT
                return first
            if isinstance(first, bytes):
                self._replies.shift = command.batch.shift
                self._withheld.active = command.statement is not None and command.statement.returning
                return first
            command.batch = None
            if statement.head.verb == "insert":
                self._trail.sent(statement.text, command.started)
            if isinstance(first, Skip):
                statement = self._opaque(command, statement, first)
        self._withheld.active = statement.returning
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

    def run(self, command: Command, text: bytes) -> None:
        """Have the backend run a text in place of the client's command, or the client's own text again."""
        batch, statement, insert, execution = command.batch, command.statement, command.prepared, command.execution
        if batch is not None:
            batch.join()
            self._replies.expect(commands.QUERY)
            self._to_backend(batch.packets(text))
            return
        if statement is None:
            raise ProtocolError("a reply asks for a statement that is not there")
        if insert is None or execution is None:
            self._replies.expect(commands.QUERY)
            self._to_backend(statement.packets(text))
            return
        number = insert.number_of(text)
        if number is None:
            self.preparing = text
            self._statements.add_beside()
            self._replies.swallowing = True
            self._replies.expect(commands.STMT_PREPARE)
            self._to_backend(statement.packets(text))
        else:
            self._replies.expect(commands.STMT_EXECUTE)
            self._to_backend(insert.packets(execution, number))

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
        self._replies.swallowing = False
        text, self.preparing = self.preparing, b""
        if payload[:1] == _ERR:
            answer = self._resolver.not_prepared(command, payload)
            if not isinstance(answer, Send):
                return answer
            text = answer.text
        self.run(command, text)
        return None
