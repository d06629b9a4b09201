"""The login, with any settings, any greeting, any response and any answers: it ends with a result, or it waits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from proxy.config import (
    BackendCompression,
    BackendTlsMode,
    ClientTlsMode,
    Compression,
    CompressionAlgorithm,
    Limits,
)
from proxy.session import Result, Session, auth
from proxy.wire import capabilities as cap
from proxy.wire.framing import HEADER
from proxy.wire.rsa import encrypt_password
from tests.e2e.raw import framed
from tests.fuzz import logins
from tests.fuzz.corpus import LOGINS
from tests.fuzz.corpus import read as read_corpus
from tests.fuzz.sessions import KEY, Counted, Packets, check_end, session
from tests.fuzz.target import SEPARATOR, Target, joined, pieces, put, random_of
from tests.session.packets import ssl_request
from tests.wire import packets as payloads
from tests.wire.captured import MARIADB_CLIENT, MARIADB_GREETING, MYSQL_CLIENT, MYSQL_GREETING, PYMYSQL

CLIENT_TLS: Final = tuple(ClientTlsMode)
BACKEND_TLS: Final = (
    *(BackendTlsMode.DISABLED, BackendTlsMode.PREFERRED, BackendTlsMode.REQUIRED, BackendTlsMode.AS_CLIENT),
)
COMPRESSIONS: Final = tuple(BackendCompression)
SMALL: Final = Limits(login_packet=200, sessions_per_user=1)
USUAL: Final = Limits()
EARLY: Final = "before their time"
"""How a session ends that has been sent too much in advance; how much that may be depends on how it was cut."""
CLIENT, CLIENT_PACKET, BACKEND, BACKEND_PACKET, TLS, LOST, TIMEOUT, SHUTDOWN = range(8)


@dataclass
class Login:
    """One login under way; it gets bytes as the proxy reads them, a packet's header first; cut: in pieces of that."""

    session: Session
    wires: Counted
    cut: bool
    data: bytes

    def __post_init__(self) -> None:
        self.random = random_of(self.data)
        self.readers = Reader(), Reader()

    def step(self, kind: int, data: bytes) -> None:
        wires, session = self.wires, self.session
        if kind in (CLIENT, CLIENT_PACKET):
            self._send(data if kind == CLIENT else self._framed(wires.client, data), from_client=True)
        elif kind in (BACKEND, BACKEND_PACKET):
            self._send(data if kind == BACKEND else self._framed(wires.backend, data), from_client=False)
        elif kind == TLS:
            self._start_tls()
        elif kind == LOST:
            session.client_lost("the client is gone")
        elif kind == TIMEOUT:
            session.login_timed_out()
        else:
            session.shut_down(tell=bool(data))

    @staticmethod
    def _framed(side: Packets, payload: bytes) -> bytes:
        return framed(payload, side.count & 0xFF)

    def _send(self, data: bytes, *, from_client: bool) -> None:
        """Send bytes as long as they are read: during a handshake they are its own."""
        feed, side, reader, tls = (
            (self.session.client_data, self.wires.client, self.readers[0], "client tls")
            if from_client
            else (self.session.backend_data, self.wires.backend, self.readers[1], "backend tls")
        )
        if not from_client and self.wires.asks("client tls"):
            return  # a server that greets waits for its client
        for read in reader.units(data):
            for piece in pieces(read, self.random) if self.cut else (read,):
                if self.wires.asks(tls):
                    return
                side.says(piece)
                feed(piece)

    def _start_tls(self) -> None:
        if self.wires.asks("client tls"):
            self.wires.asked.append("client tls done")
            self.session.client_tls_started()
        elif self.wires.asks("backend tls"):
            self.wires.asked.append("backend tls done")
            self.session.backend_tls_started()


class Reader:
    """Cuts a stream where the proxy's reader of a login does: behind each header, and behind each payload."""

    def __init__(self) -> None:
        self.missing = HEADER
        self.begun = b""

    def units(self, data: bytes) -> Iterator[bytes]:
        while data:
            piece, data = data[: self.missing], data[self.missing :]
            yield piece
            self.begun += piece
            self.missing -= len(piece)
            if not self.missing:
                length = int.from_bytes(self.begun[:3], "little") if len(self.begun) == HEADER else 0
                self.missing = length or HEADER
                self.begun = b"" if not length else b"in a payload"


def check(data: bytes) -> None:
    """Hold a conversation twice; its first two bytes are the settings."""
    with put(auth, encrypt_password=_encrypt):
        whole, cut = _held(data, cut=False), _held(data, cut=True)
    # Of two faults of both sides at once either may be met first.
    if whole[1] is not Result.MALFORMED or cut[1] is not Result.MALFORMED:
        assert whole == cut or EARLY in f"{whole[0]} {cut[0]}"


def _encrypt(password: bytes, nonce: bytes, public_pem: bytes) -> bytes:
    """Encrypt the same password in the same way each time, as OAEP never does."""
    return b"e" * len(encrypt_password(password, nonce, public_pem)) + password


