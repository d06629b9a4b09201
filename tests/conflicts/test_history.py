from proxy.conflicts.history import MINUTES, History

START = 1_700_000_040.0  # a whole minute


def test_counts_per_minute() -> None:
    history = History[str]()
    for seconds, count in ((0, 1), (59, 2), (60, 4), (200, 8)):
        history.add("a", START + seconds, count)
    assert history.total(START + 200, 5) == [0, 3, 4, 0, 8]
    assert sum(history.total(START + 200)) == 15
    assert history.total(START + 320, 3) == [8, 0, 0]


def test_kinds_are_counted_each() -> None:
    history = History[str]()
    assert (history.last(START), history.total(START, 2)) == ({}, [0, 0])
    for kind, seconds in (("a", 0), ("b", 60), ("a", 61), ("b", 0)):
        history.add(kind, START + seconds)
    assert history.last(START + 60, 2) == {"a": [1, 1], "b": [0, 2]}
    assert history.total(START + 60, 2) == [1, 3]
    history.add("b", START + 60 * MINUTES)
    assert sum(history.last(START + 60 * MINUTES)["a"]) == 1


def test_old_minutes_are_forgotten() -> None:
    history = History[str]()
    history.add("a", START, 7)
    history.add("a", START + 60 * (MINUTES - 1), 1)
    assert history.total(START + 60 * (MINUTES - 1))[0] == 7
    history.add("a", START + 60 * MINUTES, 1)
    assert sum(history.total(START + 60 * MINUTES)) == 2
    history.add("a", START + 60 * MINUTES * 9, 5)
    assert sum(history.total(START + 60 * MINUTES * 9)) == 5


def test_a_clock_that_goes_back_counts_as_now() -> None:
    history = History[str]()
    history.add("a", START + 600)
    history.add("a", START)
    assert history.total(START + 600, 1) == [2]


def test_a_count_has_an_end() -> None:
    history = History[str]()
    history.add("a", START, 2**32 - 2)
    history.add("a", START, 5)
    assert history.total(START, 1) == [2**32 - 1]
