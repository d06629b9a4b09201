import asyncio
import gc
import os
import socket

import pytest

from proxy.config import Address
from proxy.net.backends import Backends
from proxy.net.listener import Listener
from proxy.net.pair import Pair
from proxy.net.search import Search
from proxy.net.settings import Manners, PairSettings
from proxy.net.side import Hold, Side
from tests.net.doubles import (
    LOCALHOST,
    Peer,
    ScriptedSession,
    backend,
    limits,
    logged_in,
    packet,
    stage,
)


async def test_bytes_are_relayed_both_ways() -> None:
    async with backend() as server, stage(server.address) as running:
        client, behind, session = await logged_in(running, server)
        client.send(b"question")
        assert await behind.read(8) == b"question"
        behind.send(b"answer")
        assert await client.read(6) == b"answer"
        assert session.address == "{}:{}".format(*client.writer.get_extra_info("sockname"))


@pytest.mark.parametrize("behind_the_login", [b"", b"\x05", b"\x05\x00\x00\x00", b"\x05\x00\x00\x00ab"])
async def test_bytes_sent_in_one_go_with_the_login_arrive_in_order(behind_the_login: bytes) -> None:
    async with backend() as server, stage(server.address) as running:
        client, _session = await running.greeted()
        behind = await server.accept()
        client.send(packet(b"one") + packet(b"") + packet(b"DONE") + behind_the_login)
        assert await behind.read(11) == packet(b"one") + packet(b"")
        client.send(b"the rest")
        expected = behind_the_login + b"the rest"
        assert await behind.read(len(expected)) == expected


async def test_a_login_that_the_backend_ends_hands_on_the_packet_begun() -> None:
    async with backend() as server, stage(server.address) as running:
        client, session = await running.greeted()
        behind = await server.accept()
        client.send(packet(b"one") + b"\x09\x00")
        assert await behind.read(7) == packet(b"one")
        session.done()
        client.send(b"\x00\x00nine")
        assert await behind.read(8) == b"\x09\x00\x00\x00nine"


async def test_a_large_flow_arrives_whole_through_full_buffers_both_ways() -> None:
    data = bytes(range(256)) * 40_000
    async with backend() as server, stage(server.address, limits(write_buffer=4096)) as running:
        client, behind, _session = await logged_in(running, server)
        client.send(data)
        behind.send(data[::-1])
        assert tuple(await asyncio.gather(behind.read(len(data)), client.read(len(data)))) == (data, data[::-1])


async def test_login_packets_arrive_one_by_one_and_a_long_one_whole() -> None:
    long = packet(b"x" * 100_000)
    async with backend() as server, stage(server.address) as running:
        client, session = await running.greeted()
        behind = await server.accept()
        client.send(packet(b"first") + long + packet(b"last"))
        assert await behind.read(9 + len(long) + 8) == packet(b"first") + long + packet(b"last")
        assert session.received == [packet(b"first"), long, packet(b"last")]


async def test_a_login_that_takes_too_long_is_ended() -> None:
    async with backend() as server, stage(server.address, limits(login_timeout=0.05)) as running:
        client, session = await running.greeted()
        assert await client.rest() == b"ERR too late"
        assert session.events == ["timed out"]


async def test_a_session_that_has_logged_in_outlives_the_time_limit_of_the_login() -> None:
    async with backend() as server, stage(server.address, limits(login_timeout=0.05)) as running:
        client, behind, session = await logged_in(running, server)
        other, _ = await running.greeted()
        assert await other.rest() == b"ERR too late"
        client.send(b"still there")
        assert await behind.read(11) == b"still there"
        assert session.events == []


async def test_a_backend_that_refuses_is_told_to_the_session() -> None:
    with socket.create_server((LOCALHOST, 0)) as taken:
        port = taken.getsockname()[1]
    async with stage(Address(LOCALHOST, port)) as running:
        client = await running.connect()
        answer = await client.rest()
        assert answer.startswith(b"ERR cannot connect to 127.0.0.1:")
        assert answer.endswith(b": Connection refused")


async def test_a_backend_that_does_not_answer_in_time_is_told_to_the_session() -> None:
    with socket.socket() as full:
        # Nobody accepts: once the backlog is full, the kernel leaves further connections waiting.
        full.bind((LOCALHOST, 0))
        full.listen(0)
        address = Address(*full.getsockname())
        fillers = [await asyncio.open_connection(*full.getsockname())]
        async with stage(address, limits(connect_timeout=0.05, login_timeout=0.01)) as running:
            client = await running.connect()
            assert (await client.rest()).endswith(b": no answer within 0.05 s")
        for _reader, writer in fillers:
            writer.close()
            await writer.wait_closed()


async def test_a_client_that_leaves_while_the_backend_is_dialled_leaves_nothing_behind() -> None:
    with socket.socket() as full:
        full.bind((LOCALHOST, 0))
        full.listen(0)
        first = await asyncio.open_connection(*full.getsockname())
        async with stage(Address(*full.getsockname())) as running:
            client = await running.connect()
            await client.close()
        assert not running.listener.pairs
        first[1].close()
        await first[1].wait_closed()


