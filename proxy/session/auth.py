"""Relays an authentication conversation, packet by packet.

Where one side has TLS and the other has none, the two plugins that send a password cannot simply be relayed: they send
it in the clear over TLS and encrypted by RSA without. There the relay speaks each side's own way::

    client without TLS                relay                         backend with TLS
                       ◄───────── 01 04 ───────────────◄
      02 (key, please) ──────────►
                       ◄────────── 01 PEM (the proxy's key)
      RSA(password)    ──────────►        decrypts  ───────────────► password NUL

    client with TLS                   relay                         backend without TLS
      password NUL     ──────────►        02 (key, please) ────────►
                                          encrypts  ◄─────────────── 01 PEM
                                                    ───────────────► RSA(password)

A server whose greeting itself names sha256_password (``authentication_policy``) is served on like sides only: its
clients put the request for the key, or the password, into their first packet, which has gone on before any of this
begins. The plugin is deprecated, and no version of MySQL has it as its default.

Sources: MySQL manual, "Caching SHA-2 Pluggable Authentication"; MySQL Internals, "Protocol::AuthSwitchRequest".
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from proxy.wire.errors import ProtocolError
from proxy.wire.framing import frame
from proxy.wire.rsa import RsaKey, encrypt_password

_SWITCHES = (b"\xfe", b"\x02")  # AuthSwitchRequest, AuthNextFactor
_MORE_DATA = 0x01
_FULL_AUTHENTICATION = b"\x01\x04"
_CACHING_SHA2 = "caching_sha2_password"
_SHA256 = "sha256_password"
_KEY_REQUEST = {_CACHING_SHA2: b"\x02", _SHA256: b"\x01"}
_EMPTY_PASSWORD = (b"", b"\0")


class _Expecting(Enum):
    """What the relay waits for, beyond packets that it passes on."""

    NOTHING = auto()
    PASSWORD = auto()  # from the client, in the form that its side of the connection asks for
    KEY = auto()  # from the backend


class AuthTerms(NamedTuple):
    """What an authentication is held under.

    Args:
        client_secure: the client's connection is private: it sends its password in the clear.
        backend_secure: the backend's connection is private: it takes a password in the clear.
        rsa: the proxy's key, for clients that are not.
        backend_public_key: the backend's key, if it is pinned.
        client_on_socket: the client's connection is private as a Unix socket, not by TLS.
        backend_on_socket: the same of the backend's connection.
    """

    client_secure: bool
    backend_secure: bool
    rsa: RsaKey
    backend_public_key: bytes | None
    client_on_socket: bool = False
    backend_on_socket: bool = False

    def secure(self, plugin: str) -> tuple[bool, bool]:
        """Tell whether this plugin's password goes in the clear from the client, and to the backend."""
        if plugin != _SHA256:
            return self.client_secure, self.backend_secure
        # It trusts TLS alone; measured on MySQL 9.7, and the same in its clients.
        return self.client_secure and not self.client_on_socket, self.backend_secure and not self.backend_on_socket


