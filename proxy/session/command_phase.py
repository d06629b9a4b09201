"""The second phase of a session: commands and their replies, and where each of them goes.

Bytes are passed on as they came, in the largest stretches that hold nothing to look at. A packet is looked at only

* at its first bytes, when it opens a command;
* whole, when it is an INSERT that rules are for, or one that ends or opens a reply.

A command goes this way, and all but the plain ones stop over::

    FastLane ─► ClientStream ─► CommandPhase ─┬─► Selection: is it an INSERT that rules are for?
    (one plain                  (routes)      ├─► Runner: what is sent for one that is (by the Resolver's decision)
     packet)                                  ├─► PreparedStatements, Effects, UserChange: what else it may change
                                              └─► Trail: what was sent, for the search of causes
    FastLane ◄─ Withheld ◄─ ReplyStream ◄─ the same, with the reply: to the Resolver, which may have the Runner go on

An INSERT that rules are for has the backend to itself: it waits until the replies before it have ended, and what the
client sends behind it waits until its own reply has. So a second statement is never sent into the middle of something.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from proxy.session import user_change
from proxy.session.batch import Batch
from proxy.session.client_stream import ClientStream, Pass
from proxy.session.command import Command, Stage
from proxy.session.contents import Contents
from proxy.session.effects import Effects
from proxy.session.fast_lane import FastLane, plain_starts
from proxy.session.login_phase import Agreed
from proxy.session.prepared import PreparedStatements
from proxy.session.reply_stream import ReplyStream
from proxy.session.resolution import Pause, Resolver, Send, Wait, Who
from proxy.session.runner import Runner
from proxy.session.selection import WANTED, Selection
from proxy.session.settings import SessionSettings, Wires
from proxy.session.status import after_error, is_alone, is_at_rest
from proxy.session.trail import RECENT, Trail
from proxy.session.user_change import UserChange
from proxy.session.variables import Variables
from proxy.session.withheld import Withheld
from proxy.sql.dialect import Dialect
from proxy.sql.reason import Reason
from proxy.wire import capabilities as cap
from proxy.wire import commands
from proxy.wire.answers import EOF, ERR, parse_err
from proxy.wire.commands import SHAPES, SHORTEST_UNANSWERED, Shape
from proxy.wire.errors import ProtocolError
from proxy.wire.framing import HEADER, MAX_PAYLOAD, frame
from proxy.wire.replies import Event, Part, ReplyTracker

_FIRST_REPLY: Final = 2  # the highest sequence id of a reply's first packet; later ones are of rows


class CommandPhase:
    """The conversation after the login.

    Args:
        wires: where to write.
        settings: the session's settings.
        agreed: what the login has settled.
        relay: called when the proxy is to look at nothing from here on.

    Attributes:
        lane: the short way, for what is plain.
        quitting: the client has sent COM_QUIT.
        lost: why the replies could not be followed any more; empty while they can.
    """

    __slots__ = (
        "_agreed",
        "_clock",
        "_contents",
        "_continued",
        "_count",
        "_counters",
        "_effects",
        "_ended",
        "_from_backend",
        "_from_client",
        "_infile",
        "_login",
        "_longest",
        "_mariadb",
        "_pending",
        "_query_attributes",
        "_relay",
        "_resolver",
        "_ruled",
        "_runner",
        "_selection",
        "_settings",
        "_state_changed",
        "_statements",
        "_tracker",
        "_trail",
        "_user_change",
        "_variables",
        "_waiting",
        "_wires",
        "_withheld",
        "lane",
        "lost",
        "quitting",
    )

    def __init__(self, wires: Wires, settings: SessionSettings, agreed: Agreed, relay: Callable[[], None]) -> None:
        login, status = agreed.login, agreed.status
        dialect = Dialect.parse(agreed.greeting.version)
        self._wires = wires
        self._settings = settings
        self._agreed = agreed
        self._relay = relay
        self._counters = settings.counters
        self._clock = settings.clock
        self._login = login
        self._mariadb = mariadb = dialect.mariadb
        self._state_changed = cap.STATUS_SESSION_STATE_CHANGED if login.capabilities & cap.SESSION_TRACK else 0
        self._query_attributes = attributes = bool(login.capabilities & cap.QUERY_ATTRIBUTES)
        self._longest = longest = min(settings.limits.statement, MAX_PAYLOAD - 1)

        self._pending: deque[Command] = deque()  # commands whose replies are due, in their order
        recent: deque[bytes] = deque(maxlen=RECENT)
        self.lane = lane = FastLane(
            self,
            settings.counters,
            settings.clock,
            starts=plain_starts(mariadb),
            attributes=attributes,
            deprecate_eof=bool(login.capabilities & cap.DEPRECATE_EOF),
            keep=recent.append,
        )
        lane.several = bool(login.capabilities & cap.MULTI_STATEMENTS)
        lane.status = status
        self._variables = variables = Variables(mariadb, login.database, login.charset, status)
        self._statements = statements = PreparedStatements(
            lane, variables, mariadb=mariadb, query_attributes=attributes, long_data=longest
        )
        self._contents = contents = Contents(statements, variables, query_attributes=attributes)
        self._effects = effects = Effects(contents, variables, settings.tables, mariadb=mariadb)
        self._trail = trail = Trail(
            settings.recorder.insertions, contents, self._pending, recent, query_attributes=attributes
        )
        who = Who(agreed.greeting.thread_id, login.user, settings.client_address)
        self._resolver = resolver = Resolver(settings, dialect, login.capabilities, who, trail.attempt)
        self._selection = selection = Selection(
            settings.rules,
            resolver,
            contents,
            statements,
            variables,
            lane,
            self._pending,
            mariadb=mariadb,
            longest=longest,
        )
        self._tracker = ReplyTracker(login.capabilities, login.mariadb_capabilities)
        self._tracker.status = status
        self._withheld = withheld = Withheld(wires.to_client, settings.limits.write_buffer)
        to_backend = wires.to_backend
        self._from_client = ClientStream(self._needed, self._read_packet, to_backend)
        self._from_backend = replies = ReplyStream(
            self._tracker, self._read_answer, self._end_unseen, self._lose_track, withheld
        )
        self._runner = Runner(selection, resolver, contents, statements, effects, trail, replies, withheld, to_backend)

        self._user_change: UserChange | None = None  # while one is under way
        self._ended = False
        self._waiting = False  # a reply has come, and waits for a table's definition
        self._infile = False  # the client sends the file of a LOAD DATA LOCAL
        self._continued = False  # the client's next packet continues a payload of 16 MiB - 1
        self._ruled = False  # the packet being read is an INSERT that rules are for
        self._count = 0  # commands that came the general way
        self.quitting = False
        self.lost = ""

    @property
    def idle(self) -> bool:
        """Whether no reply is due and nothing of the client's waits."""
        return not self._pending and not self.lane.command and self._from_client.empty

    @property
    def at_rest(self) -> bool:
        """Whether no reply is due, no transaction is open and no cursor, as far as the server's flags tell."""
        return self.idle and is_at_rest(self.lane.status)

    @property
    def answered(self) -> bool:
        """Whether the backend waits for the client: for a command, a file, or the next step of a login."""
        return not (self._pending or self.lane.command) or self._infile or self._user_change is not None

    @property
    def commands(self) -> int:
        """How many commands the client has sent."""
        return self._count + self.lane.count

    @property
    def conflicts(self) -> int:
        """How many of them, and of their rows, met a conflict."""
        return self._resolver.conflicts

    @property
    def user(self) -> str:
        """Who is logged in."""
        return self._login.user

    def client_data(self, data: bytes) -> None:
        """Take bytes that the client sent.

        Raises:
            ProtocolError: they are not of the protocol.
        """
        self._leave_lane()
        self._from_client.data(data)
        if self._from_client.held and not self._from_client.empty:
            self._wires.hold_client()  # only now: most clients wait for the reply

    def backend_data(self, data: bytes) -> None:
        """Take bytes that the backend sent.

        Raises:
            ProtocolError: they are not of the protocol.
        """
        self._leave_lane()
        self._from_backend.data(data)
        if not self._from_backend.empty:
            self.lane.clear = False
        self._release()

    def tell(self, error: bytes) -> None:
        """Answer what the client will send next, if it waits for nothing now; error: the payload of an ERR packet."""
        # With the sequence id of a reply all drivers read it as one; unasked, with 0, some take it for a broken line.
        self._wires.to_client(frame(error, 1))

    def quit(self) -> None:
        """Take leave of the backend in the client's place; else it would count an aborted connection."""
        self._wires.to_backend(frame(bytes((commands.QUIT,)), 0))

    def client_ended(self) -> None:
        """Pass on what was kept of a packet that will never be whole: the server minds where it broke off."""
        self._from_client.relay()

    def end(self) -> None:
        """Do nothing any more, whatever is still called back."""
        self._ended = True
        self._trail.end()

    # ----------------------------------------------------------------------------------------------------------------
    # The fast lane

    def tell_insert(self, data: bytes, at: float) -> bool:
        """Tell of an INSERT, a chunk that is one whole command, that goes as it is; False: it must be read first."""
        if data[HEADER] == commands.QUERY:
            begins = HEADER + (3 if self._query_attributes else 1)
            if not self._selection.goes_as_it_is(data, begins):
                return False
            self._trail.sent(data[begins:], at)
        else:
            found = self.lane.inserts[data[HEADER + 1 : HEADER + 5]]
            self._trail.executed(found, data, at)
        return True

    def _leave_lane(self) -> None:
        """Go on with what the fast lane has begun."""
        lane = self.lane
        if not self._pending:
            self._tracker.status = lane.status
        if lane.command:
            command = Command(lane.command[HEADER], lane.command, HEADER, lane.started)
            lane.command = b""
            self._expect(command)
            if command.code == commands.QUERY and self._runner.take_up(command):
                self._hold(command)

    # ----------------------------------------------------------------------------------------------------------------
    # The client's packets

    def _needed(self, data: bytes, position: int) -> int:
        """Return how many bytes from a packet's start must be there before it can be read.

        Raises:
            ProtocolError: they are more than a packet of its kind may have.
        """
        self._ruled = False
        left = len(data) - position
        if left < HEADER:
            return HEADER
        length = int.from_bytes(data[position : position + 3], "little")
        if self._user_change is not None:
            return HEADER + self._bounded(length)
        if not length or self._infile or self._continued:
            return HEADER
        if left == HEADER:
            return HEADER + 1
        code = data[position + HEADER]
        if code == commands.CHANGE_USER:
            return HEADER + self._bounded(length)
        need = HEADER + self._selection.needed(code, length)
        if left >= need and length <= self._longest:
            self._ruled = self._selection.is_ruled(code, data, position)
        return HEADER + length if self._ruled else need

    def _bounded(self, length: int) -> int:
        if length > self._settings.limits.login_packet:
            raise ProtocolError(f"a login packet of {length} bytes is over the limit")
        return length

    def _read_packet(self, data: bytes, position: int, end: int) -> bytes | Pass:
        """Read one packet, of which as much is there as is needed; see `ClientStream`."""
        if self._ruled and self._pending:
            return Pass.LATER
        length = end - position - HEADER
        if self._user_change is not None:
            return self._user_change.relay.from_client(data[position + 3], data[position + HEADER : end])
        continued, self._continued = self._continued, length == MAX_PAYLOAD
        if continued:
            return Pass.ON
        if self._infile:
            self._infile = length > 0
            return Pass.ON
        if not length:  # the server answers an empty command with an error
            self._expect(Command(0, b"", 0, self._clock()))
            return Pass.ON
        return self._read_command(data, position, end)

    def _read_command(self, data: bytes, position: int, end: int) -> bytes | Pass:
        payload_at = position + HEADER
        code = data[payload_at]
        shape = SHAPES[code]
        self._counters.commands[code] += 1
        self._count += 1
        if shape is Shape.RAW:  # a replication stream, or a command that is not known
            self._from_backend.flush()
            self._relay()
            return Pass.ALL
        command = Command(code, data[payload_at : min(end, payload_at + WANTED[code])], 0, self._clock())
        if shape is not Shape.NOTHING:
            self._expect(command)
        elif end - payload_at < SHORTEST_UNANSWERED.get(code, 0) and not self._mariadb:
            self._expect(Command(0, b"", 0, self._clock()))
            return Pass.ON
        if self._ruled:
            return self._read_ruled(command, data, payload_at, end)
        if code == commands.QUERY or code == commands.STMT_PREPARE:
            self._read_text(command, data[position:end], end - payload_at)
        elif code in commands.ON_STATEMENTS:
            return self._read_on_statement(command, data[position:end], whole=end <= len(data))
        elif code == commands.QUIT:
            self.quitting = True
        elif code == commands.CHANGE_USER:
            return self._begin_user_change(data[payload_at:end])
        return Pass.ON

    def _read_ruled(self, command: Command, data: bytes, start: int, end: int) -> bytes | Pass:
        """Read a whole command that rules may have a say in."""
        if command.code == commands.STMT_SEND_LONG_DATA:
            return self._statements.keep_long_data(data[start:end])
        self._hold(command)
        answer = self._runner.start(command, data, start, end)
        if isinstance(answer, Pause):
            self._wait(command, answer)
            return b""
        return answer

    def _read_text(self, command: Command, packet: bytes, size: int) -> None:
        """Read a text that no rules are for, as far as is known, and as much of its packet as is there.

        One that is too long is not looked at: for its rule, or for what else it may hold.
        """
        whole = size + HEADER == len(packet)
        if self._selection.is_too_long(size):
            command.unseen = Reason.TOO_LARGE
        if command.code == commands.STMT_PREPARE:
            if whole:
                command.keep(packet)
            return
        if size > self._longest:
            self._resolver.pass_over(command, *self._contents.about(command), Reason.TOO_LARGE)
        self._trail.passed(command, self._effects.sent(command), packet, whole=whole)

    def _read_on_statement(self, command: Command, packet: bytes, *, whole: bool) -> bytes | Pass:
        """Read a command on a prepared statement, as much of the packet as is there."""
        found = self._contents.prepared(command)
        if found and command.code in commands.EXECUTES:
            self._effects.executed(command, found.head.verb)
            self._trail.passed(command, found.head.verb, packet, whole=whole)
        return self._statements.pass_on(command, packet)

    def _expect(self, command: Command) -> None:
        self._pending.append(command)
        if len(self._pending) == 1:
            self._tracker.begin(command.code)

    def _hold(self, command: Command) -> None:
        """Keep what the client sends behind a command until its reply has ended: a second statement may follow."""
        self._from_client.hold()
        command.alone = is_alone(self._tracker.status)

    def _release(self) -> None:
        """Read on what the client has sent meanwhile, if nothing stands in its way any more."""
        if self._from_client.held and (self._infile or not self._pending):
            if not self._from_client.empty:
                self._wires.release_client()
            self._from_client.release()

    # ----------------------------------------------------------------------------------------------------------------
    # The backend's packets

    def _read_answer(self, payload: bytes, sequence: int) -> bytes | None:
        """Read a packet that matters; return None to pass it on, else what the client gets in its place."""
        tracker = self._tracker
        part = tracker.part
        event = tracker.packet(payload)
        if tracker.ok is not None and tracker.status & self._state_changed:
            self._effects.tracked(payload, tracker.ok)
        if not self._pending:
            return None  # an error that comes unasked: shutdown, kill, time-out
        command = self._pending[0]
        if self._runner.preparing:
            return self._read_preparing(command, event, payload, part)
        if part is Part.PREPARED:
            self._statements.add(command, payload)
        if part is Part.LOGIN and self._user_change is not None:
            return self._read_user_change(self._user_change, event, payload, sequence)
        if event is Event.LOCAL_INFILE:
            self._infile = command.infile = True
        elif event is Event.RESULT and command.batch is not None:
            return self._read_result(command, command.batch, payload, sequence)
        elif event is Event.RESULT:
            self._effects.ended_in_part(command)
        return self._read_end(command, payload, sequence, part) if event is Event.END else None

    def _read_preparing(self, command: Command, event: Event, payload: bytes, part: Part) -> bytes:
        """Read a packet of the reply to a PREPARE of the proxy's own."""
        if part is Part.PREPARED:
            self._runner.read_prepared(command, payload)
        return self._end_preparing(command, payload) if event is Event.END else b""

    def _end_preparing(self, command: Command, payload: bytes) -> bytes:
        error = self._runner.end_preparing(command, payload)
        if error is None:
            return b""
        self._finish()
        return frame(error, 1)

    def _read_result(self, command: Command, batch: Batch, payload: bytes, sequence: int) -> bytes:
        """Read the packet that ends the result of one statement of several; the client gets it from here."""
        answer = self._resolver.succeeded(command, payload, self._tracker.ok)
        self._withheld.release()
        self._withheld.send(frame(answer, sequence + batch.shift.by))
        batch.next(command, sequence, self._tracker.status)
        self._withheld.active = command.statement is not None and command.statement.returning
        return b""

    def _read_end(self, command: Command, payload: bytes, sequence: int, part: Part) -> bytes | None:
        """Read the packet that ends a reply, of which it is this part."""
        self._infile = False
        batch = command.batch
        if batch is not None:
            sequence += batch.shift.by
        if payload[0] != ERR:
            answer = self._read_success(command, payload)
        else:
            found = self._read_error(command, payload, begun=part is not Part.FIRST)
            if found is None:
                return b""
            answer = found
            if self._withheld.active and answer is not payload:  # it takes the place of all that was kept
                self._withheld.drop()
                sequence = command.answer_id
        self._effects.ended(command)
        self._finish()
        if batch is not None:
            return frame(answer, sequence)
        if command.stage.is_rules and sequence <= _FIRST_REPLY and payload[0] != EOF:
            return frame(answer, 1)  # the client has sent one packet, a rule's statement may have needed two
        return None if answer is payload else frame(answer, sequence)

    def _read_success(self, command: Command, payload: bytes) -> bytes:
        tracker = self._tracker
        self._effects.succeeded(command, tracker.status)
        if command.code == commands.SET_OPTION:
            self.lane.several = command.start[1:] == b"\0\0"
        elif command.code == commands.RESET_CONNECTION:
            self._statements.forget()
        elif command.infile and not command.verb and tracker.ok is not None:
            self._resolver.loaded(command, payload, tracker.ok, *self._contents.about(command))
        return self._resolver.succeeded(command, payload, tracker.ok)

    def _read_error(self, command: Command, payload: bytes, *, begun: bool) -> bytes | None:
        """Read an ERR that ends a reply, which has begun otherwise; None: another statement goes to the backend."""
        if begun and not self._withheld.active:
            command.block(Reason.RETURNING)  # the client has seen the beginning
        contents = self._contents
        if command.statement is None and command.unseen is None:
            command.unseen = contents.why_unseen(command)
        answer = self._resolver.failed(command, payload, *contents.about(command))
        if isinstance(answer, bytes):
            unseen = command.unseen is not None and command.code == commands.QUERY
            verb = "other" if unseen else contents.about(command)[0].verb
            self._tracker.status = after_error(self._tracker.status, command.code, verb)
            return answer
        self._withheld.drop()
        self._go_on(command, answer)
        return None

    def _finish(self) -> None:
        """Close the reply of the oldest command, and expect the next one's."""
        command = self._pending.popleft()
        self._withheld.release()
        self._from_backend.shift = None
        if command.prepared is not None:
            command.prepared.long_data.clear()
        self._counters.observe_command(self._clock() - command.started)
        if self._pending:
            self._tracker.begin(self._pending[0].code)
        else:
            self.lane.clear = self._from_client.empty and not self._continued
            self.lane.status = self._tracker.status

    def _end_unseen(self) -> bool:
        """Take note that a reply has ended with definitions; tell whether one was due."""
        if not self._pending or self._waiting:
            return False
        if self._runner.preparing:
            self._end_preparing(self._pending[0], b"")
        else:
            self._finish()
        return True

    def _lose_track(self, reason: str) -> bool:
        """Pass on what cannot be followed, unless the client would see what it must not; tell whether that is done."""
        followed = self._pending and self._pending[0].is_followed
        if followed or self._runner.preparing or self._user_change is not None:
            return False
        self.lost = reason
        self._relay()
        self._from_client.relay()
        self._wires.release_client()
        return True

    # ----------------------------------------------------------------------------------------------------------------
    # Commands that wait

    def _go_on(self, command: Command, answer: Send | Wait | Pause) -> None:
        """Go on with a command as the resolver says."""
        if isinstance(answer, Send):
            self._runner.run(command, answer.text)
        else:
            self._wait(command, answer)

    def _wait(self, command: Command, wait: Wait | Pause) -> None:
        """Let a command wait for the definition of its table, or until others have had their turn."""
        self._waiting = True
        if isinstance(wait, Pause):
            self._wires.soon(partial(self._resume, command))
        elif self._settings.tables is not None:
            self._settings.tables.request(wait.schema, wait.table, partial(self._resume, command))

    def _resume(self, command: Command) -> None:
        """Go on with a command that has waited."""
        if self._ended or not self._pending or self._pending[0] is not command:
            return
        self._waiting = False
        if command.stage is Stage.UNSENT:
            pause = self._runner.go_on(command)
            if pause is not None:
                self._wait(command, pause)
            return
        answer = self._resolver.resumed(command)
        if not isinstance(answer, bytes):
            self._go_on(command, answer)
            return
        self._finish()
        self._wires.to_client(frame(answer, command.answer_id))
        self._release()

    # ----------------------------------------------------------------------------------------------------------------
    # Another user

    def _begin_user_change(self, payload: bytes) -> bytes:
        self._user_change = change = user_change.begin(
            payload, self._login, self._agreed, self._wires.to_client, self._wires.to_backend
        )
        return change.relay.from_client(0, payload)

    def _read_user_change(self, change: UserChange, event: Event, payload: bytes, sequence: int) -> bytes:
        """Read a packet of the authentication."""
        instead = change.relay.from_backend(sequence, payload)
        if event is Event.END:
            self._user_change = None
            if payload[0] == ERR:
                self._counters.error(parse_err(payload).number)
                self._effects.user_lost()
            else:
                self._changed_user(change)
            self._finish()
        return instead

    def _changed_user(self, change: UserChange) -> None:
        """Begin anew as another user: statements, schema and variables are those of a new session."""
        users, login = self._settings.users, change.login
        users.give(self._login.user)
        users.take(login.user)
        self._login = login
        self._resolver.changed_user(login.user)
        self._selection.changed_user()
        self._statements.forget()
        self._variables.begin(login.database, login.charset, self._tracker.status)
