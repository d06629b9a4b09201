"""The applications of the demo."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import threading

import pytest

from proxy.demo.shop import open_shop
from proxy.demo.traffic import Target, Traffic
from tests.demo.answers import ask
from tests.demo.conftest import Connect

TABLES = ("users", "payments", "page_views", "coupons")


@pytest.fixture
def target(port: int, connect: Connect) -> Target:
    """The embedded backend with the shop's tables."""
    ask(connect(), "DROP DATABASE shop")
    open_shop("127.0.0.1", port, "demo")
    return Target("127.0.0.1", port, "demo")


def contents(connect: Connect) -> list[object]:
    return [ask(connect(), f"SELECT * FROM {table}") for table in TABLES if table != "users"]


def test_the_same_seed_makes_the_same_traffic(target: Target, connect: Connect) -> None:
    found = []
    for seed in (1, 1, 2):
        traffic = Traffic(target, seed=seed, pace=0)
        traffic.start(limit=10)
        traffic.join()
        assert traffic.failures == []
        found.append(contents(connect))
        for table in TABLES:
            ask(connect(), f"TRUNCATE TABLE {table}")
    assert found[0] == found[1] != found[2]


def test_it_goes_on_until_it_is_stopped(target: Target, connect: Connect) -> None:
    before = threading.active_count()
    traffic = Traffic(target, pace=0)
    traffic.start()
    connection = connect()
    while "SAVE20" not in str(ask(connection, "SELECT code FROM coupons")):
        pass
    traffic.stop()
    assert traffic.failures == []
    assert threading.active_count() <= before


def test_a_failure_is_told(target: Target, connect: Connect) -> None:
    failed = threading.Event()
    ask(connect(), "DROP TABLE coupons")
    traffic = Traffic(target, pace=0)
    traffic.when_failed(failed.set)
    traffic.start(limit=1)
    assert failed.wait(30)
    traffic.join()
    assert traffic.failures == ["coupons: (1146, \"Table 'shop.coupons' doesn't exist\")"]
    told_late = threading.Event()
    traffic.when_failed(told_late.set)
    assert told_late.is_set()


def test_only_duplicates_are_expected(target: Target, connect: Connect) -> None:
    connection = connect()
    ask(connection, "DROP TABLE page_views")
    ask(connection, "CREATE TABLE page_views (page VARCHAR(190), hits VARCHAR(0))")
    ask(connection, "DROP TABLE coupons")
    ask(connection, "CREATE TABLE coupons (code VARCHAR(32), id INT, UNIQUE KEY (code))")
    traffic = Traffic(target, pace=0)
    traffic.start(limit=2)
    traffic.join()
    assert traffic.failures == ["counters: (1406, \"Data too long for column 'hits' at row 1\")"]
