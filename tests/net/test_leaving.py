"""Sessions that are ended because the proxy ends, where it hurts their clients least."""

import asyncio

import pytest

from proxy.net.settings import Manners
from tests.net.doubles import Backend as Behind
from tests.net.doubles import Peer, ScriptedSession, Stage, backend, logged_in, packet, stage

QUIET = Manners(quiet=0.01, patience=60)
STERN = Manners(quiet=60, patience=0.01)


async def at_work(running: Stage, server: Behind) -> tuple[Peer, Peer, ScriptedSession]:
    client, behind, session = await logged_in(running, server)
    client.send(b"hello")
    assert await behind.read(5) == b"hello"
    return client, behind, session


async def test_a_quiet_client_is_let_go_without_a_word() -> None:
    async with backend() as server, stage(server.address) as running:
        client, _behind, session = await at_work(running, server)
        drained = asyncio.ensure_future(running.listener.drain(QUIET))
        assert await client.rest() == b""
        await client.close()
        await drained
        assert session.events == ["shut down"]


async def test_who_asks_whether_the_line_is_good_learns_that_it_is_not() -> None:
    async with backend() as server, stage(server.address) as running:
        client, behind, _session = await at_work(running, server)
        drained = asyncio.ensure_future(running.listener.drain(Manners(quiet=60, patience=60)))
        await asyncio.sleep(0)
        client.send(b"statement")
        assert await behind.read(9) == b"statement"
        client.send(b"alive?")
        assert await client.rest() == await behind.rest() == b""
        await client.close()
        await drained


async def test_a_transaction_comes_to_its_end_and_then_its_client_is_told() -> None:
    async with backend() as server, stage(server.address) as running:
        client, behind, session = await at_work(running, server)
        session.idle = False
        drained = asyncio.ensure_future(running.listener.drain(STERN))
        for _ in range(3):
            client.send(b"statement")
            assert await behind.read(9) == b"statement"
            behind.send(b"reply")
            assert await client.read(5) == b"reply"
        client.send(b"commit")
        assert await behind.read(6) == b"commit"
        session.idle = True
        behind.send(b"done")
        assert await client.rest() == b"doneERR shutdown"
        await client.close()
        await drained


async def test_a_statement_on_its_way_is_not_run_and_breaks_no_line() -> None:
    """A socket that is closed with bytes unread takes what was said last away from its client."""
    async with backend() as server, stage(server.address) as running:
        client, behind, _session = await at_work(running, server)
        ended = asyncio.ensure_future(running.listener.shut_down())
        assert await behind.rest() == b""
        client.send(b"too late")
        assert await client.rest() == b"ERR shutdown"
        await client.close()
        await ended


async def test_a_client_that_does_not_close_is_not_waited_for() -> None:
    async with backend() as server, stage(server.address) as running:
        client, _behind, _session = await at_work(running, server)
        await asyncio.wait_for(running.listener.shut_down(), 30)
        assert await client.rest() == b"ERR shutdown"


@pytest.mark.parametrize("manners", [QUIET, STERN])
async def test_a_login_may_come_to_its_end_first(manners: Manners) -> None:
    async with backend() as server, stage(server.address) as running:
        client, session = await running.greeted()
        behind = await server.accept()
        session.idle = False
        drained = asyncio.ensure_future(running.listener.drain(manners))
        await asyncio.sleep(0.05)
        client.send(packet(b"DONE"))
        client.send(b"statement")
        assert await behind.read(9) == b"statement"
        session.idle = True
        behind.send(b"reply")
        assert await client.rest() in (b"reply", b"replyERR shutdown")
        await client.close()
        await drained
