"""The client's side of the login: SSLRequest and HandshakeResponse41, and COM_CHANGE_USER, which begins a login anew.

Layout of both: capabilities (4), largest packet (4), charset (1), reserved (23; MariaDB's own in the last 4).
An SSLRequest ends there. The response goes on: user NUL, auth response, database NUL, plugin NUL, attributes,
zstd level (1).
Source: MySQL Internals, "Protocol::HandshakeResponse41", "Protocol::SSLRequest" and "COM_CHANGE_USER".
"""

import struct
from typing import Final, NamedTuple

from proxy.wire import capabilities as cap
from proxy.wire.errors import ProtocolError
from proxy.wire.lenenc import read_bytes, read_nul

SSL_REQUEST_SIZE = 32
_ALL: Final = 0xFFFFFFFF
_FIXED = struct.Struct("<I4xB19xI")  # what an SSLRequest holds, too


class Login(NamedTuple):
    """Who logs in, and on which terms."""

    capabilities: int
    mariadb_capabilities: int
    charset: int  # collation id, low byte
    user: str
    auth_response: bytes
    database: str | None
    plugin: str  # empty where the client names none
    zstd_level: int = 0  # how hard the client wants its replies compressed; 0: it does not say


def is_ssl_request(payload: bytes) -> bool:
    """Tell whether a client's first packet asks for TLS before the login."""
    return len(payload) == SSL_REQUEST_SIZE and bool(capabilities_of(payload) & cap.SSL)


def speaks_protocol_41(payload: bytes) -> bool:
    """Tell whether a client's first packet is of MySQL 4.1's protocol; older ones have another layout."""
    return len(payload) >= 2 and bool(int.from_bytes(payload[:2], "little") & cap.PROTOCOL_41)


def ssl_request(response: bytes) -> bytes:
    """Make the SSLRequest that announces the login in ``response``: its first 32 bytes, with the SSL flag set."""
    flags = capabilities_of(response) | cap.SSL
    return flags.to_bytes(4, "little") + response[4:SSL_REQUEST_SIZE]


def with_capabilities(response: bytes, capabilities: int, mariadb_capabilities: int) -> bytes:
    """Return a HandshakeResponse with other capability flags and every other byte as the client sent it."""
    reserved = response[9:28]
    if capabilities & cap.LONG_PASSWORD:
        return capabilities.to_bytes(4, "little") + response[4:]
    return (
        capabilities.to_bytes(4, "little")
        + response[4:9]
        + reserved
        + mariadb_capabilities.to_bytes(4, "little")
        + response[SSL_REQUEST_SIZE:]
    )


def with_zstd_level(response: bytes, login: Login, level: int) -> bytes:
    """Return a HandshakeResponse with another zstd level behind everything else, or with none.

    Args:
        response: the client's response.
        login: what it says.
        level: the level; 0: none, as for a login without ZSTD.
    """
    plain = response[:-1] if login.zstd_level else response
    return plain + bytes((level,)) if level else plain


def capabilities_of(payload: bytes) -> int:
    """Return the capability flags of a HandshakeResponse41 or SSLRequest."""
    return int.from_bytes(payload[:4], "little")


def parse_login(payload: bytes, granted: int = _ALL, mariadb_granted: int = _ALL) -> Login:
    """Parse a HandshakeResponse41.

    Args:
        payload: all of it.
        granted: the capabilities that the login may have of those which it asks for.
        mariadb_granted: the same of MariaDB's own.

    Raises:
        ProtocolError: it is cut or its strings are malformed.
    """
    if len(payload) < SSL_REQUEST_SIZE:
        raise ProtocolError("the login packet is cut")
    flags, charset, mariadb_flags = _FIXED.unpack_from(payload)
    user, at = read_nul(payload, SSL_REQUEST_SIZE)
    auth_response, at = _read_auth_response(payload, at, flags)
    database: bytes | None = None
    if flags & cap.CONNECT_WITH_DB:
        database, at = _read_nul_or_rest(payload, at)
    plugin = b""
    if flags & cap.PLUGIN_AUTH:
        plugin, at = _read_nul_or_rest(payload, at)
    if flags & cap.CONNECT_ATTRS:
        at = _behind_attributes(payload, at)
    return Login(
        capabilities=flags & granted,
        mariadb_capabilities=0 if flags & cap.LONG_PASSWORD else mariadb_flags & mariadb_granted,
        charset=charset,
        user=_text(user),
        auth_response=auth_response,
        database=_text(database) if database else None,
        plugin=_text(plugin),
        zstd_level=payload[at] if flags & cap.ZSTD and at < len(payload) else 0,
    )


def parse_change_user(payload: bytes, login: Login) -> Login:
    """Parse a COM_CHANGE_USER command (first byte 0x11), on the capabilities of the session's first login.

    Raises:
        ProtocolError: it is cut or its strings are malformed.
    """
    user, at = read_nul(payload, 1)
    if at >= len(payload):
        raise ProtocolError("COM_CHANGE_USER is cut")
    length = payload[at]
    auth_response = payload[at + 1 : at + 1 + length]
    database, at = read_nul(payload, at + 1 + length)
    charset = payload[at] if at < len(payload) else login.charset
    plugin, _ = _read_nul_or_rest(payload, at + 2)
    return Login(
        capabilities=login.capabilities,
        mariadb_capabilities=login.mariadb_capabilities,
        charset=charset,
        user=_text(user),
        auth_response=auth_response,
        database=_text(database) or None,
        plugin=_text(plugin),
    )


def _read_auth_response(payload: bytes, at: int, flags: int) -> tuple[bytes, int]:
    if flags & cap.PLUGIN_AUTH_LENENC:
        return read_bytes(payload, at)
    if not flags & cap.SECURE_CONNECTION:
        return read_nul(payload, at)
    if at >= len(payload) or at + 1 + payload[at] > len(payload):
        raise ProtocolError("the login packet's auth response is cut")
    end = at + 1 + payload[at]
    return payload[at + 1 : end], end


def _read_nul_or_rest(payload: bytes, at: int) -> tuple[bytes, int]:
    """Read up to the NUL, which some clients leave out of the last string; the server takes what is there."""
    end = payload.find(b"\0", at)
    return (payload[at:], len(payload)) if end < 0 else (payload[at:end], end + 1)


def _behind_attributes(payload: bytes, at: int) -> int:
    """Return where the attributes end; what is wrong with them is for the server to say."""
    try:
        return read_bytes(payload, at)[1] if at < len(payload) else at
    except ProtocolError:
        return len(payload)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
