"""A pumped transport does what one of the event loop does: nothing is lost, doubled or out of order; it ends once."""

import asyncio
import fcntl
import os
import random
import select
import socket
import sys
import termios
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest

from proxy.net import kernel
from proxy.net.loop import running_pump
from proxy.net.poller import Poll
from proxy.net.pump import Pump, PumpedTransport
from proxy.net.ring import BUFFER, BUFFERS

HIGH_WATER = 10_000


class Reader:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.feed: Callable[[bytes], None] = self.take
        self.received = b""
        self.events: list[str] = []
        self.happened = asyncio.Event()
        self.keep_open = False
        self.fail_in = ""

    def note(self, event: str) -> None:
        self.events.append(event)
        self.happened.set()

    def take(self, data: bytes) -> None:
        self.received += data
        self.happened.set()

    def fault(self, error: Exception) -> None:
        self.note(f"fault: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        self.note(f"lost: {error.strerror}" if isinstance(error, OSError) else "lost")
        self._fail_in("connection_lost")

    def eof_received(self) -> bool:
        self.note("eof")
        self._fail_in("eof_received")
        return self.keep_open

    def pause_writing(self) -> None:
        self.note("pause")
        self._fail_in("pause_writing")

    def resume_writing(self) -> None:
        self.note("resume")
        self._fail_in("resume_writing")

    def _fail_in(self, name: str) -> None:
        if name == self.fail_in:
            raise ZeroDivisionError(name)

    async def event(self, name: str) -> None:
        while name not in self.events:
            self.happened.clear()
            await self.happened.wait()

    async def bytes(self, count: int) -> bytes:
        while len(self.received) < count:
            self.happened.clear()
            await self.happened.wait()
        return self.received


class Stage:
    """A pump, and connections of which one end is pumped and the other one is a plain socket."""

    def __init__(self, pump: Pump) -> None:
        self.pump = pump
        self.transports: list[PumpedTransport] = []
        self.peers: list[socket.socket] = []
        self.sockets: dict[PumpedTransport, socket.socket] = {}

    def connect(self) -> tuple[PumpedTransport, Reader, socket.socket]:
        ours, theirs = _tcp_pair()
        theirs.setblocking(False)
        reader = Reader()
        transport = PumpedTransport(self.pump, ours, reader)
        transport.high_water = HIGH_WATER
        transport.resume_reading()
        self.transports.append(transport)
        self.sockets[transport] = ours
        self.peers.append(theirs)
        return transport, reader, theirs


def _tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)  # so that not all is taken at once
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    return ours, theirs


@asynccontextmanager
async def pumping() -> AsyncIterator[Stage]:
    stage = Stage(running_pump())
    yield stage
    for transport in stage.transports:
        transport.abort()
    for peer in stage.peers:
        peer.close()
    await asyncio.sleep(0)  # the ends are told in the next turn


