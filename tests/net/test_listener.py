"""What goes wrong where clients are accepted passes over, and no client is lost for it."""

import asyncio
import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from proxy.net.kernel import accept
from proxy.net.listening import inherited
from tests.descriptors import no_descriptor_left
from tests.net.doubles import GREETING, LOCALHOST, Peer, Stage, backend, stage

REASON = os.strerror(errno.EMFILE)
TURNS = 20
"""Of the event loop, in each of which somebody may be accepted."""


@contextmanager
def somebody_waits(running: Stage) -> Iterator[socket.socket]:
    """Give a client that waits at a listening socket of the stage's."""
    with socket.create_server((LOCALHOST, 0)) as listening, socket.create_connection(listening.getsockname()) as client:
        running.listener.accept_at(inherited([listening]))
        client.setblocking(False)
        yield client


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_who_cannot_be_accepted_just_now_is_accepted_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.net.listener._PAUSE", 0)
    async with backend() as server, stage(server.address) as running:
        with capture_logs() as logs, somebody_waits(running) as waiting:
            with no_descriptor_left():
                await turns(TURNS)
            assert len(logs) >= 2
            client = Peer(*await asyncio.open_connection(sock=waiting))
            assert await client.read(len(GREETING)) == GREETING
            client.reset()
            await client.close()
        assert {line["reason"] for line in logs if line["log_level"] == "error"} == {REASON}


async def test_a_listener_may_close_while_it_cannot_accept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.net.listener._PAUSE", 0)
    async with backend() as server, stage(server.address) as running:
        with capture_logs() as logs, somebody_waits(running), no_descriptor_left():
            await turns(TURNS)
            running.listener.stop_accepting()
            told = len(logs)
            await turns(TURNS)
        assert told == len(logs)
        assert logs[0]["reason"] == REASON


class Gone(socket.socket):
    """A listening socket whose first client is gone before it is accepted."""

    def accept(self) -> tuple[socket.socket, object]:
        raise ConnectionAbortedError(errno.ECONNABORTED, os.strerror(errno.ECONNABORTED))


def test_a_client_that_is_gone_before_it_is_accepted_is_no_error() -> None:
    with Gone() as sock:
        assert accept(sock) == -1
