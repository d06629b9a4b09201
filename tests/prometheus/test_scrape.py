"""A real Prometheus that scrapes a real proxy with real traffic: metrics, rules, and every query of the dashboard."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.running import Proxy
from tests.prometheus.program import CONFIG, Prometheus, prometheus, promtool
from tests.prometheus.traffic import SPAN, TABLES, TRACE, busy_proxy
from tests.servers.launch import Server

DASHBOARD: dict[str, Any] = json.loads((CONFIG / "grafana/dashboards/keyclash.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = {"$__rate_interval": "5s", "$__interval": "5s", "$__range": "10s", "$job": ".*", "$instance": ".*"}
RARE = {"Deadlocks of INSERTs with a rule"}
"""Panels whose series this traffic does not have; their queries must be right all the same."""


@pytest.fixture(scope="module")
def proxy(mysql: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with mysql.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS scraped")
        cursor.execute("CREATE DATABASE scraped")
    with busy_proxy(mysql, "scraped", tmp_path_factory.mktemp("proxy")) as running:
        yield running
    with mysql.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DROP DATABASE scraped")


@pytest.fixture(scope="module")
def scraper(proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with prometheus(tmp_path_factory.mktemp("prometheus"), str(proxy.running.admin_address)) as running:
        yield running


def test_promtool_finds_no_fault_in_the_metrics(proxy: Proxy, scraper: Prometheus) -> None:
    scraper.wait_for("keyclash_rule_tripped == 1")  # now everything has come up
    _, text = proxy.fetch("/metrics")
    done = promtool("check", "metrics", text=text)
    # The gauge and the counter of sessions share a name but for the suffix, as design and dashboards have it.
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] + f" {panel['id']}" for panel in PANELS])
def test_each_query_of_the_dashboard_gives_something(panel: dict[str, Any], scraper: Prometheus) -> None:
    for target in panel["targets"]:
        expression = _filled(target["expr"])
        if panel["title"] in RARE:
            scraper.query(expression)
            continue
        found = scraper.wait_for(expression)
        named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        assert all(named <= set(series["metric"]) for series in found)


def test_the_rates_are_those_of_the_traffic(scraper: Prometheus) -> None:
    scraper.wait_for('sum by (outcome) (rate(keyclash_conflicts_total{outcome=~"kept|updated|returned"}[5s])) > 0')
    by_key = next(panel for panel in PANELS if panel["title"] == "Conflicts by key")
    found = scraper.wait_for(f"{_filled(by_key['targets'][0]['expr'])} > 0")
    assert {series["metric"]["table"] for series in found} == {"bare", "kept", "counted", "forbidden"}


def test_conflicts_lead_to_their_traces(scraper: Prometheus) -> None:
    scraper.wait_for(f"count(sum by (table) (keyclash_conflicts_total)) == {len(TABLES)}")
    found = scraper.exemplars("keyclash_conflicts_total")
    assert {each["seriesLabels"]["table"] for each in found} == set(TABLES)
    for each in found:
        assert [exemplar["labels"] for exemplar in each["exemplars"]][:1] == [{"trace_id": TRACE, "span_id": SPAN}]


def test_the_variables_and_annotations_of_the_dashboard_are_right(scraper: Prometheus) -> None:
    lists = DASHBOARD["templating"]["list"]
    queries = [variable["query"]["query"] for variable in lists if variable["type"] == "query"]
    for query in queries:
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
        assert found is not None
        assert all(found[2] in series["metric"] for series in scraper.wait_for(_filled(found[1])))
    for annotation in DASHBOARD["annotations"]["list"]:
        scraper.query(_filled(annotation["expr"]))


def test_the_rules_are_evaluated(scraper: Prometheus) -> None:
    scraper.wait_for("job_key:keyclash_conflicts:rate5m > 0")
    scraper.wait_for("job:keyclash_resolution_duration_seconds:p99_5m > 0")
    scraper.wait_for('ALERTS{alertname="KeyclashRuleTripped", rule="trips", alertstate="firing"}')
    assert {rule["health"] for rule in scraper.rules()} == {"ok"}


def test_the_dashboard_is_one_that_grafana_can_load() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_every_metric_in_rules_and_dashboard_exists(proxy: Proxy, scraper: Prometheus) -> None:
    scraper.wait_for("keyclash_rule_tripped == 1")
    _, text = proxy.fetch("/metrics")
    expressions = (CONFIG / "prometheus/rules.yml").read_text() + json.dumps(DASHBOARD["panels"])
    used = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"(?<!:)\bkeyclash_\w+", expressions)}
    assert used
    assert [name for name in sorted(used) if f"# TYPE {name} " not in text] == []


def _filled(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression
