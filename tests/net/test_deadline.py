import asyncio

import pytest

from proxy.net.deadline import Deadline


@pytest.fixture
def happened() -> asyncio.Queue[str]:
    return asyncio.Queue()


async def test_it_comes(happened: asyncio.Queue[str]) -> None:
    Deadline(asyncio.get_running_loop()).set(0.01, happened.put_nowait, "over")
    assert await happened.get() == "over"


async def test_it_is_put_off_without_another_timer(happened: asyncio.Queue[str]) -> None:
    loop = asyncio.get_running_loop()
    deadline, began = Deadline(loop), loop.time()
    deadline.set(0.01, happened.put_nowait, "early")
    timer = deadline._timer
    deadline.set(0.05, happened.put_nowait, "late")
    assert deadline._timer is timer
    assert await happened.get() == "late"
    assert loop.time() - began >= 0.049
    assert happened.empty()


async def test_it_comes_nearer(happened: asyncio.Queue[str]) -> None:
    deadline = Deadline(asyncio.get_running_loop())
    deadline.set(60, happened.put_nowait, "late")
    deadline.set(0.01, happened.put_nowait, "early")
    assert await happened.get() == "early"


async def test_it_is_lifted_and_set_again(happened: asyncio.Queue[str]) -> None:
    deadline = Deadline(asyncio.get_running_loop())
    deadline.set(0.01, happened.put_nowait, "lifted")
    deadline.lift()
    deadline.lift()
    deadline.set(0.03, happened.put_nowait, "again")
    assert await happened.get() == "again"
    deadline.set(0.01, happened.put_nowait, "once more")
    assert await happened.get() == "once more"
