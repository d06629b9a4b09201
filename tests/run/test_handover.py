"""The way of a connection to a worker: each arrives once, whatever the worker does."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from proxy.run.handover import Handover, Passed, Taker
from tests.descriptors import no_descriptor_left


@dataclass
class Ends:
    """Both ends, as if the worker were this process, too; and what has come out of each."""

    handover: Handover
    workers_end: socket.socket
    taken: list[Passed] = field(default_factory=list)
    given_back: list[Passed] = field(default_factory=list)
    happened: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self) -> Taker:
        """Let the worker begin to take."""

        def taken(number: int, connection: socket.socket) -> None:
            self.taken.append((number, connection))
            self.happened.set()

        return Taker(self.workers_end, taken)

    async def until(self, count: int) -> None:
        while len(self.taken) + len(self.given_back) < count:
            self.happened.clear()
            await self.happened.wait()


@pytest_asyncio.fixture
async def ends() -> AsyncIterator[Ends]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    both: list[Ends] = []

    def give_back(passed: Passed) -> None:
        both[0].given_back.append(passed)
        both[0].happened.set()

    both.append(Ends(Handover(ours, theirs, give_back), theirs.dup()))
    yield both[0]
    asyncio.get_running_loop().remove_reader(both[0].workers_end)
    both[0].workers_end.close()
    for _, connection in (*both[0].handover.close(), *both[0].taken, *both[0].given_back):
        connection.close()


@pytest.fixture
def clients() -> Iterator[list[socket.socket]]:
    """The clients' ends of the connections that `connection` has made."""
    made: list[socket.socket] = []
    yield made
    for client in made:
        client.close()


def connection(clients: list[socket.socket]) -> socket.socket:
    ours, theirs = socket.socketpair()
    clients.append(theirs)
    ours.send(bytes((len(clients),)))  # so that it is known again
    return ours


def known(passed: list[Passed], clients: list[socket.socket]) -> list[int]:
    """Tell which connections these are."""
    return [clients[number].recv(1)[0] for number, _connection in passed]


async def test_what_is_not_taken_can_be_taken_back_and_the_rest_arrives(
    ends: Ends, clients: list[socket.socket]
) -> None:
    for number in range(3):
        assert ends.handover.give((number, connection(clients)))
    assert ends.handover.open == 3
    back = ends.handover.take_back()
    assert [number for number, _ in back] == [0, 1, 2]
    assert ends.handover.stalled
    assert (ends.handover.open, ends.handover.given) == (0, 0)
    assert ends.handover.take_back() == ()
    ends.handover.give((3, connection(clients)))
    ends.handover.give((4, connection(clients)))
    taker = ends.take()
    await ends.until(2)
    assert [number for number, _ in ends.taken] == [3, 4]
    assert taker.taken == 2
    assert known(ends.taken, clients) == [4, 5]
    for _, each in back:
        each.close()
    ends.handover.heard()
    assert not ends.handover.stalled


async def test_a_worker_without_a_descriptor_gives_the_connection_back(
    ends: Ends, clients: list[socket.socket]
) -> None:
    ends.handover.give((0, connection(clients)))
    taker = ends.take()
    with capture_logs() as logs, no_descriptor_left():
        await ends.until(1)
    assert [number for number, _ in ends.given_back] == [0]
    assert ends.taken == []
    assert (ends.handover.open, taker.taken) == (0, 0)
    assert [(log["event"], log["reason"]) for log in logs] == [("connections not taken", "Too many open files")]
    assert ends.handover.stalled  # another one is the better choice for now
    ends.handover.give((1, connection(clients)))
    await ends.until(2)
    assert [number for number, _ in ends.taken] == [1]
