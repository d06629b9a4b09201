"""YAML files into frozen, validated values; every mistake is told with its file and line, all of them at once."""

import difflib
import hashlib
import ipaddress
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, TypeAlias, TypeVar, get_type_hints

from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator, Strict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.tag import Tag

FORBID: Final = ConfigDict(extra="forbid")
"""The pydantic configuration of every section: a key that it does not know is a mistake."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file: where it stands (line 0: the file as a whole) and what was expected there."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(Exception):
    """A file that cannot be used; `problems` holds every mistake found in it, in the order of its lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: Final = tuple(sorted(problems, key=lambda problem: (problem.file, problem.line)))
        super().__init__("\n".join(map(str, self.problems)))


T = TypeVar("T")


# --------------------------------------------------------------------------------------------------------------------
# Values written in units


_ADDRESS: Final = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^\s:\[\]/]+)):(?P<port>\d{1,5})")
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)")
_PERMISSIONS: Final = re.compile(r"0?[0-7]{3}")
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
            raise ValueError(f"'{text}' is no address (expected host:port, such as 127.0.0.1:3306 or [::1]:3306)")
        return cls(match["ipv6"] or match["host"], int(match["port"]))


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A Unix socket by its file."""

    path: Path

    def __str__(self) -> str:
        return f"{_UNIX}{self.path}"


Endpoint: TypeAlias = Address | UnixAddress
"""Where somebody listens for the MySQL protocol."""

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_UNIX: Final = "unix:"
_LONGEST_PATH: Final = 107
"""Bytes in `sockaddr_un` without the NUL at the end, see unix(7)."""


def parse_endpoint(text: str) -> Endpoint:
    """Read `host:port`, `[ipv6]:port` or `unix:/path`; raises ValueError for anything else."""
    if not text.startswith(_UNIX):
        try:
            return Address.parse(text)
        except ValueError:
            expected = "expected host:port, [ipv6]:port or unix:/path"
            raise ValueError(f"'{text}' is no address ({expected}, such as 127.0.0.1:3306)") from None
    path = text.removeprefix(_UNIX)
    if not 0 < len(os.fsencode(path)) <= _LONGEST_PATH or "\0" in path:
        raise ValueError(f"'{text}' is no address (expected the path of a socket, 1 to {_LONGEST_PATH} bytes)")
    return UnixAddress(Path(path))


def _expected(message: str) -> PydanticCustomError:
    return PydanticCustomError("expected", "{message}", {"message": message})


def _address(value: object) -> object:
    try:
        return Address.parse(str(value))
    except ValueError as error:
        raise _expected(str(error)) from None


def _endpoints(value: object) -> Endpoint | tuple[Endpoint, ...]:
    if not isinstance(value, list | tuple):
        return _each(parse_endpoint, [value])[0]
    found = _each(parse_endpoint, value)
    if not found or len(set(found)) < len(found):
        raise _expected(f"{in_yaml(value)} {'has an address twice' if found else 'does not fit'} (expected addresses)")
    return found


def _networks(value: object) -> tuple[Network, ...]:
    if not isinstance(value, list | tuple):
        raise _expected(f"{in_yaml(value)} does not fit (expected a list)")
    return _each(_network, value)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{error} (expected networks such as 10.0.0.0/8 or fd00::/8, or addresses)") from None


def _each(parse: Callable[[str], T], values: Sequence[object]) -> tuple[T, ...]:
    """Parse the items of a list; tells all that are wrong."""
    found, wrong = [], []
    for value in values:
        try:
            found.append(parse(str(value)))
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise _expected("; ".join(wrong))
    return tuple(found)


def _permissions(value: object) -> int:
    # A bare 0660 is 660 to YAML 1.2, and 0o660 is for those who know: only text cannot be misread.
    if isinstance(value, str) and _PERMISSIONS.fullmatch(value):
        return int(value, 8)
    raise _expected(f'{in_yaml(value)} is no file mode (expected octal digits in quotes, such as "0660")')


def _duration(value: object) -> object:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) == 0:
        raise _expected(
            f"{in_yaml(value)} is no duration (expected a number above 0 with its unit: 500ms, 10s, 5m or 1h)"
        )
    return float(match[1]) * _SECONDS[match[2]]


def _size(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        raise _expected(f"{in_yaml(value)} is no size (expected bytes above 0, such as 65536, 64KiB, 1MiB or 1GiB)")
    return int(match[1]) * _BYTES[match[2]]


def _count(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise _expected(f"{in_yaml(value)} is no count (expected a whole number, 0 or more)")


def parse_workers(value: object) -> int:
    """Read a number of workers, 1 to 64, or `auto`; raises ValueError for anything else."""
    if str(value) == "auto":
        return AUTO_WORKERS
    if not isinstance(value, bool) and str(value).isascii() and str(value).isdigit() and 0 < int(str(value)) <= 64:
        return int(str(value))
    raise ValueError(f"{in_yaml(value)} is no number of workers (expected 1 to 64, or auto)")


def _workers(value: object) -> int:
    try:
        return parse_workers(value)
    except ValueError as error:
        raise _expected(str(error)) from None


AUTO_WORKERS: Final = 0
"""Stands for as many workers as there are cores."""

Seconds = Annotated[float, BeforeValidator(_duration)]
Bytes = Annotated[int, BeforeValidator(_size)]
Count = Annotated[int, BeforeValidator(_count)]
Flag = Annotated[bool, Strict()]
HostPort = Annotated[Address, BeforeValidator(_address)]
Endpoints = Annotated[Endpoint | tuple[Endpoint, ...], PlainValidator(_endpoints)]
Networks = Annotated[tuple[Network, ...], PlainValidator(_networks)]
Workers = Annotated[int, PlainValidator(_workers)]
Permissions = Annotated[int, PlainValidator(_permissions)]


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
    listen: Endpoints = Address("127.0.0.1", 3306)
    backend: Endpoints = Address("127.0.0.1", 3307)
    admin: HostPort = Address("127.0.0.1", 9104)
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


def load_config(path: Path) -> ProxyConfig:
    """Read config/proxy.yaml; the files that it names are relative to its own folder.

    Raises ConfigError with every mistake of the file.
    """
    document = read_yaml(path)
    config, problems = validate(document, ProxyConfig)
    if config is None or problems or (problems := _contradictions(document, config)):
        raise ConfigError(problems)
    here = path.parent
    client, backend, lookup = config.client_tls, config.backend_tls, config.lookup
    return replace(
        config,
        listen=_endpoints_beside(here, config.listen),
        backend=_endpoints_beside(here, config.backend),
        rules=_beside(here, config.rules),
        admin_token_file=_beside(here, config.admin_token_file),
        take_over=_beside(here, config.take_over),
        client_tls=replace(
            client,
            cert=_beside(here, client.cert),
            key=_beside(here, client.key),
            rsa_key=_beside(here, client.rsa_key),
        ),
        backend_tls=replace(
            backend,
            ca=_beside(here, backend.ca),
            cert=_beside(here, backend.cert),
            key=_beside(here, backend.key),
            server_public_key=_beside(here, backend.server_public_key),
        ),
        lookup=lookup and replace(lookup, password_file=_beside(here, lookup.password_file)),
    )


def _beside(folder: Path, path: Path | None) -> Path | None:
    return None if path is None else folder / path


def _endpoints_beside(folder: Path, given: Endpoint | tuple[Endpoint, ...]) -> Endpoint | tuple[Endpoint, ...]:
    if isinstance(given, tuple):
        return tuple(_endpoint_beside(folder, endpoint) for endpoint in given)
    return _endpoint_beside(folder, given)


def _endpoint_beside(folder: Path, endpoint: Endpoint) -> Endpoint:
    return UnixAddress(folder / endpoint.path) if isinstance(endpoint, UnixAddress) else endpoint


def _contradictions(document: "Document", config: ProxyConfig) -> list[Problem]:
    """Find values that are right alone and wrong together."""
    found: list[tuple[Loc, str]] = []
    client, backend = config.client_tls, config.backend_tls
    if (client.cert is None) != (client.key is None):
        found.append((("client_tls",), "one of cert and key is missing (expected both, or neither)"))
    if (backend.cert is None) != (backend.key is None):
        found.append((("backend_tls",), "one of cert and key is missing (expected both, or neither)"))
    if backend.mode in (BackendTlsMode.VERIFY_CA, BackendTlsMode.VERIFY_IDENTITY) and backend.ca is None:
        found.append(
            (("backend_tls", "mode"), f"{backend.mode} checks the backend's certificate (expected a ca as well)")
        )
    if (client.mode is ClientTlsMode.PASSTHROUGH) and backend.mode not in (
        BackendTlsMode.AS_CLIENT,
        BackendTlsMode.PREFERRED,
    ):
        found.append(
            (
                ("backend_tls", "mode"),
                "client_tls PASSTHROUGH leaves TLS to the client (expected AS_CLIENT or PREFERRED)",
            )
        )
    found += _clashes(config)
    return [document.problem(loc, message) for loc, message in found]


def _clashes(config: ProxyConfig) -> "Iterator[tuple[Loc, str]]":
    """Find addresses that cannot be two things at once."""
    own = {endpoint for endpoint in config.listeners if isinstance(endpoint, UnixAddress) or endpoint.port}
    for endpoint in config.backends:
        if endpoint in own:
            yield ("backend",), f"{endpoint} is where the proxy itself listens (expected the MySQL server)"
    if config.admin in own:
        yield ("admin",), f"{config.admin} is where clients connect (expected another port)"


# --------------------------------------------------------------------------------------------------------------------
# YAML with line numbers


Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed YAML file: its plain data, the line of every key in it, and the mistakes that YAML itself forgives.

    version: the start of the text's SHA-256, 12 hexadecimal digits.
    """

    file: str
    data: object
    lines: Mapping[Loc, int]
    problems: tuple[Problem, ...]
    version: str

    def line(self, loc: Loc) -> int:
        """Give the line (from 1) of the key at `loc`, or of the nearest of its parents that is in the file."""
        while loc not in self.lines:
            loc = loc[:-1]
        return self.lines[loc]

    def problem(self, loc: Loc, message: str) -> Problem:
        """Tell a mistake at `loc`."""
        return Problem(self.file, self.line(loc), _dotted(loc), message)


