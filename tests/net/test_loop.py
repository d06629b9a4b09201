"""The event loop's own descriptors are watched beside those of the pumped transports."""

import asyncio
import selectors
import socket
from collections.abc import Iterator

import pytest

from proxy.net.loop import Loop


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


async def test_a_socket_is_read_and_written_until_it_is_not(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    loop, happened = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(ours, happened.set)
    theirs.send(b"x")
    await asyncio.wait_for(happened.wait(), 5)
    written = asyncio.Event()
    loop.add_writer(ours, written.set)
    await asyncio.wait_for(written.wait(), 5)
    assert loop.remove_writer(ours)
    assert loop.remove_reader(ours)
    assert not loop.remove_reader(ours)
    happened.clear()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not happened.is_set()


def test_what_is_registered_is_found_by_its_descriptor_and_by_itself(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """From Python 3.13 on, asyncio looks sockets up so."""
    ours, theirs = ends
    loop = Loop()
    selector: selectors.BaseSelector = loop._selector  # type: ignore[attr-defined]
    own = len(selector.get_map())
    key = selector.register(ours, selectors.EVENT_READ, "data")
    keys = selector.get_map()
    assert keys.get(ours) == keys.get(ours.fileno()) == key
    assert keys.get(theirs) is None
    assert len(keys) == len(list(keys)) == own + 1
    with pytest.raises(KeyError, match="already registered"):
        selector.register(ours, selectors.EVENT_WRITE)
    assert selector.unregister(ours) == key
    assert ours not in keys
    loop.close()
