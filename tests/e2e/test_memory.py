"""What goes through a proxy takes no more memory than the proxy's buffers, however large it is."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.process import served
from tests.e2e.raw import EXECUTE, LONG_DATA, PREPARE, QUERY, RawClient, command
from tests.e2e.users import rows, rule, run
from tests.raw import logged_in
from tests.servers.launch import Server

MIB = 1 << 20
SIZE = 64 * MIB
BLOCK = bytes(range(0x80, 0x100)) * 8192  # no quotes, no backslashes
DATA = BLOCK * (SIZE // len(BLOCK))
TABLE = "CREATE TABLE users (email INT PRIMARY KEY AUTO_INCREMENT, v LONGBLOB) ENGINE=MyISAM"

ALLOWED = 4 * MIB  # that the proxy may grow by
# A reply's packet is compressed as a whole up to 1 MiB.
COMPRESSED = 8 * MIB


@pytest.fixture
def large(server: Server, database: str) -> Iterator[str]:
    """A schema with a table for large values, on a server that takes them in sessions that begin now."""
    with server.connect(database=database) as connection:
        [(before,)] = rows(connection, "SELECT @@max_allowed_packet")
        run(connection, f"SET GLOBAL max_allowed_packet = {2 * SIZE}", TABLE)
        yield database
        run(connection, f"SET GLOBAL max_allowed_packet = {before}")


def insert_text(client: RawClient, table: bytes) -> None:
    [(_, answer)] = client.ask(command(QUERY, b"INSERT INTO %s (v) VALUES (_binary '%s')" % (table, DATA)))
    assert answer[:2] == b"\0\1"


def insert_long_data(client: RawClient, table: bytes) -> None:
    statement = client.ask(command(PREPARE, b"INSERT INTO %s (v) VALUES (?)" % table))[0][1][1:5]
    for _ in range(SIZE // len(BLOCK)):
        client.send(command(LONG_DATA, statement + b"\0\0" + BLOCK))
    [(_, answer)] = client.ask(command(EXECUTE, statement + b"\0\1\0\0\0\0\1\xfc\0"))
    assert answer[:2] == b"\0\1"


def select(client: RawClient, table: bytes) -> None:
    row = client.ask_bytes(command(QUERY, b"SELECT v FROM %s LIMIT 1" % table))
    assert row.count(BLOCK[:0x80]) > (SIZE - 5 * len(BLOCK)) // 0x80  # but for those where a packet ends


WAYS: list[Callable[[RawClient, bytes], None]] = [insert_text, insert_long_data, select]


def assert_stored(server: Server, schema: str, times: int) -> None:
    with server.connect(database=schema) as connection:
        found = rows(connection, "SELECT LENGTH(v), SHA2(v, 256) FROM users")
    assert found == [(SIZE, hashlib.sha256(DATA).hexdigest())] * times


@pytest.mark.parametrize(("tls", "ruled"), [(False, False), (False, True), (True, False)], ids=["", "ruled", "tls"])
def test_64_mib_up_and_64_mib_down(server: Server, large: str, tmp_path: Path, tls: bool, ruled: bool) -> None:
    """A statement that is larger than what a rule may read is passed on unread."""
    rules = tmp_path / "rules.yaml"
    for_users = rule("large", f"{large}.users", "action: ignore").replace("ux_email", "PRIMARY")
    rules.write_text(for_users if ruled else "rules: []")
    with (
        served(server, tmp_path, rules=str(rules), limits={"statement": "1MiB"}) as proxy,
        logged_in(proxy.as_server, tls=tls) as raw,
    ):
        client = RawClient(raw.stream)
        client.query("SELECT 1")
        before = proxy.forget_peak()
        grown = {}
        for way in WAYS:
            way(client, f"{large}.users".encode())
            grown[way.__name__] = proxy.peak() - before
    assert_stored(server, large, times=2)
    assert max(grown.values()) < ALLOWED, grown


def test_64_mib_compressed(server: Server, large: str, tmp_path: Path) -> None:
    with served(server, tmp_path, compression={"backend": "as_client"}) as proxy:
        compressed = "--compress" if server.mariadb else "--compression-algorithms=zlib"
        cli = proxy.as_server.cli(
            compressed, f"--max-allowed-packet={2 * SIZE}", "--batch", "--raw", "--skip-column-names", large
        )
        subprocess.run(cli, input=b"SELECT 1", capture_output=True, check=True)
        before = proxy.forget_peak()
        subprocess.run(cli, input=b"INSERT INTO users (v) VALUES (_binary '%s')" % DATA, check=True)
        grown = {"up": proxy.peak() - before}
        done = subprocess.run(cli, input=b"SELECT v FROM users", capture_output=True, check=True)
        grown["down"] = proxy.peak() - before
    assert_stored(server, large, times=1)
    assert done.stdout == DATA + b"\n"
    assert max(grown.values()) < COMPRESSED, grown
