"""A client that speaks the protocol by hand, so that tests can choose every flag and see every byte of a real server.

It shares no code with the proxy: the tests hold the proxy's reading against what it saw.
"""

import hashlib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.servers.launch import Server

LONG_PASSWORD, FOUND_ROWS, CONNECT_WITH_DB, LOCAL_FILES, PROTOCOL_41, TLS = 1, 2, 8, 0x80, 0x200, 0x800
SECURE_CONNECTION, MULTI_STATEMENTS, MULTI_RESULTS, PS_MULTI_RESULTS = 0x8000, 1 << 16, 1 << 17, 1 << 18
PLUGIN_AUTH, SESSION_TRACK, DEPRECATE_EOF = 1 << 19, 1 << 23, 1 << 24
OPTIONAL_METADATA, QUERY_ATTRIBUTES = 1 << 25, 1 << 27
MARIADB_PROGRESS, MARIADB_BULK, MARIADB_EXTENDED_METADATA, MARIADB_CACHE_METADATA = 1, 1 << 2, 1 << 3, 1 << 4

USUAL = (
    PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH | MULTI_STATEMENTS | MULTI_RESULTS | PS_MULTI_RESULTS | LOCAL_FILES
)
PING = b"\x0e"


@dataclass
class Raw:
    """A session with a server.

    Attributes:
        greeting: the payload of the server's greeting.
        response: the payload of the login.
        answers: the payloads with which the server answered the login.
    """

    stream: socket.socket
    greeting: bytes = b""
    response: bytes = b""
    answers: tuple[bytes, ...] = ()

    def send(self, payload: bytes, sequence: int = 0) -> None:
        """Send one packet."""
        self.stream.sendall(len(payload).to_bytes(3, "little") + bytes((sequence,)) + payload)

    def packet(self) -> tuple[int, bytes]:
        """Receive one packet: its sequence id and payload."""
        header = self._exactly(4)
        return header[3], self._exactly(int.from_bytes(header[:3], "little"))

    def run(self, command: bytes) -> list[bytes]:
        """Send a command and return the payloads of its reply.

        The end is told by the sequence id, which begins anew with the reply to a ping that follows.
        """
        self.send(command)
        self.send(PING)
        reply: list[bytes] = []
        last = -1
        while True:
            sequence, payload = self.packet()
            if sequence == 1 and last > 0:
                return reply
            reply.append(payload)
            last = sequence

    def query(self, text: str) -> list[bytes]:
        """Run a statement on a session without QUERY_ATTRIBUTES."""
        return self.run(b"\x03" + text.encode())

    def prepare(self, text: str) -> int:
        """Prepare a statement and return its id."""
        return int.from_bytes(self.run(b"\x16" + text.encode())[0][1:5], "little")

    def _exactly(self, size: int) -> bytes:
        parts = b""
        while len(parts) < size:
            part = self.stream.recv(size - len(parts))
            if not part:
                raise ConnectionError("the server closed the connection")
            parts += part
        return parts


@contextmanager
def logged_in(
    server: Server,
    capabilities: int = USUAL,
    mariadb_capabilities: int = 0,
    *,
    tls: bool = False,
    user: str | None = None,
    password: str | None = None,
) -> Iterator[Raw]:
    """Log in to a server, as its administrator unless told otherwise.

    mariadb_capabilities: with any of them the client shows itself as one of MariaDB's.
    """
    own = 0 if mariadb_capabilities else LONG_PASSWORD
    with socket.create_connection((server.host, server.port), timeout=30) as stream:
        raw = Raw(stream)
        raw.greeting = raw.packet()[1]
        flags = capabilities | own | (TLS if tls else 0)
        terms = flags.to_bytes(4, "little") + b"\0\0\0\1\x2d" + bytes(19) + mariadb_capabilities.to_bytes(4, "little")
        sequence = 1
        if tls:
            raw.send(terms, sequence)
            raw.stream = _encrypted(stream)
            sequence += 1
        with raw.stream:
            _authenticate(raw, terms, sequence, user or server.user, password or server.password, tls=tls)
            yield raw


def _encrypted(stream: socket.socket) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(stream)


def _authenticate(raw: Raw, terms: bytes, sequence: int, user: str, password: str, *, tls: bool) -> None:
    version_end = raw.greeting.index(0)
    nonce = raw.greeting[version_end + 5 : version_end + 13] + raw.greeting[version_end + 32 : version_end + 44]
    native = b"mysql_native_password" in raw.greeting
    plugin = b"mysql_native_password" if native else b"caching_sha2_password"
    scrambled = _native(password, nonce) if native else _caching_sha2(password, nonce)
    raw.response = terms + user.encode() + b"\0" + bytes((len(scrambled),)) + scrambled + plugin + b"\0"
    raw.send(raw.response, sequence)
    answers = []
    while True:
        sequence, payload = raw.packet()
        answers.append(payload)
        if payload == b"\x01\x04":
            _send_password(raw, sequence + 1, password, nonce, tls=tls)
        elif payload[0] in (0x00, 0xFF):
            break
    raw.answers = tuple(answers)
    if answers[-1][0]:
        raise ConnectionError(answers[-1])


def _send_password(raw: Raw, sequence: int, password: str, nonce: bytes, *, tls: bool) -> None:
    secret = password.encode() + b"\0"
    if tls:
        raw.send(secret, sequence)
        return
    raw.send(b"\x02", sequence)
    sequence, pem = raw.packet()
    key = serialization.load_pem_public_key(pem[1:])
    assert isinstance(key, rsa.RSAPublicKey)
    hidden = bytes(a ^ nonce[number % 20] for number, a in enumerate(secret))
    raw.send(key.encrypt(hidden, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)), sequence + 1)


def _native(password: str, nonce: bytes) -> bytes:
    once = hashlib.sha1(password.encode()).digest()
    mask = hashlib.sha1(nonce + hashlib.sha1(once).digest()).digest()
    return bytes(a ^ b for a, b in zip(once, mask, strict=True))


def _caching_sha2(password: str, nonce: bytes) -> bytes:
    once = hashlib.sha256(password.encode()).digest()
    mask = hashlib.sha256(hashlib.sha256(once).digest() + nonce).digest()
    return bytes(a ^ b for a, b in zip(once, mask, strict=True))
