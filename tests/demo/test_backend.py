"""Which backend the demo takes."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

from collections.abc import Iterator
from contextlib import contextmanager

import pymysql
import pytest

from proxy.demo import mysqld
from proxy.demo.backend import Backend, start_backend
from proxy.demo.mysqld import Program


def answers(backend: Backend) -> bool:
    pymysql.connect(host=backend.host, port=backend.port, user=backend.user).close()
    return True


def test_the_embedded_one_where_there_is_no_server() -> None:
    with start_backend(lambda: None) as backend:
        assert answers(backend)
        assert backend.description == "embedded (mysql-mimic over SQLite)"


def test_the_embedded_one_where_the_server_does_not_start() -> None:
    with start_backend(lambda: Program("MySQL", ("/nowhere/mysqld",), ("/nowhere/mysqld",))) as backend:
        assert answers(backend)
        assert "the MySQL found here is not used: /nowhere/mysqld failed" in backend.description


def test_a_server_that_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def running(_: Program) -> Iterator[int]:
        yield 3306

    monkeypatch.setattr(mysqld, "running", running)
    with start_backend(lambda: Program("MySQL", ("install",), ("/usr/sbin/mysqld", "--no-defaults"))) as backend:
        assert backend == Backend("MySQL (/usr/sbin/mysqld)", "127.0.0.1", 3306, "demo")
