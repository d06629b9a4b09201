"""The two connections of one session, from the moment a client has connected until both are closed."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

import structlog

from proxy.config import Endpoint, UnixAddress
from proxy.net.backends import Backend
from proxy.net.client import Client
from proxy.net.deadline import Deadline
from proxy.net.driven import DrivenSession
from proxy.net.login_reader import LoginReader, UnexpectedProxyHeaderError
from proxy.net.loop import running_pump
from proxy.net.pump import PumpedTransport, discard
from proxy.net.search import Search
from proxy.net.settings import Manners, PairSettings
from proxy.net.side import Hold, Side, describe

_log = structlog.get_logger(__name__)

_FAREWELL: Final = 1.0
"""Seconds to wait for the end of a client that is told that the proxy shuts down."""
_NO_REPLY: Final = "connection closed, and the reply that was due never came"
_NO_END: Final = "connection closed, and the backend did not close its own"


class Pair:
    """Feeds a session with what its two connections receive, and is the `Wires` that the session writes to.

                   client_data                to_backend
      client side ────────────→ ┌─────────┐ ────────────→ backend side
      (by a LoginReader         │ session │
       at first)                └─────────┘
                  ←────────────             ←────────────
                    to_client                backend_data

    Whatever goes wrong here ends this pair alone.

    Args:
        transport: the client's connection.
        client: who that is.
        settings: what it shares with others.
        open_session: makes the session.
        on_end: called once, when both connections are closed and no backend is searched any more.
        begun: what has been read of the client already.

    Attributes:
        client: who that is.
        session: the conversation.
    """

    __slots__ = (
        "_awaited",
        "_backend",
        "_begun",
        "_client",
        "_closing",
        "_deadline",
        "_ended",
        "_handshake",
        "_heard",
        "_impatient",
        "_leaving",
        "_lingers",
        "_login",
        "_login_reader",
        "_on_end",
        "_search",
        "_settings",
        "client",
        "session",
    )

    def __init__(
        self,
        transport: PumpedTransport,
        client: Client,
        settings: PairSettings,
        open_session: "OpenSession",
        on_end: "Callable[[Pair], None]",
        begun: bytes,
    ) -> None:
        self.client = client
        self._settings = settings
        self._on_end = on_end
        self.session = session = open_session(self, client.address)
        self._login_reader = reader = LoginReader(session.client_data)
        fault = self.fault
        self._client = side = Side(self._client_lost, self._client_ended, fault, reader.take, Hold.CONNECTING)
        self._backend = side.peer = backend = Side(self._backend_lost, self._backend_ended, fault)
        backend.peer = side
        side.attach(transport, settings.limits.write_buffer)
        self._begun = begun  # what has been read of the client and not been handed on
        self._deadline = Deadline(settings.deadlines)
        self._search = Search(settings, client, backend, self._deadline, self)
        self._closing = False
        self._ended = False
        self._login = True
        self._awaited: tuple[Callable[[], bool], Callable[[], None]] | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._impatient: asyncio.TimerHandle | None = None
        self._handshake: asyncio.TimerHandle | None = None
        self._heard = False
        self._lingers = False

    # ----------------------------------------------------------------------------------------------------------------
    # Wires: what the session asks for

    def to_client(self, data: bytes) -> None:
        """Send bytes to the client."""
        self._client.write(data)

    def to_backend(self, data: bytes) -> None:
        """Send bytes to the backend."""
        self._backend.write(data)

    def start_client_tls(self) -> None:
        """Begin a TLS handshake as the server: then `client_tls_started` or `client_tls_failed` of the session."""
        context = self._settings.client_tls
        if context is None:
            raise RuntimeError("TLS asked for on the client's side, which has none")
        # What comes behind the request, even in the same packet of TCP, is the handshake and nothing else.
        take = self._client.encrypt(context, self._client_encrypted, server_side=True)
        self._login_reader.redirect(take)

    def start_backend_tls(self) -> None:
        """Begin a TLS handshake as a client: then `backend_tls_started` or `backend_unreachable` of the session."""
        tls, backend = self._settings.backend_tls, self._search.chosen
        if tls is None or backend is None:
            raise RuntimeError("TLS asked for on the backend's side, which has none")
        seconds = self._settings.limits.connect_timeout
        late = TimeoutError(f"it takes longer than {seconds:g} s")
        self._handshake = asyncio.get_running_loop().call_later(seconds, self._backend.give_up_handshake, late)
        done = partial(self._backend_encrypted, backend)
        self._backend.encrypt(tls.context, done, server_side=False, server_name=tls.name_of(backend.endpoint))

    def login_done(self) -> None:
        """End the login: its time limit is over, and what comes is handed on as it comes."""
        self._login = False
        self._deadline.lift()
        self._search.give_turn()
        if self._login_reader.idle and not self._begun:
            self._switch_to_bulk()
        else:
            # The session is in the middle of a packet: what has been read behind it is handed on afterwards.
            self._login_reader.redirect(self._keep)
            self._client.hold(Hold.SWITCHING)
            self.soon(self._switch_to_bulk)

    def hold_client(self) -> None:
        """Stop reading from the client."""
        self._client.hold(Hold.SESSION)

    def release_client(self) -> None:
        """Read from the client again."""
        self._client.release(Hold.SESSION)

    def soon(self, callback: Callable[[], object]) -> None:
        """Call back once what has been written is on its way; what goes wrong then ends this pair alone."""
        running_pump().soon(partial(self._tell, callback))

    def close(self) -> None:
        """Send what waits in both directions, for so long as the flush may take, then close both connections."""
        if not self._closing:
            self._closing = True
            for timer in (self._leaving, self._impatient, self._handshake):
                if timer is not None:
                    timer.cancel()
            self._search.stop()
            self._login_reader.redirect(discard)
            # What the client has on its way would make a socket that is closed break the line, and what was said last
            # might never be read: it is told that nothing more comes, and then it has its turn to close.
            if not ((self._lingers or self._client.encrypted) and self._client.end_writing()):
                self._client.close()
            self._backend.close()
            if self._client.closed and self._backend.closed:
                self._deadline.lift()
            else:
                self._client.ignore()
                self._backend.ignore()
                self._deadline.set(_FAREWELL if self._lingers else self._settings.flush_timeout, self.abort)
        self._check_end()

    # ----------------------------------------------------------------------------------------------------------------
    # What the listener asks for

    def begin(self) -> None:
        """Search for a backend."""
        self._search.begin()

    def abort(self) -> None:
        """Close both connections at once; what waits to be sent is thrown away."""
        self.close()
        self._client.abort()
        self._backend.abort()

    def leave(self, manners: "Manners") -> None:
        """End the session where it hurts its client least.

        At rest it is closed without a word, as the servers do: when its client has been quiet, or instead of an answer
        to the question whether the connection is still good. So a pool finds it out before it sends a statement. A
        client that never rests nor asks is told at its next rest, once patience is over.
        """
        if self._closing or self._leaving is not None:
            return
        self._heard = True
        self._leaving = asyncio.get_running_loop().call_later(manners.quiet, self._end_if_quiet, manners.quiet)
        self._impatient = asyncio.get_running_loop().call_later(manners.patience, self._lose_patience)
        self._login_reader.feed = self._client_data_leaving
        if not self._login:
            self._client.feed_to(self._client_data_leaving)

    def shut_down(self, tell: bool = True) -> None:
        """End the session because the proxy ends; tell: with the server's error for that, unless a reply is due."""
        self._lingers = True
        self._tell(partial(self.session.shut_down, tell))
        self.close()

    def refuse(self, reason: str) -> None:
        """End the session because of what the client sent, or did not send, before it."""
        self._tell(self.session.malformed, reason)
        self.close()

    def time_out(self) -> None:
        """End the session because its login takes too long."""
        self._tell(self.session.login_timed_out)
        self.close()

    @property
    def usual_level(self) -> str:
        """The level at which the log tells of its end, if there is nothing remarkable about it."""
        return "info" if self._settings.log_sessions else "debug"

    @property
    def bytes_moved(self) -> int:
        """How many bytes the session has taken of both sides."""
        return self.session.bytes_moved

    @property
    def waits_for_client(self) -> bool:
        """Whether it is the client's turn."""
        return self.session.waits_for_client

    def idle_out(self) -> None:
        """End the session because its client has said nothing for long."""
        self._lingers = True
        self._tell(self.session.idle_timed_out)
        self.close()

    # ----------------------------------------------------------------------------------------------------------------
    # The beginning

    def backend_found(self, endpoint: Endpoint, greeting: bytes) -> None:
        """Let the backend and the client speak; its first bytes are the greeting's."""
        self.session.backend_connected(isinstance(endpoint, UnixAddress))
        feed = self.session.backend_data if self._awaited is None else self._backend_data_watched
        self._backend.feed_to(feed)
        # Not before: a backend that does not answer is to be called unreachable, not the client slow.
        self._deadline.set(self._settings.limits.login_timeout, self.time_out)
        self._client.release(Hold.CONNECTING)
        feed(greeting)
        self._hand_on_begun()

    def backend_missed(self, reason: str) -> None:
        """End the session, which has nobody to talk to."""
        self._tell(self.session.backend_unreachable, reason)
        self.close()

    def search_ended(self) -> None:
        """Take note that no backend is searched any more."""
        self._check_end()

    def _switch_to_bulk(self) -> None:
        if self._closing:
            return
        self._begun = self._login_reader.rest() + self._begun
        from_client, from_backend = self.session.in_bulk(self._client.write, self._backend.write)
        self._client.feed_to(from_client if self._leaving is None else self._client_data_leaving)
        if self._awaited is None:
            self._backend.feed_to(from_backend)
        self._hand_on_begun()
        self._client.release(Hold.SWITCHING)

    def _keep(self, data: bytes) -> None:
        self._begun += data

    def _hand_on_begun(self) -> None:
        """Let the client's side take what has been read of it before."""
        begun, self._begun = self._begun, b""
        try:
            if begun:
                self._client.feed(begun)
        except Exception as error:
            self.fault(error)

    # ----------------------------------------------------------------------------------------------------------------
    # TLS

    def _client_encrypted(self, error: OSError | None) -> None:
        if error is None:
            self._login_reader.redirect(None)
            self._client.feed_to(self._login_reader.take)
            self._tell(self.session.client_tls_started)
        else:
            self._tell(self.session.client_tls_failed, f"TLS handshake failed: {describe(error)}")
            self.close()

    def _backend_encrypted(self, backend: Backend, error: OSError | None) -> None:
        if self._handshake is not None:
            self._handshake.cancel()
        if error is None:
            backend.tls.over()
            self._tell(self.session.backend_tls_started)
        else:
            backend.tls.met(describe(error))
            self.backend_missed(f"TLS handshake with {backend.endpoint} failed: {describe(error)}")

    # ----------------------------------------------------------------------------------------------------------------
    # The end

    def _client_lost(self, reason: str) -> None:
        self._tell(self.session.client_lost, reason)
        self.close()

    def _backend_lost(self, reason: str) -> None:
        if self._search.lost(reason):
            return
        self._tell(self.session.backend_lost, reason)
        self.close()

    def _client_ended(self) -> bool:
        if self._closing:
            return False
        if self._login or self._client.encrypted or self.session.left:
            self._client_lost("connection closed")
            return False
        self._client.hold(Hold.ENDED)
        # Replies that are due still go to the client, who may have closed one direction only; and as long as one is due
        # the session may have something of its own to ask the backend. But a client that is gone is not waited for.
        if not self._do_when(self._is_answered, self._pass_client_end_on):
            self._deadline.set(self._settings.half_closed_timeout, self._lose_hope)
        return True

    def _backend_ended(self) -> bool:
        return False

    def _lose_hope(self) -> None:
        self._backend.end_writing()
        self._deadline.set(self._settings.abandoned_timeout, self._client_lost, _NO_REPLY)

    def _pass_client_end_on(self) -> None:
        self.session.client_ended()
        if self._backend.end_writing():
            self._deadline.set(self._settings.half_closed_timeout, self._client_lost, _NO_END)
        else:
            self._client_lost("connection closed")

    def _client_data_leaving(self, data: bytes) -> None:
        self._heard = True
        if self.session.asks_whether_alive(data):
            self.shut_down(tell=False)
        else:
            self.session.client_data(data)

    def _end_if_quiet(self, seconds: float) -> None:
        if self.session.at_rest and not self._heard:
            self.shut_down(tell=False)
        else:
            self._heard = False
            self._leaving = asyncio.get_running_loop().call_later(seconds, self._end_if_quiet, seconds)

    def _lose_patience(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
        self._do_when(self._is_at_rest, self.shut_down)

    def _is_at_rest(self) -> bool:
        return self.session.at_rest

    def _is_answered(self) -> bool:
        return self.session.answered

    def _do_when(self, ready: Callable[[], bool], action: Callable[[], None]) -> bool:
        """Do something as soon as it is time for it; return whether that was at once."""
        if ready():
            action()
            return True
        self._awaited = ready, action
        if self._search.chosen is not None:
            self._backend.feed_to(self._backend_data_watched)
        return False

    def _backend_data_watched(self, data: bytes) -> None:
        self.session.backend_data(data)
        if self._awaited is not None and self._awaited[0]():
            action, self._awaited = self._awaited[1], None
            action()

    def fault(self, error: Exception) -> None:
        """End the session because of an exception that should not be."""
        if self._closing:
            return
        if isinstance(error, UnexpectedProxyHeaderError):
            self.refuse(str(error))
            return
        _log.error("session failed", reason=describe(error), exc_info=error)
        self._tell(self.session.failed, describe(error))
        self.close()

    def _tell(self, event: Callable[..., object], *args: str) -> None:
        """Let the session know of an event; an exception ends this session alone."""
        try:
            event(*args)
        except Exception as error:
            _log.error("session failed", reason=describe(error), exc_info=error)
            self.close()

    def _check_end(self) -> None:
        if self._ended or not self._closing or self._client.connected or self._backend.connected:
            return
        if self._search.under_way:
            return
        self._ended = True
        self._deadline.lift()
        self._search.give_turn()
        self._on_end(self)
        self._let_go()

    def _let_go(self) -> None:
        """Have the parts let go of each other, so that they are freed at once.

        Until it is looked for garbage, those of fifty sessions would wait, and each new one be made of memory that the
        processor has no copy of: a twelfth of a connection's cost.
        """
        self.session.let_go()
        self._client.let_go()
        self._backend.let_go()
        del self._search


OpenSession: TypeAlias = Callable[[Pair, str], DrivenSession]
"""Makes the session of a client that has connected; takes its wires and the client's address, `host:port`."""
