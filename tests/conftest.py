"""What all tests share: logging as it was after each, and fixtures for those that need a real server.

A server that cannot be had is an error, never a skip: a test that did not run proves nothing.
"""

import asyncio
import gc
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Mapping

import hypothesis
import pytest
import structlog

from proxy.net.loop import Loop
from tests.servers.accounts import AccountMaker, account_maker
from tests.servers.launch import Server, start
from tests.servers.recipes import ServerName

# A busy machine must not fail a test: how long an example takes proves nothing.
hypothesis.settings.register_profile("default", deadline=None)


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test on the product's own event loop."""
    return {"pump": Loop}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what is given more time than usual, so that nobody waits for it at the end.

    Leave out, and count as deselected, what would stop a server that the environment names.
    """
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)
    if any(name.startswith("KEYCLASH_TEST_") for name in os.environ):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("own_server")])
        items[:] = [item for item in items if not item.get_closest_marker("own_server")]


@pytest.fixture(scope="module", autouse=True)
def _garbage_of_this_file_only() -> None:
    """Leave what was there before out of the search for garbage: 9,000 tests and their results take 0.3 s each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Put back what a test has made of logging, as a proxy in its process does: else the next one misses lines."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _session_server(name: ServerName, paths: pytest.TempPathFactory) -> Iterator[Server]:
    server = start(name, paths.mktemp(name))
    yield server
    server.remove()


@pytest.fixture(scope="session")
def mysql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A MySQL server for the whole test run."""
    yield from _session_server("mysql", tmp_path_factory)


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A MariaDB server for the whole test run."""
    yield from _session_server("mariadb", tmp_path_factory)


@pytest.fixture(scope="session", params=["mysql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the servers in turn; `@pytest.mark.parametrize("server", ["mysql"], indirect=True)` for one only."""
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """The name of a new, empty schema on `server`, dropped after the test."""
    name = f"test_{secrets.token_hex(6)}"
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    yield name
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name}")


@pytest.fixture
def make_account(server: Server) -> Iterator[AccountMaker]:
    """Makes accounts on `server` that are dropped after the test."""
    with account_maker(server) as make:
        yield make
