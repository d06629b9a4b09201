import importlib.metadata
import platform
from collections.abc import Callable, Iterable

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from proxy.conflicts.conflict import Cause, Outcome
from proxy.conflicts.counters import Counters
from proxy.conflicts.labels import CauseLabels, ConflictLabels
from proxy.conflicts.metrics import BOUNDS, commands_by_name, render, version

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
Parse = Callable[[str], Iterable[Metric]]
FORMATS = pytest.mark.parametrize(
    ("accept", "parse"),
    [("", text_string_to_metric_families), (OPENMETRICS, openmetrics_parser.text_string_to_metric_families)],
)

# Every sample that is exposed, with the names of its labels.
NAMES = {
    "keyclash_conflicts_total": {"schema", "table", "key", "statement", "outcome", "rule"},
    "keyclash_conflict_causes_total": {"schema", "table", "key", "cause"},
    "keyclash_rewrites_total": {"rule", "when", "protocol", "result"},
    "keyclash_rewrite_skipped_total": {"rule", "reason"},
    "keyclash_mysql_errors_total": {"code"},
    "keyclash_commands_total": {"command"},
    "keyclash_command_duration_seconds_bucket": {"le"},
    "keyclash_command_duration_seconds_sum": set(),
    "keyclash_command_duration_seconds_count": set(),
    "keyclash_resolution_duration_seconds_bucket": {"le"},
    "keyclash_resolution_duration_seconds_sum": set(),
    "keyclash_resolution_duration_seconds_count": set(),
    "keyclash_sessions": set(),
    "keyclash_sessions_limit": set(),
    "keyclash_sessions_total": {"result"},
    "keyclash_bytes_total": {"direction"},
    "keyclash_config_last_reload_successful": set(),
    "keyclash_config_last_reload_success_timestamp_seconds": set(),
    "keyclash_workers": set(),
    "keyclash_worker_restarts_total": set(),
    "keyclash_build_info": {"version", "python"},
}


def busy() -> Counters:
    counters = Counters()
    counters.conflict(ConflictLabels("shop", "users", 'a"b\\c\nd\0é', "insert", Outcome.KEPT, "signup"))
    counters.cause(CauseLabels("shop", "users", "ux_email", Cause.RETRY))
    counters.rewrite("signup", "conflict", "text", "ok")
    counters.skip("signup", "select")
    counters.error(1062)
    counters.commands[0x03] += 5
    counters.commands[0x16] += 1
    counters.command_durations.observe(0.003)
    counters.command_durations.observe(100)
    counters.resolution_durations.observe(0.0005)
    counters.session_opened()
    counters.session_opened()
    counters.session_closed("quit")
    counters.bytes_received = 10
    counters.bytes_sent = 20
    counters.reload_succeeded(1_700_000_000.5)
    return counters


def samples(counters: Counters, accept: str, parse: Parse) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    body, _ = render(counters, accept)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(body.decode())
        for sample in family.samples
    }


@FORMATS
def test_the_names_and_labels_are_the_documented_ones(accept: str, parse: Parse) -> None:
    found: dict[str, set[str]] = {}
    for name, labels in samples(busy(), accept, parse):
        assert found.setdefault(name, {label for label, _ in labels}) == {label for label, _ in labels}
    assert found == NAMES


@FORMATS
def test_the_values_are_the_counters(accept: str, parse: Parse) -> None:
    values = samples(busy(), accept, parse)

    def value(name: str, **labels: str) -> float:
        return values[name, frozenset(labels.items())]

    assert value("keyclash_commands_total", command="query") == 5
    assert value("keyclash_commands_total", command="stmt_prepare") == 1
    assert value("keyclash_mysql_errors_total", code="1062") == 1
    assert value("keyclash_bytes_total", direction="received") == 10
    assert value("keyclash_bytes_total", direction="sent") == 20
    assert value("keyclash_sessions") == 1
    assert value("keyclash_sessions_total", result="quit") == 1
    assert value("keyclash_rewrites_total", rule="signup", when="conflict", protocol="text", result="ok") == 1
    assert value("keyclash_rewrite_skipped_total", rule="signup", reason="select") == 1
    assert value("keyclash_config_last_reload_successful") == 1
    assert value("keyclash_config_last_reload_success_timestamp_seconds") == 1_700_000_000.5
    assert value("keyclash_build_info", version=version(), python=platform.python_version()) == 1
    conflict = {"schema": "shop", "table": "users", "key": 'a"b\\c\nd\0é', "statement": "insert"}
    assert value("keyclash_conflicts_total", **conflict, outcome="kept", rule="signup") == 1
    assert value("keyclash_conflict_causes_total", schema="shop", table="users", key="ux_email", cause="retry") == 1


