import asyncio
from collections import Counter

import pytest

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


async def _settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_turns_go_round_in_order() -> None:
    turns, had = Turns(), []

    async def client(name: str) -> None:
        await turns.take("h", 1)
        had.append(name)

    waiting = [asyncio.create_task(client(name)) for name in "abc"]
    await _settle()
    assert had == ["a"]
    turns.give("h")
    await _settle()
    assert had == ["a", "b"]
    turns.give("h")
    await asyncio.gather(*waiting)
    assert had == ["a", "b", "c"]
    turns.give("h")
    assert turns._hosts == {}


async def test_hosts_do_not_wait_for_each_other() -> None:
    turns = Turns()
    async with asyncio.timeout(1):
        await turns.take("a", 1)
        await turns.take("b", 1)


async def test_without_a_limit_nobody_waits() -> None:
    turns = Turns()
    async with asyncio.timeout(1):
        for _ in range(100):
            await turns.take("a", 0)


@pytest.mark.parametrize("moment", ["before", "given then", "then given"])
async def test_who_gives_up_takes_nobody_s_turn(moment: str) -> None:
    turns = Turns()
    await turns.take("h", 1)
    gives_up = asyncio.create_task(turns.take("h", 1))
    next_one = asyncio.create_task(turns.take("h", 1))
    await _settle()
    if moment == "given then":
        turns.give("h")
        gives_up.cancel()
    else:
        gives_up.cancel()
        if moment == "before":
            await _settle()
        turns.give("h")
    async with asyncio.timeout(1):
        await next_one
    assert gives_up.cancelled()
    turns.give("h")
    assert turns._hosts == {}
