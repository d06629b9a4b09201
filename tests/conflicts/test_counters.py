import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.conflicts.conflict import Cause, Outcome
from proxy.conflicts.counters import BUCKETS, Counters, Durations
from proxy.conflicts.labels import CauseLabels, ConflictLabels


def labels(key: str, outcome: Outcome = Outcome.RETURNED) -> ConflictLabels:
    return ConflictLabels("shop", "users", key, "insert", outcome, "")


def other(outcome: Outcome = Outcome.RETURNED) -> ConflictLabels:
    return ConflictLabels("__other__", "__other__", "__other__", "insert", outcome, "")


def test_conflicts_are_counted_by_their_labels() -> None:
    counters = Counters()
    for key in ("a", "b", "a"):
        counters.conflict(labels(key))
    assert counters.conflicts == {labels("a"): 2, labels("b"): 1}


def test_new_series_past_the_cap_go_to_other() -> None:
    counters = Counters(max_series=2)
    for key in ("a", "b", "c", "d", "a"):
        counters.conflict(labels(key))
    counters.conflict(labels("c", Outcome.KEPT))
    assert counters.conflicts == {labels("a"): 2, labels("b"): 1, other(): 2, other(Outcome.KEPT): 1}


def test_a_cap_of_nothing_sends_all_to_other() -> None:
    counters = Counters(max_series=0)
    counters.conflict(labels("a"))
    assert counters.conflicts == {other(): 1}


@given(st.lists(st.integers(0, 500), max_size=200))
def test_no_flood_of_names_makes_more_series_than_the_cap_and_the_closed_sets(keys: list[int]) -> None:
    counters = Counters(max_series=10)
    for key in keys:
        counters.conflict(labels(str(key)))
    assert len(counters.conflicts) <= 11
    assert sum(counters.conflicts.values()) == len(keys)


def test_causes_are_capped_too() -> None:
    counters = Counters(max_series=1)
    for key in ("a", "a", "b"):
        counters.cause(CauseLabels("s", "t", key, Cause.RACE))
    assert counters.causes == {
        CauseLabels("s", "t", "a", Cause.RACE): 2,
        CauseLabels("__other__", "__other__", "__other__", Cause.RACE): 1,
    }


def test_error_codes_are_capped_as_signal_invents_them() -> None:
    counters = Counters(max_series=2)
    for code in (1062, 1213, 4711, 4712, 1062):
        counters.error(code)
    assert counters.errors == {1062: 2, 1213: 1, "__other__": 2}


def test_sessions_open_and_end_with_a_result() -> None:
    counters = Counters()
    counters.session_opened()
    counters.session_opened()
    counters.session_closed("quit")
    assert (counters.sessions, counters.sessions_total) == (1, {"quit": 1})


def test_rewrites_and_skips() -> None:
    counters = Counters()
    counters.rewrite("r", "always", "text", "ok")
    counters.rewrite("r", "always", "text", "ok")
    counters.skip("r", "select")
    assert counters.rewrites == {("r", "always", "text", "ok"): 2}
    assert counters.skipped == {("r", "select"): 1}


def test_a_failed_reload_keeps_the_time_of_the_last_good_one() -> None:
    counters = Counters()
    assert (counters.last_reload_successful, counters.last_reload_at) == (False, 0.0)
    counters.reload_succeeded(12.5)
    assert (counters.last_reload_successful, counters.last_reload_at) == (True, 12.5)
    counters.reload_failed()
    assert (counters.last_reload_successful, counters.last_reload_at) == (False, 12.5)


@pytest.mark.parametrize(
    ("microseconds", "bucket"),
    [(0, 0), (0.5, 0), (1, 0), (1.5, 1), (2, 1), (2.5, 2), (4, 2), (4.5, 3), (1024, 10), (1025, 11), (2**26, 26)],
)
def test_a_duration_goes_to_the_first_bucket_whose_bound_it_does_not_exceed(microseconds: float, bucket: int) -> None:
    durations = Durations()
    durations.observe(microseconds / 1e6)
    assert durations.buckets.index(1) == bucket


