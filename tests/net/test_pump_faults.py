"""What one connection does holds up no other one."""

import asyncio
import select
import socket
from contextlib import suppress

from tests.net.test_pump import pumping


def _fill(sock: socket.socket) -> None:
    """Send until the kernel takes no more, not even a moment later."""
    while select.select([], [sock], [], 0.05)[1]:
        with suppress(BlockingIOError):
            while True:
                sock.send(bytes(1 << 16))


def _read(peer: socket.socket, count: int) -> bytes:
    """Read in a thread of its own, so that the loop has nothing else to wake up for; gives up after two seconds."""
    peer.settimeout(2)
    found = b""
    while len(found) < count:
        found += peer.recv(count)
    return found


async def test_one_of_which_the_kernel_takes_no_more_holds_up_no_other_one() -> None:
    """In one turn nothing is taken of one, all of another one, and a third one's data are written to that."""
    async with pumping() as stage:
        stuck, _, _ = stage.connect()
        quick, _, peer = stage.connect()
        other, _, other_peer = stage.connect()
        other.feed = quick.write
        _fill(stage.sockets[stuck])
        reading = asyncio.create_task(asyncio.to_thread(_read, peer, 8))
        await asyncio.sleep(0.01)
        stuck.write(bytes(1 << 16))
        quick.write(b"two")
        other_peer.send(b"three")
        assert await reading == b"twothree"
