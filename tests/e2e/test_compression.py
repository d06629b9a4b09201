"""Compression between client and proxy, and between proxy and backend, each on its own terms."""

import random
import subprocess

import mysql.connector
import pytest

from proxy.config import BackendCompression, Compression
from tests.e2e.running import in_front_of, proxied
from tests.servers.launch import Server

MYSQL = [[f"--compression-algorithms={names}"] for names in ("uncompressed", "zlib", "zstd", "zlib,zstd")]
MARIADB = [[], ["--compress"]]
SCRIPT = f"""
SELECT REPEAT('abc', 1000000) a;
SELECT SUM(LENGTH(x)) FROM (SELECT '{"q" * 300_000}' x) d;
SELECT '{"z" * 100}', 1;
SET @a = 1;
SELECT @a;
SELEC;
SELECT 2;
"""


def run(command: list[str]) -> tuple[str, str]:
    done = subprocess.run(command, input=SCRIPT, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout, done.stderr


@pytest.mark.parametrize("backend", list(BackendCompression))
def test_a_script_gives_the_same_with_every_compression(server: Server, backend: BackendCompression) -> None:
    expected = run(server.cli("--force", "--protocol=TCP"))
    assert "ERROR 1064" in expected[1]
    with proxied(in_front_of(server, compression=Compression(backend=backend)), server) as proxy:
        for options in MARIADB if server.mariadb else MYSQL:
            assert run(proxy.cli("--force", *options)) == expected, options


def test_the_backends_compression_is_the_configured_one(server: Server) -> None:
    config = in_front_of(server, compression=Compression(backend=BackendCompression.ZLIB))
    with proxied(config, server) as proxy, proxy.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW STATUS LIKE 'Compression'")
        assert cursor.fetchall() == (("Compression", "ON"),)


def test_clients_are_offered_what_is_configured(server: Server) -> None:
    with proxied(in_front_of(server, compression=Compression(client=())), server) as proxy:
        option = "--compress" if server.mariadb else "--compression-algorithms=zlib"
        done = subprocess.run(
            proxy.cli(option, "-e", "SELECT 1"), capture_output=True, text=True, timeout=60, check=False
        )
        # MySQL's client insists on what it was told, MariaDB's goes on uncompressed
        assert done.returncode == (0 if server.mariadb else 1)


@pytest.mark.parametrize("times", [1, 3, 9])
def test_long_rows_for_a_client_that_reads_no_packet_out_of_more_than_two(server: Server, times: int) -> None:
    """MySQL's Connector/Python, where it is not built on C."""
    noise = random.Random(times).randbytes(2 << 20).replace(b"'", b'"').replace(b"\\", b"/").replace(b"\0", b"0")
    query = b"SELECT REPEAT(_binary '%s', %d), REPEAT('0', %d)" % (noise, times, 2 << 20)
    expected = noise * times, "0" * (2 << 20)
    with server.connect() as connection, connection.cursor() as cursor, proxied(in_front_of(server), server) as proxy:
        cursor.execute("SELECT @@max_allowed_packet")
        ((before,),) = cursor.fetchall()
        cursor.execute(f"SET GLOBAL max_allowed_packet = {64 << 20}")
        for where in server, proxy.as_server:
            with (
                mysql.connector.connect(
                    host=where.host,
                    port=where.port,
                    user=where.user,
                    password=where.password,
                    use_pure=True,
                    compress=True,
                    charset="latin1",
                    read_timeout=30,
                ) as compressed,
                compressed.cursor() as rows,
            ):
                rows.execute(query.decode("latin-1"))
                assert rows.fetchall() == [expected]
        cursor.execute(f"SET GLOBAL max_allowed_packet = {before}")
