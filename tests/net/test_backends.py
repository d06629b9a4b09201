import pytest
from structlog.testing import capture_logs

from proxy.config import Address
from proxy.net.backends import LONGEST_REST, SHORTEST_REST, Backend, Backends
from tests.clock import Clock

FIRST, SECOND, THIRD = Address("first", 1), Address("second", 2), Address("third", 3)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def order(backends: Backends) -> list[Address]:
    return [backend.endpoint for backend in backends.candidates()]  # type: ignore[misc]


def named(backends: Backends, endpoint: Address) -> Backend:
    """Find a backend, without a turn being taken."""
    return next(backend for backend in backends._all if backend.endpoint == endpoint)


def test_backends_are_tried_in_their_order(clock: Clock) -> None:
    backends = Backends([FIRST, SECOND, THIRD], clock)
    assert order(backends) == order(backends) == [FIRST, SECOND, THIRD]


def test_one_that_failed_is_tried_last_for_a_while(clock: Clock) -> None:
    backends = Backends([FIRST, SECOND, THIRD], clock)
    named(backends, FIRST).failed("refused")
    assert order(backends) == [SECOND, THIRD, FIRST]
    clock.now += SHORTEST_REST
    assert order(backends) == [FIRST, SECOND, THIRD]
    assert order(backends) == [SECOND, THIRD, FIRST], "one session tries it, the others do not wait for the outcome"


def test_all_that_failed_keep_their_order(clock: Clock) -> None:
    backends = Backends([FIRST, SECOND, THIRD], clock)
    for endpoint in (SECOND, FIRST, THIRD):
        named(backends, endpoint).failed("refused")
    assert order(backends) == [FIRST, SECOND, THIRD]


def test_one_that_is_back_is_first_again(clock: Clock) -> None:
    backends = Backends([FIRST, SECOND], clock)
    named(backends, FIRST).failed("refused")
    backends.reached(named(backends, FIRST))
    assert order(backends) == [FIRST, SECOND]


def test_a_rest_doubles_up_to_its_bound_and_begins_anew(clock: Clock) -> None:
    backends = Backends([FIRST, SECOND], clock)
    first = named(backends, FIRST)
    first.failed("refused")
    rests = []
    for _ in range(8):
        start = clock.now
        while order(backends)[0] != FIRST:
            first.failed("refused")  # by those that try it last
            clock.now += 0.5
        rests.append(clock.now - start)
        first.failed("refused")
    assert rests == [SHORTEST_REST, 2, 4, 8, 16, LONGEST_REST, LONGEST_REST, LONGEST_REST]
    backends.reached(first)
    first.failed("refused")
    clock.now += SHORTEST_REST
    assert order(backends) == [FIRST, SECOND]


def test_a_change_is_logged_and_not_each_session(clock: Clock) -> None:
    backends = Backends([FIRST], clock)
    first = named(backends, FIRST)
    with capture_logs() as logs:
        backends.reached(first)
        for _ in range(100):
            first.failed("Connection refused")
            backends.refused()
        clock.now += 12.34
        for _ in range(100):
            backends.reached(first)
        first.failed("no answer within 10 s")
    assert logs == [
        {"log_level": "warning", "event": "backend unreachable", "backend": "first:1", "reason": "Connection refused"},
        {
            "log_level": "warning",
            "event": "backend reachable again",
            "backend": "first:1",
            "seconds": 12.3,
            "failed_connections": 100,
            "refused_sessions": 100,
        },
        {
            "log_level": "warning",
            "event": "backend unreachable",
            "backend": "first:1",
            "reason": "no answer within 10 s",
        },
    ]


def test_sessions_that_another_backend_has_taken_are_not_refused(clock: Clock) -> None:
    backends = Backends([FIRST, SECOND], clock)
    with capture_logs() as logs:
        named(backends, FIRST).failed("Connection refused")
        backends.reached(named(backends, SECOND))
        backends.reached(named(backends, FIRST))
    assert (logs[1]["failed_connections"], logs[1]["refused_sessions"]) == (1, 0)
