"""Prometheus and promtool, as Debian packages, without root."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.servers.packages import Bundle, fetch

CONFIG: Final = Path(__file__).parents[2] / "config"
BUNDLE: Final = Bundle("prometheus", "bookworm", ("libc6",), alone=("prometheus",))
_PATIENCE: Final = 30.0  # seconds; on a busy machine


def promtool(*arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool, with `text` as its standard input."""
    command = [*fetch(BUNDLE).run("usr/bin/promtool"), *map(str, arguments)]
    return subprocess.run(command, input=text, capture_output=True, text=True)


class Prometheus:
    """A Prometheus that runs."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Evaluate an expression now. Raises ValueError if it is none."""
        return list(self._get("/api/v1/query", query=expression)["result"])

    def wait_for(self, expression: str) -> list[dict[str, Any]]:
        """Evaluate an expression until it gives something; AssertionError if it gives nothing for long."""
        until = time.monotonic() + _PATIENCE
        while not (found := self.query(expression)):
            assert time.monotonic() < until, f"nothing for {expression}"
            time.sleep(0.1)
        return found

    def exemplars(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression that have had exemplars in the last minutes, each with its own."""
        now = time.time()
        return list(self._get("/api/v1/query_exemplars", query=expression, start=str(now - 300), end=str(now)))

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule with its health."""
        return [rule for group in self._get("/api/v1/rules")["groups"] for rule in group["rules"]]

    def ready(self) -> bool:
        """Whether it answers queries."""
        try:
            with urlopen(f"{self._url}/-/ready", timeout=5):
                return True
        except URLError:
            return False

    def _get(self, path: str, **parameters: str) -> Any:
        try:
            with urlopen(f"{self._url}{path}?{urlencode(parameters)}", timeout=10) as response:
                return json.load(response)["data"]
        except HTTPError as error:
            with error:
                raise ValueError(f"{parameters}: {error.read().decode()}") from None


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[Prometheus]:
    """Run a Prometheus with our rules and our job, hurried and pointed at `target`, for the length of the block."""
    ours = (CONFIG / "prometheus/prometheus.yml").read_text()
    hurried = ours.replace("15s", "250ms").replace("keyclash:9104", target)
    assert target in hurried
    (folder / "prometheus.yml").write_text(hurried)
    (folder / "rules.yml").symlink_to(CONFIG / "prometheus/rules.yml")
    command = [
        *fetch(BUNDLE).run("usr/bin/prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        "--web.listen-address=127.0.0.1:0",
        "--enable-feature=exemplar-storage",
        "--log.format=json",
    ]
    log = folder / "log"
    with log.open("wb") as output, subprocess.Popen(command, stderr=output, stdout=output) as process:
        try:
            yield _started(process, log)
        finally:
            process.kill()


def _started(process: subprocess.Popen[bytes], log: Path) -> Prometheus:
    until = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < until:
        for line in log.read_text().splitlines():
            told = json.loads(line)
            if told.get("msg") == "Listening on":
                found = Prometheus(int(told["address"].rsplit(":", 1)[1]))
                if found.ready():
                    return found
        time.sleep(0.05)
    raise AssertionError(f"Prometheus did not start: {log.read_text()[-2000:]}")
