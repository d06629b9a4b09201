"""The client's packets: what each command is, and where it goes on its way to the backend.

A packet is passed on as it came unless somebody here has other bytes in its place.
"""

from collections.abc import Callable

from proxy.session.account import Account
from proxy.session.client_stream import Pass
from proxy.session.command import Command
from proxy.session.contents import Contents
from proxy.session.effects import Effects
from proxy.session.in_flight import InFlight
from proxy.session.prepared import PreparedStatements
from proxy.session.resolution import Resolver
from proxy.session.runner import Runner
from proxy.session.selection import WANTED, Selection
from proxy.session.settings import SessionSettings
from proxy.session.trail import Trail
from proxy.sql.head import Head
from proxy.sql.reason import Reason
from proxy.wire import commands
from proxy.wire.commands import SHAPES, SHORTEST_UNANSWERED, Shape
from proxy.wire.errors import ProtocolError
from proxy.wire.framing import HEADER, MAX_PAYLOAD


class CommandReader:
    """Reads them for a `ClientStream`.

    Args:
        settings: the session's settings.
        flight: takes note of commands that will be replied to.
        selection: tells which of them rules have a say in.
        runner: runs those.
        account: takes a COM_CHANGE_USER.
        statements: the client's prepared statements.
        contents: reads what a command says.
        effects: is told of what may change something.
        trail: is told of what is sent.
        resolver: counts a statement that is too long for its rule.
        relay: called when the proxy is to look at nothing from here on.
        mariadb: the server is MariaDB, which never answers a command that has no reply.

    Attributes:
        count: how many commands it has read.
        quitting: the client has sent COM_QUIT.
    """

    __slots__ = (
        "_account",
        "_contents",
        "_effects",
        "_flight",
        "_mariadb",
        "_relay",
        "_resolver",
        "_ruled",
        "_runner",
        "_selection",
        "_settings",
        "_statements",
        "_trail",
        "count",
        "quitting",
    )

    def __init__(
        self,
        settings: SessionSettings,
        flight: InFlight,
        selection: Selection,
        runner: Runner,
        account: Account,
        statements: PreparedStatements,
        contents: Contents,
        effects: Effects,
        trail: Trail,
        resolver: Resolver,
        relay: Callable[[], None],
        *,
        mariadb: bool,
    ) -> None:
        self._settings = settings
        self._flight = flight
        self._selection = selection
        self._runner = runner
        self._account = account
        self._statements = statements
        self._contents = contents
        self._effects = effects
        self._trail = trail
        self._resolver = resolver
        self._relay = relay
        self._mariadb = mariadb
        self._ruled: Head | None = None  # how the packet being read begins, if it is an INSERT that rules are for
        self.count = 0
        self.quitting = False

    def needed(self, data: bytes, position: int) -> int:
        """Return how many bytes from a packet's start must be there before it can be read.

        Raises:
            ProtocolError: they are more than a packet of its kind may have.
        """
        self._ruled = None
        left = len(data) - position
        if left < HEADER:
            return HEADER
        length = int.from_bytes(data[position : position + 3], "little")
        if self._account.relay is not None:
            return HEADER + self._bounded(length)
        if not length or self._flight.infile or self._flight.continued:
            return HEADER
        if left == HEADER:
            return HEADER + 1
        code = data[position + HEADER]
        if code == commands.CHANGE_USER:
            return HEADER + self._bounded(length)
        need = HEADER + self._selection.needed(code, length)
        if left >= need and length <= self._selection.longest:
            self._ruled = self._selection.ruled(code, data, position)
        return need if self._ruled is None else HEADER + length

    def read(self, data: bytes, position: int, end: int) -> bytes | Pass:
        """Read one packet, of which as much is there as is needed; see `ClientStream`."""
        flight = self._flight
        if self._ruled is not None and flight.commands:
            return Pass.LATER
        length = end - position - HEADER
        if self._account.relay is not None:
            return self._account.relay.from_client(data[position + 3], data[position + HEADER : end])
        continued, flight.continued = flight.continued, length == MAX_PAYLOAD
        if continued:
            return Pass.ON
        if flight.infile:
            flight.infile = length > 0
            return Pass.ON
        if not length:  # the server answers an empty command with an error
            self._expect_error()
            return Pass.ON
        return self._command(data, position, end)

    def _bounded(self, length: int) -> int:
        if length > self._settings.limits.login_packet:
            raise ProtocolError(f"a login packet of {length} bytes is over the limit")
        return length

    def _expect_error(self) -> None:
        self._flight.expect(Command(0, b"", 0, self._settings.clock()))

    # ----------------------------------------------------------------------------------------------------------------
    # By its code

    def _command(self, data: bytes, position: int, end: int) -> bytes | Pass:
        payload_at = position + HEADER
        code = data[payload_at]
        shape = SHAPES[code]
        self._settings.counters.commands[code] += 1
        self.count += 1
        if shape is Shape.RAW:  # a replication stream, or a command that is not known
            self._relay()
            return Pass.ALL
        command = Command(code, data[payload_at : min(end, payload_at + WANTED[code])], 0, self._settings.clock())
        if shape is not Shape.NOTHING:
            self._flight.expect(command)
        elif end - payload_at < SHORTEST_UNANSWERED.get(code, 0) and not self._mariadb:
            self._expect_error()
            return Pass.ON
        if self._ruled is not None:
            if code == commands.STMT_SEND_LONG_DATA:
                return self._statements.keep_long_data(data[payload_at:end])
            return self._runner.start(command, self._ruled, data, payload_at, end)
        if code == commands.QUERY or code == commands.STMT_PREPARE:
            self._text(command, data[position:end], end - payload_at)
        elif code in commands.ON_STATEMENTS:
            return self._on_statement(command, data[position:end], whole=end <= len(data))
        elif code == commands.QUIT:
            self.quitting = True
        elif code == commands.CHANGE_USER:
            return self._account.begin_change(data[payload_at:end])
        return Pass.ON

    def _text(self, command: Command, packet: bytes, size: int) -> None:
        """Take a text that no rules are for, as far as is known, and as much of its packet as is there.

        One that is too long is not looked at: for its rule, or for what else it may hold.
        """
        whole = size + HEADER == len(packet)
        if self._selection.is_too_long(size):
            command.unseen = Reason.TOO_LARGE
        if command.code == commands.STMT_PREPARE:
            if whole:
                command.keep(packet)
            return
        if size > self._selection.longest:
            self._resolver.pass_over(command, *self._contents.about(command), Reason.TOO_LARGE)
        self._trail.passed(command, self._effects.sent(command), packet, whole=whole)

    def _on_statement(self, command: Command, packet: bytes, *, whole: bool) -> bytes | Pass:
        """Take a command on a prepared statement, and as much of its packet as is there."""
        found = self._contents.prepared(command)
        if found and command.code in commands.EXECUTES:
            self._effects.executed(command, found.head.verb)
            self._trail.passed(command, found.head.verb, packet, whole=whole)
        return self._statements.pass_on(command, packet)
