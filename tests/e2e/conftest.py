"""Proxies in front of the real servers."""

from collections.abc import Iterator

import pytest

from tests.e2e.running import NO_RULES, Proxy, in_front_of, proxied
from tests.servers.launch import Server


@pytest.fixture(scope="session")
def session_proxy(server: Server) -> Iterator[Proxy]:
    """One proxy for all tests of a server that need no configuration of their own."""
    with proxied(in_front_of(server), server) as proxy:
        yield proxy


@pytest.fixture
def proxy(session_proxy: Proxy, database: str) -> Iterator[Proxy]:
    """A proxy without rules that has counted nothing; its connections are closed before `database` is dropped."""
    session_proxy.use_rules(NO_RULES)
    session_proxy.count_anew()
    yield session_proxy
    session_proxy.close_connections()


@pytest.fixture
def mortal(server: Server) -> Iterator[Server]:
    """A server that a test may end; it runs again afterwards."""
    yield server
    server.restart()
