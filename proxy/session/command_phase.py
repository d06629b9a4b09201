"""The second phase of a session: commands and their replies.

Bytes are passed on as they came, in the largest stretches that hold nothing to look at. A packet is looked at only

* at its first bytes, when it opens a command;
* whole, when it is an INSERT that rules are for, or one that ends or opens a reply.

An INSERT that rules are for has the backend to itself: it waits until the replies before it have ended, and what the
client sends behind it waits until its own reply has. So a second statement is never sent into the middle of something.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from proxy.session.auth import AuthRelay
from proxy.session.command import Command, Statement
from proxy.session.login_phase import Agreed
from proxy.session.resolution import Resolver, Send, Who
from proxy.session.settings import SessionSettings, Wires
from proxy.session.variables import Variables
from proxy.sql.dialect import Dialect
from proxy.sql.head import Head, head
from proxy.wire import capabilities as cap
from proxy.wire import commands
from proxy.wire.answers import ERR, parse_err, state_changes
from proxy.wire.commands import SHAPES, Shape
from proxy.wire.errors import ProtocolError
from proxy.wire.framing import HEADER, MAX_PAYLOAD, frame
from proxy.wire.login import parse_change_user
from proxy.wire.query import text_offset
from proxy.wire.replies import Event, Part, ReplyTracker

_HEAD: Final = 1024  # bytes of a text that are looked at to tell what it is
_LAST_PREPARED: Final = 0xFFFFFFFF  # MariaDB's id for the statement prepared last
_NO_HEAD: Final = Head("other", None, None)

# How many bytes of a command's payload must be there before it can be passed on.
_WANTED: Final = tuple(
    {
        commands.QUERY: _HEAD,
        commands.STMT_PREPARE: _HEAD,
        commands.INIT_DB: _HEAD,
        commands.STMT_EXECUTE: 5,
        commands.STMT_BULK_EXECUTE: 5,
        commands.STMT_CLOSE: 5,
    }.get(code, 1)
    for code in range(256)
)
_REMEMBERED_VERBS: Final = frozenset({"set", "use", "call", "execute"})


class CommandPhase:
    """The conversation after the login.

    Args:
        wires: where to write.
        settings: the session's settings.
        agreed: what the login has settled.
        relay: called when the proxy is to look at nothing from here on.
    """

    __slots__ = (
        "_agreed",
        "_auth",
        "_backend_rest",
        "_capabilities",
        "_changing",
        "_client_continued",
        "_client_need",
        "_client_parts",
        "_client_size",
        "_client_stream",
        "_clock",
        "_counters",
        "_dialect",
        "_held",
        "_infile",
        "_last_prepared",
        "_login",
        "_pending",
        "_query_attributes",
        "_relay",
        "_relaying",
        "_resolver",
        "_ruled",
        "_settings",
        "_statement_limit",
        "_statements",
        "_tracker",
        "_variables",
        "_wires",
        "quitting",
    )

    def __init__(self, wires: Wires, settings: SessionSettings, agreed: Agreed, relay: Callable[[], None]) -> None:
        login = agreed.login
        self._dialect = dialect = Dialect.parse(agreed.greeting.version)
        self._wires = wires
        self._settings = settings
        self._agreed = agreed
        self._relay = relay
        self._counters = settings.counters
        self._clock = settings.clock
        self._login = login
        self._capabilities = login.capabilities
        self._query_attributes = bool(login.capabilities & cap.QUERY_ATTRIBUTES)
        self._statement_limit = min(settings.limits.statement, MAX_PAYLOAD - 1)
        self._tracker = ReplyTracker(login.capabilities, login.mariadb_capabilities)
        self._variables = Variables(dialect.mariadb, login.database, login.charset, agreed.status)
        self._resolver = Resolver(
            dialect,
            login.capabilities,
            Who(agreed.greeting.thread_id, login.user, settings.client_address),
            settings.rules,
            settings.counters,
            settings.recorder,
            settings.clock,
            settings.wall_clock,
        )
        self._pending: deque[Command] = deque()  # commands whose replies are due, in their order
        self._statements: dict[int, Head] = {}  # prepared statements: what the starts of their texts say
        self._last_prepared = 0
        self._auth: AuthRelay | None = None  # while a COM_CHANGE_USER is under way
        self._changing = login  # who that is for
        self._infile = False  # the client sends the file of a LOAD DATA LOCAL
        self.quitting = False

        # the client's bytes that wait, until there are _client_need of them or, when held, until all replies have ended
        self._client_parts: list[bytes] = []
        self._client_size = 0
        self._client_need = 0
        self._held = False
        self._client_stream = 0  # bytes of a packet that are passed on unseen when they come
        self._client_continued = False  # the next packet continues a payload of 16 MiB - 1
        self._ruled = False  # the packet being read is an INSERT that rules are for
        self._relaying = False

        self._backend_rest = b""  # the start of a reply's packet that must be seen whole

    @property
    def idle(self) -> bool:
        """Whether no reply is due and nothing of the client's waits."""
        return not self._pending and not self._client_parts and not self._client_stream

    @property
    def user(self) -> str:
        """Who is logged in."""
        return self._login.user

    # ----------------------------------------------------------------------------------------------------------------
    # From the client

    def client_data(self, data: bytes) -> None:
        """Take bytes that the client sent.

        Raises:
            ProtocolError: they are not of the protocol.
        """
        if self._client_parts:
            self._client_parts.append(data)
            self._client_size += len(data)
            if self._held or self._client_size < self._client_need:
                return
            data = self._take_parts()
        self._read_client(data)

    def _take_parts(self) -> bytes:
        data = b"".join(self._client_parts)
        self._client_parts = []
        self._client_size = 0
        return data

    def _keep(self, data: bytes, position: int, need: int) -> None:
        """Keep the client's bytes from ``position`` until there are as many as needed."""
        self._client_parts = [data[position:]]
        self._client_size = len(data) - position
        self._client_need = need

    def _read_client(self, data: bytes) -> None:
        """Pass on whole packets, and those that need not be seen whole; keep what must wait."""
        size = len(data)
        start = 0  # the first byte that has not been passed on
        position = min(size, self._client_stream)
        self._client_stream -= position
        while position < size:
            if self._held:
                self._keep(data, position, 0)
                size = position
                break
            need = self._needed(data, position)
            if position + need > size:
                self._keep(data, position, need)
                size = position
                break
            if self._ruled and self._pending:
                self._hold()
                continue
            end = position + HEADER + int.from_bytes(data[position : position + 3], "little")
            instead = self._read_packet(data, position, end)
            if instead is not None:
                self._send_to_backend(data, start, position)
                if instead:
                    self._wires.to_backend(instead)
                start = end
            position = size if self._relaying else end
        self._client_stream += max(0, position - size)
        self._send_to_backend(data, start, min(position, size))

    def _send_to_backend(self, data: bytes, start: int, end: int) -> None:
        if start < end:
            self._wires.to_backend(data if end - start == len(data) else data[start:end])

    def _needed(self, data: bytes, position: int) -> int:
        """Return how many bytes from the packet's start must be there before it can be read.

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
        if not length or self._infile or self._client_continued:
            return HEADER
        if left == HEADER:
            return HEADER + 1
        code = data[position + HEADER]
        if code == commands.CHANGE_USER:
            return HEADER + self._bounded(length)
        need = HEADER + min(length, _WANTED[code])
        if code == commands.QUERY and left >= need and length <= self._statement_limit:
            self._ruled = self._is_ruled(data, position)
        return HEADER + length if self._ruled else need

    def _bounded(self, length: int) -> int:
        if length > self._settings.limits.login_packet:
            raise ProtocolError(f"a login packet of {length} bytes is over the limit")
        return length

    def _read_packet(self, data: bytes, position: int, end: int) -> bytes | None:
        """Read one of the client's packets, of which as much is there as is needed.

        Returns:
            None to pass it on; else what goes to the backend in its place, perhaps nothing.
        """
        length = end - position - HEADER
        if self._auth is not None:
            return self._auth.from_client(data[position + 3], data[position + HEADER : end])
        continued, self._client_continued = self._client_continued, length == MAX_PAYLOAD
        if continued:
            return None
        if self._infile:
            self._infile = length > 0
            return None
        if not length:  # the server answers an empty command with an error
            self._expect(Command(0, b"", self._clock()))
            return None
        return self._read_command(data, position, end)

    def _read_command(self, data: bytes, position: int, end: int) -> bytes | None:
        payload_at = position + HEADER
        code = data[payload_at]
        shape = SHAPES[code]
        self._counters.commands[code] += 1
        if shape is Shape.RAW:
            self._begin_relay()
            return None
        command = Command(code, data[payload_at : min(end, payload_at + _WANTED[code])], self._clock())
        if code == commands.QUERY:
            instead = self._read_query(command, data[position + HEADER : end] if self._ruled else b"")
        else:
            instead = self._read_other(command, data, position, end)
        if shape is not Shape.NOTHING:
            self._expect(command)
        return instead

    def _read_other(self, command: Command, data: bytes, position: int, end: int) -> bytes | None:
        match command.code:
            case commands.STMT_CLOSE:
                self._statements.pop(int.from_bytes(command.start[1:5], "little"), None)
            case commands.QUIT:
                self.quitting = True
            case commands.CHANGE_USER:
                return self._begin_change_user(data[position + HEADER : end])
        return None

    def _begin_relay(self) -> None:
        """Pass on everything from here on: a replication stream, or a command that is not known."""
        self._relaying = True
        rest, self._backend_rest = self._backend_rest, b""
        if rest:
            self._wires.to_client(rest)
        self._relay()

    def _expect(self, command: Command) -> None:
        self._pending.append(command)
        if len(self._pending) == 1:
            self._tracker.begin(command.code)

    # ----------------------------------------------------------------------------------------------------------------
    # COM_QUERY

    def _text_offset(self, payload: bytes) -> int:
        """Return where the text begins in a COM_QUERY payload; -1 where its attributes do not tell."""
        try:
            return text_offset(payload, query_attributes=self._query_attributes)
        except ProtocolError:
            return -1  # attributes longer than what is looked at; the server says what is wrong with others

    def _is_ruled(self, data: bytes, position: int) -> bool:
        """Tell whether a COM_QUERY begins like an INSERT that rules are for, so that it must be seen whole."""
        if data[position + 3] or not self._settings.rules().rules:
            return False
        payload = data[position + HEADER : position + HEADER + _HEAD]
        at = self._text_offset(payload)
        if at < 0 or not _may_be_insert(payload, at):
            return False
        return bool(self._resolver.candidates(head(payload[at:]), self._variables.schema))

    def _read_query(self, command: Command, ruled: bytes) -> bytes | None:
        """Look at a statement.

        Args:
            command: the command.
            ruled: its whole payload if rules are for it.

        Returns:
            None to pass it on, or the packets that a rule sends in its place.
        """
        at = self._text_offset(command.start)
        if at < 0:
            return None
        if _may_set(command.start, at):
            self._remember_verb(command, at)
        return self._send_ruled(command, ruled, at) if ruled else None

    def _remember_verb(self, command: Command, at: int) -> None:
        verb = head(command.start[at:]).verb
        if verb in _REMEMBERED_VERBS:
            command.verb = verb

    def _send_ruled(self, command: Command, payload: bytes, at: int) -> bytes | None:
        text = payload[at:]
        start = head(text[:_HEAD])
        schema = self._variables.schema
        statement = Statement(
            prefix=payload[:at],
            text=text,
            head=start,
            schema=schema,
            candidates=self._resolver.candidates(start, schema),
            lexing=self._variables.lexing(),
        )
        first = self._resolver.first_text(command, statement)
        self._hold()
        return None if first is text else statement.packets(first)

    def _hold(self) -> None:
        """Let what the client sends next wait until all replies have ended."""
        self._held = True
        self._wires.hold_client()

    def _release(self) -> None:
        self._held = False
        self._wires.release_client()
        if self._client_parts:
            self._read_client(self._take_parts())

    # ----------------------------------------------------------------------------------------------------------------
    # COM_CHANGE_USER

    def _begin_change_user(self, payload: bytes) -> bytes:
        self._changing = parse_change_user(payload, self._login)
        self._auth = AuthRelay(
            self._agreed.terms,
            self._changing.plugin or self._agreed.greeting.plugin,
            self._agreed.greeting.nonce,
            self._wires.to_client,
            self._wires.to_backend,
        )
        return self._auth.from_client(0, payload)

    def _changed_user(self) -> None:
        """Begin anew as another user: statements, schema and variables are those of a new session."""
        self._login = login = self._changing
        self._resolver.changed_user(login.user)
        self._statements.clear()
        self._variables = Variables(self._dialect.mariadb, login.database, login.charset, self._tracker.status)

    # ----------------------------------------------------------------------------------------------------------------
    # From the backend

    def backend_data(self, data: bytes) -> None:
        """Take bytes that the backend sent.

        Raises:
            ProtocolError: they are not of the protocol.
        """
        if self._backend_rest:
            data = self._backend_rest + data
            self._backend_rest = b""
        size = len(data)
        start = position = 0  # start: the first byte that has not been passed on
        tracker = self._tracker
        while True:
            position = tracker.pass_over(data, position)
            if self._pending and tracker.ended:
                self._finish()
                continue
            if position >= size:
                break
            end = tracker.measure(data, position)
            if not end:
                self._backend_rest = data[position:]
                break
            instead = self._read_answer(data[position + HEADER : end], data[position + 3])
            if instead is not None:
                self._send_to_client(data, start, position)
                if instead:
                    self._wires.to_client(instead)
                start = end
            position = end
        self._send_to_client(data, start, position)
        if self._held and not self._pending:
            self._release()

    def _send_to_client(self, data: bytes, start: int, end: int) -> None:
        if start < end:
            self._wires.to_client(data if end - start == len(data) else data[start:end])

    def _read_answer(self, payload: bytes, sequence: int) -> bytes | None:
        """Read a packet that matters; return None to pass it on, else what the client gets in its place."""
        tracker = self._tracker
        part = tracker.part
        event = tracker.packet(payload)
        if tracker.ok is not None:
            self._variables.status = tracker.status
            if tracker.status & cap.STATUS_SESSION_STATE_CHANGED and self._capabilities & cap.SESSION_TRACK:
                for kind, change in state_changes(payload, tracker.ok):
                    self._variables.tracked(kind, change)
        if not self._pending:
            return None  # an error that comes unasked: shutdown, kill, time-out
        command = self._pending[0]
        if part is Part.LOGIN and self._auth is not None:
            return self._read_auth_answer(event, payload, sequence)
        if event is Event.LOCAL_INFILE:
            self._infile = True
        elif event is Event.RESULT:
            self._variables.forget()  # any of several statements may have been a SET
        elif event is Event.PART and part is Part.PREPARED:
            self._prepared(command, payload)
        if event is not Event.END:
            return None
        return self._read_end(command, part, payload, sequence)

    def _read_end(self, command: Command, part: Part, payload: bytes, sequence: int) -> bytes | None:
        """Read the packet that ends a reply."""
        self._infile = False
        if payload[0] == ERR:
            answer = self._resolver.failed(command, payload, self._head_of(command), self._variables.schema)
            if isinstance(answer, Send) and command.statement is not None:
                self._wires.to_backend(command.statement.packets(answer.text))
                self._tracker.begin(commands.QUERY)
                return b""
            instead = payload if isinstance(answer, Send) else answer
        else:
            if part is Part.PREPARED:
                self._prepared(command, payload)
            instead = self._read_success(command, payload)
        self._finish()
        if command.stage.is_rules:
            return frame(instead, 1)  # the client has sent one packet, a rule's statement may have needed two
        return None if instead is payload else frame(instead, sequence)

    def _read_success(self, command: Command, payload: bytes) -> bytes:
        if command.verb:
            self._variables.succeeded(command.verb, self._text_of(command))
        elif command.code == commands.INIT_DB:
            self._variables.schema = command.start[1:].decode("utf-8", "surrogateescape")
        elif command.code == commands.RESET_CONNECTION:
            self._statements.clear()
            self._variables.forget()
        ok = self._tracker.ok
        return payload if ok is None else self._resolver.succeeded(command, payload, ok)

    def _finish(self) -> None:
        """Close the reply of the oldest command, and expect the next one's."""
        command = self._pending.popleft()
        self._counters.observe_command(self._clock() - command.started)
        if self._pending:
            self._tracker.begin(self._pending[0].code)

    def _read_auth_answer(self, event: Event, payload: bytes, sequence: int) -> bytes:
        """Read a packet of COM_CHANGE_USER's authentication."""
        if self._auth is None:
            raise ProtocolError("the backend spoke out of turn")
        instead = self._auth.from_backend(sequence, payload)
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

    # ----------------------------------------------------------------------------------------------------------------
    # What a command was about

    def _text_of(self, command: Command) -> bytes:
        """Return the start of a command's text."""
        if command.code == commands.STMT_PREPARE:
            return command.start[1:]
        at = self._text_offset(command.start)
        return command.start[at:] if at >= 0 else b""

    def _head_of(self, command: Command) -> Head:
        """Say what a command's statement does, prepared or not."""
        if command.statement is not None:
            return command.statement.head
        if command.code in (commands.STMT_EXECUTE, commands.STMT_BULK_EXECUTE):
            number = int.from_bytes(command.start[1:5], "little")
            return self._statements.get(self._last_prepared if number == _LAST_PREPARED else number, _NO_HEAD)
        return head(self._text_of(command)) if command.code == commands.QUERY else _NO_HEAD

    def _prepared(self, command: Command, payload: bytes) -> None:
        """Remember what a prepared statement is about: payload 0x00, statement id (4), ..."""
        self._last_prepared = int.from_bytes(payload[1:5], "little")
        self._statements[self._last_prepared] = head(self._text_of(command))


def _may_be_insert(payload: bytes, at: int) -> bool:
    """Whether a text may be an INSERT, by its first byte: ``I``, or no letter at all (a comment, a parenthesis)."""
    first = payload[at : at + 1]
    return first in b"iI" or not first.isalpha()


def _may_set(payload: bytes, at: int) -> bool:
    """Whether a text may change how later ones read, by its first bytes: SET, USE, CALL, EXECUTE, or no letter."""
    start = payload[at : at + 3].lower()
    return start in (b"set", b"use", b"cal", b"exe") or not start[:1].isalpha()
