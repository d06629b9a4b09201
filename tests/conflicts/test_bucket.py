import pytest

from proxy.conflicts.bucket import TokenBucket
from tests.clock import Clock


@pytest.mark.parametrize(("rate", "burst"), [(0, 0), (0.5, 1), (1, 1), (3, 3)])
def test_the_burst_is_one_seconds_worth(rate: float, burst: int) -> None:
    clock = Clock()
    bucket = TokenBucket(rate, clock)
    clock.now += 1000
    assert [bucket.take() for _ in range(burst + 1)] == [True] * burst + [False]


def test_tokens_grow_with_time() -> None:
    clock = Clock()
    bucket = TokenBucket(0.5, clock)
    taken = []
    for _ in range(8):
        taken.append(bucket.take())
        clock.now += 0.5
    assert taken == [True, False, False, False, True, False, False, False]


def test_an_event_may_cost_more_than_one() -> None:
    clock = Clock()
    bucket = TokenBucket(10, clock)
    assert [bucket.take(6), bucket.take(6), bucket.take(4)] == [True, False, True]
