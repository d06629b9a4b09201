"""The login: from the backend's greeting to its OK.

The backend's greeting goes to the client with its nonce and thread id as they are; only capability flags that the proxy
cannot honour are cleared. Everything between the client's response and the backend's OK or ERR is relayed. Either side
may be encrypted on its own: TLS begins after the greeting, at the client's SSLRequest, and on the backend's side before
the response is passed on.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Final, NamedTuple

from proxy.config import BackendCompression, BackendTlsMode, ClientTlsMode, CompressionAlgorithm
from proxy.conflicts.labels import Result, printable
from proxy.session.auth import AuthRelay, AuthTerms
from proxy.session.settings import SessionSettings, Wires
from proxy.wire import capabilities as cap
from proxy.wire.answers import ERR, OK, err, parse_ok
from proxy.wire.commands import QUIT
from proxy.wire.compression import ZSTD_LEVEL
from proxy.wire.errors import ProtocolError
from proxy.wire.framing import PacketBuffer, frame
from proxy.wire.greeting import Greeting, parse_greeting
from proxy.wire.login import (
    Login,
    capabilities_of,
    is_ssl_request,
    parse_login,
    speaks_protocol_41,
    ssl_request,
    with_capabilities,
    with_zstd_level,
)
from proxy.wire.sequence import LAST

_CLIENT_TLS_OFFERED = (ClientTlsMode.PREFERRED, ClientTlsMode.REQUIRED)
_BACKEND_TLS_NEEDED = (BackendTlsMode.REQUIRED, BackendTlsMode.VERIFY_CA, BackendTlsMode.VERIFY_IDENTITY)
_LARGEST_GREETING = 1 << 16  # bytes; a server version, a nonce and a plugin's name have no need for more
_PASSED_ON: Final = cap.RELAYED & ~cap.SSL  # of a login's flags: TLS is each side's own affair, too

_COMPRESSION: Final = {None: 0, CompressionAlgorithm.ZLIB: cap.COMPRESS, CompressionAlgorithm.ZSTD: cap.ZSTD}
_CONFIGURED: Final = {
    BackendCompression.OFF: None,
    BackendCompression.ZLIB: CompressionAlgorithm.ZLIB,
    BackendCompression.ZSTD: CompressionAlgorithm.ZSTD,
}


def _algorithm(capabilities: int) -> CompressionAlgorithm | None:
    """Tell what a login's flags choose; the server takes zlib where a client names both."""
    if capabilities & cap.COMPRESS:
        return CompressionAlgorithm.ZLIB
    return CompressionAlgorithm.ZSTD if capabilities & cap.ZSTD else None


class _State(Enum):
    GREETING = auto()  # the backend speaks first
    RESPONSE = auto()  # the client's SSLRequest or response
    CLIENT_TLS = auto()
    BACKEND_TLS = auto()
    AUTH = auto()
    OVER = auto()


_BACKEND_SPEAKS: Final = (_State.GREETING, _State.AUTH)


class Agreed(NamedTuple):
    """What a login has settled: who the client is, on which terms, with which server, in which state."""

    greeting: Greeting
    login: Login
    terms: AuthTerms
    status: int
    client_compression: CompressionAlgorithm | None = None
    client_level: int = 0
    backend_compression: CompressionAlgorithm | None = None


