"""The proxies that are measured: how each is configured and started, all with one thread for the data."""

import contextlib
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Final

from proxy.config import Address
from tests.bench import programs
from tests.bench.processes import cpu, listener
from tests.bench.rules import rules
from tests.bench.tables import LOOKUP_PASSWORD, LOOKUP_USER
from tests.servers.certificates import Certificates
from tests.servers.recipes import run_environment

ROOT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 20.0
_POLL: Final = 0.02
_LOOK: Final = 0.5
_IDLE: Final = 0.05
"""The share of a core that a peer takes at most that has nothing to do."""
CONNECTIONS: Final = 9000  # two sockets each, of the 20,000 that a process may usually have


class Kind(Enum):
    """How much a peer knows of what it passes on."""

    DIRECT = auto()
    """No proxy at all: what everything else adds to."""
    BLIND = auto()
    """Relays bytes."""
    AWARE = auto()
    """Knows MySQL."""
    OWN = auto()
    """Keyclash."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Something to connect to.

    pid: its process; None for a machine's own server or one that cannot be seen from here.
    tls: it ends the TLS of its clients, with our certificate, and begins its own towards the server.
    """

    name: str
    kind: Kind
    address: Address
    pid: int | None
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a peer is to stand: its folder, the address to listen on, the server behind, and what it shows clients."""

    folder: Path
    listen: Address
    server: Address
    certificates: Certificates


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a peer is started; `command` writes its files and returns its command line."""

    name: str
    kind: Kind
    command: Callable[[Place], list[str]]
    tls: bool = False


class PeerError(Exception):
    """A peer did not start; the text holds the end of what it said."""


@contextmanager
def started(recipe: Recipe, folder: Path, server: Address, certificates: Certificates) -> Iterator[Peer]:
    """Run a peer for the length of the block. Raises PeerError."""
    folder.mkdir()
    address = Address("127.0.0.1", free_port())
    command = ["setpriv", "--pdeathsig", "KILL", *recipe.command(Place(folder, address, server, certificates))]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT)
    try:
        if not (_greets(process, address) and _rests(process)):
            raise PeerError(f"{recipe.name} did not start: {(folder / 'log').read_text(errors='replace')[-2000:]}")
        yield Peer(recipe.name, recipe.kind, address, process.pid, recipe.tls)
    finally:
        process.kill()
        process.wait()


def running(text: str) -> Peer:
    """Read ``NAME=HOST:PORT``, a peer that runs already. Raises ValueError."""
    found = re.fullmatch(r"([\w.-]+)=(.+)", text)
    if found is None:
        raise ValueError(f"{text!r} is not NAME=HOST:PORT")
    address = Address.parse(found[2])
    return Peer(found[1], Kind.AWARE, address, listener(address.port))


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _greets(process: subprocess.Popen[bytes], address: Address) -> bool:
    """Wait until a connection is greeted by the server behind."""
    for _ in range(round(START_SECONDS / _POLL)):
        with (
            contextlib.suppress(OSError),
            socket.create_connection((address.host, address.port), START_SECONDS) as probe,
        ):
            if probe.recv(1):
                return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL)
            return False
    return False


def _rests(process: subprocess.Popen[bytes]) -> bool:
    """Wait until a peer has done what it does at its start; with a thousand rules, tables are looked up for seconds."""
    for _ in range(round(START_SECONDS / _LOOK)):
        before = cpu(process.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK)
            return False
        if cpu(process.pid).since(before).total < _IDLE * _LOOK:
            return True
    return False


# --------------------------------------------------------------------------------------------------------------------
# The recipes


def _haproxy(place: Place) -> list[str]:
    (place.folder / "haproxy.cfg").write_text(f"""\
global
    nbthread 1
    maxconn {CONNECTIONS}
defaults
    mode tcp
    maxconn {CONNECTIONS}
    timeout connect 10s
    timeout client 1h
    timeout server 1h
listen mysql
    bind {place.listen}
    server mysql {place.server}
""")
    return [*programs.haproxy(), "-db", "-f", str(place.folder / "haproxy.cfg")]


