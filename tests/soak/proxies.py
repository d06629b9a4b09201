"""The proxy as it is replaced again and again, and what can be done to it."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

from proxy.config import Address
from tests.bench.peers import free_port
from tests.servers.launch import Server
from tests.soak.ledger import RULES

_LOOK: Final = 0.02
_START_SECONDS: Final = 60.0
_SAMPLE: Final = re.compile(r"^(keyclash_\w+_(?:total|count|sum|bucket)(?:\{[^}]*\})?) (\S+)$", re.MULTILINE)


@dataclass
class Proxies:
    """One proxy after the other in front of a server.

    fallen: counters that have gone backwards within the life of one.
    """

    folder: Path
    listen: Address
    admin: Address
    fallen: list[str] = field(default_factory=list)
    replaced: int = 0
    killed: int = 0
    reloaded: int = 0
    _current: asyncio.subprocess.Process | None = None
    _started: int = 0
    _counted: dict[str, float] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> None:
        """Start one, in the place of the one that runs, if any; that one must come to its end by itself."""
        async with self._turn:
            former = self._current
            self._started += 1
            log = self.folder / f"{self._started}.log"
            with log.open("wb") as stream:
                self._current = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "proxy", "serve", "--config", str(self.folder / "proxy.yaml")),
                    *(["--take-over"] if former else []),
                    stderr=stream,
                )
            async with asyncio.timeout(_START_SECONDS):
                await _logged(log, "serving", self._current)
                if former is not None:
                    self.replaced += 1
                    if code := await former.wait():
                        raise RuntimeError(f"the former proxy ended with exit code {code}")
            self._counted = {}

    async def kill_worker(self) -> None:
        """Kill the worker that has lived longest."""
        async with self._turn:
            if workers := self.processes()[1:]:
                os.kill(workers[0], signal.SIGKILL)
                self.killed += 1

    async def reload(self) -> None:
        """Have other rules read, which say the same."""
        async with self._turn:
            new = self.folder / "rules.new"
            new.write_text(f"# version {self.reloaded}\n{RULES}")
            new.rename(self.folder / "rules.yaml")
            await asyncio.to_thread(self._ask, "/-/reload", b"")
            self.reloaded += 1

    async def count(self) -> None:
        """See that no counter goes backwards."""
        async with self._turn:
            found = {
                name: float(value) for name, value in _SAMPLE.findall(await asyncio.to_thread(self._ask, "/metrics"))
            }
            self.fallen += [name for name, value in self._counted.items() if found.get(name, 0.0) < value]
            self._counted = found

    async def stop(self) -> None:
        """Stop the last one in good order."""
        if self._current is not None and self._current.returncode is None:
            self._current.terminate()
            await self._current.wait()

    def processes(self) -> list[int]:
        """Give the supervisor that serves now and its workers, the oldest first."""
        if self._current is None:
            return []
        pid = self._current.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def memory(self) -> int:
        """Give the bytes that all of its processes have to themselves, shared ones divided among those who share."""
        found = 0
        for pid in self.processes():
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            found += 1024 * int(text.split("Pss:")[1].split()[0])
        return found

    def _ask(self, path: str, body: bytes | None = None) -> str:
        url = f"http://{self.admin}{path}"
        with urlopen(Request(url, body, method="GET" if body is None else "POST"), timeout=30) as reply:
            return str(reply.read().decode())


@asynccontextmanager
async def proxies(server: Server, folder: Path, **options: Any) -> AsyncIterator[Proxies]:
    """Run a proxy with two workers in front of a server, to be replaced and killed; options: of its file."""
    made = Proxies(folder, Address("127.0.0.1", free_port()), Address("127.0.0.1", free_port()))
    settings = {"workers": 2, "drain_timeout": "10s", **options}
    (folder / "rules.yaml").write_text(RULES)
    (folder / "proxy.yaml").write_text(
        f"listen: {made.listen}\nbackend: {server.host}:{server.port}\nadmin: {made.admin}\nrules: rules.yaml\n"
        "take_over: next.sock\nlog: {format: json, conflicts_per_second: 0}\n"
        + "".join(f"{name}: {value}\n" for name, value in settings.items())
    )
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def _logged(log: Path, event: str, process: asyncio.subprocess.Process) -> None:
    def text() -> str:
        return log.read_text()

    while f'"event": "{event}"' not in await asyncio.to_thread(text):
        if process.returncode is not None:
            raise RuntimeError(await asyncio.to_thread(text))
        await asyncio.sleep(_LOOK)
