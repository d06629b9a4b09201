import asyncio
import time
from typing import Any

import pytest

from proxy.net.deadline import Deadline, Deadlines


@pytest.fixture
def happened() -> asyncio.Queue[str]:
    return asyncio.Queue()


async def test_it_comes(happened: asyncio.Queue[str]) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    Deadline(Deadlines()).set(0.01, happened.put_nowait, "over")
    assert await happened.get() == "over"
    assert loop.time() - began >= 0.0099


async def test_it_is_put_off(happened: asyncio.Queue[str]) -> None:
    loop = asyncio.get_running_loop()
    deadline, began = Deadline(Deadlines()), loop.time()
    deadline.set(0.01, happened.put_nowait, "early")
    deadline.set(0.05, happened.put_nowait, "late")
    assert await happened.get() == "late"
    assert loop.time() - began >= 0.049
    assert happened.empty()


async def test_it_comes_nearer(happened: asyncio.Queue[str]) -> None:
    deadline = Deadline(Deadlines())
    deadline.set(60, happened.put_nowait, "late")
    deadline.set(0.01, happened.put_nowait, "early")
    assert await happened.get() == "early"


async def test_it_is_lifted_and_set_again(happened: asyncio.Queue[str]) -> None:
    deadline = Deadline(Deadlines())
    deadline.set(0.01, happened.put_nowait, "lifted")
    deadline.lift()
    deadline.lift()
    deadline.set(0.03, happened.put_nowait, "again")
    assert await happened.get() == "again"
    deadline.set(0.01, happened.put_nowait, "once more")
    assert await happened.get() == "once more"


async def test_those_of_one_length_have_one_timer_and_come_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, timers, come = asyncio.get_running_loop(), 0, []
    call_at = loop.call_at

    def counted(*args: Any, **more: Any) -> asyncio.TimerHandle:
        nonlocal timers
        timers += 1
        return call_at(*args, **more)

    monkeypatch.setattr(loop, "call_at", counted)
    deadlines, over = Deadlines(), asyncio.Event()
    many = [Deadline(deadlines) for _ in range(1000)]
    for number, deadline in enumerate(many):
        deadline.set(0.02, lambda number=number: come.append(number))
    for deadline in many[::2]:
        deadline.lift()
    many[1].set(0.02, over.set)
    assert timers == 1
    await over.wait()
    assert come == list(range(3, 1000, 2))


async def test_all_that_are_over_come_in_one_turn() -> None:
    loop, turns, come = asyncio.get_running_loop(), 0, []

    def turn() -> None:
        nonlocal turns
        turns += 1
        loop.call_soon(turn)

    deadlines, over = Deadlines(), asyncio.Event()
    for deadline in [Deadline(deadlines) for _ in range(1000)]:
        deadline.set(0.01, lambda: come.append(turns))
    Deadline(deadlines).set(0.01, over.set)
    until = time.monotonic() + 0.02
    while time.monotonic() < until:
        """All of them are over when the loop has its turn."""
    turn()
    await over.wait()
    assert len(come) == 1000
    assert len(set(come)) == 1


async def test_one_that_fails_does_not_keep_the_others(happened: asyncio.Queue[str]) -> None:
    loop, told = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _loop, context: told.append(context["exception"]))
    deadlines = Deadlines()
    Deadline(deadlines).set(0.01, lambda: [].pop())
    Deadline(deadlines).set(0.01, happened.put_nowait, "the other")
    assert await happened.get() == "the other"
    assert [type(error) for error in told] == [IndexError]


async def test_nothing_is_left_of_lengths_that_nobody_has_any_more(happened: asyncio.Queue[str]) -> None:
    deadlines = Deadlines()
    for length in (0.001, 0.002, 0.003):
        Deadline(deadlines).set(length, happened.put_nowait, "over")
    for _ in range(3):
        await happened.get()
    await asyncio.sleep(0)  # the last one's turn is over
    await asyncio.sleep(0)
    assert not deadlines._waiting
