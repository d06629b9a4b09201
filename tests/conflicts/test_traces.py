from collections.abc import Callable, Iterable

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser

from proxy.conflicts.attempt import Attempt
from proxy.conflicts.counters import Counters
from proxy.conflicts.metrics import render
from proxy.conflicts.recorder import Recorder
from proxy.conflicts.traces import Trace, trace_of
from tests.clock import Clock
from tests.conflicts.conflicts import record
from tests.session.conversation import Log

TRACE, SPAN = "5bd66ef5095369c7b0d1f8f4bd33716a", "c532cb4098ac3dd2"
PARENT = f"traceparent='00-{TRACE}-{SPAN}-01'"
INSERT = "INSERT INTO users (email) VALUES ('a@x')"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.mark.parametrize(
    "text",
    [
        f"{INSERT} /*{PARENT}*/",
        f"{INSERT} /*action='x%20y',{PARENT},tracestate='congo%3Dt61'*/;\n",
        f"/* {PARENT} */ {INSERT}",
        f"{INSERT} /* app */ /*{PARENT}*/",
        f"{INSERT}{' ' * 5000} /*{PARENT}*/",
    ],
)
def test_a_trace_stands_in_a_comment(text: str) -> None:
    assert trace_of(text.encode(), 7.0) == Trace(TRACE, SPAN, 7.0)


@pytest.mark.parametrize(
    "text",
    [
        INSERT,
        f"INSERT INTO users (email) VALUES ('{PARENT}')",
        f"{INSERT} /*traceparent='00-{TRACE.upper()}-{SPAN}-01'*/",
        f"{INSERT} /*traceparent='00-{TRACE}-{SPAN}'*/",
        f"{INSERT} /*traceparent='ff-{TRACE}-{SPAN}-01'*/",
        f"{INSERT} /*traceparent='00-{'0' * 32}-{SPAN}-01'*/",
        f"{INSERT} /*traceparent='00-{TRACE}-{'0' * 16}-01'*/",
        f"{INSERT} -- {PARENT}",
        "/*",
        "",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert trace_of(text.encode(), 7.0) is None


def recorded(*texts: str, max_series: int = 1000) -> Counters:
    counters = Counters(max_series)
    recorder = Recorder(counters, Log(), False, 1000, Clock())
    for number, text in enumerate(texts):
        record(recorder, Attempt(1, text.encode()), at=float(number), key=f"k{number % 5}")
    return counters


def exemplars(counters: Counters) -> dict[str, tuple[dict[str, str], float]]:
    parse: Callable[[str], Iterable[Metric]] = parser.text_string_to_metric_families
    body, _ = render(counters, OPENMETRICS)
    return {
        sample.labels["key"]: (dict(sample.exemplar.labels), float(sample.exemplar.timestamp or 0))
        for family in parse(body.decode())
        for sample in family.samples
        if sample.exemplar is not None
    }


def test_the_last_trace_of_a_series_is_its_exemplar() -> None:
    older = INSERT + f"/*traceparent='00-{'1' * 32}-{'2' * 16}-01'*/"
    counters = recorded(older, *[INSERT] * 4, f"{INSERT}/*{PARENT}*/", INSERT)
    assert exemplars(counters) == {"k0": ({"trace_id": TRACE, "span_id": SPAN}, 5.0)}


def test_only_openmetrics_has_exemplars() -> None:
    body, _ = render(recorded(f"{INSERT}/*{PARENT}*/"), "text/plain")
    assert TRACE not in body.decode()


def test_there_are_no_more_of_them_than_series() -> None:
    counters = recorded(*[f"{INSERT}/*{PARENT}*/"] * 5, max_series=2)
    assert set(exemplars(counters)) == {"k0", "k1", "__other__"}


def test_those_of_another_process_are_taken_over() -> None:
    counters = Counters()
    counters.add(recorded(f"{INSERT}/*{PARENT}*/").take())
    assert exemplars(counters) == {"k0": ({"trace_id": TRACE, "span_id": SPAN}, 0.0)}
