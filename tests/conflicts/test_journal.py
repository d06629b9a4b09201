import tracemalloc
from collections.abc import Callable

import pytest

from proxy.conflicts.conflict import Cause, Outcome
from proxy.conflicts.journal import AT_A_TIME, MOST_TOLD, TOLD_SOON, Journal, Outbox
from proxy.conflicts.labels import KeyName
from tests.conflicts.conflicts import conflict

NAME = KeyName("shop", "users", "ux_email")


def test_conflicts_are_kept_the_newest_first() -> None:
    journal = Journal(size=3)
    for number in range(5):
        journal.add(conflict(key=f"k{number % 2}", thread_id=number), "hash")
    assert [record.thread_id for record in journal.records()] == [4, 3, 2]
    assert [record.id for record in journal.records(KeyName("shop", "users", "k1"))] == [4]
    assert journal.total == 5


def test_what_a_keys_conflicts_come_to() -> None:
    journal = Journal()
    journal.add(conflict(cause=Cause.RETRY, columns=("email",), sample="INSERT ?", at=100.0), "one")
    journal.add(conflict(outcome=Outcome.KEPT, rule="r", rows=3, at=200.0, schema="shop"), "two")
    (stats,) = journal.ranked()
    assert (stats.name, stats.count, stats.first, stats.last) == (NAME, 4, 100.0, 200.0)
    assert stats.outcomes == {Outcome.RETURNED: 1, Outcome.KEPT: 3}
    assert stats.causes == {Cause.RETRY: 1, Cause.UNKNOWN: 3}
    assert stats.rules == {"": 1, "r": 3}
    assert stats.columns == ("email",)
    assert [hitter.value for hitter in stats.entries.top(1)] == ["two"]
    assert [hitter.value for hitter in stats.samples.top(9)] == ["INSERT ?"]
    assert journal.key(NAME.id) is stats
    assert journal.key("nothing") is None


@pytest.mark.parametrize(
    "look",
    [
        lambda journal: next(journal.records()).thread_id,
        lambda journal: journal.ranked()[0].last,
        lambda journal: journal.key(NAME.id).last,
        lambda journal: journal.total - 1,
    ],
    ids=("records", "ranked", "key", "total"),
)
def test_whoever_looks_sees_all_however_few_they_are(look: Callable[[Journal], object]) -> None:
    journal = Journal()
    for number in range(3 * AT_A_TIME):
        journal.add(conflict(thread_id=number, at=float(number)), "hash")
        if number % 3 == 2:
            assert look(journal) == number


def test_keys_that_are_given_up_are_seen_at_once() -> None:
    journal = Journal(max_keys=1)
    journal.add(conflict(key="a", rows=2), None)
    assert journal.others is None
    journal.add(conflict(key="b"), None)
    assert journal.others is not None
    assert journal.others.count == 2


def test_keys_are_ranked() -> None:
    journal = Journal()
    for key, count in (("a", 1), ("b", 3), ("c", 1)):
        journal.add(conflict(key=key, rows=count), None)
    assert [stats.name.key for stats in journal.ranked()] == ["b", "a", "c"]
    assert [stats.name.key for stats in journal.ranked(1)] == ["b"]


def test_a_name_tells_only_what_is_known() -> None:
    journal = Journal()
    journal.add(conflict(schema=None, table=None, key="k\udcff"), None)
    assert str(next(journal.records()).name) == r"k\xff"
    assert len(NAME.id) == 12


def test_the_key_at_rest_for_longest_is_given_up_and_its_counts_are_not() -> None:
    journal = Journal(max_keys=2)
    for key in ("a", "b", "a", "c"):
        journal.add(conflict(key=key, rows=2), None)
    assert [stats.name.key for stats in journal.ranked()] == ["a", "c"]
    assert journal.key(KeyName("shop", "users", "b").id) is None
    assert journal.others is not None
    assert (journal.others.count, journal.others.outcomes) == (2, {Outcome.RETURNED: 2})


def test_many_keys_and_values_take_bounded_memory() -> None:
    journal = Journal(size=100, max_keys=20)

    def fill(numbers: range) -> int:
        for number in numbers:
            journal.add(conflict(key=f"key {number}", entry=None, user=f"user {number % 50}"), f"entry {number}")
            journal.add(conflict(entry=None), f"entry {number}")
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    first = fill(range(200))
    second = fill(range(200, 1_200))
    tracemalloc.stop()
    assert len(journal.ranked()) == 20
    assert second < first * 1.2


def test_conflicts_of_another_process_are_told_and_kept_once() -> None:
    full: list[bool] = []
    outbox, journal = Outbox(lambda: full.append(True)), Journal()
    for number in range(TOLD_SOON):
        assert not full
        outbox.add(conflict(thread_id=number), "hash")
    assert full == [True]
    journal.add_all(outbox.take())
    journal.add_all(outbox.take())
    assert journal.total == TOLD_SOON
    assert next(journal.records()).thread_id == TOLD_SOON - 1


def test_what_nobody_takes_is_bounded() -> None:
    outbox = Outbox(lambda: None)
    for number in range(MOST_TOLD + 1):
        outbox.add(conflict(thread_id=number), "hash")
    told = outbox.take()
    assert (len(told), told[0].conflict.thread_id) == (MOST_TOLD, 1)
