"""A schema of its own on each real server."""

from collections.abc import Iterator

import pytest

from tests.rules.real import Table
from tests.servers.launch import Server


@pytest.fixture
def table(server: Server, database: str) -> Iterator[Table]:
    """The schema, with the table `t` of the test in it."""
    with server.connect(database=database, charset="utf8mb4") as connection:
        yield Table(connection, server.version_text)
