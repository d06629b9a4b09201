"""A proxy with the usual settings in front of each server, and the file that the clients load."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.running import Way, both_ways
from tests.clients.statements import LOADED_LINES
from tests.e2e.running import Proxy, in_front_of, proxied
from tests.servers.launch import Server


@pytest.fixture(scope="session")
def usual_proxy(server: Server) -> Iterator[Proxy]:
    """A proxy without rules."""
    with proxied(in_front_of(server), server) as proxy:
        yield proxy


@pytest.fixture
def ways(usual_proxy: Proxy) -> Iterator[tuple[Way, Way]]:
    """The direct way to a server, and the one through the proxy."""
    with both_ways(usual_proxy) as ways:
        yield ways


@pytest.fixture(scope="session")
def loaded_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for LOAD DATA LOCAL."""
    path = tmp_path_factory.mktemp("load") / "numbers.tsv"
    path.write_text(LOADED_LINES, encoding="utf-8")
    return path
