"""Connections that must begin with a PROXY header, and those that must not."""

import asyncio
import ipaddress
import socket
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from proxy.config import Network, ProxyProtocolVersion, UnixAddress
from proxy.net.gate import TOO_MANY
from proxy.net.listening import inherited
from tests.net.doubles import GREETING, Peer, ScriptedSession, Stage, backend, limits, packet, stage

EVERYWHERE: tuple[Network, ...] = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("127.0.0.0/8"))
ELSEWHERE: tuple[Network, ...] = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::/0"))
V1 = b"PROXY TCP4 203.0.113.7 198.51.100.2 40000 3306\r\n"
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
V2 = SIGNATURE + bytes.fromhex("2111000ccb007107c63364029c400cea")
LOCAL = SIGNATURE + b"\x20\0\0\0"
UNKNOWN = b"PROXY UNKNOWN\r\n"


async def announced(running: Stage, header: bytes, *, at_once: bytes = b"") -> tuple[Peer, ScriptedSession]:
    client = await running.connect()
    client.send(header + at_once)
    assert await client.read(len(GREETING)) == GREETING
    return client, running.sessions[-1]


@pytest.mark.parametrize("header", [V1, V2])
@pytest.mark.parametrize("at_once", [b"", packet(b"one"), packet(b"one") + b"\x03"])
async def test_the_announced_client_is_the_client(header: bytes, at_once: bytes) -> None:
    async with backend() as server, stage(server.address, networks=EVERYWHERE) as running:
        client, session = await announced(running, header, at_once=at_once)
        assert session.address == "203.0.113.7:40000"
        client.send((packet(b"one") + packet(b"two"))[len(at_once) :])
        assert await (await server.accept()).read(14) == packet(b"one") + packet(b"two")


@pytest.mark.parametrize("header", [LOCAL, UNKNOWN])
async def test_a_header_that_speaks_for_nobody(header: bytes) -> None:
    async with backend() as server, stage(server.address, networks=EVERYWHERE) as running:
        client, session = await announced(running, header)
        assert session.address == "{}:{}".format(*client.writer.get_extra_info("sockname"))


async def test_a_header_byte_by_byte() -> None:
    async with backend() as server, stage(server.address, networks=EVERYWHERE) as running:
        client = await running.connect()
        for byte in V1:
            client.send(bytes((byte,)))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert await client.read(len(GREETING)) == GREETING
        assert running.sessions[0].address == "203.0.113.7:40000"


async def test_limits_are_for_the_host_that_the_header_tells() -> None:
    async with (
        backend() as server,
        stage(server.address, limits(sessions_per_host=1), networks=EVERYWHERE) as running,
    ):
        await announced(running, V1)
        again = await running.connect()
        again.send(V1)
        assert await again.rest() == TOO_MANY
        await announced(running, V1.replace(b"203.0.113.7", b"203.0.113.8"))


async def test_nobody_speaks_before_the_header() -> None:
    async with backend() as server, stage(server.address, networks=EVERYWHERE) as running:
        client = await running.connect()
        other, _ = await announced(running, V2)
        assert len(running.sessions) == 1
        client.send(V1)
        assert await client.read(len(GREETING)) == GREETING
        await other.close()


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 nonsense\r\n", SIGNATURE + b"\x30\x11\0\0", packet(b"x" * 20, 1)]
)
async def test_a_wrong_header_ends_its_own_session(data: bytes) -> None:
    with capture_logs() as logs:
        await _meet_a_wrong_header(data)
    assert [log["event"] for log in logs] == ["session ended"] * 2


async def _meet_a_wrong_header(data: bytes) -> None:
    async with backend() as server, stage(server.address, networks=EVERYWHERE) as running:
        client = await running.connect()
        client.send(data)
        assert await client.rest() == b""
        assert running.sessions[0].events[0].startswith("client lost: malformed: a PROXY header ")
        await announced(running, V1)
        assert len(server._peers) == 1, "the backend is not asked for a client that is refused"


async def test_a_header_that_ends_too_early_or_never_comes() -> None:
    async with (
        backend() as server,
        stage(server.address, limits(login_timeout=0.05), networks=EVERYWHERE) as running,
    ):
        early = await running.connect()
        early.send(V1[:20])
        early.writer.write_eof()
        assert await early.rest() == b""
        silent = await running.connect()
        assert await silent.rest() == b""
        assert [session.events[0] for session in running.sessions] == [
            "client lost: malformed: the connection ended in its PROXY header",
            "client lost: malformed: no PROXY header in time",
        ]


