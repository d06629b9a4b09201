"""Several backends, and several addresses to listen on."""

import asyncio
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from proxy.config import Address, UnixAddress
from proxy.net.settings import Manners
from tests.net.doubles import ANYWHERE, GREETING, LOCALHOST, ScriptedSession, backend, limits, packet, stage


@pytest.fixture
def gone() -> Address:
    """Where nobody listens."""
    with socket.create_server((LOCALHOST, 0)) as taken:
        return Address(*taken.getsockname())


@pytest.fixture
def silent() -> Iterator[Address]:
    """Where connections are taken and nobody says anything."""
    with socket.create_server((LOCALHOST, 0)) as listening:
        yield Address(*listening.getsockname())


async def test_the_next_backend_is_tried(gone: Address) -> None:
    async with backend() as server, stage((gone, server.address)) as running:
        with capture_logs() as logs:
            for _ in range(3):
                client, session = await running.greeted()
                client.send(packet(b"login"))
                assert await (await server.accept()).read(9) == packet(b"login")
                assert session.events == []
        assert [(log["event"], log["backend"]) for log in logs] == [("backend unreachable", str(gone))]


async def test_a_backend_that_closes_before_its_greeting() -> None:
    async with backend(greeting=b"") as mute, backend() as server:
        async with stage((mute.address, server.address)) as running:
            client = await running.connect()
            await (await mute.accept()).close()
            assert await client.read(len(GREETING)) == GREETING
            assert await server.accept()
        async with stage(mute.address) as running:
            client = await running.connect()
            (await mute.accept()).reset()
            assert await client.rest() == (
                f"ERR cannot connect to {mute.address}: connection closed before the greeting".encode()
            )


async def test_a_session_that_ends_with_the_first_bytes_of_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may come before the connection is said to be made."""
    monkeypatch.setattr(ScriptedSession, "backend_data", lambda session, data: session.backend_unreachable("garbage"))
    async with backend() as server, stage(server.address) as running:
        for _ in range(20):
            client = await running.connect()
            assert await client.rest() == b"ERR garbage"
        await asyncio.wait_for(running.listener.close(), 4)


async def test_a_backend_that_does_not_greet_in_time(silent: Address) -> None:
    async with backend() as server:
        async with stage((silent, server.address), limits(connect_timeout=0.05)) as running:
            client, session = await running.greeted()
            client.send(packet(b"login"))
            assert await (await server.accept()).read(9) == packet(b"login")
            assert session.events == []
        async with stage(silent, limits(connect_timeout=0.05)) as running:
            client = await running.connect()
            assert await client.rest() == f"ERR cannot connect to {silent}: no greeting within 0.05 s".encode()


async def test_none_of_them(gone: Address, tmp_path: Path) -> None:
    missing = UnixAddress(tmp_path / "missing")
    async with stage((gone, missing)) as running:
        with capture_logs() as logs:
            for _ in range(20):
                client = await running.connect()
                assert (
                    await client.rest()
                    == (
                        f"ERR cannot connect to {gone}: Connection refused; "
                        f"cannot connect to {missing}: No such file or directory"
                    ).encode()
                )
        assert [log["event"] for log in logs if log["event"] != "session ended"] == ["backend unreachable"] * 2


async def test_the_way_back_is_logged_with_what_was_lost() -> None:
    with socket.socket() as later:
        later.bind((LOCALHOST, 0))
        async with stage(Address(*later.getsockname())) as running:
            with capture_logs() as logs:
                for _ in range(3):
                    assert (await (await running.connect()).rest()).endswith(b"Connection refused")
                later.listen()
                later.setblocking(False)
                client = await running.connect()
                accepted, _ = await asyncio.get_running_loop().sock_accept(later)
                accepted.send(GREETING)
                assert await client.read(len(GREETING)) == GREETING
                accepted.close()
        told = [log for log in logs if log["event"].startswith("backend")]
        assert [log["event"] for log in told] == ["backend unreachable", "backend reachable again"]
        assert (told[1]["failed_connections"], told[1]["refused_sessions"]) == (3, 3)


@pytest.mark.parametrize("first", ["client leaves", "listener closes", "listener drains"])
async def test_an_end_before_the_greeting(first: str) -> None:
    async with backend(greeting=b"") as mute, stage((mute.address, mute.address)) as running:
        client = await running.connect()
        behind = await mute.accept()
        if first == "client leaves":
            await client.close()
            await running.listener.close()
        elif first == "listener closes":
            await running.listener.close()
        else:
            running.sessions[0].idle = False
            drained = asyncio.ensure_future(running.listener.drain(Manners(quiet=0.01, patience=60)))
            behind.send(b"half ")
            assert await client.read(5) == b"half "
            running.sessions[0].idle = True
            behind.send(b"done")
            assert await client.read(4) == b"done"
            await drained
        assert await client.rest() == await behind.rest() == b""
        assert not running.listener.pairs


async def test_unix_sockets_on_both_sides(tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000
    async with backend(UnixAddress(tmp_path / "b")) as server:
        async with stage(server.endpoint, limits(write_buffer=4096), at=UnixAddress(tmp_path / "f")) as running:
            client, session = await running.greeted()
            behind = await server.accept()
            client.send(packet(b"DONE") + data)
            behind.send(data)
            assert tuple(await asyncio.gather(behind.read(len(data)), client.read(len(data)))) == (data, data)
            assert session.backend_secure
            await client.close()
            assert await behind.rest() == b""
        assert not (tmp_path / "f").exists()


async def test_a_tcp_backend_is_not_secure(tmp_path: Path) -> None:
    async with backend() as server, stage((UnixAddress(tmp_path / "missing"), server.address)) as running:
        _client, session = await running.greeted()
        assert session.backend_secure is False


async def test_several_listeners(tmp_path: Path) -> None:
    path = tmp_path / "k"
    async with backend() as server, stage(server.address, at=Address("::1", 0)) as running:
        more = [await running.listener.listen(endpoint) for endpoint in (UnixAddress(path), ANYWHERE)]
        assert stat.S_IMODE(path.stat().st_mode) == 0o777
        for endpoint in (running.endpoint, *more):
            running.endpoint = endpoint
            await running.greeted()
        assert [session.address.rpartition(":")[0] for session in running.sessions] == ["[::1]", "unix", LOCALHOST]
        running.listener.stop_accepting()
        for endpoint in (*more, running.endpoint):
            running.endpoint = endpoint
            with pytest.raises(OSError, match=r"failed|refused|No such file"):
                await running.connect()


async def test_a_greeting_that_comes_too_late_is_not_heard() -> None:
    async with (
        backend(greeting=b"") as mute,
        backend() as server,
        stage((mute.address, server.address), limits(connect_timeout=0.05)) as running,
    ):
        client = await running.connect()
        late = await mute.accept()
        on_time = await server.accept()
        late.send(b"too late")
        assert await client.read(len(GREETING)) == GREETING
        assert await late.rest() == b""
        on_time.send(b"!")
        assert await client.read(1) == b"!"
        assert running.sessions[0].events == []
