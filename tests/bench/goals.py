"""What Keyclash is to reach: each goal is a number with an upper bound."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from tests.bench.peers import Kind
from tests.bench.results import Results, quotient
from tests.bench.rules import RESOLVED
from tests.bench.workloads import CONNECTIONS, RULES

OWN = "keyclash"


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal and how far it is reached: `value` is not to exceed `bound`."""

    name: str
    value: float
    bound: float

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        return self.value <= self.bound


def goals(results: Results) -> tuple[Goal, ...]:
    """Return the goals of which everything was measured."""
    all_goals = (*_selects(results), *_inserts(results), *_others(results), *_workers(results))
    return tuple(Goal(name, value, bound) for name, value, bound in all_goals if value is not None)


_Found = tuple[str, float | None, float]


def _selects(results: Results) -> Iterator[_Found]:
    for protocol, connections in product(("text", "prepared"), CONNECTIONS):
        name = f"select, {protocol}, {connections}"
        yield f"{name}: CPU, of HAProxy's", _against(results, name, "cpu_us", "haproxy"), 1.0
        aware = results.best(name, "cpu_us", (Kind.AWARE,))
        yield f"{name}: CPU, of the best that knows MySQL", quotient(results.median(name, OWN, "cpu_us"), aware), 1.0
        yield f"{name}: best QPS, of Keyclash's", quotient(1, results.ratio(name, OWN, "qps")), 1.0
        yield f"{name}: p99, of the best", results.ratio(name, OWN, "p99_ms"), 1.1
    for statement in ("select", "insert"):
        name = f"rules, {statement}"
        yield f"{name}: CPU with 1,000, of none", _against(results, name, "cpu_us", RULES["0 rules"]), 1.02


def _inserts(results: Results) -> Iterator[_Found]:
    for resolved in RESOLVED:
        rule = f"{resolved.action}, {resolved.when}"
        second = "update" if resolved.action in ("update", "replace") else "select"
        none = results.median(f"0 % duplicates, application's {second}", OWN, "cpu_us")
        ruled = results.median(f"0 % duplicates, {rule}", OWN, "cpu_us")
        if resolved.when == "conflict":
            yield f"{rule}: CPU without conflicts, of no rule's", quotient(ruled, none), 1.05
        applications = results.median(f"100 % duplicates, application's {second}", OWN, "p50_ms")
        own = results.median(f"100 % duplicates, {rule}", OWN, "p50_ms")
        yield f"{rule}: time of a conflict, of the application's", quotient(own, applications), 0.8


def _others(results: Results) -> Iterator[_Found]:
    for name in results.rounds:
        if name.startswith("result of"):
            yield f"{name}: CPU, of the Router's", _against(results, name, "cpu_us", "router-passthrough"), 1.0
        elif name.startswith("select over TLS"):
            yield f"{name}: CPU, of the Router's", _against(results, name, "cpu_us", "router"), 1.0
        elif name.startswith("connections"):
            slower = quotient(1, _against(results, name, "qps", "haproxy"))
            yield f"{name}: HAProxy's rate, of Keyclash's", slower, 1.25
        elif name.endswith("idle connections"):
            yield f"{name}: KiB each", results.median(name, OWN, "memory_kib"), 16.0


def _workers(results: Results) -> Iterator[_Found]:
    name, two = "workers, 64", "keyclash-2-workers"
    own = quotient(results.median(name, two, "cpu_us"), results.median(name, OWN, "cpu_us"))
    yield "two workers: CPU, of one's", own, 1.05
    yield "two workers: per cent of connections above the mean", results.median(name, two, "spread"), 10.0


def _against(results: Results, workload: str, figure: str, peer: str) -> float | None:
    return quotient(results.median(workload, OWN, figure), results.median(workload, peer, figure))
