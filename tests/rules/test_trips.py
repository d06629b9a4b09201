"""A rule that fails again and again is off for a while."""

from proxy.rules.trips import LIMIT, REST, Trips


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def made() -> tuple[Trips, Clock, list[tuple[str, bool]]]:
    clock, changes = Clock(), list[tuple[str, bool]]()
    return Trips(clock, lambda rule, tripped: changes.append((rule, tripped))), clock, changes


def test_failures_in_a_row_trip_one_rule() -> None:
    trips, _, changes = made()
    for _ in range(LIMIT - 1):
        trips.failed("a")
    assert not trips.is_tripped("a")
    trips.failed("a")
    trips.failed("a")
    assert trips.is_tripped("a")
    assert not trips.is_tripped("b")
    assert changes == [("a", True)]


def test_a_success_between_forgets_them() -> None:
    trips, _, changes = made()
    for _ in range(3 * LIMIT):
        trips.failed("a")
        trips.worked("a")
    assert not trips.is_tripped("a")
    assert changes == []


def test_all_are_tried_again_and_counted_anew() -> None:
    trips, _, changes = made()
    for rule in ("a", "b"):
        for _ in range(LIMIT if rule == "a" else LIMIT - 1):
            trips.failed(rule)
    trips.forget()
    assert not trips.is_tripped("a")
    trips.failed("a")
    trips.failed("b")
    assert not trips.is_tripped("a")
    assert not trips.is_tripped("b")
    assert changes == [("a", True), ("a", False)]


def test_it_is_tried_again_after_its_rest_and_trips_at_once_if_it_still_fails() -> None:
    trips, clock, changes = made()
    for _ in range(LIMIT):
        trips.failed("a")
    clock.now = REST - 1
    assert trips.is_tripped("a")
    clock.now = REST
    assert not trips.is_tripped("a")
    trips.failed("a")
    assert trips.is_tripped("a")
    assert changes == [("a", True), ("a", False), ("a", True)]


def test_it_stays_on_if_it_works_after_its_rest() -> None:
    trips, clock, _ = made()
    for _ in range(LIMIT):
        trips.failed("a")
    clock.now = REST
    assert not trips.is_tripped("a")
    trips.worked("a")
    trips.failed("a")
    assert not trips.is_tripped("a")
