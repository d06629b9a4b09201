"""The packets that open or end a reply: what has come of each command, and what the client gets for it."""

from proxy.session.account import Account
from proxy.session.auth import AuthRelay
from proxy.session.batch import Batch
from proxy.session.command import Command
from proxy.session.contents import Contents
from proxy.session.decision import Send
from proxy.session.effects import Effects
from proxy.session.fast_lane import FastLane
from proxy.session.in_flight import InFlight
from proxy.session.prepared import PreparedStatements
from proxy.session.reply_gate import ReplyGate
from proxy.session.reporter import Reporter
from proxy.session.resolution import Resolver
from proxy.session.runner import Runner
from proxy.session.status import after_error
from proxy.sql.reason import Reason
from proxy.wire import capabilities as cap
from proxy.wire import commands
from proxy.wire.answers import ERR
from proxy.wire.framing import frame
from proxy.wire.replies import Event, Part, ReplyTracker


class ReplyReader:
    """Reads them for a `ReplyStream`.

    Args:
        tracker: knows where in a reply they are.
        flight: the commands that are replied to.
        gate: what the client gets of the replies.
        runner: sends another statement where the resolver says so.
        resolver: says what the client gets for a conflict.
        reporter: is told of a LOAD DATA LOCAL, whose conflicts are no errors.
        account: takes the replies to a COM_CHANGE_USER.
        statements: takes those to a PREPARE.
        contents: reads what a command has said.
        effects: is told of what has come of it.
        lane: the fast lane, which must know whether a text may hold several statements.
        session_track: whether the session negotiated CLIENT_SESSION_TRACK.
    """

    __slots__ = (
        "_account",
        "_contents",
        "_effects",
        "_flight",
        "_gate",
        "_lane",
        "_reporter",
        "_resolver",
        "_runner",
        "_state_changed",
        "_statements",
        "_tracker",
    )

    def __init__(
        self,
        tracker: ReplyTracker,
        flight: InFlight,
        gate: ReplyGate,
        runner: Runner,
        resolver: Resolver,
        reporter: Reporter,
        account: Account,
        statements: PreparedStatements,
        contents: Contents,
        effects: Effects,
        lane: FastLane,
        *,
        session_track: bool,
    ) -> None:
        self._tracker = tracker
        self._flight = flight
        self._gate = gate
        self._runner = runner
        self._resolver = resolver
        self._reporter = reporter
        self._account = account
        self._statements = statements
        self._contents = contents
        self._effects = effects
        self._lane = lane
        self._state_changed = cap.STATUS_SESSION_STATE_CHANGED if session_track else 0

    def read(self, payload: bytes, sequence: int) -> bytes | None:
        """Read a packet that matters; return None to pass it on, else what the client gets in its place.

        Raises:
            ProtocolError: it cannot stand at this place of a reply.
        """
        tracker = self._tracker
        part = tracker.part
        event = tracker.packet(payload)
        if tracker.ok is not None and tracker.status & self._state_changed:
            self._effects.tracked(payload, tracker.ok)
        if not self._flight.commands:
            return None  # an error that comes unasked: shutdown, kill, time-out
        command = self._flight.commands[0]
        if self._runner.preparing:
            return self._preparing(command, event, payload, part)
        if part is Part.PREPARED:
            self._statements.add(command, payload)
        if part is Part.LOGIN and self._account.relay is not None:
            return self._user_change(self._account.relay, event, payload, sequence)
        if event is Event.LOCAL_INFILE:
            self._flight.infile = command.infile = True
            command.block(Reason.LOAD_DATA)  # of the client's own file there is no second reading
        elif event is Event.RESULT and command.batch is not None:
            return self._result(command, command.batch, payload, sequence)
        elif event is Event.RESULT:
            command.alone = False  # its first statements have run, and would again
            self._effects.ended_in_part(command)
        return self._end(command, payload, sequence, part) if event is Event.END else None

    def ended(self) -> bool:
        """Take note that a reply may have ended with definitions; tell whether one was due."""
        if not self._flight.commands or self._runner.waiting:
            return False
        if self._runner.preparing:
            self._end_preparing(self._flight.commands[0], b"")
        else:
            self._flight.finish()
        return True

    def _user_change(self, relay: AuthRelay, event: Event, payload: bytes, sequence: int) -> bytes:
        """Take a packet of an authentication."""
        instead = relay.from_backend(sequence, payload)
        if event is Event.END:
            self._account.end_change(payload, self._tracker.status)
            self._flight.finish()
        return instead

    # ----------------------------------------------------------------------------------------------------------------
    # To a command of the proxy's own

    def _preparing(self, command: Command, event: Event, payload: bytes, part: Part) -> bytes:
        if part is Part.PREPARED:
            self._runner.read_prepared(command, payload)
        return self._end_preparing(command, payload) if event is Event.END else b""

    def _end_preparing(self, command: Command, payload: bytes) -> bytes:
        error = self._runner.end_preparing(command, payload)
        if error is None:
            return b""
        self._flight.finish()
        return frame(error, 1)

    # ----------------------------------------------------------------------------------------------------------------
    # To a statement

    def _result(self, command: Command, batch: Batch, payload: bytes, sequence: int) -> bytes:
        """Take the packet that ends the result of one statement of several; the client gets it from here."""
        answer = self._resolver.succeeded(command, payload, self._tracker.ok)
        self._gate.release()
        self._gate.send(frame(answer, sequence + batch.shift.by))
        batch.next(command, sequence, self._tracker.status)
        self._gate.keeping = command.statement is not None and command.statement.returning
        return b""

    def _end(self, command: Command, payload: bytes, sequence: int, part: Part) -> bytes | None:
        """Take the packet that ends a reply, of which it is this part."""
        self._flight.infile = False
        shift = self._gate.shift
        if shift is not None:
            sequence += shift.by
        self._effects.ended(command)
        if payload[0] != ERR:
            answer = self._success(command, payload)
        else:
            found = self._error(command, payload, sequence, begun=part is not Part.FIRST)
            if found is None:
                return b""
            answer = found
            if self._gate.keeping and answer is not payload:  # it takes the place of all that was kept
                self._gate.drop()
                sequence = command.answer_id
        self._flight.finish()
        return None if answer is payload and shift is None else frame(answer, sequence)

    def _success(self, command: Command, payload: bytes) -> bytes:
        tracker = self._tracker
        self._effects.succeeded(command, tracker.status)
        if command.code == commands.SET_OPTION:
            self._lane.several = command.start[1:] == b"\0\0"
        elif command.code == commands.RESET_CONNECTION:
            self._statements.forget()
        elif command.infile and not command.verb and tracker.ok is not None:
            self._reporter.loaded(command, payload, tracker.ok, *self._contents.about(command))
        return self._resolver.succeeded(command, payload, tracker.ok)

    def _error(self, command: Command, payload: bytes, sequence: int, *, begun: bool) -> bytes | None:
        """Take an ERR that ends a reply, which has begun otherwise; None: another statement goes to the backend."""
        if begun and not self._gate.keeping:
            command.block(Reason.RETURNING)  # the client has seen the beginning
        if command.statement is None and command.unseen is None:
            command.unseen = self._contents.why_unseen(command)
        head, schema = self._contents.about(command)
        answer = self._resolver.failed(command, payload, head, schema)
        if not isinstance(answer, Send):
            unseen = command.unseen is not None and command.code == commands.QUERY
            verb = "other" if unseen else head.verb
            self._tracker.status = after_error(self._tracker.status, command.code, verb)
            if isinstance(answer, bytes):
                return answer
            command.error_id = command.answer_id if self._gate.keeping else sequence
        self._gate.drop()
        self._runner.follow(command, answer)
        return None
