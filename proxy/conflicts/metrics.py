"""The counters in the words of Prometheus, made when somebody scrapes them.

Label values that a client could invent never get here: they were closed or capped when they were counted.
"""

import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    UnknownMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from proxy.conflicts.counters import BUCKETS, Counters, Durations
from proxy.conflicts.labels import Result
from proxy.wire.commands import NAMES

BOUNDS = (*(repr(2**power / 1e6) for power in range(BUCKETS)), "+Inf")
"""The upper bounds of a Durations' buckets in seconds, as `le` has them."""
_KEY: Final = ("schema", "table", "key")

_HELP = {
    "keyclash_conflicts": (
        "Duplicate-key errors, returned or prevented. schema, table: empty if not known; key: the unique index, or "
        "unknown; statement: its verb, or other; outcome: returned, kept, updated, replaced, refused, failed, inserted "
        "or unknown; rule: the rule in charge, or empty. Beyond the cap of series schema, table and key are __other__."
    ),
    "keyclash_conflict_causes": (
        "Why conflicts happened. schema, table, key: as in keyclash_conflicts_total; "
        "cause: retry, race, bulk, sequence, existing or unknown."
    ),
    "keyclash_rewrites": (
        "Rewritten statements. rule: its name; when: conflict or always; protocol: text or prepared; "
        "result: ok, refused (by the guard), retried (after a deadlock), deadlock, error, or dry_run (not sent)."
    ),
    "keyclash_rewrite_skipped": "INSERTs into a rule's table that were left alone. rule: its name; reason: why.",
    "keyclash_mysql_errors": "ERR packets of the server. code: the error number, or __other__ beyond the cap.",
    "keyclash_rule_deadlocks": (
        "Deadlocks (1213) that INSERTs with a rule ran into, in the client's own statement or the rule's; the client "
        "gets them as they are. rule: its name."
    ),
    "keyclash_rule_tripped": (
        "1 while a rule rests because its statements failed too often in a row, 0 once it has come back."
    ),
    "keyclash_commands": "Commands of clients. command: query, stmt_execute, ping ..., or unknown.",
    "keyclash_command_duration_seconds": "Time from a command's last byte to the end of its reply.",
    "keyclash_resolution_duration_seconds": "Time that a client waited longer because of a second statement.",
    "keyclash_sessions": "Client connections that are open now.",
    "keyclash_sessions_limit": "How many client connections may be open; 0: any number.",
    "keyclash_sessions_total": f"Client connections that have ended. result: {', '.join(Result)}.",
    "keyclash_bytes": "Bytes of the clients' conversations. direction: received (from clients) or sent (to clients).",
    "keyclash_config_last_reload_successful": "1 if the last attempt to load the configuration succeeded, else 0.",
    "keyclash_config_last_reload_success_timestamp_seconds": (
        "When the configuration was last loaded, in seconds since the epoch; 0 if never."
    ),
    "keyclash_workers": "Processes that serve clients now.",
    "keyclash_worker_restarts": "Worker processes that were started in place of one that had ended.",
    "keyclash_build": "What runs. version: of Keyclash; python: of Python. The value is always 1.",
}


def render(counters: Counters, accept: str) -> tuple[bytes, str]:
    """Write all metrics in the format that an Accept header prefers; return the text and its content type."""
    encode, content_type = _encoder(accept)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(CountersCollector(counters, openmetrics=content_type.startswith("application/openmetrics-text")))
    return encode(registry), content_type


def _encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    try:
        return choose_encoder(accept)
    except TypeError:  # A version that is no number is compared with one (prometheus_client 0.26).
        return choose_encoder("")


class CountersCollector(Collector):
    """Reads the counters whenever a registry is asked for its metrics.

    openmetrics: OpenMetrics names a counter's family without its `_total`, so that the counter keyclash_sessions_total
    would be a second family beside the gauge keyclash_sessions, which it forbids. There the counter is of unknown type.
    """

    def __init__(self, counters: Counters, openmetrics: bool = False) -> None:
        self._counters = counters
        self._openmetrics = openmetrics

    def collect(self) -> Iterator[Metric]:
        """Give every metric family with its samples of this moment."""
        yield _conflicts_family(self._counters, self._openmetrics)
        yield from _conflict_families(self._counters)
        yield from _traffic_families(self._counters)
        yield from _session_families(self._counters, self._openmetrics)
        yield from _reload_families(self._counters)
        yield from _worker_families(self._counters)
        yield _build_family()