@FORMATS
def test_durations_are_a_cumulative_histogram(accept: str, parse: Parse) -> None:
    values = samples(busy(), accept, parse)
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in values.items()
        if name == "keyclash_command_duration_seconds_bucket"
    }
    assert (buckets["0.002048"], buckets["0.004096"], buckets["67.108864"], buckets["+Inf"]) == (0, 1, 1, 2)
    assert values["keyclash_command_duration_seconds_count", frozenset()] == 2
    assert values["keyclash_command_duration_seconds_sum", frozenset()] == pytest.approx(100.003)


@FORMATS
def test_a_process_that_has_seen_nothing_has_metrics(accept: str, parse: Parse) -> None:
    values = samples(Counters(), accept, parse)
    assert values["keyclash_sessions", frozenset()] == 0
    assert values["keyclash_config_last_reload_successful", frozenset()] == 0


def test_every_family_has_a_help_text_and_a_type_and_stands_once() -> None:
    for accept in ("", OPENMETRICS):
        lines = render(busy(), accept)[0].decode().splitlines()
        helped = [line.split()[2] for line in lines if line.startswith("# HELP ")]
        typed = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
        assert helped == typed
        assert len(set(helped)) == len(helped) == 19
        assert all(len(line.split(" ", 3)[3]) > 20 for line in lines if line.startswith("# HELP "))


def test_help_texts_name_the_values_of_closed_labels() -> None:
    text = render(busy(), "")[0].decode()
    helps = {line.split()[2]: line for line in text.splitlines() if line.startswith("# HELP")}
    assert all(outcome in helps["keyclash_conflicts_total"] for outcome in Outcome)
    assert all(cause in helps["keyclash_conflict_causes_total"] for cause in Cause)


def test_types_in_the_text_format() -> None:
    text = render(busy(), "")[0].decode()
    assert "# TYPE keyclash_sessions gauge" in text
    assert "# TYPE keyclash_sessions_total counter" in text
    assert "# TYPE keyclash_command_duration_seconds histogram" in text


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "text/plain; version=0.0.4"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text; version=x.y", "text/plain; version=0.0.4"),
        ("application/openmetrics-text", "application/openmetrics-text"),
    ],
)
def test_the_format_is_the_one_that_was_asked_for(accept: str, content_type: str) -> None:
    assert render(Counters(), accept)[1].startswith(content_type)


def test_what_prometheus_3_asks_for() -> None:
    accept = (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
        "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
        "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    )
    assert render(busy(), accept)[1].startswith("application/openmetrics-text; version=1.0.0")
    names = {name for name, _ in samples(busy(), accept, openmetrics_parser.text_string_to_metric_families)}
    assert names == set(NAMES)


def test_commands_without_a_name_are_summed_up() -> None:
    commands = [0] * 256
    commands[0x03] = 2
    commands[0x77] = 1
    commands[0x88] = 4
    assert commands_by_name(commands) == {("query",): 2, ("unknown",): 5}


def test_bounds_are_powers_of_two_of_a_microsecond() -> None:
    assert [float(bound) for bound in BOUNDS[:-1]] == [2**power / 1e6 for power in range(27)]
    assert BOUNDS[-1] == "+Inf"


def test_the_version_is_unknown_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert b'version="unknown"' in render(Counters(), "")[0]
