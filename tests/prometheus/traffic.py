"""A proxy with something to tell in every series, and applications that do not stop."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pymysql

from tests.e2e.running import Proxy, in_front_of, proxied, rules_from
from tests.servers.launch import Server

RULES = """
rules:
  - {name: keep, table: kept, action: ignore, key: ux, columns: [a]}
  - {name: count, table: counted, action: update, key: ux, columns: [a], set: {n: old.n + new.n}}
  - {name: trips, table: forbidden, action: ignore, key: ux, columns: [b]}
"""
TABLES = ("bare", "kept", "counted", "forbidden")
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
"""What the comment says that is behind each INSERT, as sqlcommenter writes it."""


@contextmanager
def busy_proxy(server: Server, database: str, folder: Path) -> Iterator[Proxy]:
    """Run a proxy for the length of the block, through which each table gets the same rows again and again."""
    with server.connect(database=database) as connection, connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"CREATE TABLE {table} (id INT AUTO_INCREMENT PRIMARY KEY, a INT, n INT, UNIQUE ux (a))")
    with proxied(in_front_of(server), server, rules_from(RULES, folder)) as proxy:
        enough = threading.Event()
        worker = threading.Thread(target=_work, args=(proxy.as_server, database, enough))
        worker.start()
        try:
            yield proxy
        finally:
            enough.set()
            worker.join()


def _work(server: Server, database: str, enough: threading.Event) -> None:
    while not enough.wait(0.02):
        with server.connect(database=database) as connection, connection.cursor() as cursor:
            for table in TABLES:
                with suppress(pymysql.MySQLError):
                    cursor.execute(f"INSERT INTO {table} (a, n) VALUES (1, 1) /*traceparent='00-{TRACE}-{SPAN}-01'*/")
            # The rule for it does not rewrite what has its own clause.
            cursor.execute("INSERT IGNORE INTO kept (a, n) VALUES (1, 1)")