async def test_a_pair_that_has_ended_is_freed_before_garbage_is_looked_for() -> None:
    gc.collect()
    gc.disable()
    try:
        async with backend() as server, stage(server.address) as running:
            client, behind, session = await logged_in(running, server)
            await asyncio.gather(client.close(), behind.close(), session.ended.wait())
            await running.listener.close()
            vars(session).clear()
            assert not [found for found in gc.get_objects() if isinstance(found, Pair | Side | Search)]
    finally:
        gc.enable()


async def turn_of_the_loop() -> None:
    await asyncio.sleep(0)


async def test_what_the_backend_sent_before_its_end_arrives() -> None:
    data = b"z" * 3_000_000
    async with backend() as server, stage(server.address, limits(write_buffer=4096)) as running:
        client, behind, session = await logged_in(running, server)
        behind.send(data)
        await asyncio.gather(behind.close(), session.ended.wait(), check_rest(client, data))
        assert session.events == ["backend lost: connection closed"]


async def check_rest(client: Peer, data: bytes) -> None:
    assert await client.rest() == data


async def test_a_client_that_closes_its_direction_still_gets_the_reply() -> None:
    async with backend() as server, stage(server.address) as running:
        client, behind, session = await logged_in(running, server)
        session.idle = False
        client.send(b"question")
        client.writer.write_eof()
        assert await behind.read(8) == b"question"
        behind.send(b"half ")
        assert await client.read(5) == b"half "
        session.idle = True
        behind.send(b"done")
        assert await behind.rest() == b""
        behind.send(b" last words")
        await behind.close()
        assert await client.rest() == b"done last words"


async def test_a_client_that_ends_in_the_middle_of_a_packet_is_not_waited_for() -> None:
    async with backend() as server, stage(server.address) as running:
        client, behind, session = await logged_in(running, server)
        session.idle, session.broken_off, session.kept = False, True, b" kept"
        client.send(b"quest")
        client.writer.write_eof()
        assert await behind.rest() == b"quest kept"
        await behind.close()


async def test_a_client_that_is_gone_is_not_waited_for() -> None:
    async with backend() as server, stage(server.address, half_closed_timeout=0.05) as running:
        client, behind, session = await logged_in(running, server)
        session.idle = False
        client.send(b"question")
        client.writer.write_eof()
        assert await behind.rest() == b"question"
        behind.send(b"answer")
        await behind.close()
        assert await client.rest() == b"answer"


async def test_nobody_waits_for_ever_for_a_reply_to_a_client_that_is_gone() -> None:
    async with (
        backend() as server,
        stage(server.address, half_closed_timeout=0.02, abandoned_timeout=0.02) as running,
    ):
        client, behind, session = await logged_in(running, server)
        session.idle = False
        client.send(b"question")
        client.writer.write_eof()
        assert await behind.rest() == b"question"
        await session.ended.wait()
        assert session.events == ["client lost: connection closed, and the reply that was due never came"]
        assert await client.rest() == b""


async def test_a_backend_that_does_not_follow_the_end_of_a_client_is_not_waited_for() -> None:
    async with backend() as server, stage(server.address, half_closed_timeout=0.02) as running:
        client, behind, session = await logged_in(running, server)
        client.send(b"bye")
        client.writer.write_eof()
        assert await behind.rest() == b"bye"
        await session.ended.wait()
        assert session.events == ["client lost: connection closed, and the backend did not close its own"]
        assert await client.rest() == b""


async def test_for_a_client_that_has_taken_leave_the_backend_is_not_waited_for() -> None:
    async with backend() as server, stage(server.address) as running:
        client, behind, session = await logged_in(running, server)
        session.left = True
        client.send(b"good bye")
        client.writer.write_eof()
        await session.ended.wait()
        assert session.events == ["client lost: connection closed"]
        assert await client.rest() == b""
        assert await behind.rest() == b"good bye"


async def test_a_client_that_leaves_during_the_login_ends_the_session() -> None:
    async with backend() as server, stage(server.address) as running:
        client, session = await running.greeted()
        behind = await server.accept()
        await client.close()
        assert await behind.rest() == b""
        assert session.events == ["client lost: connection closed"]


async def test_a_reset_by_the_client_closes_the_backend() -> None:
    async with backend() as server, stage(server.address) as running:
        client, behind, session = await logged_in(running, server)
        client.send(b"last words")
        assert await behind.read(10) == b"last words"
        raw = client.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.reset()
        assert await behind.rest() == b""
        await session.ended.wait()
        assert session.events[0].startswith("client lost: ")


@pytest.mark.parametrize("last", [packet(b"FAIL"), packet(b"DONE") + b"in bulk: FAIL"])
async def test_a_fault_ends_only_its_own_session(last: bytes) -> None:
    async with backend() as server, stage(server.address) as running:
        client, behind, _session = await logged_in(running, server)
        other, failing = await running.greeted()
        other.send(last)
        assert await other.rest() == b""
        assert failing.events == ["client lost: told to fail"]
        client.send(b"unharmed")
        assert await behind.read(8) == b"unharmed"


