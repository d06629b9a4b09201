import asyncio

from proxy.admin.readiness import Readiness
from tests.clock import Clock


class Check:
    """A backend check that counts how often it is asked."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.asked = 0
        self.asking = asyncio.Event()
        self.answering = asyncio.Event()
        self.answering.set()

    async def __call__(self) -> str | None:
        self.asked += 1
        self.asking.set()
        await self.answering.wait()
        return self.reason


def readiness(check: Check, *, draining: bool = False, clock: Clock | None = None, timeout: float = 5.0) -> Readiness:
    return Readiness(check, draining=lambda: draining, clock=clock or Clock(), timeout=timeout)


async def test_an_answer_is_good_for_a_second() -> None:
    check, clock = Check(), Clock()
    ready = readiness(check, clock=clock)
    assert await ready() is None
    check.reason = "The backend is away."
    clock.now += 0.99
    assert await ready() is None
    clock.now += 0.02
    assert await ready() == "The backend is away."
    assert check.asked == 2


async def test_those_who_ask_at_once_share_one_check() -> None:
    check = Check()
    check.answering.clear()
    ready = readiness(check)
    asking = [asyncio.create_task(ready()) for _ in range(10)]
    await check.asking.wait()
    check.answering.set()
    assert await asyncio.gather(*asking) == [None] * 10
    assert check.asked == 1


async def test_a_check_that_hangs_is_cut_off() -> None:
    check = Check()
    check.answering.clear()
    assert await readiness(check, timeout=0.01)() == "The backend did not answer within 0.01 s."


async def test_draining_is_told_at_once_and_asks_nobody() -> None:
    check = Check()
    assert await readiness(check, draining=True)() == "Keyclash is draining."
    assert check.asked == 0
