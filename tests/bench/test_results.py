"""Medians, ratios, goals and the picture of results that are made up."""

import io
import json
import math
from xml.etree import ElementTree

import pytest
from rich.console import Console

from tests.bench.goals import Goal, goals
from tests.bench.loads import percentile
from tests.bench.peers import Kind
from tests.bench.picture import picture
from tests.bench.report import goals_table, results_table
from tests.bench.results import Results

SELECT = "select, text, 16"
KINDS = {"keyclash": Kind.OWN, "haproxy": Kind.BLIND, "router": Kind.AWARE, "direct": Kind.DIRECT}


@pytest.fixture
def results() -> Results:
    found = Results(KINDS)
    for number, cpu_us in enumerate((9.0, 30.0, 12.0)):
        found.add((number, 0), SELECT, "keyclash", {"cpu_us": cpu_us, "qps": 800.0, "p99_ms": 2.0})
        found.add((number, 0), SELECT, "haproxy", {"cpu_us": 10.0 * (1 + number), "qps": 1000.0, "p99_ms": 2.0})
    found.add((2, 0), SELECT, "router", {"cpu_us": 24.0, "qps": 900.0, "p99_ms": 4.0})
    found.add((0, 0), SELECT, "direct", {"qps": 5000.0, "p99_ms": 1.0})
    return found


def test_median_of_the_rounds(results: Results) -> None:
    assert results.median(SELECT, "keyclash", "cpu_us") == 12.0
    assert results.median(SELECT, "direct", "cpu_us") is None
    assert results.median("another", "keyclash", "cpu_us") is None


def test_ratios_are_to_the_best_other_proxy(results: Results) -> None:
    assert results.best(SELECT, "cpu_us") == "haproxy"
    assert results.best(SELECT, "qps") == "haproxy"
    assert results.best(SELECT, "cpu_us", (Kind.AWARE,)) == "router"
    assert results.best("another", "cpu_us") is None
    assert results.ratio(SELECT, "keyclash", "qps") == 0.8
    assert results.ratio("another", "keyclash", "qps") is None


def test_ratios_are_of_the_same_rounds(results: Results) -> None:
    assert results.ratio(SELECT, "keyclash", "cpu_us") == 0.9  # of 0.9, 1.5 and 0.4
    assert results.against("cpu_us", (SELECT, "keyclash"), (SELECT, "router")) == 0.5
    assert results.against("qps", (SELECT, "router"), (SELECT, "direct")) is None


def test_goals_of_what_was_measured(results: Results) -> None:
    assert goals(results) == (
        Goal(f"{SELECT}: CPU, of HAProxy's", 0.9, 1.0),
        Goal(f"{SELECT}: CPU, of the best that knows MySQL", 0.5, 1.0),
        Goal(f"{SELECT}: best QPS, of Keyclash's", 1.25, 1.0),
        Goal(f"{SELECT}: p99, of the best", 1.0, 1.1),
    )
    assert [goal.met for goal in goals(results)] == [True, True, False, True]


def test_json_has_every_round(results: Results) -> None:
    read = json.loads(json.dumps(results.as_json()))
    assert read[SELECT]["keyclash"]["cpu_us"] == {"median": 12.0, "ratio": 0.9, "rounds": [9.0, 30.0, 12.0]}


def test_tables_show_every_peer(results: Results) -> None:
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(results_table(results), goals_table(goals(results)))
    text = console.export_text()
    assert all(peer in text for peer in KINDS)
    assert "12.0 (0.90)" in text
    assert "3 of 4 goals reached" in text


def test_picture_has_a_bar_for_every_proxy(results: Results) -> None:
    drawn = ElementTree.fromstring(picture(results))
    bars = drawn.findall("{http://www.w3.org/2000/svg}rect")[1:]
    assert len(bars) == 3
    assert max(float(bar.attrib["width"]) for bar in bars) == 420.0


def test_picture_of_nothing() -> None:
    assert ElementTree.fromstring(picture(Results({}))).tag.endswith("svg")


def test_percentiles_of_a_histogram() -> None:
    histogram = [(0.1, 98), (0.2, 1), (0.9, 1)]
    assert [percentile(histogram, percent) for percent in (50, 98, 99, 100)] == [0.1, 0.1, 0.2, 0.9]
    assert math.isnan(percentile([], 50))
