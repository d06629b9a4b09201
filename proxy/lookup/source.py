"""Where definitions are read, as whom, and how the connection is made."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import math
import os
import socket
import ssl
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import pymysql
from pydantic import SecretBytes
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from proxy.config import (
    Address,
    BackendTlsMode,
    ConfigError,
    Endpoint,
    Lookup,
    Problem,
    ProxyProtocolVersion,
    UnixAddress,
)
from proxy.sql.dialect import Dialect

_GIPK_SINCE: Final = (8, 0, 30)
_VERIFIED: Final = (BackendTlsMode.VERIFY_CA, BackendTlsMode.VERIFY_IDENTITY)
_ENCRYPTED: Final = (BackendTlsMode.REQUIRED, *_VERIFIED)


@dataclass(frozen=True, slots=True)
class Source:
    """A server and an account on it.

    backends: where the server listens, in the order in which they are tried.
    timeout: seconds that connecting, one wait for the server, or one of its statements may take.
    tls: the context of the modes that encrypt; None for DISABLED.
    server_name: the name that the server's certificate must be made out to, if the mode verifies it.
    client_certificate: `tls` holds a certificate of the proxy's own.
    server_public_key: the PEM for a login without TLS; None: ask the server.
    proxy_protocol: the header that the server waits for; it says here that nobody stands behind the connection.
    """

    backends: tuple[Endpoint, ...]
    user: str
    password: SecretBytes
    timeout: float
    tls_mode: BackendTlsMode = BackendTlsMode.DISABLED
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    server_name: str | None = None
    client_certificate: bool = False
    server_public_key: bytes | None = None
    proxy_protocol: ProxyProtocolVersion = ProxyProtocolVersion.OFF


def read_password(lookup: Lookup) -> SecretBytes:
    """Read the password from the file that the configuration names, or else from the environment.

    One line break at its end belongs to the file and not to the password.
    Raises ConfigError if there is none; an empty one is none.
    """
    if lookup.password_file is None:
        password, place, what = os.environb.get(os.fsencode(lookup.password_env)), "environment", lookup.password_env
        if not password:
            _no_password(place, "password_env", f"{what} is {'not set' if password is None else 'empty'}")
        return SecretBytes(password)
    try:
        text = lookup.password_file.read_bytes()
    except OSError as error:
        _no_password(str(lookup.password_file), "password_file", f"cannot be read: {error.strerror}")
    password = text.removesuffix(b"\n").removesuffix(b"\r")
    if not password:
        _no_password(str(lookup.password_file), "password_file", "is empty")
    return SecretBytes(password)


def _no_password(place: str, key: str, message: str) -> NoReturn:
    expected = "expected the password of the lookup's account"
    raise ConfigError([Problem(place, 0, f"lookup.{key}", f"{message} ({expected})")])


_NOBODY: Final = {
    ProxyProtocolVersion.OFF: b"",
    ProxyProtocolVersion.V1: b"PROXY UNKNOWN\r\n",
    ProxyProtocolVersion.V2: b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",  # version 2, command LOCAL, no addresses
}
"""The headers of a connection that a proxy makes for itself (HAProxy, "The PROXY protocol", 2.1 and 2.2)."""


def open_socket(source: Source) -> socket.socket:
    """Connect to the first of the backends that can be reached; raises the OSError of the first if none can."""
    errors: list[OSError] = []
    for backend in source.backends:
        try:
            return _connect(backend, source.timeout, _NOBODY[source.proxy_protocol])
        except OSError as error:
            errors.append(error)
    raise errors[0]


def _connect(backend: Endpoint, timeout: float, header: bytes) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX) if isinstance(backend, UnixAddress) else _tcp(backend, timeout)
    try:
        if isinstance(backend, UnixAddress):
            sock.settimeout(timeout)
            sock.connect(str(backend.path))
        sock.sendall(header)
    except OSError:
        sock.close()
        raise
    return sock


def _tcp(backend: Address, timeout: float) -> socket.socket:
    sock = socket.create_connection((backend.host, backend.port), timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock


def log_in(source: Source, sock: socket.socket) -> Connection[Cursor]:
    """Log in over a socket that is connected, and prepare the session; raises pymysql.Error or OSError.

    The socket is the connection's from then on, and closed if the login fails.
    """
    arguments: dict[str, Any] = {
        # With a socket given, the host is only the name that the certificate is made out to.
        "host": source.server_name,
        "user": source.user,
        "password": source.password.get_secret_value(),
        "read_timeout": source.timeout,
        "write_timeout": source.timeout,
        "server_public_key": source.server_public_key,
        "charset": "utf8mb4",
        "autocommit": True,
        "program_name": "keyclash",
        "defer_connect": True,
    }
    connection = pymysql.connect(**arguments | _tls(source) | _plugins(source))
    # Over a Unix socket a MySQL server takes the password as it is, and PyMySQL's request for a key for a wrong one;
    # of a socket that it did not open, PyMySQL does not know.
    connection._secure = sock.family == socket.AF_UNIX  # type: ignore[attr-defined]
    connection.connect(sock)
    try:
        _prepare(connection, source.timeout)
    except BaseException:
        connection.close()
        raise
    return connection


def dialect_of(connection: Connection[Cursor]) -> Dialect:
    """Tell the dialect of the server that a connection leads to."""
    return Dialect.parse(connection.get_server_info())  # type: ignore[no-untyped-call]


def _tls(source: Source) -> dict[str, Any]:
    if source.tls_mode is BackendTlsMode.DISABLED:
        return {"ssl_disabled": True}
    if source.tls_mode in _ENCRYPTED or source.client_certificate:
        return {"ssl": source.tls}
    # PyMySQL's own way: TLS if the server offers it, the certificate not looked at.
    return {}


class _Refuse:
    """Answers a server that asks for the password in clear text."""

    def __init__(self, connection: Connection[Cursor]) -> None:
        del connection

    def authenticate(self, packet: object) -> NoReturn:
        """Refuse to send it; raises pymysql.OperationalError."""
        del packet
        raise pymysql.OperationalError(
            2059, "the server asks for the password in clear text, and TLS is not required (backend_tls.mode)"
        )


def _plugins(source: Source) -> dict[str, Any]:
    """Keep PyMySQL from sending the password in clear text to whoever asks for it, unless TLS is required."""
    if source.tls_mode in _ENCRYPTED:
        return {}
    return {"auth_plugin_map": {"mysql_clear_password": _Refuse, "dialog": _Refuse}}


def _prepare(connection: Connection[Cursor], timeout: float) -> None:
    """Make the session's answers independent of the server's settings, and bound its waits.

    A statement that waits for a metadata lock would do so for a year by default (MySQL manual, "lock_wait_timeout").
    """
    dialect = dialect_of(connection)
    seconds = max(1, math.ceil(timeout))
    settings = {"sql_mode": "''", "sql_quote_show_create": "1", "lock_wait_timeout": str(seconds)}
    if dialect.mariadb:
        settings["max_statement_time"] = str(seconds)
    else:
        settings["max_execution_time"] = str(seconds * 1000)
        if dialect.version >= _GIPK_SINCE:
            # A generated invisible primary key is a unique key like any other.
            settings["show_gipk_in_create_table_and_information_schema"] = "1"
    with connection.cursor() as cursor:
        cursor.execute("SET " + ", ".join(f"SESSION {name} = {value}" for name, value in settings.items()))
