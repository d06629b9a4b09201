"""A real Prometheus that scrapes a proxy of two workers, one of which dies: no counter goes backwards."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pymysql
import pytest

from tests.bench.processes import family
from tests.e2e.process import Process, served
from tests.prometheus.program import prometheus
from tests.servers.launch import Server

COUNTERS = '{__name__=~"keyclash_.*(_total|_count|_sum|_bucket)"}'


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
def test_no_counter_goes_backwards_when_a_worker_is_started_anew(server: Server, database: str, tmp_path: Path) -> None:
    with server.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a INT PRIMARY KEY)")
    proxy_folder, prometheus_folder = tmp_path / "proxy", tmp_path / "prometheus"
    proxy_folder.mkdir()
    prometheus_folder.mkdir()
    with served(server, proxy_folder, workers=2) as proxy, prometheus(prometheus_folder, proxy.admin) as scraper:
        enough = threading.Event()
        clients = [threading.Thread(target=_work, args=(proxy, database, enough)) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            scraper.wait_for("keyclash_workers == 2")
            scraper.wait_for("sum(keyclash_conflicts_total) > 50")
            [before] = scraper.query("sum(keyclash_conflicts_total)")
            os.kill(family(proxy.process.pid)[-1], signal.SIGKILL)
            scraper.wait_for("keyclash_worker_restarts_total >= 1 and keyclash_workers == 2")
            scraper.wait_for(f"sum(keyclash_conflicts_total) > {2 * float(before['value'][1])}")
        finally:
            enough.set()
            for client in clients:
                client.join()
        names = {series["metric"]["__name__"] for series in scraper.query(COUNTERS)}
        assert {"keyclash_conflicts_total", "keyclash_commands_total", "keyclash_bytes_total"} <= names
        assert [name for name in sorted(names) if scraper.query(f"resets({name}[5m]) > 0")] == []


def _work(proxy: Process, database: str, enough: threading.Event) -> None:
    while not enough.wait(0.01):
        with suppress(pymysql.MySQLError), proxy.as_server.connect(database=database) as connection:
            for _ in range(20):
                with suppress(pymysql.IntegrityError), connection.cursor() as cursor:
                    cursor.execute("INSERT INTO t VALUES (1)")
