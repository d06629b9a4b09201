"""One session, as the floor of the sockets sees it."""

from collections.abc import Callable
from typing import Final, TypeAlias

from proxy.conflicts.labels import Result, printable
from proxy.session.command_phase import CommandPhase
from proxy.session.compressed import CompressedPhase
from proxy.session.fast_lane import FastLane
from proxy.session.login_phase import Agreed, LoginPhase
from proxy.session.settings import SessionSettings, Wires
from proxy.wire import commands
from proxy.wire.answers import err
from proxy.wire.errors import ProtocolError
from proxy.wire.framing import frame

Feed: TypeAlias = Callable[[bytes], None]
"""Takes bytes."""

_QUESTIONS: Final = tuple(frame(bytes((code,)), 0) for code in (commands.PING, commands.RESET_CONNECTION))
_SHUTDOWN: Final = (1053, "08S01", "Server shutdown in progress")
_INACTIVE: Final = (
    4031,
    "HY000",
    "The client was disconnected by the server because of inactivity. "
    "See wait_timeout and interactive_timeout for configuring this behavior.",
)


class Session:
    """The conversation of one client with its own backend.

    Args:
        wires: its two connections.
        settings: its settings.

    Attributes:
        closed: whether it has ended; nothing is taken or sent any more.
        result: how it ended; None before.
        reason: why, in words for the log; never any of the peers' bytes.
    """

    __slots__ = (
        "_began",
        "_commands",
        "_counters",
        "_lane",
        "_login",
        "_received",
        "_relaying",
        "_sent",
        "_settings",
        "_wires",
        "closed",
        "reason",
        "result",
    )

    def __init__(self, wires: Wires, settings: SessionSettings) -> None:
        self._wires = wires
        self._settings = settings
        self._counters = settings.counters
        self._login = LoginPhase(wires, settings, self._logged_in, self._relay, self._end)
        self._commands: CommandPhase | CompressedPhase | None = None
        self._lane: FastLane | None = None  # once there are commands that can be told by their first bytes
        self._relaying = False
        self.closed = False
        self.result: Result | None = None
        self.reason = ""
        self._received = self._sent = 0
        self._began = settings.clock()
        settings.counters.session_opened()

    def account(self) -> dict[str, str | int | float]:
        """Say for the log what it was and did: no value, no statement, no secret."""
        return {
            "user": printable(self.user),
            "thread_id": self.thread_id,
            "seconds": round(self._settings.clock() - self._began, 3),
            "received": self.received,
            "sent": self.sent,
            "commands": self._commands.commands if self._commands else 0,
            "conflicts": self._commands.conflicts if self._commands else 0,
        }

    def let_go(self) -> None:
        """Let go of what refers to this in turn: it has ended, and nothing is asked or told any more."""
        if self._commands is not None:
            self._commands.let_go()
        del self._login, self._commands, self._lane, self._wires

    @property
    def received(self) -> int:
        """How many bytes it has taken of the client."""
        return self._received + (self._lane.received if self._lane is not None else 0)

    @property
    def sent(self) -> int:
        """How many bytes it has taken of the backend."""
        return self._sent + (self._lane.sent if self._lane is not None else 0)

    @property
    def bytes_moved(self) -> int:
        """How many bytes it has taken of both sides."""
        return self.received + self.sent

    @property
    def idle(self) -> bool:
        """Whether an end now would break nothing off: no reply is due and nothing of the client's waits."""
        return self._commands is not None and not self._relaying and self._commands.idle

    @property
    def waits_for_client(self) -> bool:
        """Whether it is the client's turn: to send a command, the rest of one, or what the server has asked for."""
        return self._commands is not None and not self._relaying and self._commands.answered

    @property
    def at_rest(self) -> bool:
        """Whether an end now would break nothing off, no open transaction either."""
        return self._commands is not None and not self._relaying and self._commands.at_rest

    def asks_whether_alive(self, data: bytes) -> bool:
        """Whether these bytes of the client's only ask whether the connection is still good, and nothing else is due.

        So they do before a pool gives a connection out: PING, or a reset of the session.
        """
        return data in _QUESTIONS and self.at_rest

    @property
    def answered(self) -> bool:
        """Whether the backend may hear of the client's end now: as far as is known, it waits for the client."""
        return self._relaying or self._commands is None or self._commands.answered

    @property
    def left(self) -> bool:
        """Whether the client has taken leave, and nothing is due: neither it nor the backend has any more to say."""
        return self.idle and self._commands is not None and self._commands.quitting

    @property
    def thread_id(self) -> int:
        """The backend's id of the connection; 0 before its greeting."""
        return self._login.thread_id

    @property
    def user(self) -> str:
        """Who is logged in, or wants to be."""
        return self._commands.user if self._commands else self._login.user

    # ----------------------------------------------------------------------------------------------------------------
    # What comes in

    def backend_connected(self, secure: bool) -> None:
        """Take note of the backend's connection; secure: it needs no TLS to be private (a Unix socket)."""
        self._login.backend_secure = secure

    def in_bulk(self, to_client: Feed, to_backend: Feed) -> tuple[Feed, Feed]:
        """Go on past the login by the shortest way.

        Args:
            to_client: where to write to the client from now on; nothing comes of it once the connection is closed.
            to_backend: where to write to the backend, likewise.

        Returns:
            What takes the bytes of the client and of the backend from now on.
        """
        if self._lane is None:
            return self.client_data, self.backend_data
        self._lane.join(to_client, to_backend, self._client_data, self._backend_data)
        return self._lane.client_data, self._lane.backend_data

    def client_data(self, data: bytes) -> None:
        """Take bytes that the client sent."""
        if self._lane is not None:
            self._lane.client_data(data)
        else:
            self._client_data(data)

    def backend_data(self, data: bytes) -> None:
        """Take bytes that the backend sent."""
        if self._lane is not None:
            self._lane.backend_data(data)
        else:
            self._backend_data(data)

    def _client_data(self, data: bytes) -> None:
        if self.closed:
            return
        size = len(data)
        self._counters.bytes_received += size
        self._received += size  # 13 ns
        try:
            if self._relaying:
                self._wires.to_backend(data)
            elif self._commands is not None:
                self._commands.client_data(data)
            else:
                self._login.client_data(data)
        except ProtocolError as error:
            self._end_malformed(error)

    def client_ended(self) -> None:
        """Take note that the client sends no more, and the backend is about to hear of it."""
        if self._commands is not None and not self._relaying and not self.closed:
            self._commands.client_ended()

    def _backend_data(self, data: bytes) -> None:
        if self.closed:
            return
        size = len(data)
        self._counters.bytes_sent += size
        self._sent += size
        try:
            self._take_from_backend(data)
        except ProtocolError as error:
            if self._commands is None and not self._login.greeted:
                self.backend_unreachable(str(error))
            else:
                self._end_malformed(error)

    def _take_from_backend(self, data: bytes) -> None:
        if self._relaying:
            self._wires.to_client(data)
        elif self._commands is not None:
            self._commands.backend_data(data)
        else:
            self._login.backend_data(data)

    def client_tls_started(self) -> None:
        """Go on: the client's connection is encrypted."""
        if self.closed:
            return
        try:
            self._login.client_tls_started()
        except ProtocolError as error:
            self._end_malformed(error)

    def backend_tls_started(self) -> None:
        """Go on: the backend's connection is encrypted."""
        if self.closed:
            return
        try:
            self._login.backend_tls_started()
        except ProtocolError as error:
            self._end_malformed(error)

    # ----------------------------------------------------------------------------------------------------------------
    # How it ends

    def backend_unreachable(self, reason: str) -> None:
        """Tell the client that the backend cannot be reached (or not as configured), and end."""
        if self.closed:
            return
        self._login.refuse(2003, "HY000", f"Can't connect to the MySQL server behind the proxy: {reason}")
        self._end(Result.BACKEND_UNREACHABLE, reason)

    def client_tls_failed(self, reason: str) -> None:
        """End: the client and the proxy have not agreed on how to encrypt."""
        self._end(Result.TLS_FAILED, reason)

    def login_timed_out(self) -> None:
        """Tell the client, as the server does, that its login took too long, and end."""
        if self.closed or self._commands is not None or self._relaying:
            return
        self._login.refuse(1159, "08S01", "Got timeout reading communication packets")
        self._end(Result.LOGIN_TIMEOUT, "the login took too long")

    def idle_timed_out(self) -> None:
        """Tell the client, as the server does, that it has said nothing for too long, and end."""
        if self.closed or self._commands is None or not self.waits_for_client:
            return
        if self.idle:  # who is in the middle of a packet reads nothing now
            self._commands.tell(err(*_INACTIVE))
            self._commands.quit()
        self._end(Result.IDLE_TIMEOUT, "the client said nothing for too long")

    def client_lost(self, reason: str = "") -> None:
        """End: the client is gone."""
        if self.closed:
            return
        self._end(self._parting(Result.CLIENT_CLOSED), reason)

    def backend_lost(self, reason: str = "") -> None:
        """End: the backend is gone."""
        if self.closed:
            return
        if self._commands is not None and not self._relaying:
            self._commands.backend_ended()
        self._end(self._parting(Result.BACKEND_CLOSED), reason)

    def malformed(self, reason: str) -> None:
        """End: what the client sent is not what it should be."""
        self._end(Result.MALFORMED, reason)

    def failed(self, reason: str) -> None:
        """End: something went wrong on the proxy's side."""
        self._end(Result.FAILED, reason)

    def shut_down(self, tell: bool) -> None:
        """End: the proxy shuts down; tell: as the server would tell a client that is in the middle of something."""
        if self.closed:
            return
        if self._commands is None:
            if not self._relaying:
                self._login.refuse(*_SHUTDOWN)
        elif self._commands.idle and not self._relaying:
            if tell:
                self._commands.tell(err(*_SHUTDOWN))
            self._commands.quit()
        self._end(Result.SHUTDOWN, "the proxy shuts down")

    def _end_malformed(self, error: ProtocolError) -> None:
        if self._commands is None:
            self._login.refuse(1043, "08S01", "Bad handshake")
        self._end(Result.MALFORMED, str(error))

    def _parting(self, otherwise: Result) -> Result:
        if self._commands is None:
            return Result.PASSTHROUGH if self._relaying else otherwise
        if self._commands.lost:
            return Result.UNTRACKED
        return Result.QUIT if self._commands.quitting else otherwise

    def _end(self, result: Result, reason: str) -> None:
        if self.closed:
            return
        self.closed = True
        self.result = result
        self.reason = self._commands.lost if result is Result.UNTRACKED and self._commands else reason
        self._counters.session_closed(result)
        if self._login.counted:
            self._settings.users.give(self.user)
        if self._commands is not None:
            self._commands.end()
        self._wires.close()

    # ----------------------------------------------------------------------------------------------------------------
    # From phase to phase

    def _logged_in(self, agreed: Agreed) -> None:
        commands: CommandPhase | CompressedPhase
        if agreed.client_compression or agreed.backend_compression:
            commands = CompressedPhase(self._wires, self._settings, agreed)
        else:
            commands = CommandPhase(self._wires, self._settings, agreed, self._relay)
            self._lane = commands.lane
            self._lane.join(self._wires.to_client, self._wires.to_backend, self._client_data, self._backend_data)
        self._commands = commands
        self._wires.login_done()
        from_client, from_backend = self._login.rest()
        # The client's first, as if it had come no earlier than the login's end, which it waits for as a rule.
        if from_client:
            commands.client_data(from_client)
        if from_backend and not self.closed:
            self._take_from_backend(from_backend)

    def _relay(self) -> None:
        """Look at nothing from here on: encrypted for the backend, a replication stream, or an unknown command."""
        self._relaying = True
        if self._commands is not None:
            return
        self._wires.login_done()
        from_client, from_backend = self._login.rest()
        if from_client:
            self._wires.to_backend(from_client)
        if from_backend:
            self._wires.to_client(from_backend)
