"""An embedded backend for each test that asks for one."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from proxy.demo.embedded import embedded_server

Connect = Callable[..., "Connection[Cursor]"]


@pytest.fixture
def port() -> Iterator[int]:
    """The port of an embedded backend with an empty schema `shop`."""
    with embedded_server() as port:
        with pymysql.connect(host="127.0.0.1", port=port, user="demo") as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE shop")
        yield port


@pytest.fixture
def connect(port: int) -> Iterator[Connect]:
    """Makes connections to the embedded backend that are closed after the test; autocommit unless told otherwise."""
    with ExitStack() as stack:

        def make(**arguments: Any) -> Connection[Cursor]:
            own: dict[str, Any] = {"user": "demo", "database": "shop", "autocommit": True}
            connection: Connection[Cursor] = pymysql.connect(host="127.0.0.1", port=port, **{**own, **arguments})
            stack.callback(lambda: connection.close() if connection.open else None)
            return connection

        yield make
