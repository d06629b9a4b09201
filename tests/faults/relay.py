"""A TCP relay that does to connections what networks do, on a loop of its own: tests may use blocking drivers."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, TypeVar

T = TypeVar("T")

LOCALHOST: Final = "127.0.0.1"
DELAY: Final = 0.05
"""Seconds."""
_CHUNK: Final = 1 << 16
_RESET: Final = struct.pack("ii", 1, 0)


class Way(Enum):
    """Where bytes go."""

    UP = auto()
    """From who has connected to the server."""
    DOWN = auto()


class Fault(Enum):
    """What can become of a connection."""

    CUT = auto()
    """Both ends are told that nothing more comes, and nothing does."""
    RESET = auto()
    """Both ends are told that the connection is broken."""
    HALF_CLOSE = auto()
    """Nothing more goes this way, and its end is told; the other way stays open."""
    BLACK_HOLE = auto()
    """Nothing goes any way, and nobody is told."""
    HOLD = auto()
    """Nothing goes any way until the test says so."""
    DELAYED = auto()
    """Everything waits for a moment, and goes on."""
    BYTE_BY_BYTE = auto()
    """Everything goes on, each byte by itself."""


@dataclass
class Strike:
    """A fault that is to come, after so many more bytes that go a way."""

    fault: Fault
    way: Way
    after: int
    over: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        """Wait until the fault has come."""
        assert self.over.wait(30)


class Link:
    """One connection that goes through the relay. near: who has connected; far: the server; pace: as of the relay."""

    def __init__(self, near: socket.socket, strike: Strike | None, pace: float) -> None:
        self.near = near
        self._pace = pace
        self.far = socket.socket()
        self.far.setblocking(False)
        self.strike = strike
        self.flows = asyncio.Event()
        self.flows.set()
        self._bytewise = False
        self._ended: set[Way] = set()  # what still comes goes nowhere
        self._pumps: list[asyncio.Task[None]] = []
        for end in (self.near, self.far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def run(self, target: tuple[str, int]) -> None:
        """Relay until both ways have ended."""
        loop = asyncio.get_running_loop()
        try:
            if self.strike is not None and self.strike.after < 0:
                await self._strike(self.strike, Way.DOWN)
            await self.flows.wait()
            if not self._ended:
                await loop.sock_connect(self.far, target)
                pumps = (self._pump(Way.UP, self.near, self.far), self._pump(Way.DOWN, self.far, self.near))
                self._pumps = [loop.create_task(pump) for pump in pumps]
                await asyncio.wait(self._pumps)
        finally:
            for pump in self._pumps:
                pump.cancel()
            self.close()

    def close(self) -> None:
        """Close both ends."""
        self.near.close()
        self.far.close()

    async def _pump(self, way: Way, source: socket.socket, target: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            while data := await loop.sock_recv(source, _CHUNK):
                strike = self.strike
                if strike is not None and strike.way is way:
                    now = data[: max(0, strike.after)]
                    await self._send(way, target, now)
                    strike.after -= len(data)
                    data = data[len(now) :]
                    if data:
                        await self._strike(strike, way)
                await self.flows.wait()
                await self._send(way, target, data)
            self._end(way)
        except OSError:  # one end is broken off, and so is the other one
            self._reset()

    async def _send(self, way: Way, target: socket.socket, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        if way in self._ended:
            return
        if self._bytewise:
            for byte in data:
                await loop.sock_sendall(target, bytes((byte,)))
                await asyncio.sleep(self._pace)
        else:
            await loop.sock_sendall(target, data)

    async def _strike(self, strike: Strike, way: Way) -> None:
        """Let the fault come, to bytes that go this way."""
        self.strike = None
        match strike.fault:
            case Fault.CUT:
                self._end(Way.UP)
                self._end(Way.DOWN)
            case Fault.HALF_CLOSE:
                self._end(way)
            case Fault.RESET:
                self._reset()
            case Fault.BLACK_HOLE | Fault.HOLD:
                self.flows.clear()
            case Fault.DELAYED:
                await asyncio.sleep(DELAY)
            case Fault.BYTE_BY_BYTE:
                self._bytewise = True
        strike.over.set()

    def _end(self, way: Way) -> None:
        self._ended.add(way)
        with contextlib.suppress(OSError):
            (self.far if way is Way.UP else self.near).shutdown(socket.SHUT_WR)

    def _reset(self) -> None:
        self._ended |= set(Way)
        for end in (self.near, self.far):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)  # whoever closes it breaks it off
        for pump in self._pumps:
            pump.cancel()

    async def strike_now(self, strike: Strike) -> None:
        """Let the fault come between two packets."""
        await self._strike(strike, strike.way)


class Relay:
    """Listens, and relays what comes to a server; `relaying` makes it. pace: seconds from byte to byte.

    Attributes:
        port: where it listens, on 127.0.0.1.
    """

    def __init__(self, target: tuple[str, int], pace: float) -> None:
        self._target = target
        self._pace = pace
        self._listening = socket.socket()
        self._listening.bind((LOCALHOST, 0))
        self._listening.setblocking(False)
        self.port: int = self._listening.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay")
        self._thread.start()
        self._next: Strike | None = None
        self._links: dict[asyncio.Task[None], Link] = {}
        self._accepting: list[asyncio.Task[None]] = []

    def listen(self) -> None:
        """Relay what comes from now on; before that, it is refused."""
        self._listening.listen()
        self._accepting.append(self._in_loop(self._start()))

    @property
    def links(self) -> int:
        """How many connections there are."""
        return len(self._links)

    def on_arrival(self, fault: Fault) -> Strike:
        """Let a fault come to the next connection before a byte has gone any way."""
        return self.after(-1, fault, Way.DOWN, coming=True)

    def after(self, count: int, fault: Fault, way: Way, *, coming: bool = False) -> Strike:
        """Let a fault come once so many more bytes have gone a way, when the next one comes.

        It is for the connection that has come last, or, if it is `coming`, for the next one.
        """
        strike = Strike(fault, way, count)
        self._in_loop(self._arm(strike, coming))
        return strike

    def now(self, fault: Fault, way: Way = Way.UP) -> None:
        """Let a fault come to the connection that has come last."""
        self._in_loop(self._newest().strike_now(Strike(fault, way, 0)))

    def go_on(self) -> None:
        """Let the connection that has come last go on, which is held."""
        self._loop.call_soon_threadsafe(self._newest().flows.set)

    def end(self) -> None:
        """Close all connections, and listen no more."""
        self._in_loop(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def forget(self) -> None:
        """Close all connections."""
        self._in_loop(self._cancel(*self._links))

    def _newest(self) -> Link:
        return list(self._links.values())[-1]

    def _in_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _start(self) -> asyncio.Task[None]:
        return self._loop.create_task(self._accept())

    async def _accept(self) -> None:
        while True:
            near, _ = await self._loop.sock_accept(self._listening)
            strike, self._next = self._next, None
            link = Link(near, strike, self._pace)
            task = self._loop.create_task(link.run(self._target))
            self._links[task] = link
            task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._links.pop(task, None)
        if not task.cancelled():
            task.exception()  # a server that refuses, or has gone

    async def _arm(self, strike: Strike, coming: bool) -> None:
        if coming:
            self._next = strike
        else:
            self._newest().strike = strike

    async def _cancel(self, *tasks: asyncio.Task[None]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _stop(self) -> None:
        await self._cancel(*self._accepting, *self._links)
        self._listening.close()


@contextmanager
def relaying(host: str, port: int, *, listening: bool = True, pace: float = 0.0) -> Iterator[Relay]:
    """Run a relay to a server for the length of the block; listening: from the beginning."""
    relay = Relay((host, port), pace)
    try:
        if listening:
            relay.listen()
        yield relay
    finally:
        relay.end()