async def test_a_held_client_is_not_read_until_released() -> None:
    async with backend() as server, stage(server.address) as running:
        client, behind, session = await logged_in(running, server)
        client.send(b"a")
        assert await behind.read(1) == b"a"
        session.wires.hold_client()
        client.send(b"b")
        behind.send(b"!")
        assert await client.read(1) == b"!"
        assert session.received[-1] == b"a"
        session.wires.release_client()
        assert await behind.read(1) == b"b"


async def test_a_client_that_never_reads_holds_the_backend_and_cannot_hinder_the_end() -> None:
    async with backend() as server, stage(server.address, limits(write_buffer=4096), flush_timeout=0.1) as running:
        client = await running.connect(limit=1024)
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        behind = await server.accept()
        client.send(packet(b"DONE"))
        data = b"x" * 50_000_000
        behind.send(data)
        (pair,) = running.listener.pairs
        while not pair._backend._holds & Hold.FULL:
            await turn_of_the_loop()
        await running.listener.close()
        assert not running.listener.pairs
        assert running.sessions[0].sent < len(data)
        with pytest.raises(ConnectionError):
            await behind.writer.drain()


async def test_the_session_can_close_and_what_it_wrote_arrives() -> None:
    async with backend() as server, stage(server.address) as running:
        client, session = await running.greeted()
        behind = await server.accept()
        session.wires.to_client(b"bye")
        session.wires.to_backend(b"so long")
        session.wires.close()
        assert await client.rest() == b"bye"
        assert await behind.rest() == b"so long"


async def test_writes_after_the_end_go_nowhere() -> None:
    async with backend() as server, stage(server.address) as running:
        client, session = await running.greeted()
        session.wires.close()
        assert await client.rest() == b""
        session.wires.to_client(b"late")
        session.wires.to_backend(b"late")
        session.wires.hold_client()
        session.wires.release_client()
        session.wires.close()
        assert running.sessions == [session]


async def test_packets_are_sent_at_once_and_dead_peers_noticed() -> None:
    async with backend() as server, stage(server.address) as running:
        await running.greeted()
        (pair,) = running.listener.pairs
        for side in (pair._client, pair._backend):
            assert side._transport is not None
            with socket.socket(fileno=os.dup(side._transport.fd)) as raw:
                assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


async def test_an_end_that_waits_for_a_reply() -> None:
    async with backend() as server, stage(server.address) as running:
        client, behind, session = await logged_in(running, server)
        session.idle = False
        client.send(b"question")
        client.writer.write_eof()
        assert await behind.read(8) == b"question"
        drained = asyncio.ensure_future(running.listener.drain(Manners(quiet=0.01, patience=60)))
        behind.send(b"half ")
        assert await client.read(5) == b"half "
        session.idle = True
        behind.send(b"done")
        assert await client.rest() == b"done"
        await drained


async def test_a_session_that_cannot_be_made_leaves_the_others_alone() -> None:
    def refuse(_wires: Pair, _address: str) -> ScriptedSession:
        raise ZeroDivisionError("no session today")

    async with backend() as server:
        listener = Listener(PairSettings(Backends([server.address]), limits(), None, None), refuse)
        address = await listener.listen(Address(LOCALHOST, 0))
        assert isinstance(address, Address)
        for _ in range(2):
            client = Peer(*await asyncio.open_connection(address.host, address.port))
            assert await client.rest() == b""
            await client.close()
        await listener.close()


@pytest.mark.parametrize("event", ["client_lost", "backend_lost", "login_timed_out"])
async def test_a_fault_at_the_end_does_not_keep_the_connections(event: str) -> None:
    async with backend() as server, stage(server.address, limits(login_timeout=0.2)) as running:
        client, session = await running.greeted()
        behind = await server.accept()
        setattr(session, event, session._fail)
        if event == "client_lost":
            client.send(packet(b"FAIL"))
        elif event == "backend_lost":
            await behind.close()
        assert await client.rest() == b""
        assert await behind.rest() == b""


async def test_a_fault_after_a_tls_handshake_that_could_not_begin() -> None:
    async with backend() as server, stage(server.address) as running:
        client, session = await running.greeted()
        behind = await server.accept()
        session.wires.close()
        with pytest.raises(RuntimeError, match="TLS asked for"):
            session.wires.start_client_tls()
        assert await client.rest() == await behind.rest() == b""


async def test_a_fault_between_login_and_what_follows_ends_only_its_own_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_writes: object) -> None:
        raise ZeroDivisionError("told to fail")

    async with backend() as server, stage(server.address) as running:
        client, session = await running.greeted()
        monkeypatch.setattr(session, "in_bulk", fail)
        client.send(packet(b"DONE"))
        assert await client.rest() == b""
        assert (await running.greeted())[1].events == []
