"""What goes wrong where clients are accepted passes over, and no client is lost for it."""

import asyncio
import errno
import os
import socket

import pytest
from structlog.testing import capture_logs

from proxy.net.listening import inherited
from tests.net.doubles import GREETING, LOCALHOST, Backend, Peer, Stage, backend, stage


class Failing(socket.socket):
    """A listening socket whose first connections cannot be accepted."""

    errors: list[int]
    failed: asyncio.Event

    def accept(self) -> tuple[socket.socket, object]:
        if self.errors:
            self.failed.set()
            raise OSError(number := self.errors.pop(0), os.strerror(number))
        return super().accept()


def listening(*errors: int) -> Failing:
    sock = Failing()
    sock.errors = list(errors)
    sock.failed = asyncio.Event()
    sock.bind((LOCALHOST, 0))
    sock.listen()
    return sock


async def greeted(running: Stage, server: Backend, sock: Failing) -> None:
    client = Peer(*await asyncio.open_connection(*sock.getsockname()))
    assert await client.read(len(GREETING)) == GREETING
    client.reset()
    await client.close()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
async def test_who_cannot_be_accepted_just_now_is_accepted_later(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.net.listener._PAUSE", 0.01)
    async with backend() as server, stage(server.address) as running:
        sock = listening(number, number)
        running.listener.accept_at(inherited([sock]))
        with capture_logs() as logs:
            await greeted(running, server, sock)
        assert [line["reason"] for line in logs if line["log_level"] == "error"] == [os.strerror(number)] * 2


async def test_a_client_that_is_gone_before_it_is_accepted_delays_nobody() -> None:
    async with backend() as server, stage(server.address) as running:
        sock = listening(errno.ECONNABORTED)
        running.listener.accept_at(inherited([sock]))
        with capture_logs() as logs:
            await asyncio.wait_for(greeted(running, server, sock), 1)
        assert not [line for line in logs if line["log_level"] == "error"]


async def test_a_listener_may_close_while_it_cannot_accept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.net.listener._PAUSE", 0)
    async with backend() as server, stage(server.address) as running:
        sock = listening(*[errno.EMFILE] * 2)
        running.listener.accept_at(inherited([sock]))
        with socket.create_connection(sock.getsockname()):
            await sock.failed.wait()
            running.listener.stop_accepting()
            for _ in range(2):
                await asyncio.sleep(0)
        assert len(sock.errors) == 1