async def receive(peer: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count and (data := await asyncio.get_running_loop().sock_recv(peer, count - len(found))):
        found += data
    return found


async def test_bytes_go_both_ways() -> None:
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        transport.write(b"to the peer")
        assert await receive(peer, 11) == b"to the peer"
        peer.send(b"from the peer")
        assert await reader.bytes(13) == b"from the peer"


async def test_many_connections_are_kept_apart() -> None:
    async with pumping() as stage:
        connections = [stage.connect() for _ in range(100)]
        for number, (_, _, peer) in enumerate(connections):
            peer.send(f"number {number:03}".encode())
        for number, (_, reader, _) in enumerate(connections):
            assert await reader.bytes(10) == f"number {number:03}".encode()


async def test_more_connections_are_answered_at_a_time_than_there_are_buffers() -> None:
    async with pumping() as stage:
        connections = [stage.connect() for _ in range(BUFFERS + 50)]
        for transport, _, _ in connections:
            transport.feed = partial(_answer, transport)
        for turn in range(3):
            for number, (_, _, peer) in enumerate(connections):
                peer.send(f"{turn} of {number:03}".encode())
            for number, (_, _, peer) in enumerate(connections):
                assert await receive(peer, 8) == f"{turn} OF {number:03}".encode()
        assert not any(reader.events for _, reader, _ in connections)


async def test_of_one_connection_at_a_time_each_answer_is_sent_at_once_and_of_several_together() -> None:
    async with pumping() as stage:
        connections = [stage.connect() for _ in range(2)]
        at_once: list[bool] = []
        answered = asyncio.Event()

        def answer(transport: PumpedTransport, peer: socket.socket, data: bytes) -> None:
            transport.write(data.upper())
            at_once.append(bool(select.select([peer], [], [], 0)[0]))
            answered.set()

        async def ask(asked: Sequence[socket.socket]) -> None:
            count = len(at_once) + len(asked)
            for peer in asked:
                peer.send(b"question")
            while len(at_once) < count:
                answered.clear()
                await answered.wait()
            for peer in asked:
                assert await receive(peer, 8) == b"QUESTION"

        for transport, _, peer in connections:
            transport.feed = partial(answer, transport, peer)
        peers = [peer for _, _, peer in connections]
        batches = stage.pump.batches
        for _ in range(40):
            await ask(peers[:1])
        assert at_once[0] == (not batches)
        assert at_once[-1]
        await ask(peers)
        await ask(peers)
        assert at_once[-1] == (not batches)


def _answer(transport: PumpedTransport, data: bytes) -> None:
    transport.write(data.upper())


async def test_what_the_kernel_does_not_take_is_sent_later_in_order() -> None:
    data = random.Random(1).randbytes(4 << 20)
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        transport.write(data[: 3 << 20])
        assert transport.get_write_buffer_size() > HIGH_WATER
        transport.write(data[3 << 20 :])
        assert reader.events == ["pause"]
        assert await receive(peer, len(data)) == data
        await reader.event("resume")
        assert reader.events == ["pause", "resume"]
        assert transport.get_write_buffer_size() == 0
        transport.write(b"behind")
        assert await receive(peer, 6) == b"behind"


async def test_reading_rests_and_goes_on() -> None:
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        _, other, other_peer = stage.connect()
        transport.pause_reading()
        transport.pause_reading()
        peer.send(b"later")
        other_peer.send(b"now")
        await other.bytes(3)
        assert reader.received == b""
        transport.resume_reading()
        assert await reader.bytes(5) == b"later"


async def test_of_what_comes_while_reading_rests_the_kernel_keeps_all_but_a_bounded_part() -> None:
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        stage.sockets[transport].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)

        def take_and_rest(data: bytes) -> None:
            reader.take(data)
            transport.feed = reader.take
            transport.pause_reading()

        transport.feed = take_and_rest
        await asyncio.sleep(0)  # so that it is waited for
        pattern, sent, most, first = random.Random(1).randbytes(1 << 20), b"", 0, 0
        for _ in range(20):
            with suppress(BlockingIOError):
                while True:
                    sent += pattern[: peer.send(pattern)]
            await asyncio.sleep(0)
            first = first or len(reader.received)
            in_the_kernel = _count(peer, termios.TIOCOUTQ) + _count(stage.sockets[transport], termios.FIONREAD)
            most = max(most, len(sent) - first - in_the_kernel)
        assert most <= BUFFERS * BUFFER < len(sent) - first
        assert len(reader.received) == first
        transport.resume_reading()
        assert await reader.bytes(len(sent)) == sent


def _count(sock: socket.socket, what: int) -> int:
    """Return how many bytes of a socket the kernel has, as an ioctl of termios tells it."""
    return int.from_bytes(fcntl.ioctl(sock, what, bytes(4)), sys.byteorder)


async def test_the_end_of_the_peer_is_told_once_and_closes() -> None:
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        peer.send(b"last words")
        peer.shutdown(socket.SHUT_WR)
        await reader.event("lost")
        assert reader.received == b"last words"
        assert reader.events == ["eof", "lost"]
        assert transport.is_closing()
        transport.write(b"goes nowhere")
        transport.close()
        transport.abort()
        assert await receive(peer, 1) == b""


