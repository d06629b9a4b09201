"""The second phase of a session: commands and their replies.

Bytes are passed on as they came, in the largest stretches that hold nothing to look at. A packet is looked at only

* at its first bytes, when it opens a command;
* whole, when it is an INSERT that rules are for, or one that ends or opens a reply.

What is plain takes the `FastLane`, all else this way::

    client ──► ClientStream ──► CommandReader ─┬─────────────────────────────────────► backend
               cuts packets     routes them    └─► Selection ──► Runner ─────────────►
                                                   for rules?    ▲ │ what is sent
                                                                 │ └─► Resolver
                                   another statement is to follow│     decides
    client ◄── ReplyGate ◄───── ReplyReader ─────────────────────┘
               what it gets     routes them ◄── ReplyStream ◄───────────────────────── backend
                                                cuts packets

This way is laid when something takes it for the first time: connections that ask only what is plain and leave do
without it.

Between the two readers is `InFlight`, with the commands whose replies are due. Both tell those who keep what a command
may change (`PreparedStatements`; `Effects` on variables and tables; `Account`), and the `Trail` keeps what was sent.

An INSERT that rules are for has the backend to itself: it waits until the replies before it have ended, and what the
client sends behind it waits until its own reply has. So a second statement is never sent into the middle of something.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from proxy.session.account import Account
from proxy.session.client_stream import ClientStream
from proxy.session.command import Command
from proxy.session.command_reader import CommandReader
from proxy.session.contents import Contents
from proxy.session.effects import Effects
from proxy.session.fast_lane import FastLane, plain_starts
from proxy.session.in_flight import InFlight
from proxy.session.insert_lane import InsertLane
from proxy.session.login_phase import Agreed
from proxy.session.planner import Planner
from proxy.session.prepared import PreparedStatements
from proxy.session.reply_gate import ReplyGate
from proxy.session.reply_reader import ReplyReader
from proxy.session.reply_stream import ReplyStream
from proxy.session.reporter import Reporter, Who
from proxy.session.resolution import Resolver
from proxy.session.runner import Runner
from proxy.session.selection import Selection
from proxy.session.settings import SessionSettings, Wires
from proxy.session.status import is_at_rest
from proxy.session.trail import RECENT, Trail
from proxy.session.variables import Variables
from proxy.sql.dialect import Dialect
from proxy.wire import capabilities as cap
from proxy.wire import commands
from proxy.wire.framing import HEADER, MAX_PAYLOAD, frame
from proxy.wire.replies import ReplyTracker

_QUIT: Final = frame(bytes((commands.QUIT,)), 0)


class CommandPhase:
    """The conversation after the login: puts its parts together, and speaks for them.

    Args:
        wires: where to write.
        settings: the session's settings.
        agreed: what the login has settled.
        relay: called when the proxy is to look at nothing from here on.

    Attributes:
        lane: the short way, for what is plain.
        lost: why the replies could not be followed any more; empty while they can.
    """

    __slots__ = (
        "_account",
        "_agreed",
        "_flight",
        "_from_backend",
        "_from_client",
        "_laid",
        "_left",
        "_query_attributes",
        "_reader",
        "_recent",
        "_relay",
        "_reporter",
        "_runner",
        "_selection",
        "_settings",
        "_tracker",
        "_trail",
        "_wires",
        "lane",
        "lost",
    )

    def __init__(self, wires: Wires, settings: SessionSettings, agreed: Agreed, relay: Callable[[], None]) -> None:
        capabilities = agreed.login.capabilities
        self._wires = wires
        self._settings = settings
        self._agreed = agreed
        self._relay = relay
        self._query_attributes = bool(capabilities & cap.QUERY_ATTRIBUTES)
        self._recent: deque[bytes] = deque(maxlen=RECENT)
        self._laid = False  # the general path
        self._left = 0  # how often the client has taken leave without it
        self.lost = ""
        self.lane = lane = FastLane(
            self,
            settings.counters,
            settings.clock,
            starts=plain_starts(Dialect.parse(agreed.greeting.version).mariadb),
            attributes=self._query_attributes,
            deprecate_eof=bool(capabilities & cap.DEPRECATE_EOF),
            keep=self._recent.append,
        )
        lane.several = bool(capabilities & cap.MULTI_STATEMENTS)
        lane.status = agreed.status

    def _lay(self) -> None:
        """Put the general path together."""
        self._laid = True
        wires, settings, agreed, lane = self._wires, self._settings, self._agreed, self.lane
        attributes = self._query_attributes
        login, capabilities = agreed.login, agreed.login.capabilities
        dialect = Dialect.parse(agreed.greeting.version)
        longest = min(settings.limits.statement, MAX_PAYLOAD - 1)
        self._tracker = tracker = ReplyTracker(capabilities, login.mariadb_capabilities)
        tracker.status = agreed.status
        gate = ReplyGate(wires.to_client, settings.limits.write_buffer)
        self._from_client = client = ClientStream(wires.to_backend)
        self._flight = flight = InFlight(tracker, client, gate, lane, settings.counters, settings.clock)
        variables = Variables(dialect.mariadb, login.database, login.charset, agreed.status)
        statements = PreparedStatements(
            lane, variables, mariadb=dialect.mariadb, query_attributes=attributes, long_data=longest
        )
        contents = Contents(statements, variables, query_attributes=attributes)
        effects = Effects(contents, variables, settings.tables, mariadb=dialect.mariadb)
        self._trail = trail = Trail(
            settings.recorder.insertions, contents, flight.commands, self._recent, query_attributes=attributes
        )
        who = Who(agreed.greeting.thread_id, login.user, settings.client_address)
        self._reporter = reporter = Reporter(wires, settings, who, trail, mariadb=dialect.mariadb)
        planner, found_rows = Planner(settings, dialect), bool(capabilities & cap.FOUND_ROWS)
        resolver = Resolver(settings, planner, reporter, found_rows=found_rows)
        self._selection = selection = Selection(
            settings.rules,
            resolver,
            contents,
            statements,
            variables,
            lane,
            flight.commands,
            mariadb=dialect.mariadb,
            longest=longest,
        )
        self._account = account = Account(wires, settings, agreed, variables, statements, reporter, selection)
        self._runner = runner = Runner(
            wires,
            settings.tables,
            client,
            tracker,
            flight,
            gate,
            resolver,
            selection,
            statements,
            contents,
            effects,
            trail,
        )
        self._reader = client.reader = CommandReader(
            settings,
            flight,
            selection,
            runner,
            account,
            statements,
            contents,
            effects,
            trail,
            resolver,
            self._look_away,
            mariadb=dialect.mariadb,
        )
        replies = ReplyReader(
            tracker,
            flight,
            gate,
            runner,
            resolver,
            reporter,
            account,
            statements,
            contents,
            effects,
            lane,
            session_track=bool(capabilities & cap.SESSION_TRACK),
        )
        self._from_backend = ReplyStream(tracker, replies, gate, self._lose_track)

    @property
    def idle(self) -> bool:
        """Whether no reply is due and nothing of the client's waits."""
        return not self.lane.command and (not self._laid or (not self._flight.commands and self._from_client.empty))

    @property
    def at_rest(self) -> bool:
        """Whether no reply is due, no transaction is open and no cursor, as far as the server's flags tell."""
        return self.idle and is_at_rest(self.lane.status)

    @property
    def answered(self) -> bool:
        """Whether the backend waits for the client: for a command, a file, or the next step of a login."""
        if not self._laid:
            return not self.lane.command
        flight = self._flight
        return not (flight.commands or self.lane.command) or flight.infile or self._account.relay is not None

    @property
    def commands(self) -> int:
        """How many commands the client has sent."""
        return self.lane.count + self._left + (self._reader.count if self._laid else 0)

    @property
    def conflicts(self) -> int:
        """How many of them, and of their rows, met a conflict."""
        return self._reporter.count if self._laid else 0

    @property
    def user(self) -> str:
        """Who is logged in."""
        return self._account.login.user if self._laid else self._agreed.login.user

    @property
    def quitting(self) -> bool:
        """Whether the client has sent COM_QUIT."""
        return self._left > 0 or (self._laid and self._reader.quitting)

    def client_data(self, data: bytes) -> None:
        """Take bytes that the client sent.

        Raises:
            ProtocolError: they are not of the protocol.
        """
        if not self._laid:
            if data == _QUIT and not self.lane.command:
                self._leave(data)
                return
            self._lay()
        self._leave_lane()
        self._from_client.data(data)
        if self._from_client.waiting:
            self._wires.hold_client()  # only now: most clients wait for the reply

    def backend_data(self, data: bytes) -> None:
        """Take bytes that the backend sent.

        Raises:
            ProtocolError: they are not of the protocol.
        """
        if not self._laid:
            self._lay()
        self._leave_lane()
        self._from_backend.data(data)
        if not self._from_backend.empty:
            self.lane.clear = False
        self._runner.release()

    def tell(self, error: bytes) -> None:
        """Answer what the client will send next, if it waits for nothing now; error: the payload of an ERR packet."""
        # With the sequence id of a reply all drivers read it as one; unasked, with 0, some take it for a broken line.
        self._wires.to_client(frame(error, 1))

    def quit(self) -> None:
        """Take leave of the backend in the client's place; else it would count an aborted connection."""
        self._wires.to_backend(_QUIT)

    def client_ended(self) -> None:
        """Pass on what was kept of a packet that will never be whole: the server minds where it broke off."""
        if self._laid:
            self._from_client.relay()

    def backend_ended(self) -> None:
        """Pass on what has come of a packet that will never be whole."""
        if self._laid:
            self._from_backend.end()

    def end(self) -> None:
        """Do nothing any more, whatever is still called back."""
        if self._laid:
            self._runner.end()
            self._trail.end()

    def let_go(self) -> None:
        """Let go of what refers to this in turn: nothing is asked or told any more."""
        self.lane.insert_lane = None
        del self.lane
        if self._laid:
            del self._from_client.reader
            del self._account, self._flight, self._from_backend, self._from_client, self._reader, self._reporter
            del self._runner, self._selection, self._trail

    def insert_lane(self) -> InsertLane:
        """Make the lane for INSERTs, see there."""
        if not self._laid:
            self._lay()
        insertions, session = self._settings.recorder.insertions, self._trail.session
        return self._selection.insert_lane(self.user, insertions, session, self._runner.foresee)

    def execute(self, data: bytes, started: float) -> None:
        """Tell of an execution of a prepared INSERT that no rules are for, a chunk that is one whole command."""
        self._trail.executed(self.lane.inserts[data[HEADER + 1 : HEADER + 5]], data, started)

    def _leave(self, data: bytes) -> None:
        """Pass on the COM_QUIT of a client that has asked nothing but what is plain."""
        self._left += 1
        self._settings.counters.commands[commands.QUIT] += 1
        self._wires.to_backend(data)

    def _leave_lane(self) -> None:
        """Go on with what the fast lane has begun."""
        lane = self.lane
        if not self._flight.commands:
            self._tracker.status = lane.status
        if lane.command:
            command = Command(lane.command[HEADER], lane.command, HEADER, lane.started)
            lane.command = b""
            self._flight.expect(command)
            if command.code == commands.QUERY:
                self._runner.take_up(command)

    def _look_away(self) -> None:
        """Look at nothing from here on."""
        self._from_backend.flush()
        self._relay()

    def _lose_track(self, reason: str) -> bool:
        """Pass on what cannot be followed, unless the client would see what it must not; tell whether that is done."""
        pending = self._flight.commands
        if (pending and pending[0].is_followed) or self._runner.preparing or self._account.relay is not None:
            return False
        self.lost = reason
        self.lane.clear = False
        self._relay()
        waiting = self._from_client.waiting
        self._from_client.relay()
        if waiting:
            self._wires.release_client()
        return True