class LoginPhase:
    """The first phase of a session.

    Args:
        wires: where to write.
        settings: the session's settings.
        succeeded: called with what was agreed once the backend's OK is on its way to the client.
        relay: called when the proxy is to look at nothing from here on.
        end: called with a result and a reason when the login has failed.

    Attributes:
        backend_secure: whether the backend's connection needs no TLS to be private (a Unix socket).
        counted: whether the session counts as one of its user's.
    """

    __slots__ = (
        "_answered",
        "_answers",
        "_auth",
        "_backend",
        "_backend_compression",
        "_client",
        "_client_compression",
        "_client_sequence",
        "_client_tls",
        "_end",
        "_greeting",
        "_login",
        "_offered",
        "_relay",
        "_response",
        "_settings",
        "_state",
        "_succeeded",
        "_terms",
        "_wires",
        "backend_secure",
        "counted",
    )

    def __init__(
        self,
        wires: Wires,
        settings: SessionSettings,
        succeeded: Callable[[Agreed], None],
        relay: Callable[[], None],
        end: Callable[[Result, str], None],
    ) -> None:
        self._wires = wires
        self._settings = settings
        self._succeeded = succeeded
        self._relay = relay
        self._end = end
        self._client = PacketBuffer(settings.limits.login_packet)
        self._backend = PacketBuffer(_LARGEST_GREETING)
        self._state = _State.GREETING
        self._client_tls = False
        self.backend_secure = settings.backend_secure
        self.counted = False
        self._client_sequence = 0  # of the newest packet sent to the client or got from it
        self._greeting: Greeting | None = None
        self._offered = 0  # the capabilities that the client has been told of
        self._response = b""
        self._login: Login | None = None
        self._terms: AuthTerms | None = None
        self._auth: AuthRelay | None = None
        self._answered = False  # the backend has answered what the client said last
        self._answers = b""  # of the backend's, on their way to the client
        self._client_compression: CompressionAlgorithm | None = None
        self._backend_compression: CompressionAlgorithm | None = None

    @property
    def thread_id(self) -> int:
        """The backend's id of the connection; 0 before its greeting."""
        return self._greeting.thread_id if self._greeting else 0

    @property
    def user(self) -> str:
        """Who wants to log in; empty before that is known."""
        return self._login.user if self._login else ""

    @property
    def greeted(self) -> bool:
        """Whether the backend has greeted."""
        return self._greeting is not None

    def client_data(self, data: bytes) -> None:
        """Take bytes that the client sent.

        Raises:
            ProtocolError: they are no login.
        """
        self._client.feed(data)
        self._take_client_packets()

    def backend_data(self, data: bytes) -> None:
        """Take bytes that the backend sent."""
        self._backend.feed(data)
        self._take_backend_packets()

    def _take_backend_packets(self) -> None:
        try:
            while self._state in _BACKEND_SPEAKS and (packet := self._backend.next()) is not None:
                if self._state is _State.GREETING:
                    self._take_greeting(*packet)
                else:
                    self._take_auth(*packet)
        finally:
            if self._answers:
                self._pass_answers_on()
        if self._client.waiting:  # it has spoken before its turn
            self._take_client_packets()

    def client_tls_started(self) -> None:
        """Go on with the client's response, which comes encrypted.

        Raises:
            ProtocolError: something came in the clear that would be taken for a part of what is encrypted.
        """
        if self._client.take_rest():
            raise ProtocolError("the client, or somebody in its place, spoke in the clear behind its request for TLS")
        self._client_tls = True
        self._state = _State.RESPONSE
        self._take_client_packets()

    def backend_tls_started(self) -> None:
        """Go on: the client's response can be passed on in private.

        Raises:
            ProtocolError: something came in the clear that would be taken for the answer.
        """
        if self._backend.take_rest():
            raise ProtocolError("the backend, or somebody in its place, spoke in the clear behind its greeting")
        self._send_response(2)

    def refuse(self, number: int, state: str, message: str) -> None:
        """Answer the client with an error of the proxy's own."""
        self._pass_answers_on()
        if self._greeting is None:
            self._wires.to_client(frame(err(number, "", message), 0))
        else:
            self._wires.to_client(frame(err(number, state, message), self._next_to_client))
        self._state = _State.OVER

    @property
    def _next_to_client(self) -> int:
        """The sequence id of the next packet from the client or to it: each side counts on."""
        return self._auth.client_next if self._auth else self._client_sequence + 1

    def rest(self) -> tuple[bytes, bytes]:
        """Take what came behind the login: the client's bytes and the backend's."""
        return self._client.take_rest(), self._backend.take_rest()

    # ----------------------------------------------------------------------------------------------------------------
    # The backend's greeting

    def _take_greeting(self, sequence: int, payload: bytes) -> None:
        if payload[:1] == bytes((ERR,)):  # too many connections, a blocked host ...
            self._wires.to_client(frame(payload, sequence))
            self._state = _State.OVER
            self._end(Result.LOGIN_REFUSED, "the backend refused the connection")
            return
        self._greeting = greeting = parse_greeting(payload)
        self._offered = self._offered_by(greeting)
        offer = greeting.offering(self._offered, greeting.mariadb_capabilities & cap.MARIADB_RELAYED)
        self._wires.to_client(frame(offer, sequence))
        self._client_sequence = sequence
        self._state = _State.RESPONSE

    def _offered_by(self, greeting: Greeting) -> int:
        """Give the capabilities for the client: what the backend offers and the proxy knows, with TLS as configured."""
        offered = greeting.capabilities & cap.RELAYED
        if self._settings.client_tls is ClientTlsMode.PASSTHROUGH:
            return offered
        offered &= ~cap.SSL
        for algorithm in self._settings.compression.client:
            offered |= _COMPRESSION[algorithm]
        return offered | cap.SSL if self._settings.client_tls in _CLIENT_TLS_OFFERED else offered

    # ----------------------------------------------------------------------------------------------------------------
    # The client's SSLRequest and response

    def _take_client_packets(self) -> None:
        while self._client_s_turn and (sequence := self._client.sequence) is not None:
            if sequence != self._next_to_client & LAST:
                # The server says so too, before the packet is whole: whoever talks HTTP to it need not wait.
                self.refuse(1156, "08S01", "Got packets out of order")
                self._end(Result.MALFORMED, "a packet of the login is out of order")
                return
            if (packet := self._client.next()) is None:
                return
            self._client_sequence = sequence
            if self._state is _State.RESPONSE:
                self._take_response(*packet)
            elif self._auth is not None and (onward := self._auth.from_client(*packet)):
                self._answered = False
                self._wires.to_backend(onward)

    @property
    def _client_s_turn(self) -> bool:
        """Whether a packet of the client's is due: in an authentication, one for each of the backend's."""
        return self._state is _State.RESPONSE or (self._state is _State.AUTH and self._answered)

    def _take_response(self, sequence: int, payload: bytes) -> None:
        if is_ssl_request(payload) and not self._client_tls:
            self._take_ssl_request(sequence, payload)
        elif self._settings.client_tls is ClientTlsMode.REQUIRED and not self._is_client_secure():
            # what a server with require_secure_transport answers
            text = "Connections using insecure transport are prohibited while --require_secure_transport=ON."
            self.refuse(3159, "HY000", text)
            self._end(Result.INSECURE_TRANSPORT, "the client did not ask for TLS")
        elif not speaks_protocol_41(payload):
            self._take_old_login(sequence, payload)
        else:
            self._take_login(payload)

    def _take_ssl_request(self, sequence: int, payload: bytes) -> None:
        if self._settings.client_tls is ClientTlsMode.PASSTHROUGH:
            self._hand_over(sequence, payload)
        elif self._settings.client_tls in _CLIENT_TLS_OFFERED:
            self._state = _State.CLIENT_TLS
            self._wires.start_client_tls()
        else:
            raise ProtocolError("the client asked for TLS, which it was not offered")

    def _take_old_login(self, sequence: int, payload: bytes) -> None:
        """Relay the login of a client of MySQL 4.0 and older, where no TLS is to be put around it."""
        if self._client_tls or self._wants_backend_tls(self._known_greeting()):
            # what MySQL answers to all of them
            text = (
                "Client does not support authentication protocol requested by server; consider upgrading MySQL client"
            )
            self.refuse(1251, "08004", text)
            self._end(Result.MALFORMED, "the client speaks the protocol of MySQL 4.0, which cannot be carried over TLS")
            return
        self._hand_over(sequence, payload)

    def _hand_over(self, sequence: int, payload: bytes) -> None:
        """Relay everything from here on: what comes is encrypted for the backend, or of an older protocol."""
        self._state = _State.OVER
        self._wires.to_backend(frame(payload, sequence))
        self._relay()

    def _take_login(self, payload: bytes) -> None:
        greeting = self._known_greeting()
        granted = self._offered | cap.LONG_PASSWORD  # that bit says who asks
        login = parse_login(payload, granted & _PASSED_ON, greeting.mariadb_capabilities & cap.MARIADB_RELAYED)
        self._login = login
        self._client_compression = _algorithm(capabilities_of(payload) & granted)
        self._backend_compression = self._choose_backend_compression(greeting)
        backend_tls = self._wants_backend_tls(greeting)
        flags = login.capabilities | (cap.SSL if backend_tls else 0) | _COMPRESSION[self._backend_compression]
        level = ZSTD_LEVEL if self._backend_compression is CompressionAlgorithm.ZSTD else 0
        response = with_capabilities(payload, flags, login.mariadb_capabilities)
        self._response = with_zstd_level(response, login, level)
        self._terms = AuthTerms(
            client_secure=self._is_client_secure(),
            backend_secure=backend_tls or self.backend_secure,
            rsa=self._settings.rsa,
            backend_public_key=self._settings.backend_public_key,
            client_on_socket=not self._client_tls,
            backend_on_socket=not backend_tls,
        )
        if backend_tls and not greeting.capabilities & cap.SSL:
            self.refuse(2026, "HY000", "SSL connection error: the backend does not offer TLS, which the proxy requires")
            self._end(Result.BACKEND_UNREACHABLE, "the backend does not offer TLS")
        elif backend_tls:
            self._state = _State.BACKEND_TLS
            self._wires.to_backend(frame(ssl_request(self._response), 1))
            self._wires.start_backend_tls()
        else:
            self._send_response(1)

    def _wants_backend_tls(self, greeting: Greeting) -> bool:
        mode = self._settings.backend_tls
        if mode is BackendTlsMode.AS_CLIENT:
            return self._client_tls
        if mode is BackendTlsMode.PREFERRED:
            # MySQL's clients do the same: TLS over a Unix socket only if it is asked for ("--ssl-mode", MySQL manual).
            return bool(greeting.capabilities & cap.SSL) and not self.backend_secure
        return mode in _BACKEND_TLS_NEEDED

    def _choose_backend_compression(self, greeting: Greeting) -> CompressionAlgorithm | None:
        """Choose how to compress towards the backend: as configured, if the backend can."""
        mode = self._settings.compression.backend
        wanted = self._client_compression if mode is BackendCompression.AS_CLIENT else _CONFIGURED[mode]
        return wanted if greeting.capabilities & _COMPRESSION[wanted] else None

    def _is_client_secure(self) -> bool:
        return self._client_tls or self._settings.client_secure

    def _send_response(self, sequence: int) -> None:
        greeting, login, terms = self._known_greeting(), self._login, self._terms
        if login is None or terms is None:
            raise ProtocolError("TLS began before the login")
        wires = self._wires
        self._auth = AuthRelay(
            terms,
            login.plugin or greeting.plugin,
            greeting.nonce,
            wires.to_client,
            wires.to_backend,
            self._client_sequence + 1,
            sequence + 1,
        )
        self._state = _State.AUTH
        response, self._response = self._response, b""
        wires.to_backend(frame(response, sequence))
        if self._backend.waiting:  # it has spoken before its turn
            self._take_backend_packets()

    # ----------------------------------------------------------------------------------------------------------------
    # Authentication

    def _take_auth(self, sequence: int, payload: bytes) -> None:
        auth, login, terms = self._auth, self._login, self._terms
        if auth is None or login is None or terms is None:
            raise ProtocolError("the backend spoke out of turn")
        kind = payload[0] if payload else None
        # Not before the server has said who it is: else anybody could use up the sessions of another.
        if kind == OK and not self._count(login.user):
            return
        if onward := auth.from_backend(sequence, payload):
            self._answered = True
            self._answers += onward
        if kind == OK:
            status = parse_ok(payload).status
            self._state = _State.OVER
            self._auth = None  # the session may rest for long
            self._pass_answers_on()
            self._succeeded(
                Agreed(
                    self._known_greeting(),
                    login,
                    terms,
                    status,
                    self._client_compression,
                    login.zstd_level,
                    self._backend_compression,
                )
            )
        elif kind == ERR:
            self._state = _State.OVER
            self._pass_answers_on()
            self._end(Result.LOGIN_REFUSED, "the backend refused the login")

    def _pass_answers_on(self) -> None:
        """Send what the backend has said in one go in one go: caching_sha2_password ends with two packets."""
        answers, self._answers = self._answers, b""
        if answers:
            self._wires.to_client(answers)

    def _count(self, user: str) -> bool:
        self.counted = self._settings.users.take(user, self._settings.limits.sessions_per_user)
        if not self.counted:
            text = f"User {printable(user)} already has more than 'max_user_connections' active connections"
            self.refuse(1203, "42000", text)
            self._wires.to_backend(frame(bytes((QUIT,)), 0))
            self._end(Result.LIMIT_SESSIONS_PER_USER, "its user has too many sessions")
        return self.counted

    def _known_greeting(self) -> Greeting:
        if self._greeting is None:
            raise ProtocolError("the client spoke before the backend's greeting")
        return self._greeting
