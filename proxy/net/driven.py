"""What the sockets need of a session: the floor below implements it, the tests put a double in its place."""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

Feed: TypeAlias = Callable[[bytes], None]
"""Takes bytes."""


class DrivenSession(Protocol):
    """A conversation without I/O that is fed with bytes and events, and answers through its `Wires`."""

    @property
    def result(self) -> str | None:
        """How the conversation has ended, a word of a closed set; None while it lasts."""

    @property
    def reason(self) -> str:
        """Why it has ended, in words."""

    @property
    def thread_id(self) -> int:
        """The backend's id of its connection; 0 before that has greeted."""

    @property
    def user(self) -> str:
        """Who is logged in, or wants to be; empty before that is known."""

    @property
    def idle(self) -> bool:
        """Whether an end now would break nothing off: no reply is due and nothing of the client's waits."""

    def account(self) -> Mapping[str, object]:
        """Say for the log what it was and did, by names; none of it is a value or a secret."""

    def let_go(self) -> None:
        """Let go of what refers to it in turn: it has ended, and nothing is asked or told any more."""

    @property
    def bytes_moved(self) -> int:
        """How many bytes it has taken of both sides."""

    @property
    def waits_for_client(self) -> bool:
        """Whether it is the client's turn: to send a command, the rest of one, or what the server has asked for."""

    @property
    def at_rest(self) -> bool:
        """Whether no reply is due, nothing of the client's waits, and no transaction is open."""

    def asks_whether_alive(self, data: bytes) -> bool:
        """Whether these bytes of the client's only ask whether the connection is still good."""

    @property
    def answered(self) -> bool:
        """Whether no reply is due, so that the backend may hear of the client's end at once."""

    @property
    def left(self) -> bool:
        """Whether the client has taken leave, and nothing is due: neither it nor the backend has any more to say."""

    def backend_connected(self, secure: bool) -> None:
        """Take note of the backend's connection; secure: it needs no TLS to be private (a Unix socket)."""

    def in_bulk(self, to_client: Feed, to_backend: Feed) -> tuple[Feed, Feed]:
        """Write there from now on, when the login is over; return what takes the client's and the backend's bytes."""

    def client_data(self, data: bytes) -> None:
        """Take bytes that the client sent."""

    def client_ended(self) -> None:
        """Take note that the client sends no more: the last moment to pass on what was kept of it."""

    def backend_data(self, data: bytes) -> None:
        """Take bytes that the backend sent."""

    def client_tls_started(self) -> None:
        """Go on: what the client sends and is sent is encrypted now."""

    def client_tls_failed(self, reason: str) -> None:
        """End: the client and the proxy have not agreed on how to encrypt."""

    def backend_tls_started(self) -> None:
        """Go on: what the backend sends and is sent is encrypted now."""

    def backend_unreachable(self, reason: str) -> None:
        """Tell the client that there is no backend to talk to, and close."""

    def client_lost(self, reason: str = "") -> None:
        """End: the client is gone. Does nothing when the session has ended."""

    def backend_lost(self, reason: str = "") -> None:
        """End: the backend is gone. Does nothing when the session has ended."""

    def malformed(self, reason: str) -> None:
        """End: what the client sent is not what it should be. Does nothing when the session has ended."""

    def failed(self, reason: str) -> None:
        """End: something went wrong on the proxy's side. Does nothing when the session has ended."""

    def shut_down(self, tell: bool) -> None:
        """End: the proxy shuts down; tell: by the server's error for that. Does nothing when the session has ended."""

    def login_timed_out(self) -> None:
        """End: the client has not logged in within the time limit."""

    def idle_timed_out(self) -> None:
        """End: the client has said nothing for long. Does nothing when the session has ended."""
