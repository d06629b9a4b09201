"""A rule that fails again and again is off for a while."""

from dataclasses import replace

from proxy.rules.trips import LIMIT, REST, Trips
from tests.clock import Clock
from tests.rules.making import rule

A, B = rule(name="a"), rule(name="b")


def made() -> tuple[Trips, Clock, list[tuple[str, bool]]]:
    clock, changes = Clock(0.0), list[tuple[str, bool]]()
    return Trips(clock, lambda rule, tripped: changes.append((rule.name, tripped))), clock, changes


def test_failures_in_a_row_trip_one_rule() -> None:
    trips, _, changes = made()
    for _ in range(LIMIT - 1):
        trips.failed(A)
    assert not trips.is_tripped(A)
    trips.failed(A)
    trips.failed(A)
    assert trips.is_tripped(A)
    assert not trips.is_tripped(B)
    assert changes == [("a", True)]


def test_a_success_between_forgets_them() -> None:
    trips, _, changes = made()
    for _ in range(3 * LIMIT):
        trips.failed(A)
        trips.worked(A)
    assert not trips.is_tripped(A)
    assert changes == []


def test_all_are_tried_again_and_counted_anew() -> None:
    trips, _, changes = made()
    for each, failures in ((A, LIMIT), (B, LIMIT - 1)):
        for _ in range(failures):
            trips.failed(each)
    trips.forget()
    assert not trips.is_tripped(A)
    trips.failed(A)
    trips.failed(B)
    assert not trips.is_tripped(A)
    assert not trips.is_tripped(B)
    assert changes == [("a", True), ("a", False)]


def test_it_is_tried_again_after_its_rest_and_trips_at_once_if_it_still_fails() -> None:
    trips, clock, changes = made()
    for _ in range(LIMIT):
        trips.failed(A)
    clock.now = REST - 1
    assert trips.is_tripped(A)
    clock.now = REST
    assert not trips.is_tripped(A)
    trips.failed(A)
    assert trips.is_tripped(A)
    assert changes == [("a", True), ("a", False), ("a", True)]


def test_it_stays_on_if_it_works_after_its_rest() -> None:
    trips, clock, _ = made()
    for _ in range(LIMIT):
        trips.failed(A)
    clock.now = REST
    assert not trips.is_tripped(A)
    trips.worked(A)
    trips.failed(A)
    assert not trips.is_tripped(A)


def test_what_an_earlier_file_has_made_of_a_rule_is_another_one() -> None:
    trips, _, _ = made()
    for _ in range(LIMIT):
        trips.failed(A)
    assert not trips.is_tripped(replace(A, columns=(("email",),)))
    assert trips.is_tripped(replace(A))