def _envoy(place: Place) -> list[str]:
    def address(of: Address) -> str:
        return f"{{socket_address: {{address: {of.host}, port_value: {of.port}}}}}"

    (place.folder / "envoy.yaml").write_text(f"""\
static_resources:
  listeners:
  - address: {address(place.listen)}
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: mysql
          cluster: mysql
  clusters:
  - name: mysql
    type: STATIC
    connect_timeout: 10s
    circuit_breakers: {{thresholds: [{{max_connections: {CONNECTIONS}, max_pending_requests: {CONNECTIONS}}}]}}
    load_assignment:
      cluster_name: mysql
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {address(place.server)}}}}}]}}]
""")
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    return [*programs.envoy(), "-c", str(place.folder / "envoy.yaml"), *options]


def _router(place: Place, *, tls: str) -> list[str]:
    command, plugins = programs.router()
    (place.folder / "router.conf").write_text(f"""\
[DEFAULT]
logging_folder=
runtime_folder={place.folder}
data_folder={place.folder}
plugin_folder={plugins}
max_total_connections={CONNECTIONS}
[logger]
level=ERROR
[io]
threads=1
[routing:mysql]
bind_address={place.listen.host}
bind_port={place.listen.port}
destinations={place.server}
routing_strategy=first-available
protocol=classic
max_connections={CONNECTIONS}
{tls}
client_ssl_cert={place.certificates.certificate}
client_ssl_key={place.certificates.key}
""")
    environment = [f"{name}={value}" for name, value in run_environment().items()]
    return ["env", "--ignore-environment", *environment, *command, "-c", str(place.folder / "router.conf")]


def _keyclash(place: Place, *, count: int, options: tuple[str, ...] = ()) -> list[str]:
    (place.folder / "rules.yaml").write_text(rules(count))
    (place.folder / "password").write_text(LOOKUP_PASSWORD)
    (place.folder / "proxy.yaml").write_text(f"""\
listen: {place.listen}
backend: {place.server}
admin: 127.0.0.1:0
rules: rules.yaml
client_tls: {{cert: {place.certificates.certificate}, key: {place.certificates.key}}}
backend_tls: {{mode: AS_CLIENT}}
lookup: {{user: {LOOKUP_USER}, password_file: password}}
""")
    return [*programs.keyclash(), "serve", "--config", str(place.folder / "proxy.yaml"), *options]


ROUTER_RECIPE: Final = Recipe(
    "router", Kind.AWARE, partial(_router, tls="client_ssl_mode=PREFERRED\nserver_ssl_mode=AS_CLIENT"), tls=True
)
KEYCLASH: Final = Recipe("keyclash", Kind.OWN, partial(_keyclash, count=1000), tls=True)
"""Keyclash as it is measured everywhere: with everything on, metrics, a thousand rules and the look-up of tables."""

RECIPES: Final = (
    KEYCLASH,
    Recipe("haproxy", Kind.BLIND, _haproxy),
    Recipe("envoy", Kind.BLIND, _envoy),
    ROUTER_RECIPE,
    Recipe(
        "router-passthrough", Kind.AWARE, partial(_router, tls="client_ssl_mode=PASSTHROUGH\nserver_ssl_mode=AS_CLIENT")
    ),
    Recipe("keyclash-0-rules", Kind.OWN, partial(_keyclash, count=0)),
    Recipe("keyclash-10-rules", Kind.OWN, partial(_keyclash, count=10)),
)


def knows_workers() -> bool:
    """Tell whether this Keyclash can run several processes on one port."""
    command = [*programs.keyclash(), "serve", "--help"]
    return "--workers" in subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


TWO_WORKERS: Final = Recipe(
    "keyclash-2-workers", Kind.OWN, partial(_keyclash, count=1000, options=("--workers", "2")), tls=True
)