def load_yaml(path: Path, model: type[T]) -> T:
    """Read a YAML file into `model`, a dataclass that pydantic can validate.

    Raises ConfigError with every mistake of the file: syntax, duplicate keys, unknown keys, wrong values.
    """
    value, problems = validate(read_yaml(path), model)
    if value is None or problems:
        raise ConfigError(problems)
    return value


def read_yaml(path: Path) -> Document:
    """Parse one YAML document; raises ConfigError if it cannot be read or is no YAML."""
    file = str(path)
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([Problem(file, 0, "", f"cannot be read: {error.strerror} (expected a YAML file)")]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(file, line, "", "a byte that is no UTF-8 (expected UTF-8 text)")]) from None
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True
    lines: dict[Loc, int] = {(): 1}
    problems: list[Problem] = []
    try:
        node = yaml.compose(text)
        if node is not None:
            _walk(node, (), _Walk(file, lines, problems, set()))
        data = None if node is None else yaml.constructor.construct_document(node)
    except YAMLError as error:
        raise ConfigError([_syntax(file, text, error)]) from None
    return Document(file, data, lines, tuple(problems), hashlib.sha256(content).hexdigest()[:12])


def validate(document: Document, model: type[T], loc: Loc = ()) -> tuple[T | None, list[Problem]]:
    """Turn the data of a document (or the part of it at `loc`) into `model`.

    Returns the value, or None if it is wrong, and every mistake found; for the whole document also YAML's own.
    """
    data = document.data
    for step in loc:
        data = data[step]  # type: ignore[index]  # loc was walked by the caller
    problems = list(document.problems) if not loc else []
    try:
        adapter: TypeAdapter[T] = _adapter(model)  # type: ignore[arg-type]  # mypy: a class is not seen as hashable
        return adapter.validate_python({} if data is None and not loc else data), problems
    except ValidationError as error:
        problems += [_explained(document, model, loc, detail) for detail in error.errors(include_url=False)]
        return None, problems