def _conflicts_family(counters: Counters, openmetrics: bool) -> Metric:
    """Give the conflicts; only OpenMetrics has a place for the traces that they belong to."""
    name, labels = "keyclash_conflicts", (*_KEY, "statement", "outcome", "rule")
    family = CounterMetricFamily(name, _HELP[name], labels=labels)
    for values, count in counters.conflicts.items():
        trace = counters.traces.get(values) if openmetrics else None
        exemplar = trace and Exemplar({"trace_id": trace.trace_id, "span_id": trace.span_id}, 1.0, trace.at)
        family.add_metric(values, count, exemplar=exemplar)
    return family


def _conflict_families(counters: Counters) -> Iterator[Metric]:
    yield _counter("keyclash_conflict_causes", (*_KEY, "cause"), counters.causes.items())
    yield _counter("keyclash_rewrites", ("rule", "when", "protocol", "result"), counters.rewrites.items())
    yield _counter("keyclash_rewrite_skipped", ("rule", "reason"), counters.skipped.items())
    deadlocks = {(rule,): count for rule, count in counters.deadlocks.items()}
    yield _counter("keyclash_rule_deadlocks", ("rule",), deadlocks.items())
    tripped = {(rule,): state for rule, state in counters.tripped.items()}
    yield _gauges("keyclash_rule_tripped", ("rule",), tripped.items())
    yield _histogram("keyclash_resolution_duration_seconds", counters.resolution_durations)


def _traffic_families(counters: Counters) -> Iterator[Metric]:
    errors = {(str(code),): count for code, count in counters.errors.items()}
    yield _counter("keyclash_mysql_errors", ("code",), errors.items())
    yield _counter("keyclash_commands", ("command",), commands_by_name(counters.commands).items())
    yield _histogram("keyclash_command_duration_seconds", counters.command_durations)
    directions = {("received",): counters.bytes_received, ("sent",): counters.bytes_sent}
    yield _counter("keyclash_bytes", ("direction",), directions.items())


def _session_families(counters: Counters, openmetrics: bool) -> Iterator[Metric]:
    yield _gauge("keyclash_sessions", counters.sessions)
    yield _gauge("keyclash_sessions_limit", counters.sessions_limit)
    ended: CounterMetricFamily | UnknownMetricFamily
    if openmetrics:
        ended = UnknownMetricFamily("keyclash_sessions_total", _HELP["keyclash_sessions_total"], labels=("result",))
    else:
        ended = CounterMetricFamily("keyclash_sessions", _HELP["keyclash_sessions_total"], labels=("result",))
    # All of them from the start: nobody can see a series grow that begins at 1.
    for result in Result:
        ended.add_metric((result,), counters.sessions_total.get(result, 0))
    yield ended


def _reload_families(counters: Counters) -> Iterator[Metric]:
    yield _gauge("keyclash_config_last_reload_successful", int(counters.last_reload_successful))
    yield _gauge("keyclash_config_last_reload_success_timestamp_seconds", counters.last_reload_at)


def _worker_families(counters: Counters) -> Iterator[Metric]:
    yield _gauge("keyclash_workers", counters.workers)
    yield _counter("keyclash_worker_restarts", (), [((), counters.worker_restarts)])


def _build_family() -> Metric:
    value = {"version": version(), "python": platform.python_version()}
    return InfoMetricFamily("keyclash_build", _HELP["keyclash_build"], value=value)


def commands_by_name(commands: Iterable[int]) -> dict[tuple[str], int]:
    """Sum up the counts of 256 command bytes by the commands' names, those that never came left out."""
    by_name: dict[tuple[str], int] = {}
    for name, count in zip(NAMES, commands, strict=True):
        if count:
            by_name[name,] = by_name.get((name,), 0) + count
    return by_name


def version() -> str:
    """Keyclash's own version, "unknown" where it runs without being installed."""
    try:
        return importlib.metadata.version("keyclash")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _counter(name: str, labels: tuple[str, ...], counts: Iterable[tuple[Sequence[str], int]]) -> Metric:
    family = CounterMetricFamily(name, _HELP[name], labels=labels)
    for values, count in counts:
        family.add_metric(values, count)
    return family


def _gauge(name: str, value: float) -> Metric:
    return GaugeMetricFamily(name, _HELP[name], value=value)


def _gauges(name: str, labels: tuple[str, ...], values: Iterable[tuple[Sequence[str], float]]) -> Metric:
    family = GaugeMetricFamily(name, _HELP[name], labels=labels)
    for labelled, value in values:
        family.add_metric(labelled, value)
    return family


def _histogram(name: str, durations: Durations) -> Metric:
    buckets = list(zip(BOUNDS, accumulate(durations.buckets), strict=True))
    return HistogramMetricFamily(name, _HELP[name], buckets=buckets, sum_value=durations.sum)
