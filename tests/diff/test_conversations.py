"""No byte of any conversation tells the proxy from the server; `make diff` holds more of them."""

from pathlib import Path

import pytest

from tests.diff.campaign import campaign, recording
from tests.diff.rules import RULES
from tests.servers.launch import Server

SEED = 20_261_123


@pytest.mark.parametrize(("rules", "count"), [("none", 400), ("others", 150), ("observe", 250)])
def test_conversations_do_not_differ(server: Server, tmp_path: Path, rules: str, count: int) -> None:
    with recording(server, RULES[rules](tmp_path)) as recorder:
        report = campaign(recorder, count, SEED, mariadb=server.mariadb)
    assert not report.differences, "\n\n".join([str(report), *report.differences])
    assert report.conversations >= count
    assert report.answers > 2 * count
