"""A value in conflict is planted and looked for wherever something is told."""

import json
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from proxy.admin.api import ENDPOINTS
from proxy.admin.app import create_app
from proxy.conflicts.attempt import Attempt
from proxy.conflicts.conflict import Outcome
from proxy.conflicts.counters import Counters
from proxy.conflicts.recorder import Recorder
from tests.admin.sources import sources
from tests.clock import Clock
from tests.conflicts.conflicts import record

MARKER = "planted-7d1f"
TEXTS = (
    f"INSERT INTO users (email, name) VALUES ('{MARKER}', 'x')",
    f"INSERT INTO users (email) VALUES ('a'), ('{MARKER}'), ('{MARKER}') /* {MARKER} */",
    f'INSERT INTO users SET email = "{MARKER}" -- {MARKER}',
    f"INSERT INTO users (email) VALUES ('\\'{MARKER}')",
)


class Lines:
    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append(fields)


async def ready() -> None:
    return None


@pytest.mark.parametrize("show_values", [False, True])
async def test_no_value_is_told_unless_it_is_to_be_shown(show_values: bool) -> None:
    counters, log = Counters(), Lines()
    recorder = Recorder(counters, log, show_values, 1000, Clock())
    session = recorder.insertions.opened()
    looked = (b"\x03SELECT 1 FROM users WHERE email = '%s'" % MARKER.encode(),)
    for outcome in Outcome:
        for text in TEXTS:
            attempt = Attempt(session, text.encode(), True, b"\0\x0c" + MARKER.encode(), 1.0, looked, table="users")
            record(recorder, attempt, entry=MARKER, outcome=outcome)
    app = create_app(sources(counters=counters, journal=recorder.journal, show_values=show_values), ready=ready)
    async with TestClient(TestServer(app)) as client:
        (stats,) = recorder.journal.ranked()
        paths = [endpoint.path.replace("{id}", stats.name.id) for endpoint in ENDPOINTS]
        told = {path: await (await client.get(path)).text() for path in (*paths, "/metrics", "/")}
    told["log"] = json.dumps(log.lines)
    assert len(told["log"]) > 1000
    found = {name for name, text in told.items() if MARKER in text}
    assert found == ({f"/api/keys/{stats.name.id}", "/api/conflicts", "log"} if show_values else set())
