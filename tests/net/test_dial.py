import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from proxy.config import Address, Endpoint, UnixAddress
from proxy.net.dial import Dial, UnreachableError, dial
from tests.net.doubles import GREETING, LOCALHOST, backend


async def hear(endpoint: Endpoint, seconds: float = 5.0) -> bytes:
    """Connect and read the greeting."""
    with await dial(endpoint, seconds) as sock:
        return await asyncio.get_running_loop().sock_recv(sock, len(GREETING))


def free_port() -> int:
    with socket.create_server((LOCALHOST, 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def names(monkeypatch: pytest.MonkeyPatch, *answers: list[Address]) -> None:
    """Let a name stand for addresses, for others at each look-up."""
    waiting = list(answers)

    async def resolve(_address: Address) -> Sequence[Any]:
        return [
            (
                socket.AF_INET6 if ":" in found.host else socket.AF_INET,
                socket.SOCK_STREAM,
                0,
                "",
                (found.host, found.port),
            )
            for found in waiting.pop(0)
        ]

    monkeypatch.setattr("proxy.net.dial._resolve", resolve)


@pytest.mark.parametrize("host", [LOCALHOST, "::1", "localhost"])
async def test_tcp(host: str) -> None:
    async with backend(Address(host, 0)) as server:
        assert await hear(server.endpoint) == GREETING


async def test_a_server_on_this_machine_is_connected_at_once(tmp_path: Path) -> None:
    for at in (Address(LOCALHOST, 0), UnixAddress(tmp_path / "s")):
        async with backend(at) as server:
            connected = Dial(server.endpoint).at_once()
            assert connected is not None
            connected.close()


async def test_a_name_is_not_dialled_at_once() -> None:
    assert Dial(Address("localhost", 1)).at_once() is None


async def test_a_unix_socket(tmp_path: Path) -> None:
    async with backend(UnixAddress(tmp_path / "s")) as server:
        assert await hear(server.endpoint) == GREETING


async def test_a_name_without_an_address() -> None:
    with pytest.raises(UnreachableError, match=r"^cannot connect to nowhere\.invalid:1: ."):
        await hear(Address("nowhere.invalid", 1))


async def test_nobody_there(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(UnreachableError, match=rf"^cannot connect to 127.0.0.1:{port}: Connection refused$"):
        await hear(Address(LOCALHOST, port))
    missing = tmp_path / "missing"
    with pytest.raises(UnreachableError, match=rf"^cannot connect to unix:{missing}: No such file or directory$"):
        await hear(UnixAddress(missing))
    (tmp_path / "dead").touch()
    with pytest.raises(UnreachableError, match="dead: Connection refused"):
        await hear(UnixAddress(tmp_path / "dead"))


async def test_a_unix_socket_whose_queue_is_full_is_waited_for(tmp_path: Path) -> None:
    path = str(tmp_path / "full")
    with socket.socket(socket.AF_UNIX) as full:
        full.bind(path)
        full.listen(0)
        with socket.socket(socket.AF_UNIX) as filler:
            filler.connect(path)
            with pytest.raises(UnreachableError, match=r"no answer within 0\.05 s"):
                await hear(UnixAddress(Path(path)), 0.05)
            waiting = asyncio.ensure_future(hear(UnixAddress(Path(path))))
            await asyncio.sleep(0)
            accepted = [full.accept()[0]]
            full.setblocking(False)
            accepted.append((await asyncio.get_running_loop().sock_accept(full))[0])
            accepted[1].send(GREETING)
            assert await waiting == GREETING
            for one in accepted:
                one.close()


NAME = Address("db", 3306)


async def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    async with backend() as server:
        names(monkeypatch, [Address("::1", free_port()), Address(LOCALHOST, free_port()), server.address])
        assert await hear(NAME) == GREETING


async def test_a_name_is_looked_up_anew_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with backend() as one, backend(greeting=b"another.") as other:
        names(monkeypatch, [one.address], [other.address])
        assert await hear(NAME) == GREETING
        assert await hear(NAME) == b"another."


async def test_the_last_failure_of_a_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, [Address(LOCALHOST, free_port()), Address("::1", free_port())], [])
    with pytest.raises(UnreachableError, match=r"^cannot connect to db:3306: Connection refused$"):
        await hear(NAME)
    with pytest.raises(UnreachableError, match=r"^cannot connect to db:3306: db has no address$"):
        await hear(NAME)


async def test_a_silent_address_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind((LOCALHOST, 0))
        silent.listen(0)
        with socket.create_connection(silent.getsockname()):
            async with backend() as server:
                names(monkeypatch, [Address(*silent.getsockname()), server.address])
                assert await hear(NAME, 0.4) == GREETING
            names(monkeypatch, [Address(*silent.getsockname())] * 2)
            with pytest.raises(UnreachableError, match=r"no answer within 0\.05 s"):
                await hear(NAME, 0.05)


async def test_an_end_while_dialling_leaves_no_socket(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind((LOCALHOST, 0))
        silent.listen(0)
        with socket.create_connection(silent.getsockname()):
            dialling = asyncio.ensure_future(hear(Address(*silent.getsockname())))
            await asyncio.sleep(0)
            dialling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dialling
