"""The workloads and what they need are put together rightly; to run them takes minutes and is for `make bench`."""

import re
from pathlib import Path

import pytest

from proxy.config import Address
from proxy.rules.model import load_rules
from tests.bench.loads import BULK_LOADS, Sysbench
from tests.bench.peers import Kind, Peer, free_port, running
from tests.bench.rules import BULK, RESOLVED, rules
from tests.bench.workloads import workloads

LUA = (Path(__file__).parent / "load.lua").read_text()


def test_names_are_unique_and_the_quick_run_is_a_part() -> None:
    everything = [workload.name for workload in workloads(quick=False)]
    assert len(set(everything)) == len(everything)
    assert 5 < len(workloads(quick=True)) < len(everything) / 2


def test_every_load_is_in_the_script() -> None:
    loads = [workload.load for workload in workloads(quick=False)]
    names = {load.load for load in loads if isinstance(load, Sysbench)}
    assert names == set(re.findall(r"^loads\.(\w+) =", LUA, re.MULTILINE))


@pytest.mark.parametrize("count", [0, 10, 1000])
def test_rules_are_as_many_as_asked_for(count: int, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(rules(count))
    loaded = load_rules(path)
    assert len(loaded.rules) == count
    for resolved in (*RESOLVED, BULK):
        found = loaded.candidates("bench", resolved.table, "root")
        assert [rule.action.value for rule in found] == ([resolved.action] if count == 1000 else [])


def test_bulk_inserts_are_for_both_tables() -> None:
    assert len(BULK_LOADS) == 2


def test_running_peers_are_named_with_their_address() -> None:
    port = free_port()
    assert running(f"proxysql=127.0.0.1:{port}") == Peer("proxysql", Kind.AWARE, Address("127.0.0.1", port), None)
    with pytest.raises(ValueError, match="NAME=HOST:PORT"):
        running("127.0.0.1:6033")
