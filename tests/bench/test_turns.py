"""Loads of a single connection take turns at a real server, and one that fails leaves the others alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from proxy.config import Address
from tests.bench import single
from tests.bench.loads import Site
from tests.bench.peers import Kind, Peer
from tests.bench.single import SECONDS, Event, Insert, InsertOr, SelectPrepared, SelectText, Single
from tests.bench.tables import ROWS, SCHEMA
from tests.bench.turns import TURN, in_turns
from tests.raw import Raw
from tests.servers.launch import Server

DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Broken(Single):
    """A load that fails in the midst of a turn."""

    def begin(self, raw: Raw, site: Site) -> Event:
        left = iter(range(7))

        def event() -> int:
            if next(left, None) is None:
                raise OSError("broken")
            return 1

        return event


@pytest.fixture(scope="module")
def site(mysql: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The shared server with what single connections need of the benchmark's tables."""
    with mysql.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {SCHEMA}")
        try:
            columns = "id BIGINT AUTO_INCREMENT PRIMARY KEY, k BIGINT UNIQUE, c VARCHAR(120), n INT"
            for table in ("plain", "unruled"):
                cursor.execute(f"CREATE TABLE {SCHEMA}.{table} ({columns})")
            cursor.execute(f"SET cte_max_recursion_depth = {ROWS}")
            numbers = (
                f"WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < {ROWS}) SELECT i FROM r"
            )
            for table in ("plain", "unruled"):
                cursor.execute(f"INSERT INTO {SCHEMA}.{table} SELECT i, i, 'c', 0 FROM ({numbers}) AS numbers")
            yield Site(mysql, tmp_path_factory.mktemp("site"))
        finally:
            cursor.execute(f"DROP DATABASE {SCHEMA}")


def _run(site: Site, loads: dict[str, Single], seconds: float) -> tuple[dict[str, list[set[str]]], list[str]]:
    """Return the names of the figures that each load gave, one set for each turn and one for all; and what failed."""
    peer = Peer(DIRECT, Kind.DIRECT, Address(site.server.host, site.server.port), None)
    failures: list[str] = []
    found: dict[str, list[set[str]]] = {}
    every = [(name, peer, load) for name, load in loads.items()]
    for name, _, _, figures in in_turns(
        every, site, seconds, lambda name, _, error: failures.append(f"{name}: {error}")
    ):
        assert all(value > 0 for value in figures.values())
        found.setdefault(name, []).append(set(figures))
    return found, failures


def test_each_load_has_its_turns(site: Site) -> None:
    loads = {"text": SelectText("t"), "prepared": SelectPrepared("t"), "insert": Insert("t", "plain", 0)}
    loads |= {name: InsertOr("t", "unruled", 50, second) for name, second in SECONDS.items()}
    found, failures = _run(site, loads, 2 * TURN)
    assert not failures
    assert found == {name: [{"qps", "p50_ms"}, {"qps", "p50_ms"}, {"p99_ms"}] for name in loads}


def test_one_that_fails_is_left_out(site: Site) -> None:
    """In its beginning, in a turn, and by an error that the server tells."""
    loads = {"broken": Broken("t"), "conflict": Insert("t", "unruled", 100), "text": SelectText("t")}
    found, failures = _run(site, loads | {"absent": Insert("t", "absent", 0)}, TURN)
    assert found == {"text": [{"qps", "p50_ms"}, {"p99_ms"}]}
    assert sorted(failure.partition(":")[0] for failure in failures) == ["absent", "broken", "conflict"]


@pytest.mark.parametrize(
    ("reply", "whole"),
    [
        (b"\7\0\0\1\0\0\0\2\0\0\0", True),
        (b"\7\0\0\1\0\0\0\2\0\0", False),
        (b"\1\0\0\1\1" + b"\5\0\0\5\xfe\0\0\2\0", True),
        (b"\1\0\0\1\1" + b"\5\0\0\5\xfe\0\0\2", False),
        (b"\1\0\0", False),
    ],
)
def test_ends_of_replies(reply: bytes, whole: bool) -> None:
    assert single._is_whole(reply) == whole
