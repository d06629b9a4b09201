"""A proxy that runs on a loop of its own, in a thread, so that tests may use blocking drivers."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import asyncio
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from proxy.config import Address, ProxyConfig
from proxy.conflicts.counters import Counters
from proxy.net.loop import Loop
from proxy.rules.match import RuleSet
from proxy.rules.model import load_rules
from proxy.run.supervisor import Running, serve
from tests.e2e.raw import INIT_DB, RawClient, command
from tests.raw import logged_in
from tests.servers.launch import Server

ANYWHERE = Address("127.0.0.1", 0)
NO_RULES = RuleSet()

UNVERIFIED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that encrypt and verify nothing; made once, as PyMySQL's own takes 50 ms each time."""
UNVERIFIED.check_hostname = False
UNVERIFIED.verify_mode = ssl.CERT_NONE

_CLIENT_TLS = {
    ("mysql", False): "--ssl-mode=DISABLED",
    ("mysql", True): "--ssl-mode=REQUIRED",
    ("mariadb", False): "--skip-ssl",
    ("mariadb", True): "--ssl",
}

Sample = tuple[str, tuple[tuple[str, str], ...]]


@dataclass
class Proxy:
    """A running proxy in front of a server, and the connections that a test has opened through it."""

    server: Server
    running: Running
    loop: asyncio.AbstractEventLoop
    _opened: ExitStack = field(default_factory=ExitStack)
    _counted: Counter[Sample] = field(default_factory=Counter)

    @property
    def as_server(self) -> Server:
        """The proxy as if it were the server."""
        address = self.running.address
        return replace(self.server, host=address.host, port=address.port, socket=None)

    def connect(self, **arguments: Any) -> Connection[Cursor]:
        """Log in through the proxy with PyMySQL, as the server's administrator unless told otherwise."""
        return self._opened.enter_context(closing_if_open(self.as_server.connect(**arguments)))

    def connect_directly(self, **arguments: Any) -> Connection[Cursor]:
        """Log in to the server itself with PyMySQL."""
        return self._opened.enter_context(closing_if_open(self.server.connect(**arguments)))

    def raw(self, *terms: int, database: str = "", **arguments: Any) -> RawClient:
        """Log in through the proxy with a client that shows the bytes of each reply; `terms` are its capabilities."""
        return self._raw(self.as_server, *terms, database=database, **arguments)

    def raw_directly(self, *terms: int, database: str = "", **arguments: Any) -> RawClient:
        """Log in to the server itself with a client that shows the bytes of each reply."""
        return self._raw(self.server, *terms, database=database, **arguments)

    def cli(self, *arguments: str) -> list[str]:
        """Return the command line of the server's own client, pointed at the proxy."""
        return self.as_server.cli("--protocol=TCP", *arguments)

    def run_cli(self, statements: str, *login: str, tls: bool, database: str) -> subprocess.CompletedProcess[str]:
        """Run the server's own client through the proxy."""
        arguments = [_CLIENT_TLS[self.server.name, tls], f"--database={database}", "--batch", "--skip-column-names"]
        if not tls and not self.server.mariadb:  # it must be told that it may ask for the key for its password
            arguments.append("--get-server-public-key")
        return subprocess.run(self.cli(*arguments, *login, f"--execute={statements}"), capture_output=True, text=True)

    def fetch(self, path: str) -> tuple[int, str]:
        """Ask the admin server; return the status and the text."""
        address = self.running.admin_address
        try:
            with urlopen(f"http://{address.host}:{address.port}{path}", timeout=10) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    @property
    def counters(self) -> Counters:
        """What it has counted, with all that it has answered by now."""
        done = threading.Event()
        self.loop.call_soon_threadsafe(done.set)  # what is counted behind an answer is, before another turn of the loop
        assert done.wait(30)
        return self.running.counters

    def count_anew(self) -> None:
        """Let `counted` begin at zero."""
        self._counted = self._scrape()

    def counted(self, name: str, **labels: str) -> dict[tuple[str, ...], int]:
        """Scrape /metrics: what a counter's series with these labels have grown by, by their other labels' values."""
        found = self._scrape()
        found.subtract(self._counted)
        wanted = set(labels.items())
        return {
            tuple(value for label, value in series if label not in labels): int(count)
            for (sample, series), count in found.items()
            if sample == name and count and wanted <= set(series)
        }

    def use_rules(self, rules: RuleSet) -> None:
        """Put other rules in force."""
        self.running.worker.rules = rules

    def close_connections(self) -> None:
        """Close what `connect` and `raw` have opened and the test has left open."""
        self._opened.close()

    def _raw(self, server: Server, *terms: int, database: str, **arguments: Any) -> RawClient:
        client = RawClient(self._opened.enter_context(logged_in(server, *terms, **arguments)).stream)
        if database:
            client.ask(command(INIT_DB, database.encode()))
        return client

    def _scrape(self) -> Counter[Sample]:
        _, text = self.fetch("/metrics")
        return Counter(
            {
                (sample.name, tuple(sorted(sample.labels.items()))): int(sample.value)
                for family in text_string_to_metric_families(text)
                if family.type != "histogram"
                for sample in family.samples
            }
        )


@contextmanager
def closing_if_open(connection: Connection[Cursor]) -> Iterator[Connection[Cursor]]:
    """Close a connection at the end of the block, unless it has been closed or lost."""
    yield connection
    if connection.open:
        connection.close()


@contextmanager
def proxied(config: ProxyConfig, server: Server, rules: RuleSet = NO_RULES) -> Iterator[Proxy]:
    """Run a proxy for the length of the block."""
    loops: list[Loop] = []
    ready = threading.Event()
    found: list[Proxy | BaseException] = []
    stop = asyncio.Event()

    async def main() -> None:
        try:
            async with serve(config, rules) as running:
                found.append(Proxy(server, running, loops[0]))
                ready.set()
                await stop.wait()
        except BaseException as error:
            found.append(error)
            ready.set()
            raise

    def run() -> None:
        loops.append(Loop())  # its pump is for the thread that makes it
        loops[0].run_until_complete(main())

    thread = threading.Thread(target=run, name="proxy")
    thread.start()
    ready.wait(30)
    loop = loops[0]
    try:
        proxy = found[0]
        if isinstance(proxy, BaseException):
            raise proxy
        try:
            yield proxy
        finally:
            proxy.close_connections()
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()


def thread_id(connection: Connection[Cursor]) -> int:
    """Return the connection's id as the greeting had it."""
    return int(vars(connection)["server_thread_id"][0])


def transport(tls: bool) -> dict[str, Any]:
    """Give PyMySQL's arguments for a connection with or without TLS."""
    return {"ssl": UNVERIFIED} if tls else {"ssl_disabled": True}


def in_front_of(server: Server, **options: Any) -> ProxyConfig:
    """Configure a proxy on free ports for a server."""
    return ProxyConfig(listen=ANYWHERE, backend=Address(server.host, server.port), admin=ANYWHERE, **options)


def rules_from(text: str, folder: Path) -> RuleSet:
    """Read rules from YAML text."""
    path = folder / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    return load_rules(path)