@cache
def _adapter(model: type[Any]) -> TypeAdapter[Any]:
    """Build a model's validator once; for one rule that takes longer than reading it."""
    return TypeAdapter(model)


_MERGE: Final = "tag:yaml.org,2002:merge"
_TEXT: Final = Tag(suffix="tag:yaml.org,2002:str")


@dataclass(frozen=True, slots=True)
class _Walk:
    file: str
    lines: dict[Loc, int]
    problems: list[Problem]
    seen: set[int]


def _walk(node: Node, loc: Loc, walk: _Walk) -> None:
    """Note the line of every key and item; aliases are entered once only, so neither loops nor bombs hurt."""
    if id(node) in walk.seen:
        return
    walk.seen.add(id(node))
    if isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            walk.lines[*loc, index] = item.start_mark.line + 1
            _walk(item, (*loc, index), walk)
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            _walk_key(key, loc, walk)
            _walk(value, (*loc, str(key.value)), walk)


def _walk_key(key: Node, loc: Loc, walk: _Walk) -> None:
    """Note a key's line; `1:` and `null:` are the keys "1" and "null", as no key of ours is anything but text."""
    if isinstance(key, ScalarNode) and key.tag != _MERGE:
        key.ctag = _TEXT
    here, line = (*loc, str(key.value)), key.start_mark.line + 1
    if here in walk.lines:
        first = walk.lines[here]
        message = f"given twice, first in line {first} (expected each key once)"
        walk.problems.append(Problem(walk.file, line, _dotted(here), message))
    walk.lines.setdefault(here, line)