async def test_a_half_closed_connection_can_still_be_written_to_and_does_not_spin() -> None:
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        reader.keep_open = True
        peer.shutdown(socket.SHUT_WR)
        await reader.event("eof")
        _, other, other_peer = stage.connect()
        other_peer.send(b"x")
        await other.bytes(1)
        assert reader.events == ["eof"]
        transport.write(b"answer")
        assert await receive(peer, 6) == b"answer"


async def test_the_own_direction_is_closed_when_all_is_sent() -> None:
    data = bytes(2 << 20)
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        transport.write(data)
        transport.write_eof()
        transport.write(b"too late")
        assert await receive(peer, len(data) + 1) == data
        peer.send(b"still heard")
        assert await reader.bytes(11) == b"still heard"


async def test_closing_sends_what_waits() -> None:
    data = bytes(2 << 20)
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        transport.write(data)
        transport.close()
        transport.write(b"too late")
        transport.resume_reading()
        assert "lost" not in reader.events
        assert await receive(peer, len(data) + 1) == data
        await reader.event("lost")


async def test_aborting_throws_away_what_waits() -> None:
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        transport.write(bytes(8 << 20))
        transport.abort()
        await reader.event("lost")
        with suppress(ConnectionError):
            assert len(await receive(peer, 8 << 20)) < 8 << 20


async def test_a_reset_is_told_with_its_reason() -> None:
    async with pumping() as stage:
        _, reader, peer = stage.connect()
        _reset(peer)
        await reader.event("lost: Connection reset by peer")
        assert reader.events == ["lost: Connection reset by peer"]


async def test_what_came_before_a_reset_arrives_though_the_own_direction_is_closed_first() -> None:
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        peer.send(b"last words")
        _reset(peer)
        transport.write_eof()
        assert await reader.bytes(10) == b"last words"
        while not any(event.startswith(("lost", "eof")) for event in reader.events):
            reader.happened.clear()
            await reader.happened.wait()


async def test_writing_to_a_connection_that_is_gone_tells_of_its_end() -> None:
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        transport.pause_reading()
        _reset(peer)
        while not reader.events:
            transport.write(b"into the void")
            await asyncio.sleep(0)
        assert len(reader.events) == 1
        assert reader.events[0].startswith("lost: ")


async def test_what_is_written_to_a_broken_connection_does_not_hide_its_end() -> None:
    """The write takes the error away, what is read then is an end, and what waits can never be sent."""
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        _reset(peer)
        transport.write(b"too late")
        # What is sent with all else is sent after what has arrived is read, and the reason is not taken away.
        told = ["lost: Connection reset by peer"] if stage.pump.batches else ["eof", "lost: Broken pipe"]
        await reader.event(told[-1])
        assert reader.events == told


async def test_an_end_that_comes_while_it_closes_is_not_told() -> None:
    data = bytes(4 << 20)
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        transport.write(data)
        transport.close()
        peer.shutdown(socket.SHUT_WR)
        assert await receive(peer, len(data)) == data
        await reader.event("lost")
        assert reader.events == ["pause", "resume", "lost"]


def _reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()


async def test_what_came_before_a_connection_broke_is_read() -> None:
    data = bytes(150_000)  # more than one chunk
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        transport.pause_reading()
        stage.sockets[transport].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        transport.write(b"never read, so that the peer's end is a reset")
        await asyncio.get_running_loop().sock_sendall(peer, data)
        peer.close()
        transport.resume_reading()
        while not reader.events:
            transport.write(b"into the void")
            await asyncio.sleep(0)
        assert reader.received == data


async def test_an_error_of_one_reader_is_its_own() -> None:
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        _, other, other_peer = stage.connect()

        def fail(_data: bytes) -> None:
            raise ZeroDivisionError("told to fail")

        transport.feed = fail
        peer.send(b"x")
        other_peer.send(b"fine")
        await reader.event("fault: told to fail")
        assert await other.bytes(4) == b"fine"


