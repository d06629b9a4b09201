"""The second phase of a session: commands and their replies.

Bytes are passed on as they came, in the largest stretches that hold nothing to look at. A packet is looked at only

* at its first bytes, when it opens a command;
* whole, when it is an INSERT that rules are for, or one that ends or opens a reply.

An INSERT that rules are for has the backend to itself: it waits until the replies before it have ended, and what the
client sends behind it waits until its own reply has. So a second statement is never sent into the middle of something.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from proxy.conflicts.attempt import Attempt
from proxy.conflicts.insertions import bare
from proxy.rules.match import rule_for_insert
from proxy.session.auth import AuthRelay
from proxy.session.batch import Batch, first_ruled, may_be_several, may_hold
from proxy.session.beginnings import Beginnings, Way
from proxy.session.client_stream import ClientStream, Pass
from proxy.session.command import HEAD, Command, Stage, Statement, is_alone
from proxy.session.fast_lane import FastLane, plain_starts
from proxy.session.login_phase import Agreed
from proxy.session.prepared import LongData, Prepared, PreparedInsert
from proxy.session.reply_stream import ReplyStream
from proxy.session.resolution import Pause, Resolver, Send, Wait, Who
from proxy.session.settings import SessionSettings, Wires
from proxy.session.trail import SHORT, Said, Trail
from proxy.session.variables import Variables, is_compound, may_use
from proxy.session.withheld import Withheld
from proxy.sql.dialect import Dialect
from proxy.sql.head import Head, head
from proxy.sql.reason import Reason
from proxy.sql.split import LIMIT
from proxy.sql.statement import Skip
from proxy.wire import capabilities as cap
from proxy.wire import commands
from proxy.wire.answers import EOF, ERR, parse_err, state_changes
from proxy.wire.commands import SHAPES, SHORTEST_UNANSWERED, Shape
from proxy.wire.errors import ProtocolError
from proxy.wire.execute import parse_execution, statement_of, with_statement
from proxy.wire.framing import HEADER, MAX_PAYLOAD, frame
from proxy.wire.login import parse_change_user
from proxy.wire.query import text_offset
from proxy.wire.replies import Event, Part, ReplyTracker

_LAST_PREPARED: Final = 0xFFFFFFFF  # MariaDB's id for the statement prepared last
_FIRST_REPLY: Final = 2  # the highest sequence id of a reply's first packet; later ones are of rows
_KEPT_TEXT: Final = 4096
"""How many bytes of a prepared INSERT's text are kept where no rules are for it."""
_TAIL: Final = 1 << 16
"""How many bytes of a text's end are searched for RETURNING, which is the last clause."""
_AUTOCOMMIT: Final = cap.STATUS_AUTOCOMMIT
_IN_TRANS: Final = cap.STATUS_IN_TRANS
_CURSOR: Final = cap.STATUS_CURSOR_EXISTS | cap.STATUS_LAST_ROW_SENT
_SEMICOLON: Final = ord(";")
_NO_HEAD: Final = Head("other", None, None)
_EXECUTES: Final = frozenset({commands.STMT_EXECUTE, commands.STMT_BULK_EXECUTE})
_ON_STATEMENTS: Final = _EXECUTES | {
    commands.STMT_CLOSE,
    commands.STMT_FETCH,
    commands.STMT_RESET,
    commands.STMT_SEND_LONG_DATA,
}

# How many bytes of a command's payload must be there before it can be passed on.
_WANTED: Final = tuple(
    {
        commands.QUERY: HEAD,
        commands.STMT_PREPARE: HEAD,
        commands.INIT_DB: HEAD,
        commands.SET_OPTION: 3,
        **dict.fromkeys(_ON_STATEMENTS, 5),
        **dict.fromkeys(_EXECUTES, HEAD),
    }.get(code, 1)
    for code in range(256)
)
_DDL_VERBS: Final = frozenset({"create", "alter", "drop", "rename", "truncate"})
_CHANGING_VERBS: Final = frozenset({"set", "execute"})  # of prepared statements
_OFFERING_VERBS: Final = frozenset({"insert", "load"})
_BEGINS_NOTHING: Final = _DDL_VERBS | {"select", "insert", "update", "delete", "replace", "load", "show", "use"}
"""What leaves no transaction behind when it fails outside of one."""
_REMEMBERED_VERBS: Final = frozenset({"set", "use", "call", "execute"})


