"""Limits as clients of a listener meet them."""

import asyncio

import pytest

from proxy.config import Limits
from proxy.net.gate import TOO_MANY
from proxy.net.idleness import Idleness
from tests.net.doubles import GREETING, LOCALHOST, backend, packet, stage


async def test_one_too_many_is_told_and_costs_no_session() -> None:
    async with backend() as behind, stage(behind.address, Limits(sessions=1)) as proxy:
        await proxy.greeted()
        other = await proxy.connect()
        assert await other.rest() == TOO_MANY
        assert len(proxy.sessions) == 1


async def test_there_is_room_again_when_one_has_gone() -> None:
    async with backend() as behind, stage(behind.address, Limits(sessions=1)) as proxy:
        first, session = await proxy.greeted()
        await first.close()
        await session.event("client lost")
        async with asyncio.timeout(10):
            while await (await proxy.connect()).read(1) != GREETING[:1]:
                pass  # the backend's side is still closing


async def test_logins_of_a_host_wait_for_their_turn() -> None:
    async with backend() as behind, stage(behind.address, Limits(logins_per_host=1)) as proxy:
        first, _ = await proxy.greeted()
        second = await proxy.connect()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await second.read(1)
        first.send(packet(b"DONE"))
        assert await second.read(len(GREETING)) == GREETING


async def test_a_turn_that_a_lost_client_had_is_given_on() -> None:
    async with backend() as behind, stage(behind.address, Limits(logins_per_host=1)) as proxy:
        first, _ = await proxy.greeted()
        second = await proxy.connect()
        first.reset()
        assert await second.read(len(GREETING)) == GREETING


async def turn_of_the_loop() -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize("moment", ["before its turn", "with its turn"])
async def test_a_turn_of_one_who_leaves_goes_to_the_next(moment: str) -> None:
    async with backend() as behind, stage(behind.address, Limits(logins_per_host=1)) as proxy:
        await proxy.greeted()
        for _ in range(2):
            last = await proxy.connect()
        while len(proxy.sessions) < 3:
            await turn_of_the_loop()
        first, leaving, _ = proxy.sessions
        if moment == "with its turn":
            first.done()
        leaving.wires.close()
        first.done()
        assert await last.read(len(GREETING)) == GREETING
        assert leaving.backend_secure is None


async def test_nobody_waits_longer_than_a_login_may_take() -> None:
    async with backend() as behind, stage(behind.address, Limits(logins_per_host=1, login_timeout=0.3)) as proxy:
        proxy.turns.take(LOCALHOST, 1, lambda: None)  # by a login that never ends
        client = await proxy.connect()
        assert await client.read(12) == b"ERR too late"
        assert [each.events for each in proxy.sessions] == [["timed out"]]


async def test_the_silent_are_sent_away_and_the_others_are_not() -> None:
    async with backend() as behind, stage(behind.address) as proxy:
        _, silent = await proxy.greeted()
        _, busy = await proxy.greeted()
        now = 0.0
        idleness = Idleness(lambda: proxy.listener.pairs, lambda: 10.0, lambda: now)
        idleness.look(10.0)
        now = 9.0
        busy.sent += 1
        idleness.look(10.0)
        assert not silent.closed
        now = 10.0
        idleness.look(10.0)
        assert silent.closed
        assert not busy.closed
        busy.idle = False  # a reply is due: the server is the slow one
        now = 1000.0
        idleness.look(10.0)
        assert not busy.closed
