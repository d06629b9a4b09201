"""The server that all proxies stand in front of, and what is in it."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.bench.rules import RESOLVED
from tests.servers.launch import Server, running

SCHEMA: Final = "bench"
ROWS: Final = 10_000
WIDE_ROW: Final = 1000
"""Bytes of one row of `wide`."""
WIDE_ROWS: Final = 1000

_OPTIONS: Final = (
    "--max-connections=6000",
    "--open-files-limit=20000",
    "--innodb-buffer-pool-size=512M",
    "--innodb-redo-log-capacity=512M",
    "--max-allowed-packet=64M",
    "--back-log=4096",
)
_COLUMNS: Final = "id BIGINT AUTO_INCREMENT PRIMARY KEY, k BIGINT, c VARCHAR(120) NOT NULL, n INT NOT NULL"
_TEXT: Final = "0123456789" * 6
BULK_COLUMNS: Final = "id BIGINT AUTO_INCREMENT PRIMARY KEY, k BIGINT, c VARCHAR(2000) NOT NULL, UNIQUE KEY ux_k (k)"

UNIQUE_TABLES: Final = ("unruled", *(resolved.table for resolved in RESOLVED))
"""Tables with a unique key `ux_k` on `k`, filled with 1 to ROWS; no rule is for the first."""
LOOKUP_USER: Final = "keyclash_lookup"
LOOKUP_PASSWORD: Final = "only looks tables up"


@contextmanager
def filled_server() -> Iterator[Server]:
    """Run a MySQL server with the benchmark's tables for the length of the block.

    Other proxies can stand in front of it only if KEYCLASH_TEST_MYSQL names it; then _OPTIONS are its owner's concern.
    """
    with running("mysql", _OPTIONS) as server:
        _fill(server)
        try:
            yield server
        finally:
            with server.connect() as connection, connection.cursor() as cursor:
                cursor.execute(f"DROP DATABASE {SCHEMA}")
                cursor.execute(f"DROP USER {LOOKUP_USER}")


def _fill(server: Server) -> None:
    counted = f"WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < {ROWS}) SELECT i FROM r"
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {SCHEMA}")
        cursor.execute(f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4")
        cursor.execute(f"USE {SCHEMA}")
        cursor.execute(f"SET cte_max_recursion_depth = {ROWS}")
        cursor.execute("CREATE TABLE numbers (i INT PRIMARY KEY)")
        cursor.execute(f"INSERT INTO numbers {counted}")
        cursor.execute(f"CREATE TABLE plain ({_COLUMNS})")
        cursor.execute(f"INSERT INTO plain SELECT i, i, '{_TEXT}', 0 FROM numbers")
        for table in UNIQUE_TABLES:
            cursor.execute(f"CREATE TABLE {table} ({_COLUMNS}, UNIQUE KEY ux_k (k))")
            cursor.execute(f"INSERT INTO {table} (k, c, n) SELECT i, '{_TEXT}', 1 FROM numbers")
        cursor.execute(f"CREATE TABLE wide (c VARCHAR({WIDE_ROW}) NOT NULL) CHARACTER SET latin1")
        cursor.execute(f"INSERT INTO wide SELECT REPEAT('w', {WIDE_ROW}) FROM numbers LIMIT {WIDE_ROWS}")
        cursor.execute(f"DROP USER IF EXISTS {LOOKUP_USER}")
        cursor.execute(f"CREATE USER {LOOKUP_USER} IDENTIFIED BY '{LOOKUP_PASSWORD}'")
        cursor.execute(f"GRANT REFERENCES, TRIGGER ON {SCHEMA}.* TO {LOOKUP_USER}")
        for table in ("bulk", "bulk_ruled"):
            cursor.execute(f"CREATE TABLE {table} ({BULK_COLUMNS}) CHARACTER SET latin1")
