from collections import Counter
from functools import partial

from proxy.config import Limits
from proxy.conflicts.labels import Result
from proxy.net.gate import Gate, Turns
from tests.clock import Clock


def test_without_limits_everybody_enters() -> None:
    gate = Gate(Limits(), Clock())
    assert {gate.enter("a") for _ in range(1000)} == {None}


def test_sessions_at_once() -> None:
    gate = Gate(Limits(sessions=2), Clock())
    assert [gate.enter(host) for host in "abc"] == [None, None, Result.LIMIT_SESSIONS]
    gate.leave("a")
    assert gate.enter("c") is None


def test_sessions_of_a_host() -> None:
    gate = Gate(Limits(sessions_per_host=1), Clock())
    assert [gate.enter(host) for host in "aab"] == [None, Result.LIMIT_SESSIONS_PER_HOST, None]
    gate.leave("a")
    assert gate.enter("a") is None


def test_who_is_turned_away_leaves_no_trace() -> None:
    gate = Gate(Limits(sessions=1), Clock())
    gate.enter("a")
    for number in range(1000):
        gate.enter(str(number))
    gate.leave("a")
    assert gate.enter("b") is None
    gate.leave("b")
    assert gate._by_host == Counter()


def test_logins_in_a_second() -> None:
    clock = Clock()
    gate = Gate(Limits(logins_per_second=2), clock)
    assert [gate.enter("a") for _ in range(3)] == [None, None, Result.LIMIT_LOGINS_PER_SECOND]
    clock.now += 0.5
    assert [gate.enter("a") for _ in range(2)] == [None, Result.LIMIT_LOGINS_PER_SECOND]
    clock.now += 3600  # no more than a second's worth is saved up
    assert [gate.enter("a") for _ in range(3)] == [None, None, Result.LIMIT_LOGINS_PER_SECOND]


def test_other_limits_hold_for_those_who_come_afterwards() -> None:
    gate = Gate(Limits(), Clock())
    gate.enter("a")
    gate.limits = Limits(sessions=1, logins_per_second=1)
    assert gate.enter("a") is Result.LIMIT_SESSIONS
    gate.leave("a")
    assert gate.enter("a") is Result.LIMIT_LOGINS_PER_SECOND  # the bucket begins empty


def test_turns_go_round_in_order() -> None:
    turns, had = Turns(), []
    assert turns.take("h", 1, lambda: had.append("a"))
    for name in "bc":
        assert not turns.take("h", 1, partial(had.append, name))
    assert had == []
    turns.give("h")
    assert had == ["b"]
    turns.give("h")
    assert had == ["b", "c"]
    turns.give("h")
    assert turns._hosts == {}


def test_hosts_do_not_wait_for_each_other() -> None:
    turns = Turns()
    assert turns.take("a", 1, never)
    assert turns.take("b", 1, never)


def test_without_a_limit_nobody_waits() -> None:
    turns = Turns()
    assert all(turns.take("a", 0, never) for _ in range(100))


def test_who_gives_up_takes_nobody_s_turn() -> None:
    turns, had = Turns(), []
    assert turns.take("h", 1, never)
    assert not turns.take("h", 1, never)
    assert not turns.take("h", 1, lambda: had.append("next"))
    turns.leave("h", never)
    turns.give("h")
    assert had == ["next"]
    turns.give("h")
    assert turns._hosts == {}


def never() -> None:
    raise AssertionError("a turn that is not waited for")