async def test_a_bare_connection_is_no_session() -> None:
    async with backend() as server, stage(server.address, networks=EVERYWHERE) as running:
        with capture_logs() as logs:
            check = await running.connect()
            check.writer.write_eof()
            assert await check.rest() == b""
            reset = await running.connect()
            reset.reset()
            await announced(running, V1)
        assert len(running.sessions) == 1
        assert logs == []


@pytest.mark.parametrize("header", [V1, V2])
@pytest.mark.parametrize("networks", [(), ELSEWHERE])
async def test_a_header_from_elsewhere_is_malformed(header: bytes, networks: tuple[Network, ...]) -> None:
    async with backend() as server, stage(server.address, networks=networks) as running:
        client = await running.connect()
        assert await client.read(len(GREETING)) == GREETING
        client.send(header)
        assert await client.rest() == b""
        [session] = running.sessions
        assert session.events == [
            "client lost: malformed: a PROXY header from an address that may not send one",
        ]
        assert session.address == "{}:{}".format(*client.writer.get_extra_info("sockname"))
        assert await (await server.accept()).rest() == b""


async def test_a_listener_that_closes_lets_nobody_wait() -> None:
    async with backend() as server, stage(server.address, networks=EVERYWHERE) as running:
        client = await running.connect()
        await announced(running, V1)
        await running.listener.close()
        assert await client.rest() == b""
        assert len(running.sessions) == 1


async def test_an_ipv4_client_of_a_socket_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address of such a client is ::ffff:127.0.0.1, and the network is 127.0.0.0/8 all the same."""
    with socket.socket(socket.AF_INET6) as both:
        both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        both.bind(("::", 0))
        async with backend() as server, stage(server.address, networks=EVERYWHERE) as running:
            both.listen()
            running.listener.accept_at(inherited([both]))
            client = Peer(*await asyncio.open_connection("127.0.0.1", both.getsockname()[1]))
            client.send(V1)
            assert await client.read(len(GREETING)) == GREETING
            assert running.sessions[0].address == "203.0.113.7:40000"
            client.reset()
            await client.close()


async def test_a_unix_client(tmp_path: Path) -> None:
    at = UnixAddress(tmp_path / "k")
    async with backend() as server, stage(server.address, networks=EVERYWHERE, at=at) as running:
        _client, session = await running.greeted()
        assert session.address == f"unix:{tmp_path / 'k'}"
        assert session.wires.client.secure


async def test_who_is_secure() -> None:
    async with backend() as server, stage(server.address, networks=EVERYWHERE) as running:
        for header in (V1, LOCAL):
            _, session = await announced(running, header)
            assert not session.wires.client.secure


# --------------------------------------------------------------------------------------------------------------------
# The header for the backend


@pytest.mark.parametrize(
    ("version", "header"),
    [(ProxyProtocolVersion.V1, V1), (ProxyProtocolVersion.V2, V2), (ProxyProtocolVersion.OFF, b"")],
)
async def test_the_announced_client_is_announced_on(version: ProxyProtocolVersion, header: bytes) -> None:
    async with backend() as server, stage(server.address, networks=EVERYWHERE, header=version) as running:
        client, _session = await announced(running, V1)
        client.send(packet(b"login"))
        assert await (await server.accept()).read(len(header) + 9) == header + packet(b"login")


async def test_a_client_is_announced() -> None:
    async with backend() as server, stage(server.address, header=ProxyProtocolVersion.V1) as running:
        client, _session = await running.greeted()
        (host, port), (_, here) = (client.writer.get_extra_info(name) for name in ("sockname", "peername"))
        header = f"PROXY TCP4 {host} {host} {port} {here}\r\n".encode()
        assert await (await server.accept()).read(len(header)) == header


async def test_a_unix_client_is_nobody(tmp_path: Path) -> None:
    at = UnixAddress(tmp_path / "k")
    async with backend() as server, stage(server.address, header=ProxyProtocolVersion.V2, at=at) as running:
        await running.greeted()
        assert await (await server.accept()).read(len(LOCAL)) == LOCAL
