"""A recorder for each server."""

from collections.abc import Iterator

import pytest

from tests.diff.campaign import recording
from tests.diff.recorder import Recorder
from tests.servers.launch import Server


@pytest.fixture(scope="module")
def recorder(server: Server) -> Iterator[Recorder]:
    """A recorder for a server and a proxy without rules."""
    with recording(server) as found:
        yield found
