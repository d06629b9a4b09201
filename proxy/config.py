"""YAML files into frozen, validated values; every mistake is told with its file and line, all of them at once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, ConfigDict, Strict
from pydantic_core import PydanticCustomError

FORBID: Final = ConfigDict(extra="forbid")
"""The pydantic configuration of every section: a key that it does not know is a mistake."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file: where it stands and what was expected there."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}: {key}{self.message}"


class ConfigError(Exception):
    """A file that cannot be used; `problems` holds every mistake found in it, in the order of its lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: Final = tuple(sorted(problems, key=lambda problem: (problem.file, problem.line)))
        super().__init__("\n".join(map(str, self.problems)))


# --------------------------------------------------------------------------------------------------------------------
# Values written in units


_ADDRESS: Final = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^\s:\[\]/]+)):(?P<port>\d{1,5})")
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)")
_SIZE: Final = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address; port 0 asks the system for a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `host:port` or `[ipv6]:port`; raises ValueError for anything else."""
        match = _ADDRESS.fullmatch(text)
        if match is None or int(match["port"]) > 65535:
            raise ValueError(f"{text!r} is no address (expected host:port, such as 127.0.0.1:3306 or [::1]:3306)")
        return cls(match["ipv6"] or match["host"], int(match["port"]))


def _expected(message: str) -> PydanticCustomError:
    return PydanticCustomError("expected", "{message}", {"message": message})


def _address(value: object) -> object:
    if isinstance(value, Address):
        return value
    try:
        return Address.parse(str(value))
    except ValueError as error:
        raise _expected(str(error)) from None


def _duration(value: object) -> object:
    if isinstance(value, float):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) == 0:
        raise _expected(f"{value!r} is no duration (expected a number above 0 with its unit: 500ms, 10s, 5m or 1h)")
    return float(match[1]) * _SECONDS[match[2]]


def _size(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        raise _expected(f"{value!r} is no size (expected bytes above 0, such as 65536, 64KiB, 1MiB or 1GiB)")
    return int(match[1]) * _BYTES[match[2]]


def _count(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise _expected(f"{value!r} is no count (expected a whole number, 0 or more)")


Seconds = Annotated[float, BeforeValidator(_duration)]
Bytes = Annotated[int, BeforeValidator(_size)]
Count = Annotated[int, BeforeValidator(_count)]
Flag = Annotated[bool, Strict()]
HostPort = Annotated[Address, BeforeValidator(_address)]


# --------------------------------------------------------------------------------------------------------------------
# config/proxy.yaml


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
    """How clients may encrypt; without a certificate one is made at start-up."""

    __pydantic_config__ = FORBID
    mode: ClientTlsMode = ClientTlsMode.PREFERRED
    cert: Path | None = None
    key: Path | None = None


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


@dataclass(frozen=True, slots=True)
class Limits:
    """What one session may take: times in seconds, sizes in bytes."""

    __pydantic_config__ = FORBID
    login_timeout: Seconds = 10.0
    connect_timeout: Seconds = 10.0
    login_packet: Bytes = 1 << 20
    statement: Bytes = 16 << 20
    write_buffer: Bytes = 256 << 10


@dataclass(frozen=True, slots=True)
class Log:
    """What is written to the log and how; `conflicts_per_second` bounds the lines that conflicts may cause."""

    __pydantic_config__ = FORBID
    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.AUTO
    conflicts_per_second: Count = 10


@dataclass(frozen=True, slots=True)
class Conflicts:
    """How conflicts are told: values are personal data and hashed unless `show_values`; metric series are capped."""

    __pydantic_config__ = FORBID
    show_values: Flag = False
    max_series: Count = 1000


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """The whole of config/proxy.yaml; without `rules` every conflict is only seen, counted and explained."""

    __pydantic_config__ = FORBID
    listen: HostPort = Address("127.0.0.1", 3306)
    backend: HostPort = Address("127.0.0.1", 3307)
    admin: HostPort = Address("127.0.0.1", 9104)
    rules: Path | None = None
    client_tls: ClientTls = field(default_factory=ClientTls)
    backend_tls: BackendTls = field(default_factory=BackendTls)
    limits: Limits = field(default_factory=Limits)
    log: Log = field(default_factory=Log)
    conflicts: Conflicts = field(default_factory=Conflicts)
