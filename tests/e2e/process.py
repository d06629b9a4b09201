"""`keyclash serve` as a process of its own, for what only a process shows: its memory and its log."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Queue
from typing import Any

from tests.bench.processes import family
from tests.servers.launch import Server

PATIENCE = 60


@dataclass(frozen=True)
class Process:
    """A proxy that runs; as_server: the proxy as if it were the server; admin: its address, `host:port`."""

    process: subprocess.Popen[str]
    as_server: Server
    admin: str
    _lines: Queue[dict[str, Any] | None] = field(repr=False)

    def line(self, event: str) -> dict[str, Any]:
        """Take the log's lines up to the next one of an event, and return that."""
        return _line(self._lines, event)

    def lines(self) -> Iterator[dict[str, Any]]:
        """Give the log's lines that nobody has taken, up to its end."""
        while line := self._lines.get(timeout=PATIENCE):
            yield line

    def forget_peak(self) -> int:
        """Let `peak` begin anew; return how much memory the proxy holds, in bytes."""
        for pid in family(self.process.pid):
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc_pid_clear_refs(5): VmHWM begins anew
        return self.peak()

    def peak(self) -> int:
        """Return the most memory that the proxy has held since `forget_peak`, in bytes."""
        return sum(_peak(pid) for pid in family(self.process.pid))


@contextmanager
def served(server: Server, folder: Path, **settings: Any) -> Iterator[Process]:
    """Run a proxy process in front of a server for the length of the block.

    folder: where its configuration goes. settings: what proxy.yaml says beyond the addresses.

    Raises AssertionError if it does not start.
    """
    config = {
        "listen": "127.0.0.1:0",
        "backend": f"{server.host}:{server.port}",
        "admin": "127.0.0.1:0",
        "log": {"level": "debug", "format": "json"},
    }
    path = folder / "proxy.yaml"
    path.write_text(json.dumps(config | settings))  # JSON is YAML
    command = [sys.executable, "-m", "proxy", "serve", "--config", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        lines: Queue[dict[str, Any] | None] = Queue()
        reader = threading.Thread(target=_read_log, args=(process, lines))
        reader.start()
        try:
            serving = _line(lines, "serving")
            host, port = serving["listen"].split(":")
            proxy = replace(server, host=host, port=int(port), socket=None)
            yield Process(process, proxy, serving["admin"], lines)
        finally:
            process.terminate()
            reader.join()


def _read_log(process: subprocess.Popen[str], lines: Queue[dict[str, Any] | None]) -> None:
    """Keep what is logged, so that the process never waits for a reader; None stands for the end."""
    for text in process.stderr or ():
        lines.put(json.loads(text))
    lines.put(None)


def _line(lines: Queue[dict[str, Any] | None], event: str) -> dict[str, Any]:
    while line := lines.get(timeout=PATIENCE):
        if line["event"] == event:
            return line
    raise AssertionError(f"{event} was not logged")


def _peak(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"the kernel does not tell how much memory process {pid} has held")
