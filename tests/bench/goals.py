"""What Keyclash is to reach: each goal is a number with an upper bound."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from tests.bench.peers import Kind
from tests.bench.results import Results
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
        yield f"{name}: CPU, of HAProxy's", _beside(results, name, "cpu_us", "haproxy"), 1.0
        aware = results.best(name, "cpu_us", (Kind.AWARE,))
        yield f"{name}: CPU, of the best that knows MySQL", _beside(results, name, "cpu_us", aware), 1.0
        best = name, results.best(name, "qps")
        yield f"{name}: best QPS, of Keyclash's", _inverse(results.against("qps", (name, OWN), best)), 1.0
        yield f"{name}: p99, of the best", results.ratio(name, OWN, "p99_ms"), 1.1
    for statement in ("select", "insert"):
        name = f"rules, {statement}"
        yield f"{name}: CPU with 1,000, of none", _beside(results, name, "cpu_us", RULES["0 rules"]), 1.02


def _inserts(results: Results) -> Iterator[_Found]:
    def ruled(figure: str, share: int, rule: str, second: str) -> float | None:
        own, applications = f"{share} % duplicates, {rule}", f"{share} % duplicates, application's {second}"
        return results.against(figure, (own, OWN), (applications, OWN))

    for resolved in RESOLVED:
        rule = f"{resolved.action}, {resolved.when}"
        second = "update" if resolved.action in ("update", "replace") else "select"
        if resolved.when == "conflict":
            yield f"{rule}: CPU without conflicts, of no rule's", ruled("cpu_us", 0, rule, second), 1.05
        yield f"{rule}: time of a conflict, of the application's", ruled("p50_ms", 100, rule, second), 0.8


def _others(results: Results) -> Iterator[_Found]:
    for name in results.rounds:
        if name.startswith("result of"):
            yield f"{name}: CPU, of the Router's", _beside(results, name, "cpu_us", "router-passthrough"), 1.0
        elif name.startswith("select over TLS"):
            yield f"{name}: CPU, of the Router's", _beside(results, name, "cpu_us", "router"), 1.0
        elif name.startswith("connections"):
            yield f"{name}: HAProxy's rate, of Keyclash's", _inverse(_beside(results, name, "qps", "haproxy")), 1.25
        elif name.endswith("idle connections"):
            yield f"{name}: KiB each", results.median(name, OWN, "memory_kib"), 16.0


def _workers(results: Results) -> Iterator[_Found]:
    name, two = "workers, 64", "keyclash-2-workers"
    yield "two workers: CPU, of one's", results.against("cpu_us", (name, two), (name, OWN)), 1.05
    yield "two workers: per cent of connections above the mean", results.median(name, two, "spread"), 10.0


def _beside(results: Results, workload: str, figure: str, peer: str | None) -> float | None:
    return results.against(figure, (workload, OWN), (workload, peer))


def _inverse(ratio: float | None) -> float | None:
    return None if not ratio else 1 / ratio
