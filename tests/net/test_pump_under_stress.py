"""Hundreds of connections through relays, each with its own bytes, sizes, rests and end: every stream is what was sent.

    Client ◀──▶ (Leg  relay  Leg) ◀──▶ Echo

All four are pumped transports of one loop, on TCP and on Unix sockets. As soon as one conversation is over the next one
begins, so that descriptors and whatever the pump keeps of them are used again while others are under way.
"""

import asyncio
import random
import socket
from collections.abc import Callable

import pytest

from proxy.net.loop import running_pump
from proxy.net.pump import PumpedTransport

_AT_ONCE = 120
_CONVERSATIONS = 360
_SECONDS = 60
_PERIOD = 65_521  # bytes until a stream begins again: no size of a buffer

ECHO = "the client sends, reads all of it again, and closes"
HALF = "the client sends, closes its direction, and reads all of it again until the end"
ANSWER = "the server answers in many writes and closes at once"
RESET = "the client breaks the connection in the middle"
DEAF = "the server breaks the connection in the middle"


class Stream:
    """The bytes of one direction, known at every position; no other stream has them."""

    def __init__(self, seed: int) -> None:
        self._block = random.Random(seed).randbytes(_PERIOD) * 2
        self.position = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        parts = []
        while size > 0:
            begin = self.position % _PERIOD
            parts.append(self._block[begin : begin + min(size, _PERIOD)])
            self.position += len(parts[-1])
            size -= len(parts[-1])
        return b"".join(parts)


class Party:
    """A pumped transport with its reader; rests at times."""

    def __init__(self, sock: socket.socket, chance: random.Random, faults: list[BaseException]) -> None:
        self.feed: Callable[[bytes], None] = self.take
        self.chance = chance
        self.faults = faults
        self.holds = 0
        self.ended = self.lost = False
        self.error: Exception | None = None
        self.on_end: Callable[[], None] = lambda: None
        self.transport = PumpedTransport(running_pump(), sock, self)
        self.transport.high_water = chance.choice((1, 5_000, 1 << 16, 1 << 20))

    def take(self, data: bytes) -> None:
        raise NotImplementedError

    def fault(self, error: Exception) -> None:
        self.faults.append(error)
        self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        assert not self.lost
        self.lost, self.error = True, error
        self.on_end()

    def eof_received(self) -> bool:
        assert not self.ended
        self.ended = True
        return False

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass

    def hold(self) -> None:
        self.holds += 1
        self.transport.pause_reading()

    def release(self) -> None:
        self.holds -= 1
        if not self.holds and not self.ended:
            self.transport.resume_reading()

    def rest_at_times(self) -> None:
        loop = asyncio.get_running_loop()
        match self.chance.randrange(12):
            case 0:
                self.hold()
                loop.call_later(self.chance.random() / 200, self.release)
            case 1:
                self.hold()
                loop.call_soon(self.release)
            case 2:
                self.hold()
                self.release()


class Leg(Party):
    """One side of a relay."""

    other: "Leg"

    def take(self, data: bytes) -> None:
        self.other.transport.write(data)
        self.rest_at_times()

    def pause_writing(self) -> None:
        self.other.hold()

    def resume_writing(self) -> None:
        self.other.release()

    def eof_received(self) -> bool:
        super().eof_received()
        self.other.transport.write_eof()
        if self.other.ended:
            self.other.transport.close()
        return not self.other.ended

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if error is None:
            self.other.transport.close()
        else:
            self.other.transport.abort()


class Echo(Party):
    """A server that sends back what it gets, or an answer of its own to the first byte."""

    def __init__(self, sock: socket.socket, chance: random.Random, faults: list[BaseException], plan: "Plan") -> None:
        super().__init__(sock, chance, faults)
        self.plan = plan
        self.got = 0

    def take(self, data: bytes) -> None:
        self.got += len(data)
        if self.plan.kind == ANSWER:
            stream = Stream(self.plan.seed)
            while (left := self.plan.size - stream.position) > 0:
                self.transport.write(stream.take(min(left, _size(self.chance))))
            self.transport.close()
        elif self.plan.kind == DEAF and self.got >= self.plan.size // 2:
            self.transport.abort()
        else:
            self.transport.write(data)
            self.rest_at_times()

    def pause_writing(self) -> None:
        if self.plan.kind != ANSWER:
            self.hold()

    def resume_writing(self) -> None:
        if self.plan.kind != ANSWER:
            self.release()

    def eof_received(self) -> bool:
        super().eof_received()
        self.transport.close()  # behind what waits
        return True


