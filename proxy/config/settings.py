"""What config/proxy.yaml may say, and the defaults."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import ConfigDict, Field

from proxy.config.addresses import Address, Endpoint
from proxy.config.units import (
    Bytes,
    Count,
    Endpoints,
    Flag,
    HostPort,
    Networks,
    Permissions,
    Seconds,
    Workers,
)

FORBID: Final = ConfigDict(extra="forbid")
"""The pydantic configuration of every section: a key that it does not know is a mistake."""


class ClientTlsMode(StrEnum):
    """TLS towards the clients, by the names that MySQL Router gives its `client_ssl_mode`."""

    DISABLED = "DISABLED"
    PREFERRED = "PREFERRED"
    REQUIRED = "REQUIRED"
    PASSTHROUGH = "PASSTHROUGH"


class BackendTlsMode(StrEnum):
    """TLS towards the backend, by the names that MySQL Router gives its `server_ssl_mode` and `server_ssl_verify`."""

    DISABLED = "DISABLED"
    PREFERRED = "PREFERRED"
    REQUIRED = "REQUIRED"
    VERIFY_CA = "VERIFY_CA"
    VERIFY_IDENTITY = "VERIFY_IDENTITY"
    AS_CLIENT = "AS_CLIENT"


class ProxyProtocolVersion(StrEnum):
    """The PROXY protocol that tells the backend of a client's address."""

    OFF = "off"
    V1 = "v1"
    V2 = "v2"


class LogLevel(StrEnum):
    """The least severe line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a line is written; `auto` is `console` on a terminal and `json` elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True)
class ClientTls:
    """How clients may encrypt; without a certificate one is made at start-up, without an RSA key likewise."""

    __pydantic_config__ = FORBID
    mode: ClientTlsMode = ClientTlsMode.PREFERRED
    cert: Path | None = None
    key: Path | None = None
    rsa_key: Path | None = None


@dataclass(frozen=True, slots=True)
class BackendTls:
    """How the backend is reached and proven; `server_public_key` pins the RSA key of a login without TLS."""

    __pydantic_config__ = FORBID
    mode: BackendTlsMode = BackendTlsMode.PREFERRED
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    server_name: str | None = None
    server_public_key: Path | None = None


class CompressionAlgorithm(StrEnum):
    """What a connection may be compressed with."""

    ZLIB = "zlib"
    ZSTD = "zstd"


class BackendCompression(StrEnum):
    """What the backend's connections are compressed with, if the backend can."""

    OFF = "off"
    ZLIB = "zlib"
    ZSTD = "zstd"
    AS_CLIENT = "as_client"


@dataclass(frozen=True, slots=True)
class Compression:
    """The compressed protocol: what clients are offered, and what is used towards the backend."""

    __pydantic_config__ = FORBID
    client: tuple[CompressionAlgorithm, ...] = (CompressionAlgorithm.ZLIB, CompressionAlgorithm.ZSTD)
    backend: BackendCompression = BackendCompression.OFF


@dataclass(frozen=True, slots=True)
class ProxyProtocol:
    """Which load balancers tell of their clients by the PROXY protocol; `from` is a word of Python's."""

    __pydantic_config__ = FORBID
    from_: Annotated[Networks, Field(alias="from")] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may take, all of them and each: times in seconds, sizes in bytes; a count of 0 is no limit."""

    __pydantic_config__ = FORBID
    sessions: Count = 0
    sessions_per_user: Count = 0
    sessions_per_host: Count = 0
    logins_per_second: Count = 0
    logins_per_host: Count = 100
    idle_timeout: Seconds | None = None
    login_timeout: Seconds = 10.0
    connect_timeout: Seconds = 10.0
    login_packet: Bytes = 1 << 20
    statement: Bytes = 16 << 20
    write_buffer: Bytes = 256 << 10


@dataclass(frozen=True, slots=True)
class Log:
    """What is written to the log and how.

    `sessions`: whether each session's end is a line of level info. `conflicts_per_second` bounds the lines that
    conflicts may cause.
    """

    __pydantic_config__ = FORBID
    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.AUTO
    sessions: Flag = True
    conflicts_per_second: Count = 10


@dataclass(frozen=True, slots=True)
class Conflicts:
    """How conflicts are told: values are personal data and hashed unless `show_values`; metric series are capped.

    `journal`: how many of the last conflicts are kept one by one.
    """

    __pydantic_config__ = FORBID
    show_values: Flag = False
    max_series: Count = 1000
    journal: Count = 1000


@dataclass(frozen=True, slots=True)
class Lookup:
    """Whom the proxy logs in as to read the definitions of tables; times in seconds.

    The password is in `password_file`, or else in the environment variable `password_env`. `ttl`: for how long a
    definition is used. `timeout`: for how long an INSERT may wait for one.
    """

    __pydantic_config__ = FORBID
    user: str = "keyclash"
    password_file: Path | None = None
    password_env: str = "KEYCLASH_LOOKUP_PASSWORD"  # noqa: S105  # the name of a variable
    ttl: Seconds = 300.0
    timeout: Seconds = 5.0


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """The whole of config/proxy.yaml; without `rules` every conflict is only seen, counted and explained.

    Without `lookup` no definition is read, and rules that need one say so. `listen` and `backend` are one address or
    several; backends are tried in their order. `workers`: processes that serve clients, AUTO_WORKERS for one for each
    core. `drain_timeout`: seconds that sessions may take to come to rest when the proxy stops. `take_over`: the Unix
    socket where a process that is to take this one's place asks for its sockets.
    """

    __pydantic_config__ = FORBID
    listen: Endpoints = Address("127.0.0.1", 3306)  # noqa: RUF009  # a frozen value
    backend: Endpoints = Address("127.0.0.1", 3307)  # noqa: RUF009
    admin: HostPort = Address("127.0.0.1", 9104)  # noqa: RUF009
    admin_token_file: Path | None = None
    socket_mode: Permissions = 0o777
    proxy_protocol: ProxyProtocol = field(default_factory=ProxyProtocol)
    backend_proxy_protocol: ProxyProtocolVersion = ProxyProtocolVersion.OFF
    rules: Path | None = None
    workers: Workers = 1
    drain_timeout: Seconds = 30.0
    take_over: Path | None = None
    client_tls: ClientTls = field(default_factory=ClientTls)
    backend_tls: BackendTls = field(default_factory=BackendTls)
    compression: Compression = field(default_factory=Compression)
    limits: Limits = field(default_factory=Limits)
    log: Log = field(default_factory=Log)
    conflicts: Conflicts = field(default_factory=Conflicts)
    lookup: Lookup | None = None

    @property
    def listeners(self) -> tuple[Endpoint, ...]:
        """All addresses to listen on."""
        return self.listen if isinstance(self.listen, tuple) else (self.listen,)

    @property
    def backends(self) -> tuple[Endpoint, ...]:
        """All addresses of backends, in the order of preference."""
        return self.backend if isinstance(self.backend, tuple) else (self.backend,)
