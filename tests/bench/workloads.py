"""Which loads are measured, and through which peers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

from tests.bench.loads import BULK_LOADS, Idle, LargeResult, Load, Sysbench
from tests.bench.peers import Kind, Peer
from tests.bench.rules import RESOLVED
from tests.bench.single import SECONDS, Insert, InsertOr, SelectPrepared, SelectText, Single

CONNECTIONS: Final = (1, 16, 64, 256)
SHARES: Final = (0, 1, 10, 50, 100)
RULES: Final = {"0 rules": "keyclash-0-rules", "10 rules": "keyclash-10-rules", "1000 rules": "keyclash"}


def _everybody(peer: Peer) -> bool:
    return not peer.name.startswith("keyclash-")


def _proxies(peer: Peer) -> bool:
    return _everybody(peer) and peer.kind is not Kind.DIRECT


def _own(peer: Peer) -> bool:
    return peer.name == "keyclash"


def _encrypting(peer: Peer) -> bool:
    return peer.tls and _everybody(peer)


@dataclass(frozen=True, slots=True)
class Workload:
    """A load with its name; those of a single connection follow those that they take turns with.

    peers: tells which of them take part. quick: it is part of the quick run. fresh: each peer is started anew for it.
    times: how often it is measured in a round, by each peer in turn.
    """

    name: str
    load: Load | Single
    peers: Callable[[Peer], bool] = _everybody
    quick: bool = False
    fresh: bool = False
    times: int = 1


def workloads(*, quick: bool) -> tuple[Workload, ...]:
    """Return what is measured; quick: only so much as two minutes suffice for."""
    return tuple(workload for workload in _workloads(quick) if workload.quick or not quick)


def _workloads(quick: bool) -> Iterator[Workload]:
    for single in (SelectText("selects"), SelectPrepared("selects")):
        protocol = "text" if isinstance(single, SelectText) else "prepared"
        yield Workload(f"select, {protocol}, 1", single)
    for protocol, connections in product(("text", "prepared"), CONNECTIONS[1:]):
        load = Sysbench(f"select_{protocol}", connections)
        yield Workload(f"select, {protocol}, {connections}", load, quick=connections == 16, times=1 if quick else 2)
    yield Workload("read-write, 16", Sysbench("read_write", 16), quick=True)
    yield Workload("insert, 16", Sysbench("insert", 16), quick=True)
    yield Workload("select over TLS, 16", Sysbench("select_text", 16, tls=True), _encrypting, quick=True)
    yield Workload("connections, 4", Sysbench("connect", 4), quick=True)
    megabytes = 50 if quick else 200
    yield Workload(f"result of {megabytes} MB", LargeResult(megabytes), quick=True)
    for name, bulk in BULK_LOADS.items():
        yield Workload(name, bulk, _own if "ruled" in name else _everybody, quick="ruled" not in name)
    yield from _of_rules()
    yield from _of_conflicts()
    workers = {"keyclash", "keyclash-2-workers"}
    yield Workload("workers, 64", Sysbench("select_text", 64), lambda peer: peer.name in workers)
    idle = 300 if quick else 5000
    yield Workload(f"{idle} idle connections", Idle(idle), _proxies, quick=True, fresh=True)


def _of_rules() -> Iterator[Workload]:
    names = set(RULES.values())
    for name, load in (("select", "select_text"), ("insert", "insert")):
        # Three times: they are to be the same within two per cent.
        yield Workload(f"rules, {name}", Sysbench(load, 16), lambda peer: peer.name in names, times=3)


def _of_conflicts() -> Iterator[Workload]:
    """Inserts of which some conflict: left to the application, and resolved. One client, as its time is the point."""
    for share in SHARES:
        turns = f"{share} % duplicates"
        for name, second in SECONDS.items():
            own = InsertOr(turns, "unruled", share, second)
            yield Workload(f"{turns}, application's {name}", own, quick=share == 100)
        for resolved in RESOLVED:
            load = Insert(turns, resolved.table, share)
            quick = share == 100 and resolved.action == "update"
            yield Workload(f"{turns}, {resolved.action}, {resolved.when}", load, _own, quick=quick)
