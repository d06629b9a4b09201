from proxy.conflicts.history import MINUTES, History

START = 1_700_000_040.0  # a whole minute


def test_counts_per_minute() -> None:
    history = History()
    for seconds, count in ((0, 1), (59, 2), (60, 4), (200, 8)):
        history.add(START + seconds, count)
    assert history.last(START + 200, 5) == [0, 3, 4, 0, 8]
    assert sum(history.last(START + 200)) == 15
    assert history.last(START + 320, 3) == [8, 0, 0]


def test_old_minutes_are_forgotten() -> None:
    history = History()
    history.add(START, 7)
    history.add(START + 60 * (MINUTES - 1), 1)
    assert history.last(START + 60 * (MINUTES - 1))[0] == 7
    history.add(START + 60 * MINUTES, 1)
    assert sum(history.last(START + 60 * MINUTES)) == 2
    history.add(START + 60 * MINUTES * 9, 5)
    assert sum(history.last(START + 60 * MINUTES * 9)) == 5


def test_a_clock_that_goes_back_counts_as_now() -> None:
    history = History()
    history.add(START + 600)
    history.add(START)
    assert history.last(START + 600, 1) == [2]


def test_a_count_has_an_end() -> None:
    history = History()
    history.add(START, 2**32 - 2)
    history.add(START, 5)
    assert history.last(START, 1) == [2**32 - 1]
