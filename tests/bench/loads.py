"""What clients do while a proxy is measured, and what is measured of it."""

import functools
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from statistics import mean, median
from typing import Final, Protocol

from tests.bench import programs
from tests.bench.peers import Peer
from tests.bench.processes import Cpu, cpu, family, memory, sockets
from tests.bench.rules import BULK
from tests.bench.tables import ROWS, SCHEMA, WIDE_ROWS
from tests.raw import Raw, logged_in
from tests.servers.certificates import Certificates, make_certificates
from tests.servers.launch import Server

Figures = dict[str, float]
"""What was measured, by name:

qps: queries (connections, statements) per second. p50_ms, p99_ms: the time that one event takes its client; an event
is a query, or a transaction of several. cpu_us, user_us, system_us: the proxy's CPU time per query. memory_kib: of one
idle connection. spread: how many per cent more connections than the mean the busiest worker has.
"""

_SCRIPT: Final = Path(__file__).with_name("load.lua")
_KEYS_PER_RUN: Final = 1_000_000_000
_HISTOGRAM_LINE: Final = re.compile(r"^ +(\d+\.\d+) \|\**\s+(\d+)$", re.MULTILINE)
_BULK_BYTES: Final = 16 << 20
_BULK_ROW: Final = 1000


class LoadError(Exception):
    """A load could not be run to its end."""


@dataclass
class Site:
    """Where loads are run: the server behind all proxies, a folder for files, and keys that no run has used yet."""

    server: Server
    folder: Path
    keys: Iterator[int] = field(default_factory=lambda: count(_KEYS_PER_RUN, _KEYS_PER_RUN))

    def through(self, peer: Peer) -> Server:
        """Return the server as it is seen through a peer."""
        return replace(self.server, host=peer.address.host, port=peer.address.port)


class Load(Protocol):
    """Something for clients to do."""

    def measure(self, peer: Peer, site: Site, seconds: float) -> Figures:
        """Do it through a peer for about so many seconds. Raises LoadError."""


@dataclass(frozen=True, slots=True)
class Instant:
    """A reading of all clocks."""

    at: float
    cpu: Cpu | None

    @classmethod
    def now(cls, peer: Peer) -> "Instant":
        """Read them."""
        return cls(time.monotonic(), None if peer.pid is None else cpu(peer.pid))


def _cost(before: Instant, after: Instant, queries: int) -> Figures:
    """Return what each query has cost the proxy between two readings."""
    if before.cpu is None or after.cpu is None:
        return {}
    used = after.cpu.since(before.cpu)
    figures = {"cpu_us": used.total, "user_us": used.user, "system_us": used.system}
    return {name: seconds * 1e6 / max(1, queries) for name, seconds in figures.items()}


# --------------------------------------------------------------------------------------------------------------------
# sysbench


@dataclass(frozen=True, slots=True)
class Sysbench:
    """One of the loads of load.lua.

    tls: the clients encrypt.
    """

    load: str
    connections: int
    tls: bool = False

    def measure(self, peer: Peer, site: Site, seconds: float) -> Figures:
        """Run it, and read the clocks when all clients are logged in and before the first one leaves."""
        lines: list[str] = []
        start = end = None
        figures: Figures = {}
        with _sysbench(self._options(peer, site, seconds), site.folder) as output:
            for line in output:
                lines.append(line)
                if line.startswith("Threads started!"):
                    figures |= _spread(peer)
                    start = Instant.now(peer)
                elif line.startswith("keyclash: done"):
                    end = Instant.now(peer)
        text = "".join(lines)
        queries = re.search(r"^ +queries: +(\d+)", text, re.MULTILINE)
        events = re.search(r"^ +total number of events: +(\d+)", text, re.MULTILINE)
        if start is None or end is None or queries is None or events is None or not int(events[1]):
            raise LoadError(f"sysbench failed through {peer.name}: {text[-2000:]}")
        done = int(queries[1]) or int(events[1])  # connections are no queries
        histogram = [(float(value), int(number)) for value, number in _HISTOGRAM_LINE.findall(text)]
        return {
            "qps": done / (end.at - start.at),
            "p50_ms": percentile(histogram, 50),
            "p99_ms": percentile(histogram, 99),
            **_cost(start, end, done),
            **figures,
        }

    def _options(self, peer: Peer, site: Site, seconds: float) -> list[str]:
        own = {"load": self.load, "rows": ROWS, "base": next(site.keys)}
        general = {"threads": self.connections, "time": max(1, round(seconds)), "histogram": "on", "percentile": 99}
        ssl = {"mysql-ssl": "on"} if self.tls else {}
        login = {"user": site.server.user, "password": site.server.password, "db": SCHEMA}
        address = {"host": peer.address.host, "port": peer.address.port}
        mysql = {f"mysql-{name}": value for name, value in (address | login).items()}
        general |= {"rand-type": "uniform", "mysql-ignore-errors": "1062,1213", "db-driver": "mysql"}
        return [f"--{name}={value}" for name, value in (own | general | mysql | ssl).items()]