async def test_a_reader_may_end_any_connection_from_within() -> None:
    async with pumping() as stage:
        connections = [stage.connect() for _ in range(10)]

        def end_all(_data: bytes) -> None:
            for transport, _, _ in connections:
                transport.abort()

        for transport, _, peer in connections:
            transport.feed = end_all
            peer.send(b"x")
        for _, reader, _ in connections:
            await reader.event("lost")
            assert reader.events == ["lost"]


async def test_a_socket_with_a_used_descriptor_hears_nothing_of_the_one_before() -> None:
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        descriptor = transport.fd
        peer.send(b"for the first")
        transport.abort()
        ours, theirs = _tcp_pair()
        stage.peers.append(theirs)
        if ours.fileno() != descriptor:
            os.dup2(ours.fileno(), descriptor)
            ours.close()
            ours = socket.socket(fileno=descriptor)
        second = Reader()
        stage.transports.append(PumpedTransport(stage.pump, ours, second))
        stage.transports[-1].resume_reading()
        theirs.send(b"for the second")
        assert await second.bytes(14) == b"for the second"
        transport.write(b"never")
        assert reader.received == b""
        await reader.event("lost")


async def test_more_than_one_look_takes_and_what_came_with_an_end_are_read() -> None:
    data = random.Random(2).randbytes(5 * kernel.CHUNK)
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        transport.pause_reading()
        stage.sockets[transport].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        await asyncio.get_running_loop().sock_sendall(peer, data)
        peer.shutdown(socket.SHUT_WR)
        transport.resume_reading()
        await reader.event("lost")
        assert reader.received == data
        assert reader.events == ["eof", "lost"]


async def test_what_has_happened_to_one_that_is_closed_by_then_is_not_for_the_event_loop() -> None:
    async with pumping() as stage:
        (one, _, its_peer), (other, _, others_peer) = stage.connect(), stage.connect()
        stage.pump.wait(0.0)  # both are watched from here on
        one.feed = lambda _data: other.drop()
        other.feed = lambda _data: one.drop()
        its_peer.send(b"x")
        others_peer.send(b"x")
        assert stage.pump.wait(0.0) == []
        assert one.lost != other.lost


async def test_one_that_is_dropped_tells_nobody() -> None:
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        other, silent, _ = stage.connect()
        _reset(peer)
        await reader.event("lost: Connection reset by peer")
        transport.drop()
        other.fail(OSError(5, "made up"))
        other.drop()  # in the same turn
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert reader.events == ["lost: Connection reset by peer"]
        assert silent.events == []


async def test_what_arrives_while_it_closes_does_not_break_the_connection() -> None:
    data = bytes(4 << 20)
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        transport.write(data)
        transport.close()
        await asyncio.get_running_loop().sock_sendall(peer, b"not heard by anybody")
        assert await receive(peer, len(data) + 1) == data
        await reader.event("lost")


async def test_callbacks_and_timers_have_their_turn_between_packets() -> None:
    """Two connections throw a packet back and forth without end, and the loop's own work goes on."""
    async with pumping() as stage:
        one, first, peer = stage.connect()
        other, second, far = stage.connect()
        other.drop()
        ours = socket.socket(fileno=os.dup(peer.fileno()))
        echo = PumpedTransport(stage.pump, ours, second)
        stage.transports.append(echo)
        far.close()
        first.feed, second.feed = one.write, echo.write
        one.feed, echo.feed = one.write, echo.write
        echo.resume_reading()
        echo.write(b"x")
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(0.02)
        assert await asyncio.to_thread(lambda: "from a thread") == "from a thread"
        assert loop.time() - began < 5


async def test_what_a_reader_asks_of_the_loop_is_done_at_once() -> None:
    async with pumping() as stage:
        transport, _, peer = stage.connect()
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        for ask in (loop.call_soon, lambda callback: loop.call_later(0.001, callback)):
            done.clear()
            transport.feed = lambda _data, ask=ask: ask(done.set)  # type: ignore[misc]
            peer.send(b"x")
            await asyncio.wait_for(done.wait(), 5)