def _syntax(file: str, text: str, error: YAMLError) -> Problem:
    """Tell where the text stops being YAML."""
    if isinstance(error, MarkedYAMLError) and (mark := error.problem_mark or error.context_mark) is not None:
        what = ", ".join(part for part in (error.context, error.problem) if part)
        expected = "text that begins with * in quotes" if "undefined alias" in what else "YAML"
        return Problem(file, mark.line + 1, "", f"{what}, at column {mark.column + 1} (expected {expected})")
    position = getattr(error, "position", 0)
    reason = getattr(error, "reason", error)
    return Problem(file, text.count("\n", 0, position) + 1, "", f"{reason} (expected YAML)")


def _dotted(loc: Loc) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc).lstrip(".")


# --------------------------------------------------------------------------------------------------------------------
# pydantic's errors in our own words


def _explained(document: Document, model: object, prefix: Loc, error: ErrorDetails) -> Problem:
    loc = (*prefix, *error["loc"])
    kind = error["type"]
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        names = _names(_model_at(model, error["loc"][:-1]))
        return document.problem(loc, f"unknown key ({_one_of(str(loc[-1]), names)})")
    if kind == "missing":
        needed = _required(_model_at(model, error["loc"][:-1]))
        return document.problem(loc, f"missing (expected at least {', '.join(needed)})")
    if kind == "enum":
        choices = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        return document.problem(loc, f"{in_yaml(error['input'])} is not known ({_one_of(error['input'], choices)})")
    if kind == "expected":
        return document.problem(loc, error["msg"])
    wanted = _WANTED.get(kind)
    if wanted is None:
        return document.problem(loc, f"{error['msg']} (found {in_yaml(error['input'])})")
    return document.problem(loc, f"{in_yaml(error['input'])} does not fit (expected {wanted})")


_WANTED: Final = {
    "string_type": "text",
    "bool_type": "true or false",
    "dataclass_type": "a mapping of keys to values",
    "dict_type": "a mapping of keys to values",
    "list_type": "a list",
    "path_type": "the path of a file",
    "int_type": "a whole number",
}


def in_yaml(value: object) -> str:
    """Name a value as its writer knows it: by its YAML, not by its Python."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, str) and value.isprintable():
        return f'"{value}"' if "'" in value else f"'{value}'"
    return repr(value)


def _one_of(given: object, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(given).lower(), [name.lower() for name in names], n=1, cutoff=0.6)
    meant = next((name for name in names if [name.lower()] == near), None)
    hint = "" if meant is None else f"; did you mean {meant}?"
    return f"expected one of {', '.join(names)}{hint}"


def _model_at(model: object, loc: Loc) -> object:
    """Follow `loc` through dataclasses; None where the way leaves them."""
    for step in loc:
        model = get_type_hints(model).get(str(step)) if is_dataclass(model) else None
        if isinstance(model, UnionType):
            model = next(filter(is_dataclass, model.__args__), None)
    return model


def _names(model: object) -> list[str]:
    # A key that is a word of Python's has an underscore behind it there.
    return [item.name.rstrip("_") for item in fields(model)] if is_dataclass(model) else []


def _required(model: object) -> list[str]:
    every = fields(model) if is_dataclass(model) else ()
    return [item.name for item in every if item.default is MISSING and item.default_factory is MISSING]