@pytest.mark.parametrize("seconds", [68, 1e6, 1e12])
def test_a_very_long_duration_goes_to_the_last_bucket(seconds: float) -> None:
    durations = Durations()
    durations.observe(seconds)
    assert durations.buckets[BUCKETS] == 1


def test_a_clock_that_went_backwards_breaks_nothing() -> None:
    durations = Durations()
    durations.observe(-1e-9)
    assert durations.buckets[0] == 1


@given(st.floats(0, 60))
def test_every_duration_is_within_its_bounds(seconds: float) -> None:
    durations = Durations()
    durations.observe(seconds)
    bucket = durations.buckets.index(1)
    assert seconds <= 2**bucket / 1e6 * (1 + 1e-9)
    assert bucket == 0 or seconds > 2 ** (bucket - 1) / 1e6 * (1 - 1e-9)
    assert durations.sum == seconds


def test_commands_and_resolutions_are_timed_apart() -> None:
    counters = Counters()
    counters.command_durations.observe(0.25)
    counters.resolution_durations.observe(0.5)
    assert (counters.command_durations.sum, counters.resolution_durations.sum) == (0.25, 0.5)


def test_counters_can_be_sent_to_another_process() -> None:
    counters = Counters()
    counters.conflict(labels("a"))
    counters.command_durations.observe(0.001)
    copy: Counters = pickle.loads(pickle.dumps(counters))
    assert copy.conflicts == counters.conflicts
    assert copy.command_durations.buckets == counters.command_durations.buckets


def counted() -> Counters:
    """Count one of each."""
    counters = Counters()
    counters.session_opened()
    counters.session_opened()
    counters.session_closed("quit")
    counters.commands[3] += 1
    counters.bytes_sent += 7
    counters.error(1062)
    counters.skip("one", "no_columns")
    counters.deadlock("one")
    counters.command_durations.observe(0.5)
    counters.conflict(labels(key="a"))
    counters.tripped["one"] = 1
    counters.reload_succeeded(5.0)
    return counters


def values(counters: Counters) -> dict[str, Any]:
    """Give all that is counted, and all states."""
    plain = {name: getattr(counters, name) for name in Counters.__slots__}
    return plain | {name: (each.buckets, each.sum) for name, each in plain.items() if isinstance(each, Durations)}


def test_what_is_handed_out_is_counted_no_more() -> None:
    counters, before = counted(), values(counted())
    taken = counters.take()
    assert values(taken) == before
    states = {"tripped": {"one": 1}, "last_reload_successful": True, "last_reload_at": 5.0}
    assert values(counters) == values(Counters()) | states
    assert values(counters.take()) == values(Counters()) | states


def test_what_several_have_counted_adds_up() -> None:
    total = Counters()
    for _ in range(2):
        total.add(counted())
    assert (total.sessions, total.sessions_total, total.commands[3], total.bytes_sent) == (2, {"quit": 2}, 2, 14)
    assert (total.errors, total.deadlocks) == ({1062: 2}, {"one": 2})
    assert total.skipped == {("one", "no_columns"): 2}
    assert (sum(total.command_durations.buckets), total.command_durations.sum) == (2, 1.0)
    assert (total.tripped, total.last_reload_at) == ({}, 0.0)


def test_what_adds_up_stays_within_the_cap_and_never_falls() -> None:
    total = Counters(max_series=1)
    for key in ("a", "b", "a", "c"):
        more = Counters()
        more.conflict(labels(key=key))
        total.add(more)
    assert sorted(total.conflicts.items()) == sorted({labels(key="a"): 2, other(): 2}.items())


def test_it_goes_from_process_to_process() -> None:
    assert values(pickle.loads(pickle.dumps(counted()))) == values(counted())