class AuthRelay:
    """One authentication, from the client's first auth response to the backend's OK or ERR.

    Args:
        terms: what it is held under.
        plugin: the plugin that the client's first response is made for.
        nonce: the nonce that goes with it.
        to_client: sends an answer of the relay's own to the client.
        to_backend: sends an answer of the relay's own to the backend.
        client_next: the sequence id of the next packet to the client.
        backend_next: the same for the backend: TLS on one side alone makes them differ.

    Attributes:
        client_next: see above.
    """

    __slots__ = (
        "_backend_next",
        "_expecting",
        "_nonce",
        "_password",
        "_plugin",
        "_terms",
        "_to_backend",
        "_to_client",
        "client_next",
    )

    def __init__(
        self,
        terms: AuthTerms,
        plugin: str,
        nonce: bytes,
        to_client: Callable[[bytes], None],
        to_backend: Callable[[bytes], None],
        client_next: int = 0,
        backend_next: int = 0,
    ) -> None:
        self._terms = terms
        self._plugin = plugin
        self._nonce = nonce
        self._to_client = to_client
        self._to_backend = to_backend
        self.client_next = client_next
        self._backend_next = backend_next
        self._expecting = _Expecting.NOTHING
        self._password = b""

    def from_client(self, sequence: int, payload: bytes) -> bytes:
        """Take a packet of the client's; return the packet for the backend, or nothing.

        Raises:
            ProtocolError: the password is not encrypted for the proxy's key.
        """
        self.client_next = sequence + 1
        if self._expecting is not _Expecting.PASSWORD:
            return self._for_backend(payload)
        match self._terms.secure(self._plugin):
            case (True, True):
                return self._for_backend(payload)
            case (False, True):
                return self._decrypted(payload)
            case (True, False):
                return self._encrypted(payload)
            case _:
                return self._encrypted_anew(payload)

    def from_backend(self, sequence: int, payload: bytes) -> bytes:
        """Take a packet of the backend's; return the packet for the client, or nothing.

        Raises:
            ProtocolError: the backend's key is of no use.
        """
        self._backend_next = sequence + 1
        if self._expecting is _Expecting.KEY and payload[:1] == bytes((_MORE_DATA,)):
            self._expecting = _Expecting.NOTHING
            password, self._password = self._password, b""
            self._to_backend(self._for_backend(encrypt_password(password, self._nonce, payload[1:])))
            return b""
        self._expecting = _Expecting.NOTHING
        self._password = b""
        if payload[:1] in _SWITCHES and len(payload) > 1:
            self._switch(payload)
        elif payload == _FULL_AUTHENTICATION and self._plugin == _CACHING_SHA2:
            self._expecting = _Expecting.PASSWORD
        return self._for_client(payload)

    def _switch(self, payload: bytes) -> None:
        """Read an AuthSwitchRequest or AuthNextFactor: 0xFE or 0x02, plugin NUL, nonce (20) NUL."""
        plugin, _, nonce = payload[1:].partition(b"\0")
        self._plugin = plugin.decode("latin-1")
        self._nonce = nonce[:20]
        if self._plugin == _SHA256:
            self._expecting = _Expecting.PASSWORD

    def _decrypted(self, payload: bytes) -> bytes:
        """Take what a client without TLS sends for a password, for a backend that takes it in the clear."""
        if payload == _KEY_REQUEST[self._plugin]:
            self._to_client(self._for_client(bytes((_MORE_DATA,)) + self._terms.rsa.public_pem))
            return b""
        self._expecting = _Expecting.NOTHING
        encrypted = len(payload) == self._terms.rsa.size
        return self._for_backend(self._terms.rsa.decrypt_password(payload, self._nonce) if encrypted else payload)

    def _encrypted(self, password: bytes) -> bytes:
        """Take a password in the clear, for a backend that wants it encrypted for its key."""
        self._expecting = _Expecting.NOTHING
        if password in _EMPTY_PASSWORD:
            return self._for_backend(password)
        if self._terms.backend_public_key is not None:
            return self._for_backend(encrypt_password(password, self._nonce, self._terms.backend_public_key))
        self._password = password
        self._expecting = _Expecting.KEY
        return self._for_backend(_KEY_REQUEST[self._plugin])

    def _encrypted_anew(self, payload: bytes) -> bytes:
        """Relay an encrypted password; one for the proxy's key, pinned by the client, is made one for the backend's."""
        if len(payload) != self._terms.rsa.size:
            return self._for_backend(payload)
        try:
            password = self._terms.rsa.decrypt_password(payload, self._nonce)
        except ProtocolError:  # it is for the backend's key
            return self._for_backend(payload)
        return self._encrypted(password)

    def _for_client(self, payload: bytes) -> bytes:
        packet = frame(payload, self.client_next)
        self.client_next += 1
        return packet

    def _for_backend(self, payload: bytes) -> bytes:
        packet = frame(payload, self._backend_next)
        self._backend_next += 1
        return packet