def _held(data: bytes, *, cut: bool) -> tuple[object, ...]:
    first, second = data[:1] or b"\0", data[1:2] or b"\0"
    held, wires = session(
        client_tls=CLIENT_TLS[first[0] & 3],
        backend_tls=BACKEND_TLS[first[0] >> 2 & 3],
        client_secure=first[0] & 16 > 0,
        backend_secure=first[0] & 32 > 0,
        backend_public_key=KEY.public_pem if first[0] & 64 else None,
        limits=SMALL if first[0] & 128 else USUAL,
        compression=Compression(
            client=tuple(CompressionAlgorithm) if second[0] & 1 else (), backend=COMPRESSIONS[second[0] >> 1 & 3]
        ),
    )
    login = Login(held, wires, cut, data)
    for step in data[2:].split(SEPARATOR):
        login.step(step[0] & 7 if step else TLS, step[1:])
        wires.run_waiting()
        if "login done" not in wires.asked:
            assert wires.client.heard.unfinished == 0
            assert wires.backend.heard.unfinished == 0 or "backend tls" in wires.asked
    said: tuple[object, ...] = (
        *(held.reason, held.result, bytes(wires.said_to_client), bytes(wires.said_to_backend), list(wires.asked)),
    )
    if second[0] & 7 and wires.done_at is not None:  # what is compressed depends on how it came
        client, backend, asked = wires.done_at
        said = (None, None, bytes(wires.said_to_client[:client]), bytes(wires.said_to_backend[:backend]), asked)
    check_end(held, wires)
    return said


def _steps(first: int, second: int, *steps: tuple[int, bytes]) -> bytes:
    return bytes((first, second)) + joined(*(bytes((kind,)) + data for kind, data in steps))


_OK = payloads.ok()
_SWITCH = b"\xfecaching_sha2_password\0" + b"n" * 20 + b"\0"
_GREETED = (BACKEND_PACKET, MYSQL_GREETING)
_FULL = b"\1\4"
_TLS_RESPONSE = (int.from_bytes(MYSQL_CLIENT[:4], "little") | cap.SSL).to_bytes(4, "little") + MYSQL_CLIENT[4:]
_ENCRYPTED = b"e" * KEY.size

TARGET = Target(
    check,
    seeds=(
        _steps(0, 0, _GREETED, (CLIENT_PACKET, MYSQL_CLIENT), (BACKEND_PACKET, b"\1\3"), (BACKEND_PACKET, _OK)),
        _steps(0, 1, (BACKEND_PACKET, MARIADB_GREETING), (CLIENT_PACKET, MARIADB_CLIENT), (BACKEND_PACKET, _OK)),
        _steps(
            *(0, 0, _GREETED, (CLIENT_PACKET, PYMYSQL), (BACKEND_PACKET, _SWITCH), (CLIENT_PACKET, b"x" * 32)),
            *((BACKEND_PACKET, _FULL), (CLIENT_PACKET, b"\2"), (BACKEND_PACKET, b"\1" + KEY.public_pem)),
            *((CLIENT_PACKET, _ENCRYPTED), (BACKEND_PACKET, _OK), (CLIENT, framed(b"\x0e"))),
        ),
        _steps(
            *(1, 0, _GREETED, (CLIENT_PACKET, ssl_request(MYSQL_CLIENT)), (TLS, b""), (CLIENT_PACKET, _TLS_RESPONSE)),
            *((BACKEND_PACKET, _FULL), (CLIENT_PACKET, b"secret\0"), (BACKEND_PACKET, b"\1" + KEY.public_pem)),
            *((BACKEND_PACKET, _OK), (CLIENT_PACKET, b"\1")),
        ),
        _steps(
            *(4, 0, _GREETED, (CLIENT_PACKET, MYSQL_CLIENT), (TLS, b""), (BACKEND_PACKET, _FULL)),
            *(
                (CLIENT_PACKET, b"\2"),
                (CLIENT_PACKET, _ENCRYPTED),
                (BACKEND_PACKET, payloads.error(1045, "no", "28000")),
            ),
        ),
        _steps(
            13,
            7,
            _GREETED,
            (CLIENT_PACKET, ssl_request(MYSQL_CLIENT)),
            (TLS, b""),
            (CLIENT_PACKET, _TLS_RESPONSE),
            (TLS, b""),
        ),
        _steps(
            3, 0, _GREETED, (CLIENT_PACKET, ssl_request(MYSQL_CLIENT)), (CLIENT, b"\x16\3\1"), (BACKEND, b"\x16\3\3")
        ),
        _steps(2, 0, _GREETED, (CLIENT_PACKET, MYSQL_CLIENT)),
        _steps(0, 0, (BACKEND_PACKET, payloads.error(1040, "Too many connections", "08004"))),
        _steps(128, 0, _GREETED, (CLIENT_PACKET, PYMYSQL), (BACKEND_PACKET, _OK), (LOST, b"")),
        _steps(0, 0, _GREETED, (TIMEOUT, b"")),
        _steps(64, 0, _GREETED, (SHUTDOWN, b"1")),
        *(
            _steps(5 * number % 256, number % 8, _GREETED, (CLIENT, case.data), (TLS, b""), (BACKEND_PACKET, _OK))
            for number, case in enumerate(read_corpus(LOGINS)[::16])
        ),
    ),
    words=(
        *(
            MYSQL_GREETING[:40],
            b"caching_sha2_password\0",
            b"sha256_password\0",
            b"mysql_native_password\0",
            b"client_ed25519\0",
        ),
        *(
            SEPARATOR,
            SEPARATOR + b"\3\0\0\0\2\0\0\0",
            SEPARATOR + b"\1",
            SEPARATOR + b"\3",
            SEPARATOR + b"\4",
            _FULL,
            b"\1\3",
        ),
        *(b"\1" + KEY.public_pem, *logins.LENGTHS),
    ),
    longest=700,
)