@contextmanager
def _sysbench(options: Sequence[str], folder: Path) -> Iterator[Iterator[str]]:
    """Run sysbench for the length of the block, which reads its output line by line."""
    command, environment = programs.sysbench()
    with subprocess.Popen(
        [*command, *options, str(_SCRIPT), "run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=folder,
    ) as process:
        if process.stdout is None:
            raise AssertionError
        yield iter(process.stdout)


def put_certificates(folder: Path) -> Certificates:
    """Make certificates for the proxies and for sysbench, which wants some in its working directory, by fixed names."""
    made = make_certificates(folder)
    for path, name in ((made.ca, "cacert"), (made.certificate, "client-cert"), (made.key, "client-key")):
        shutil.copy(path, folder / f"{name}.pem")
    return made


def percentile(histogram: Sequence[tuple[float, int]], percent: float) -> float:
    """Return the value of a histogram that so many per cent of what it counts do not exceed.

    histogram: values in rising order, each with a count.
    """
    left = sum(number for _, number in histogram) * percent / 100
    for value, number in histogram:
        left -= number
        if left <= 0:
            return value
    return histogram[-1][0] if histogram else float("nan")


def _spread(peer: Peer) -> Figures:
    """Return how much more than the mean of all workers the busiest one has; nothing for a single process."""
    counts: list[int] = [sockets(pid) for pid in family(peer.pid)[1:]] if peer.pid is not None else []
    return {"spread": (max(counts) / mean(counts) - 1) * 100} if len(counts) > 1 and any(counts) else {}


# --------------------------------------------------------------------------------------------------------------------
# A client of our own, for what sysbench cannot do


class _Repeated:
    """A load of few and large events, each of which is measured by itself."""

    def measure(self, peer: Peer, site: Site, seconds: float) -> Figures:
        """Repeat the event for so many seconds, and at least twice."""
        durations: list[float] = []
        costs: list[Figures] = []
        with logged_in(site.through(peer)) as raw:
            raw.query(f"USE {SCHEMA}")
            self.begin(raw)
            until = time.monotonic() + seconds
            while len(durations) < 2 or time.monotonic() < until:
                self.prepare(site.server)
                before = Instant.now(peer)
                self.event(raw)
                after = Instant.now(peer)
                durations.append(after.at - before.at)
                costs.append(_cost(before, after, 1))
        figures = {"qps": len(durations) / sum(durations), "p50_ms": median(durations) * 1000}
        return figures | {name: median(cost[name] for cost in costs) for name in costs[0]}

    def begin(self, raw: Raw) -> None:
        """Do what comes once before the events."""

    def prepare(self, server: Server) -> None:
        """Do what must be done before each event and is not measured, on the server itself."""

    def event(self, raw: Raw) -> None:
        """Do what is measured."""
        raise NotImplementedError


class LargeResult(_Repeated):
    """Reads a result set of `times` megabytes, in rows of one kilobyte."""

    def __init__(self, megabytes: int) -> None:
        self._query = (
            f"\x03SELECT c FROM wide, numbers WHERE i <= {megabytes * 1_000_000 // (1000 * WIDE_ROWS)}".encode()
        )
        self._size = 0
        self._buffer = bytearray(1 << 20)

    def begin(self, raw: Raw) -> None:
        """Learn how many bytes the reply has."""
        raw.send(self._query)
        self._size = _reply_size(raw.stream)

    def event(self, raw: Raw) -> None:
        """Read so many bytes: to look at them would cost the client more than the proxy."""
        raw.send(self._query)
        left = self._size
        while left > 0:
            received = raw.stream.recv_into(self._buffer)
            if not received:
                raise LoadError("the connection ended in the middle of the result")
            left -= received


def _reply_size(stream: socket.socket) -> int:
    """Return how many bytes the reply to a SELECT of one column has, by reading it."""
    size = ends = 0
    with stream.makefile("rb", buffering=1 << 20) as file:
        while ends < 2:
            header = file.read(4)
            payload = file.read(int.from_bytes(header[:3], "little"))
            size += 4 + len(payload)
            ends += payload[0] == 0xFE and len(payload) == 5
            if payload[0] == 0xFF:
                raise LoadError(payload.decode("latin1"))
    return size


class BulkInsert(_Repeated):
    """Sends one INSERT of 16 MiB, which takes two packets."""

    def __init__(self, table: str) -> None:
        self._table = table

    def prepare(self, server: Server) -> None:
        """Empty the table."""
        with server.connect(database=SCHEMA) as connection, connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {self._table}")

    def event(self, raw: Raw) -> None:
        """Insert."""
        raw.stream.settimeout(120)
        raw.stream.sendall(_bulk(self._table))
        reply = raw.packet()[1]
        if reply[0]:
            raise LoadError(reply.decode("latin1"))


@functools.cache
def _bulk(table: str) -> bytes:
    """Return the packets of an INSERT whose payload has at least 16 MiB."""
    text = bytearray(f"\x03INSERT INTO {table} (k, c) VALUES ".encode())
    for key in count(1):
        text += b"(%d,'%s')," % (key, b"b" * _BULK_ROW)
        if len(text) > _BULK_BYTES:
            break
    text[-1:] = b""
    full = 0xFFFFFF
    return full.to_bytes(4, "little") + text[:full] + (len(text) - full | 1 << 24).to_bytes(4, "little") + text[full:]


BULK_LOADS: Final = {"bulk insert": BulkInsert("bulk"), "bulk insert, ruled": BulkInsert(BULK.table)}


@dataclass(frozen=True, slots=True)
class Idle:
    """Connections that are logged in and say nothing; the peer should be a fresh one."""

    connections: int

    def measure(self, peer: Peer, site: Site, seconds: float) -> Figures:
        """Tell what each takes of the proxy's memory."""
        if peer.pid is None:
            return {}
        seen = site.through(peer)
        with ExitStack() as opened:
            opened.enter_context(logged_in(seen))
            before = memory(peer.pid)
            start = Instant.now(peer)
            for _ in range(self.connections):
                opened.enter_context(logged_in(seen))
            end = Instant.now(peer)
            taken = memory(peer.pid) - before
            return {
                "memory_kib": taken / 1024 / self.connections,
                "qps": self.connections / (end.at - start.at),
                **_cost(start, end, self.connections),
            }