async def test_what_was_written_is_on_its_way_when_who_asked_for_it_is_called_back() -> None:
    async with pumping() as stage:
        transport, _, peer = stage.connect()
        done, found = asyncio.Event(), list[bytes]()

        def again() -> None:
            found.append(peer.recv(100))
            done.set()

        def called() -> None:
            found.append(peer.recv(100))
            transport.write(b"the second")
            stage.pump.soon(again)

        def fed(_data: bytes) -> None:
            transport.write(b"the first")
            stage.pump.soon(called)
            found.append(b"never from within the call")

        transport.feed = fed
        peer.send(b"x")
        await asyncio.wait_for(done.wait(), 5)
        assert found == [b"never from within the call", b"the first", b"the second"]


async def test_who_is_called_back_may_end_a_connection() -> None:
    async with pumping() as stage:
        transport, reader, _ = stage.connect()
        stage.pump.soon(transport.abort)
        await asyncio.wait_for(reader.event("lost"), 5)


async def test_one_who_is_called_back_and_fails_hurts_nobody() -> None:
    loop, failed = asyncio.get_running_loop(), asyncio.Queue[Exception]()
    handler, done = loop.get_exception_handler(), asyncio.Event()
    loop.set_exception_handler(lambda _loop, context: failed.put_nowait(context["exception"]))
    async with pumping() as stage:
        stage.pump.soon(lambda: 1 // 0)
        stage.pump.soon(done.set)
        await asyncio.wait_for(done.wait(), 5)
        assert isinstance(failed.get_nowait(), ZeroDivisionError)
    loop.set_exception_handler(handler)


async def test_who_asks_again_and_again_stops_nobody() -> None:
    async with pumping() as stage:
        transport, reader, peer = stage.connect()

        def again() -> None:
            if not reader.received:
                stage.pump.soon(again)

        again()
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(0.01)
        peer.send(b"x")
        await asyncio.wait_for(reader.bytes(1), 5)
        assert asyncio.get_running_loop().time() - began < 5
        assert not transport.lost


async def test_who_is_called_back_and_fails_is_told_of_by_the_loop_and_hurts_nobody() -> None:
    loop, failed = asyncio.get_running_loop(), asyncio.Queue[Exception]()
    handler = loop.get_exception_handler()
    loop.set_exception_handler(lambda _loop, context: failed.put_nowait(context["exception"]))
    async with pumping() as stage:
        _, reader, peer = stage.connect()
        transport, failing, _ = stage.connect()
        failing.fail_in = "connection_lost"
        transport.abort()
        assert isinstance(await failed.get(), ZeroDivisionError)
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setblocking(False)

            def fail() -> None:
                raise OSError(stage.pump.next_client(server), "told to fail")

            assert stage.pump.next_client(server) == -1
            stage.pump.listen(server.fileno(), fail)
            with socket.create_connection(server.getsockname()):
                error = await failed.get()
                stage.pump.listen_no_more(server.fileno())
                stage.pump.listen_no_more(server.fileno())
                assert isinstance(error, OSError)
                assert error.errno is not None
                os.close(error.errno)
        peer.send(b"unharmed")
        assert await reader.bytes(8) == b"unharmed"
    loop.set_exception_handler(handler)


async def test_only_a_loop_with_a_pump_has_one() -> None:
    def elsewhere() -> str:
        async def ask() -> str:
            with pytest.raises(RuntimeError, match="SelectorEventLoop"):
                running_pump()
            return "asked"

        loop = asyncio.SelectorEventLoop()
        try:
            return loop.run_until_complete(ask())
        finally:
            loop.close()

    assert await asyncio.to_thread(elsewhere) == "asked"


def test_where_there_is_no_epoll() -> None:
    poller = Poll()
    ours, theirs = _tcp_pair()
    with ours, theirs:
        fd = ours.fileno()
        poller.register(fd, select.POLLIN | (1 << 31))
        assert kernel.wait(poller, poller.fileno(), 0.001) == []
        theirs.send(b"some")
        assert kernel.wait(poller, poller.fileno(), -1) == [(fd, select.POLLIN)]
        poller.modify(fd, select.POLLOUT)
        assert kernel.wait(poller, poller.fileno(), 5) == [(fd, select.POLLOUT)]
        poller.unregister(fd)
        assert kernel.wait(poller, poller.fileno(), 0) == []
    poller.close()


def test_the_kernel_s_calls() -> None:
    ours, theirs = _tcp_pair()
    with ours, theirs:
        ours.setblocking(False)
        assert kernel.receive(ours.fileno()) is None
        assert kernel.send(theirs.fileno(), b"some") == 4
        assert _received(ours) == b"some"
        while sent := kernel.send(ours.fileno(), bytes(1 << 20)):
            assert sent > 0
        _reset(theirs)
        with pytest.raises(ConnectionResetError):
            _received(ours)
        assert kernel.send(ours.fileno(), b"x") == -1


def _received(sock: socket.socket) -> bytes:
    while (data := kernel.receive(sock.fileno())) is None:
        pass
    return data


# --------------------------------------------------------------------------------------------------------------------
# Ends and errors in every order


async def test_an_error_in_any_call_of_a_reader_is_its_own() -> None:
    async with pumping() as stage:
        for name in ("eof_received", "pause_writing", "resume_writing"):
            transport, reader, peer = stage.connect()
            reader.fail_in = name
            if name == "eof_received":
                peer.shutdown(socket.SHUT_WR)
            else:
                transport.feed = lambda _data, write=transport.write: write(bytes(4 << 20))  # type: ignore[misc]
                peer.send(b"x")
                assert await receive(peer, 4 << 20) == bytes(4 << 20)
            await reader.event(f"fault: {name}")


async def test_much_is_sent_at_once_though_nothing_else_happens() -> None:
    """The peer reads in a thread of its own, so that the loop has nothing to wake up for until the end."""
    data = bytes(range(256)) * (64 << 10)

    def read(sock: socket.socket) -> bytes:
        found = b""
        while piece := sock.recv(1 << 20):
            found += piece
        return found

    async with pumping() as stage:
        transport, _reader, peer = stage.connect()
        peer.setblocking(True)
        reading = asyncio.create_task(asyncio.to_thread(read, peer))
        await asyncio.sleep(0)
        transport.write(data)
        transport.close()
        assert await asyncio.wait_for(reading, 10) == data


async def test_the_end_is_told_once_though_something_waits() -> None:
    data = bytes(4 << 20)
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        transport.write(data)
        peer.shutdown(socket.SHUT_WR)
        await reader.event("eof")
        assert await receive(peer, len(data) + 1) == data
        await reader.event("lost")
        assert reader.events.count("eof") == 1


async def test_a_connection_that_breaks_while_it_closes_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The break becomes known by a write, between two reads: what is read then is an end."""
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        transport.write(bytes(4 << 20))
        transport.close()
        _reset(peer)
        _break(stage.sockets[transport])
        transport.ready(select.POLLOUT)
        await asyncio.wait_for(reader.happened.wait(), 5)
        await asyncio.wait_for(_lost(reader), 5)


async def test_a_peer_that_is_gone_has_not_only_closed_its_direction() -> None:
    async with pumping() as stage:
        transport, reader, peer = stage.connect()
        reader.keep_open = True
        transport.write(bytes(4 << 20))
        _reset(peer)
        _break(stage.sockets[transport])
        transport.ready(select.POLLOUT)
        await asyncio.wait_for(_lost(reader), 5)


def _break(sock: socket.socket) -> None:
    """Wait for the reset, and take note of it as a write would."""
    while not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        pass


async def _lost(reader: Reader) -> None:
    while not any(event.startswith("lost") for event in reader.events):
        reader.happened.clear()
        await reader.happened.wait()
