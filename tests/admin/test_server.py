import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from proxy.admin.app import create_app
from proxy.admin.server import AdminServer
from proxy.config import Address
from tests.admin.sources import sources

ANY_PORT = Address("127.0.0.1", 0)
HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\n\r\n"
CLOSING = HEALTHY.replace(b"Accept", b"Connection: close\r\nAccept")


async def ready() -> str | None:
    return None


def app() -> web.Application:
    return create_app(sources(), ready=ready)


@pytest.fixture
async def server() -> AsyncIterator[AdminServer]:
    server = AdminServer(app(), max_connections=3, idle_timeout=0.05)
    await server.start(ANY_PORT)
    yield server
    await server.stop()


async def connect(server: AdminServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(server.address.host, server.address.port)


async def ask(server: AdminServer, request: bytes) -> bytes:
    """Send a request as curl does, over a connection of its own, and read until the server closes it."""
    reader, writer = await connect(server)
    writer.write(request)
    reply = await reader.read()
    writer.close()
    await writer.wait_closed()
    return reply


async def test_a_plain_request_is_answered(server: AdminServer) -> None:
    reply = await ask(server, HEALTHY)
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert reply.endswith(b"\r\n\r\nKeyclash is Healthy.\n")


async def test_a_request_without_keep_alive_and_host_is_answered(server: AdminServer) -> None:
    assert b" 200 OK\r\n" in await ask(server, b"GET /metrics HTTP/1.0\r\n\r\n")


async def test_port_0_is_a_free_port(server: AdminServer) -> None:
    assert server.address.host == "127.0.0.1"
    assert server.address.port > 0


async def test_ipv6_has_an_address_too() -> None:
    server = AdminServer(app())
    await server.start(Address("::1", 0))
    assert str(server.address) == f"[::1]:{server.address.port}"
    await server.stop()


async def test_an_address_in_use_is_an_os_error_and_another_may_be_tried(server: AdminServer) -> None:
    second = AdminServer(app())
    with pytest.raises(OSError, match="in use"):
        await second.start(server.address)
    await second.start(ANY_PORT)
    assert second.address != server.address
    await second.stop()


@pytest.mark.parametrize("beginning", [b"", b"GET /", HEALTHY + b"GET / HTTP/1.1\r\n"])
async def test_who_sends_no_whole_request_is_closed(server: AdminServer, beginning: bytes) -> None:
    await ask(server, beginning)


async def test_more_connections_than_allowed_are_refused_until_one_is_closed() -> None:
    server = AdminServer(app(), max_connections=2, idle_timeout=60)
    await server.start(ANY_PORT)
    held = [await connect(server) for _ in range(2)]
    for reader, writer in held:
        writer.write(HEALTHY)
        await reader.readuntil(b"Healthy.\n")
    assert await ask(server, b"") == b""
    reader, writer = held[0]
    writer.write(CLOSING)
    await reader.read()
    assert b"Healthy" in await ask(server, CLOSING)
    await server.stop()
    for _, writer in held:
        writer.close()


async def test_a_header_too_long_is_refused(server: AdminServer) -> None:
    assert b" 400 " in await ask(server, b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n")


async def test_requests_are_not_logged(server: AdminServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await ask(server, HEALTHY)
    assert not [record for record in caplog.records if record.name != "asyncio"]


@pytest.mark.parametrize(
    "request_", [b"GET / HTTP/1.1\r\nX: \0\r\n\r\n", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n"]
)
async def test_requests_that_are_not_http_do_not_fill_the_log(
    server: AdminServer, caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    assert b" 400 " in await ask(server, request_)
    assert not caplog.records


async def test_a_page_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> str | None:
        raise ZeroDivisionError

    server = AdminServer(create_app(sources(), ready=broken), idle_timeout=0.05)
    await server.start(ANY_PORT)
    assert b" 500 " in await ask(server, HEALTHY.replace(b"healthy", b"ready"))
    await server.stop()
    assert [record.name for record in caplog.records] == ["proxy.admin.server"]


async def test_a_stopped_server_listens_no_more(server: AdminServer) -> None:
    address = server.address
    reader, writer = await connect(server)
    await server.stop()
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(address.host, address.port)
    with pytest.raises(RuntimeError, match="does not listen"):
        _ = server.address


async def test_a_server_that_never_started_can_be_stopped() -> None:
    server = AdminServer(app())
    with pytest.raises(RuntimeError, match="does not listen"):
        _ = server.address
    await server.stop()