class Plan:
    """What happens on one connection."""

    def __init__(self, chance: random.Random) -> None:
        self.seed = chance.getrandbits(64)
        self.kind = chance.choice((ECHO, ECHO, HALF, HALF, ANSWER, ANSWER, RESET, DEAF))
        self.size = _size(chance)


class Client(Party):
    """Sends a stream and compares what comes back."""

    def __init__(self, sock: socket.socket, chance: random.Random, faults: list[BaseException], plan: Plan) -> None:
        super().__init__(sock, chance, faults)
        self.sock = sock
        self.plan = plan
        self.sent, self.expected = Stream(plan.seed), Stream(plan.seed)
        self.full = False

    def begin(self) -> None:
        self.transport.resume_reading()
        if self.plan.kind == ANSWER:
            self.transport.write(b"?")
        else:
            self.send_more()

    def send_more(self) -> None:
        if self.lost or self.full:
            return
        left = self.plan.size - self.sent.position
        if self.plan.kind == RESET and left <= self.plan.size // 2:
            self.break_off()
        elif left > 0:
            self.transport.write(self.sent.take(min(left, _size(self.chance))))
            asyncio.get_running_loop().call_soon(self.send_more)
        elif self.plan.kind == HALF:
            self.transport.write_eof()

    def break_off(self) -> None:
        if not self.transport.is_closing() and self.sock.family != socket.AF_UNIX:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.transport.abort()

    def take(self, data: bytes) -> None:
        assert data == self.expected.take(len(data)), f"another stream's, or not in order, of {self.plan.kind}"
        if self.plan.kind == ECHO and self.expected.position == self.plan.size:
            self.transport.close()
        self.rest_at_times()

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        asyncio.get_running_loop().call_soon(self.send_more)

    def check(self) -> None:
        """Hold what has come to the plan, now that the conversation is over."""
        if self.plan.kind not in (RESET, DEAF):
            came, due = self.expected.position, self.plan.size
            assert (came, self.error) == (due, None), f"{came} bytes of {due}: {self.plan.kind}"


def _size(chance: random.Random) -> int:
    """Give a number of bytes from 1 to 1 MiB, of every order of magnitude."""
    return int(2 ** chance.uniform(0, 20))


class Conversation:
    """Two connections and who is at their ends."""

    def __init__(self, chance: random.Random, server: socket.socket, faults: list[BaseException]) -> None:
        plan = Plan(chance)
        client, near = _pair(chance, server)
        far, echo = _pair(chance, server)
        self.client = Client(client, chance, faults, plan)
        near_leg, far_leg = Leg(near, chance, faults), Leg(far, chance, faults)
        near_leg.other, far_leg.other = far_leg, near_leg
        self.parties = (Echo(echo, chance, faults, plan), far_leg, near_leg, self.client)
        self.over = asyncio.Event()
        for party in self.parties:
            party.on_end = self._one_ended
        for party in self.parties[:-1]:
            party.transport.resume_reading()

    def _one_ended(self) -> None:
        if all(party.lost for party in self.parties):
            self.over.set()

    async def run(self) -> None:
        self.client.begin()
        await self.over.wait()
        self.client.check()


def _pair(chance: random.Random, server: socket.socket) -> tuple[socket.socket, socket.socket]:
    if chance.random() < 0.3:
        return socket.socketpair()
    ours = socket.create_connection(server.getsockname())
    theirs, _ = server.accept()
    for sock in (ours, theirs):
        if chance.random() < 0.5:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
    return (ours, theirs) if chance.random() < 0.5 else (theirs, ours)


@pytest.mark.parametrize("seed", range(2))
async def test_every_stream_is_what_was_sent(seed: int) -> None:
    faults: list[BaseException] = []
    under_way: set[Conversation] = set()
    left = iter(range(_CONVERSATIONS))

    async def converse(server: socket.socket) -> None:
        for number in left:
            conversation = Conversation(random.Random(f"{seed} {number}"), server, faults)
            under_way.add(conversation)
            await conversation.run()
            under_way.discard(conversation)

    with socket.create_server(("127.0.0.1", 0)) as server:
        try:
            async with asyncio.timeout(_SECONDS), asyncio.TaskGroup() as group:
                for _ in range(_AT_ONCE):
                    group.create_task(converse(server))
        finally:
            for conversation in under_way:
                for party in conversation.parties:
                    party.transport.drop()
    assert faults == []