class CommandPhase:
    """The conversation after the login.

    Args:
        wires: where to write.
        settings: the session's settings.
        agreed: what the login has settled.
        relay: called when the proxy is to look at nothing from here on.

    Attributes:
        quitting: the client has sent COM_QUIT.
        lost: why the replies could not be followed any more; empty while they can.
    """

    __slots__ = (
        "_agreed",
        "_auth",
        "_batch_limit",
        "_beginnings",
        "_changing",
        "_clock",
        "_continued",
        "_count",
        "_counters",
        "_deprecate_eof",
        "_dialect",
        "_ended",
        "_from_backend",
        "_from_client",
        "_infile",
        "_keep",
        "_last_prepared",
        "_latest",
        "_login",
        "_pending",
        "_preparing",
        "_query_attributes",
        "_relay",
        "_resolver",
        "_ruled",
        "_settings",
        "_state_changed",
        "_statement_limit",
        "_statements",
        "_temporary",
        "_tracker",
        "_trail",
        "_variables",
        "_waiting",
        "_wires",
        "_withheld",
        "lane",
        "lost",
        "quitting",
    )

    def __init__(self, wires: Wires, settings: SessionSettings, agreed: Agreed, relay: Callable[[], None]) -> None:
        login = agreed.login
        self._dialect = Dialect.parse(agreed.greeting.version)
        self._wires = wires
        self._settings = settings
        self._agreed = agreed
        self._relay = relay
        self._counters = settings.counters
        self._clock = settings.clock
        self._login = login
        self._state_changed = cap.STATUS_SESSION_STATE_CHANGED if login.capabilities & cap.SESSION_TRACK else 0
        self._query_attributes = bool(login.capabilities & cap.QUERY_ATTRIBUTES)
        self._deprecate_eof = bool(login.capabilities & cap.DEPRECATE_EOF)
        self._statement_limit = min(settings.limits.statement, MAX_PAYLOAD - 1)
        self._batch_limit = min(self._statement_limit, LIMIT)
        self._variables = Variables(self._dialect.mariadb, login.database, login.charset, agreed.status)
        who = Who(agreed.greeting.thread_id, login.user, settings.client_address)
        self._trail = Trail(settings.recorder.insertions, self._query_attributes)
        self._keep = self._trail.commands.append
        self._beginnings: Beginnings | None = None  # made for the first INSERT: most sessions that rest sent none
        self.lane = FastLane(
            self,
            settings.counters,
            settings.clock,
            starts=plain_starts(self._dialect.mariadb),
            attributes=self._query_attributes,
            deprecate_eof=bool(login.capabilities & cap.DEPRECATE_EOF),
            keep=self._keep,
        )
        self.lane.several = bool(login.capabilities & cap.MULTI_STATEMENTS)
        self.lane.status = agreed.status
        self._resolver = Resolver(settings, self._dialect, login.capabilities, who, self._attempt)
        self._tracker = ReplyTracker(login.capabilities, login.mariadb_capabilities)
        self._tracker.status = agreed.status
        self._from_client = ClientStream(self._needed, self._read_packet, wires.to_backend)
        self._withheld = Withheld(wires.to_client, settings.limits.write_buffer)
        self._from_backend = ReplyStream(
            self._tracker, self._read_answer, self._end_unseen, self._lose_track, self._withheld
        )
        self._pending: deque[Command] = deque()  # commands whose replies are due, in their order
        self._statements: dict[int, Prepared] = {}
        self._latest = _LAST_PREPARED if self._dialect.mariadb else -1  # the id that is none of its own
        self._last_prepared = 0
        self._preparing = b""  # the text that is being prepared on a rule's behalf
        self._auth: AuthRelay | None = None  # while a COM_CHANGE_USER is under way
        self._changing = login  # who that is for
        self._temporary = False  # the session may have tables of its own, which no look-up finds
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
        status = self.lane.status
        return self.idle and not status & _IN_TRANS and status & _CURSOR != cap.STATUS_CURSOR_EXISTS

    @property
    def answered(self) -> bool:
        """Whether the backend waits for the client: for a command, a file, or the next step of a login."""
        return not (self._pending or self.lane.command) or self._infile or self._auth is not None

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

    def _leave_lane(self) -> None:
        """Go on with what the fast lane has begun."""
        lane = self.lane
        if not self._pending:
            self._tracker.status = lane.status
        if lane.command:
            command = Command(lane.command[HEADER], lane.command, HEADER, lane.started)
            lane.command = b""
            self._expect(command)
            if command.code == commands.QUERY:
                self._take_up(command)

    def _take_up(self, command: Command) -> None:
        """Go on with a text that the fast lane has sent: a rule may answer a conflict with a second statement."""
        payload = command.payload
        at = self._text_offset(payload)
        if payload[at : at + 3].lower() != b"ins":
            return
        text = payload[at:]
        statement = self._statement_of(payload[:at], text, head(text[:HEAD]))
        if statement.candidates:
            self._from_client.hold()
            command.alone = is_alone(self._tracker.status)
            self._resolver.watch(command, statement)

    def _release(self) -> None:
        """Read on what the client has sent meanwhile, if nothing stands in its way any more."""
        if self._from_client.held and (self._infile or not self._pending):
            if not self._from_client.empty:
                self._wires.release_client()
            self._from_client.release()

    def tell_insert(self, data: bytes, at: float) -> bool:
        """Tell of an INSERT, a chunk that is one whole command, that goes as it is; False: it must be read first."""
        if data[HEADER] == commands.QUERY:
            begins = HEADER + (3 if self._query_attributes else 1)
            if not self._goes_as_it_is(data, begins):
                return False
            self._trail.sent(data[begins:], at)
        else:
            found = self.lane.inserts[data[HEADER + 1 : HEADER + 5]]
            self._trail.executed(found, data, at)
        return True

    def _goes_as_it_is(self, data: bytes, begins: int) -> bool:
        """Tell whether an INSERT, a text that begins there, is sent as it came, and nothing of its reply is kept."""
        rules = self._settings.rules()
        if not rules.rules:
            return True
        if self.lane.several and _SEMICOLON in data:
            return not self._is_ruled(commands.QUERY, data, 0)
        if self._beginnings is None:
            self._beginnings = Beginnings(self._way_of)
        way = self._beginnings.way_of(data, begins, rules, self._variables.schema)
        if way is not Way.WATCHED:
            return way is Way.PLAIN
        return len(data) <= self._statement_limit and not self._may_return(data)

    def _way_of(self, start: Head, schema: str | None) -> Way:
        candidates = self._resolver.candidates(start, schema)
        if not candidates:
            return Way.PLAIN
        return Way.READ if rule_for_insert(candidates) is not None else Way.WATCHED

    def _may_return(self, text: bytes) -> bool:
        """Tell whether rows may be the reply to an INSERT, which begins before the server has met a duplicate."""
        return self._dialect.mariadb and b"returning" in text[-_TAIL:].lower()

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
        if self._auth is not None:
            return HEADER + self._bounded(length)
        if not length or self._infile or self._continued:
            return HEADER
        if left == HEADER:
            return HEADER + 1
        code = data[position + HEADER]
        if code == commands.CHANGE_USER:
            return HEADER + self._bounded(length)
        need = HEADER + min(length, _WANTED[code])
        if code == commands.QUERY and length <= self._batch_limit and self._takes_several():
            need = HEADER + length if self._settings.rules().rules else need  # they may be for any of its statements
        if left >= need and length <= self._statement_limit:
            self._ruled = self._is_ruled(code, data, position)
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
        if self._auth is not None:
            return self._auth.from_client(data[position + 3], data[position + HEADER : end])
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
        command = Command(code, data[payload_at : min(end, payload_at + _WANTED[code])], 0, self._clock())
        if shape is not Shape.NOTHING:
            self._expect(command)
        elif end - payload_at < SHORTEST_UNANSWERED.get(code, 0) and not self._dialect.mariadb:
            self._expect(Command(0, b"", 0, self._clock()))
            return Pass.ON
        if self._ruled:
            return self._read_ruled(command, data, payload_at, end)
        if code == commands.QUERY or code == commands.STMT_PREPARE:
            self._read_text(command, data[position:end], end - payload_at)
        elif code in _ON_STATEMENTS:
            return self._read_on_statement(command, data[position:end], whole=end <= len(data))
        elif code == commands.QUIT:
            self.quitting = True
        elif code == commands.CHANGE_USER:
            return self._begin_change_user(data[payload_at:end])
        return Pass.ON

    def _read_text(self, command: Command, packet: bytes, size: int) -> None:
        """Read a text that no rules are for, as far as is known, and as much of its packet as is there.

        One that is too long is not looked at: for its rule, or for what else it may hold.
        """
        whole = size + HEADER == len(packet)
        if size > self._statement_limit or (self.lane.several and size > self._batch_limit):
            command.unseen = Reason.TOO_LARGE
        if command.code == commands.STMT_PREPARE:
            if whole:
                command.keep(packet)
            return
        if size > self._statement_limit:
            self._resolver.pass_over(command, *self._about(command), Reason.TOO_LARGE)
        self._leave_trail(command, self._remember_verb(command), packet, whole=whole)

    def _expect(self, command: Command) -> None:
        self._pending.append(command)
        if len(self._pending) == 1:
            self._tracker.begin(command.code)

    def _remember_verb(self, command: Command) -> str:
        """Note a text that may change how later ones read; return its verb as far as it was looked at."""
        at = self._text_offset(command.start)
        if at < 0 or not _may_set(command.start, at):
            return "insert" if command.start[at : at + 1] in (b"i", b"I") else ""
        verb = head(command.start[at:]).verb
        if verb in _REMEMBERED_VERBS:
            command.verb = verb
        elif verb in _DDL_VERBS:
            self._note_ddl(command)
        elif self._dialect.mariadb and is_compound(command.start[at:]):
            command.verb = "execute"  # it may hold anything
            command.ddl = True
        elif verb == "other" and len(command.start) == HEAD:
            command.verb = "hidden"  # behind a comment longer than what is looked at
        return verb

    def _leave_trail(self, command: Command, verb: str, packet: bytes, *, whole: bool) -> None:
        """Tell of a command with this verb that goes to the backend, as much of its packet as is there."""
        if verb not in _OFFERING_VERBS:
            self._keep(packet[:SHORT])
        elif whole:
            command.keep(packet)
            self._tell(command)

    def _tell(self, command: Command) -> None:
        """Tell of an INSERT that goes to the backend."""
        said = self._said(command)
        if said.whole and said.execution:
            types = self._trail.run(said, command.started)
            found = self._statements.get(self._client_number(statement_of(said.execution)))
            if types and found:
                found.types = types
        elif said.whole:
            self._trail.sent(said.text, command.started)

    def _attempt(self, command: Command) -> Attempt:
        """Say what is known of a command that has met a conflict."""
        return self._trail.attempt(self._said(command), command.started, last=len(self._pending) == 1)

    def _said(self, command: Command) -> Said:
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
        if command.code in _EXECUTES:
            found = self._statements.get(self._client_number(statement_of(command.start)))
            if found is None:
                return Said(b"", whole=False)
            return Said(found.text, found.whole and command.whole, command.payload, found.parameters, found.types)
        at = self._text_offset(command.payload)
        return Said(command.payload[at:], command.whole) if at >= 0 else Said(b"", whole=False)

    def _note_ddl(self, command: Command) -> None:
        """Take note of a statement that changes definitions; those of temporary tables are only this session's."""
        if b"temporary" in command.start.lower():
            self._temporary = True
            return
        command.ddl = True
        self._forget_tables()

    def _forget_tables(self) -> None:
        """Have definitions looked up anew; before a statement that changes them and after, for one may be under way."""
        if self._settings.tables is not None:
            self._settings.tables.forget()

    # ----------------------------------------------------------------------------------------------------------------
    # INSERTs that rules are for

    def _is_ruled(self, code: int, data: bytes, position: int) -> bool:
        """Tell whether a command is an INSERT that rules are for (as its start says), so that it must be seen whole."""
        start = position + HEADER
        if data[position + 3]:
            return False
        if code == commands.QUERY or code == commands.STMT_PREPARE:
            if not self._settings.rules().rules:
                return False
            payload = data[start : start + HEAD]
            at = 1 if code == commands.STMT_PREPARE else self._text_offset(payload)
            if at < 0:
                return False
            if _may_be_insert(payload, at) and self._is_for_rules(found := head(payload[at:])):
                return found.verb == "insert" or code == commands.QUERY
            return code == commands.QUERY and self._takes_several() and self._holds_ruled(data, start)
        return code in _ON_STATEMENTS and self._is_on_ruled(code, data, position)

    def _is_for_rules(self, found: Head) -> bool:
        """Tell whether rules are for a statement that begins so, or may be."""
        if found.verb not in _OFFERING_VERBS:
            return False
        if any(before.code == commands.INIT_DB or before.verb == "use" for before in self._pending):
            return True  # it is looked at again when the schema is known
        return bool(self._resolver.candidates(found, self._variables.schema))

    def _takes_several(self) -> bool:
        """Tell whether the server may take a text of several statements."""
        return self.lane.several or any(before.code == commands.SET_OPTION for before in self._pending)

    def _holds_ruled(self, data: bytes, start: int) -> bool:
        """Tell whether a text may hold an INSERT that rules are for behind another statement."""
        length = int.from_bytes(data[start - HEADER : start - 1], "little")
        text = data[start : start + length]
        return len(text) == length and may_be_several(text) and may_hold(text, self._is_for_rules)

    def _is_on_ruled(self, code: int, data: bytes, position: int) -> bool:
        """Tell the same of a command on a prepared statement, whatever the rules in force by now."""
        number = statement_of(data[position + HEADER : position + HEADER + 5])
        if number == self._latest and any(before.code == commands.STMT_PREPARE for before in self._pending):
            return True  # it is looked at again when that statement's id is known
        if code not in _EXECUTES and code != commands.STMT_SEND_LONG_DATA:
            return False
        insert = self._insert_of(number)
        if insert is None or code in _EXECUTES:
            return insert is not None
        return insert.long_data.takes(int.from_bytes(data[position : position + 3], "little"))

    def _read_ruled(self, command: Command, data: bytes, start: int, end: int) -> bytes | Pass:
        """Read a whole command that rules may have a say in; a large one is not copied more than it must be."""
        if command.code == commands.STMT_SEND_LONG_DATA:
            payload = data[start:end]
            insert = self._insert_of(statement_of(payload))
            if insert is None:
                return Pass.ON
            insert.long_data.add(payload)
            return b"" if insert.always else self._on_client_s(payload)
        self._from_client.hold()
        command.alone = is_alone(self._tracker.status)
        if command.code in _EXECUTES:
            return self._read_execute(command, data[start:end])
        at = start + (1 if command.code == commands.STMT_PREPARE else self._text_offset(command.start))
        text = data[at:end]
        statement = self._statement_of(data[start:at], text, head(text[:HEAD]))
        if command.code == commands.STMT_PREPARE:
            command.statement = statement
            return Pass.ON
        command.statement = statement
        if self.lane.several and may_be_several(statement.text):
            command.batch = Batch(statement, self._insert_in_batch, self._resolver.first_text)
        else:
            self._trail.sent(statement.text, command.started)
        first = self._first_text(command, statement)
        if isinstance(first, Pause):
            self._pause(command)
            return b""
        return Pass.ON if first is statement.text else (command.batch or statement).packets(first)

    def _statement_of(self, prefix: bytes, text: bytes, start: Head) -> Statement:
        schema = self._variables.schema
        candidates = self._resolver.candidates(start, schema)
        lexing, definite = self._variables.lexing(), not self._temporary
        return Statement(prefix, text, start, schema, candidates, lexing, definite, self._may_return(text))

    def _insert_in_batch(self, text: bytes) -> Statement | None:
        """Give the statement of a multi-statement text that stands here, if it is an INSERT that rules are for."""
        start = head(text[:HEAD])
        return (
            self._statement_of(b"", text, start) if self._resolver.candidates(start, self._variables.schema) else None
        )

    def _first_text(self, command: Command, statement: Statement) -> bytes | Pause:
        """Decide what is sent in the first place for a statement, or for the first one of several."""
        if command.batch is not None:
            first = command.batch.read_on(command)
            if isinstance(first, Pause):
                command.stage = Stage.UNSENT
                return first
            if isinstance(first, bytes):
                self._from_backend.shift = command.batch.shift
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
        self._remember_verb(command)
        if whole.candidates:
            return whole
        ruled = first_ruled(whole.text, self._is_for_rules)
        return whole if ruled is None else replace(self._statement_of(whole.prefix, whole.text, ruled), insert=skip)

    def _read_execute(self, command: Command, payload: bytes) -> bytes | Pass:
        """Read an EXECUTE of a prepared INSERT; what runs a rule's text in its place is returned."""
        number = self._client_number(statement_of(payload))
        command.prepared = insert = self._statements[number].insert
        if insert is None:
            return Pass.ON
        try:
            execution = parse_execution(payload, insert.parameters, query_attributes=self._query_attributes)
        except ProtocolError:
            return insert.overflow() + self._on_client_s(payload)  # the server says what is wrong with it
        insert.learn_types(execution)
        command.execution = execution
        command.blocked = insert.blocked(execution, self._variables.version)
        self._withheld.active = insert.statement.returning
        self._tell(command)
        first = self._resolver.first_text(command, insert.statement)
        if isinstance(first, Pause):
            self._pause(command)
            return b""
        if first is not insert.statement.text:
            self._run(command, first)
            return b""
        return insert.packets(execution, number) if insert.always else self._on_client_s(payload)

    def _run(self, command: Command, text: bytes) -> None:
        """Have the backend run a text in place of the client's command, or the client's own text again."""
        insert, execution, statement = command.prepared, command.execution, command.statement
        if statement is None:
            raise ProtocolError("a reply asks for a statement that is not there")
        if insert is None or execution is None:
            if command.batch is not None:
                command.batch.join()
            self._tracker.begin(commands.QUERY)
            self._wires.to_backend((command.batch or statement).packets(text))
            return
        number = insert.number_of(text)
        if number is None:
            self._preparing = text
            self.lane.own_last = True
            self._from_backend.swallowing = True
            self._tracker.begin(commands.STMT_PREPARE)
            self._wires.to_backend(statement.packets(text))
        else:
            self._tracker.begin(commands.STMT_EXECUTE)
            self._wires.to_backend(insert.packets(execution, number))

    # ----------------------------------------------------------------------------------------------------------------
    # Prepared statements

    def _forget_statements(self) -> None:
        self._statements.clear()
        self.lane.watched.clear()
        self.lane.inserts.clear()
        self._last_prepared = 0
        self.lane.own_last = False

    def _client_number(self, number: int) -> int:
        """Return the id that the client means: MariaDB's "the last one" is that of the client's own last one."""
        return self._last_prepared if number == self._latest else number

    def _on_client_s(self, payload: bytes) -> bytes:
        """Frame a command on a prepared statement, so that "the last one" is not one of the proxy's own."""
        if self.lane.own_last and statement_of(payload) == self._latest:
            payload = with_statement(payload, self._last_prepared)
        return frame(payload, 0)

    def _insert_of(self, number: int) -> PreparedInsert | None:
        found = self._statements.get(self._client_number(number))
        return found.insert if found else None

    def _read_on_statement(self, command: Command, packet: bytes, *, whole: bool) -> bytes | Pass:
        """Read a command on a prepared statement, as much of the packet as is there."""
        number = self._client_number(statement_of(command.start))
        found = self._statements.get(number)
        if found and command.code in _EXECUTES:
            if found.head.verb in _DDL_VERBS:
                command.ddl = True
                self._temporary = True  # for all that is known, its text is not kept
                self._forget_tables()
            self._leave_trail(command, found.head.verb, packet, whole=whole)
        elif found and command.code == commands.STMT_SEND_LONG_DATA:
            found.whole = False  # what an EXECUTE says from now on is not all
        ahead = self._ahead_of(command, found.insert) if found and found.insert else b""
        if command.code == commands.STMT_CLOSE:
            self._statements.pop(number, None)
            self.lane.watched.discard(command.start[1:5])
            self.lane.inserts.pop(command.start[1:5], None)
        if self.lane.own_last and statement_of(command.start) == self._latest:
            return ahead + packet[:HEADER] + with_statement(packet[HEADER:], number)
        return ahead + packet if ahead else Pass.ON

    def _ahead_of(self, command: Command, insert: PreparedInsert) -> bytes:
        """Return what goes to the backend before a command on a prepared INSERT that is passed on unread."""
        if command.code == commands.STMT_CLOSE:
            return insert.closes()
        if command.code == commands.STMT_RESET:
            insert.long_data.clear()
        elif command.code == commands.STMT_SEND_LONG_DATA:
            return insert.overflow()
        elif command.code in _EXECUTES:  # larger than what is read
            command.prepared = insert
            insert.types = None  # it may bring new ones
            return insert.overflow()
        return b""

    def _read_prepared(self, command: Command, payload: bytes) -> None:
        """Remember a prepared statement: payload 0x00, statement id (4), columns (2), parameters (2), ...; or ERR."""
        if payload[0] == ERR:
            if not self._preparing:  # MariaDB knows no last one now
                self._last_prepared = 0
                self.lane.own_last = False
            return
        number = statement_of(payload)
        if self._preparing:
            insert = self._pending[0].prepared
            if insert is not None:
                insert.beside[self._preparing] = number
            return
        self._last_prepared = number
        self.lane.own_last = False
        statement = command.statement
        if statement is None:
            self._statements[number] = found = Prepared(head(self._text_of(command)), self._variables.schema)
            found.unseen = command.unseen or Reason.PREPARED
            if found.head.verb in _CHANGING_VERBS or found.head.verb in _DDL_VERBS:
                self._watch(payload[1:5])
            elif found.head.verb in _OFFERING_VERBS:
                found.text = command.payload[1 : _KEPT_TEXT + 1]
                found.bare = bare(found.text)
                found.whole = command.whole and len(command.payload) <= _KEPT_TEXT + 1
                found.parameters = payload[7] | payload[8] << 8
                self.lane.inserts[payload[1:5]] = found
                self._watch(payload[1:5])
            return
        insert = PreparedInsert(
            statement=statement,
            number=number,
            parameters=payload[7] | payload[8] << 8,
            version=self._variables.version,
            always=rule_for_insert(statement.candidates) is not None,
            long_data=LongData(self._statement_limit),
        )
        self._statements[number] = Prepared(statement.head, statement.schema, insert)
        self._watch(payload[1:5])

    def _watch(self, number: bytes) -> None:
        """Look at every execution of a prepared statement; number: its id as it is sent."""
        self.lane.watched.add(number)
        self.lane.watched.add(_LAST_PREPARED.to_bytes(4, "little"))

    def _end_preparing(self, payload: bytes) -> bytes | None:
        """Go on when a rule's text is prepared, or could not be; return what the client gets in the latter case."""
        self._from_backend.swallowing = False
        text, self._preparing = self._preparing, b""
        command = self._pending[0]
        if payload[:1] != b"\xff":
            self._run(command, text)
            return b""
        answer = self._resolver.not_prepared(command, payload)
        if isinstance(answer, Send):
            self._run(command, answer.text)
            return b""
        self._finish()
        return frame(answer, 1)

    # ----------------------------------------------------------------------------------------------------------------
    # COM_CHANGE_USER

    def _begin_change_user(self, payload: bytes) -> bytes:
        try:
            self._changing = parse_change_user(payload, self._login)
        except ProtocolError:  # the server says what is wrong with it; should it take it, nobody is known to be who
            self._changing = replace(self._login, user="", plugin="", database=None)
        self._auth = AuthRelay(
            self._agreed.terms,
            self._changing.plugin or self._agreed.greeting.plugin,
            self._agreed.greeting.nonce,
            self._wires.to_client,
            self._wires.to_backend,
        )
        return self._auth.from_client(0, payload)

    def _read_auth_answer(self, auth: AuthRelay, event: Event, payload: bytes, sequence: int) -> bytes:
        """Read a packet of COM_CHANGE_USER's authentication."""
        instead = auth.from_backend(sequence, payload)
        if event is Event.END:
            if payload[0] == ERR:
                self._counters.error(parse_err(payload).number)
                self._variables.forget()
                self._variables.schema = None
            else:
                self._changed_user()
            self._auth = None
            self._finish()
        return instead

    def _changed_user(self) -> None:
        """Begin anew as another user: statements, schema and variables are those of a new session."""
        self._settings.users.give(self._login.user)
        self._login = login = self._changing
        self._settings.users.take(login.user)
        self._resolver.changed_user(login.user)
        self._beginnings = None
        self._forget_statements()
        self._variables = Variables(self._dialect.mariadb, login.database, login.charset, self._tracker.status)

    # ----------------------------------------------------------------------------------------------------------------
    # The backend's packets

    def _read_answer(self, payload: bytes, sequence: int) -> bytes | None:
        """Read a packet that matters; return None to pass it on, else what the client gets in its place."""
        tracker = self._tracker
        part = tracker.part
        event = tracker.packet(payload)
        if tracker.ok is not None and tracker.status & self._state_changed:
            for kind, change in state_changes(payload, tracker.ok):
                self._variables.tracked(kind, change)
        if not self._pending:
            return None  # an error that comes unasked: shutdown, kill, time-out
        command = self._pending[0]
        if part is Part.PREPARED:
            self._read_prepared(command, payload)
        if self._preparing:
            return self._end_preparing(payload) if event is Event.END else b""
        if part is Part.LOGIN and self._auth is not None:
            return self._read_auth_answer(self._auth, event, payload, sequence)
        if event is Event.LOCAL_INFILE:
            self._infile = command.infile = True
        elif event is Event.RESULT and command.batch is not None:
            return self._read_result(command, command.batch, payload, sequence)
        elif event is Event.RESULT and self._may_be_several(command):
            self._forget(command)
        return self._read_end(command, payload, sequence, part) if event is Event.END else None

    def _may_be_several(self, command: Command) -> bool:
        """Whether a reply of several results may be one to several statements, and not to one CALL."""
        return command.code == commands.QUERY and (
            command.verb != "call" or b";" in self._text_of(command).rstrip(b"; ")
        )

    def _forget(self, command: Command) -> None:
        """Know nothing any more of what a text may have changed of which not everything was seen."""
        self._variables.forget()
        self._forget_tables()
        if len(command.start) == HEAD or may_use(command.start):
            self._variables.schema = None

    def _lose_track(self, reason: str) -> bool:
        """Pass on what cannot be followed, unless the client would see what it must not; tell whether that is done."""
        if self._auth is not None or self._preparing or (self._pending and self._pending[0].is_followed):
            return False
        self.lost = reason
        self._relay()
        self._from_client.relay()
        self._wires.release_client()
        return True

    def _end_unseen(self) -> bool:
        """Take note that a reply has ended with definitions; tell whether one was due."""
        if not self._pending or self._waiting:
            return False
        if self._preparing:
            self._end_preparing(b"")
        else:
            self._finish()
        return True

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
        if command.ddl:
            self._forget_tables()
        self._finish()
        if batch is not None:
            self._from_backend.shift = None
            return frame(answer, sequence)
        if command.stage.is_rules and sequence <= _FIRST_REPLY and payload[0] != EOF:
            return frame(answer, 1)  # the client has sent one packet, a rule's statement may have needed two
        return None if answer is payload else frame(answer, sequence)

    def _read_error(self, command: Command, payload: bytes, *, begun: bool) -> bytes | None:
        """Read an ERR that ends a reply, which has begun otherwise; None: another statement goes to the backend."""
        if begun and not self._withheld.active:
            command.block(Reason.RETURNING)  # the client has seen the beginning
        if command.statement is None and command.unseen is None:
            command.unseen = self._why_unseen(command)
        answer = self._resolver.failed(command, payload, *self._about(command))
        if isinstance(answer, bytes):
            verb = (
                "other"
                if command.unseen is not None and command.code == commands.QUERY
                else self._about(command)[0].verb
            )
            self._tracker.status = _after_error(self._tracker.status, command.code, verb)
            return answer
        self._withheld.drop()
        if isinstance(answer, Send):
            self._run(command, answer.text)
        else:
            self._wait(command, answer)
        return None

    def _pause(self, command: Command) -> None:
        """Go on with a command after other sessions have had their turn."""
        self._waiting = True
        self._wires.soon(partial(self._resume, command))

    def _wait(self, command: Command, wait: Wait | Pause) -> None:
        """Let a conflict wait for the definition of its table, or for the text to be read on."""
        if isinstance(wait, Pause):
            self._pause(command)
            return
        self._waiting = True
        if self._settings.tables is not None:
            self._settings.tables.request(wait.schema, wait.table, partial(self._resume, command))

    def _resume(self, command: Command) -> None:
        """Go on with a conflict whose table has been looked up."""
        if self._ended or not self._pending or self._pending[0] is not command:
            return
        self._waiting = False
        if command.stage is Stage.UNSENT:
            self._send_first(command)
            return
        answer = self._resolver.resumed(command)
        if isinstance(answer, Wait | Pause):
            self._wait(command, answer)
        elif isinstance(answer, Send):
            self._run(command, answer.text)
        else:
            self._finish()
            self._from_backend.shift = None
            self._wires.to_client(frame(answer, command.answer_id))
            self._release()

    def _send_first(self, command: Command) -> None:
        """Send a command that had to be read first."""
        statement = command.batch.whole if command.batch is not None else command.statement
        if statement is None:
            raise ProtocolError("a command goes on that never was")
        first = self._first_text(command, statement)
        if isinstance(first, Pause):
            self._pause(command)
        else:
            self._run(command, first)

    def end(self) -> None:
        """Do nothing any more, whatever is still called back."""
        self._ended = True
        self._trail.end()

    def _read_success(self, command: Command, payload: bytes) -> bytes:
        if command.verb and len(command.start) == HEAD:
            self._variables.forget()  # the rest of the text may hold anything
            if command.verb != "set":
                self._variables.schema = None
        elif command.verb:
            self._variables.succeeded(command.verb, self._text_of(command), self._tracker.status)
        elif command.code in _EXECUTES and self._about(command)[0].verb in _CHANGING_VERBS:
            self._variables.forget()
        elif command.code == commands.INIT_DB:
            self._variables.schema = command.start[1:].decode("utf-8", "surrogateescape")
        elif command.code == commands.SET_OPTION:
            self.lane.several = command.start[1:] == b"\0\0"
        elif command.code == commands.RESET_CONNECTION:
            self._forget_statements()
            self._variables.forget()
        elif command.infile and self._tracker.ok is not None:
            self._resolver.loaded(command, payload, self._tracker.ok, *self._about(command))
        return self._resolver.succeeded(command, payload, self._tracker.ok)

    def _finish(self) -> None:
        """Close the reply of the oldest command, and expect the next one's."""
        command = self._pending.popleft()
        self._withheld.release()
        if command.prepared is not None:
            command.prepared.long_data.clear()
        self._counters.observe_command(self._clock() - command.started)
        if self._pending:
            self._tracker.begin(self._pending[0].code)
        else:
            self.lane.clear = self._from_client.empty and not self._continued
            self.lane.status = self._tracker.status

    # ----------------------------------------------------------------------------------------------------------------
    # What a command was about

    def _text_offset(self, payload: bytes) -> int:
        """Return where the text begins in a COM_QUERY payload; -1 where its attributes do not tell."""
        try:
            return text_offset(payload, query_attributes=self._query_attributes)
        except ProtocolError:
            return -1  # attributes longer than what is looked at; the server says what is wrong with others

    def _text_of(self, command: Command) -> bytes:
        """Return the start of a command's text."""
        if command.code == commands.STMT_PREPARE:
            return command.start[1:]
        at = self._text_offset(command.start)
        return command.start[at:] if at >= 0 else b""

    def _why_unseen(self, command: Command) -> Reason | None:
        """Say why a command has no statement of its own, if it may be an INSERT all the same."""
        if command.code in _EXECUTES:
            found = self._statements.get(self._client_number(statement_of(command.start)))
            if found is None or found.head.verb not in _OFFERING_VERBS:
                return None
            return found.unseen if found.insert is None else Reason.TOO_LARGE
        hidden = command.verb == "hidden" or self._text_offset(command.start) < 0
        return Reason.TOO_LARGE if command.code == commands.QUERY and hidden else None

    def _about(self, command: Command) -> tuple[Head, str | None]:
        """Say what a command's statement does, prepared or not, and in which default schema."""
        if command.statement is not None:
            return command.statement.head, command.statement.schema
        if command.code in _EXECUTES:
            found = self._statements.get(self._client_number(statement_of(command.start)))
            return (found.head, found.schema) if found else (_NO_HEAD, None)
        if command.batch is not None:
            return head(command.batch.text), self._variables.schema
        said = head(self._text_of(command)) if command.code == commands.QUERY else _NO_HEAD
        return said, self._variables.schema


def _after_error(status: int, code: int, verb: str) -> int:
    """Return the status flags after an error, which tells none: a transaction is open if there may be one.

    Args:
        status: the flags before; MORE_RESULTS is set if the reply had begun with another statement's result.
        code: the command's.
        verb: of its statement.
    """
    harmless = verb in _BEGINS_NOTHING or code not in (commands.QUERY, *_EXECUTES)
    if status & _AUTOCOMMIT and harmless and not status & cap.STATUS_MORE_RESULTS:
        return status
    return (status | _IN_TRANS) & ~cap.STATUS_MORE_RESULTS


def _may_be_insert(payload: bytes, at: int) -> bool:
    """Whether a text may be an INSERT, by its first byte: ``I``, or no letter at all (a comment, a parenthesis)."""
    first = payload[at : at + 1]
    return first in b"iI" or not first.isalpha()


def _may_set(payload: bytes, at: int) -> bool:
    """Whether a text may change how later ones read, by its first bytes; not where a plain one begins so."""
    start = payload[at : at + 3].lower()
    return start not in (b"sel", b"ins", b"upd", b"del", b"com", b"rol")
