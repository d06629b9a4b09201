"""Reaching a backend: its name looked up anew each time, every address of it tried, over TCP or a Unix socket."""

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from proxy.config import Address, Endpoint, UnixAddress
from proxy.net.side import describe

_UNIX_RETRY: Final = 0.01
"""Seconds until a Unix socket is tried again whose queue was full: unlike TCP, the kernel lets nobody wait."""

_Resolved = tuple[int, int, int, str, tuple[Any, ...]]


class UnreachableError(Exception):
    """No connection to a backend; `reason` says why, the message also to which."""

    def __init__(self, endpoint: Endpoint, reason: str) -> None:
        super().__init__(f"cannot connect to {endpoint}: {reason}")
        self.reason = reason


async def dial(endpoint: Endpoint, seconds: float) -> socket.socket:
    """Connect; returns a socket that does not block.

    seconds: the time for everything, the look-up of the name included; the addresses of a name share them.

    Raises:
        UnreachableError: none of the addresses took the connection.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            if isinstance(endpoint, UnixAddress):
                return await _connect_unix(endpoint.path)
            return await _connect_tcp(endpoint, loop.time() + seconds)
    except TimeoutError:
        raise UnreachableError(endpoint, f"no answer within {seconds:g} s") from None
    except OSError as error:
        raise UnreachableError(endpoint, describe(error)) from None


async def _connect_unix(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.setblocking(False)
        while True:
            try:
                sock.connect(str(path))
            except BlockingIOError:
                # asyncio would take it for a connection that is under way, and report success.
                await asyncio.sleep(_UNIX_RETRY)
            else:
                return sock
    except BaseException:
        sock.close()
        raise


async def _connect_tcp(address: Address, deadline: float) -> socket.socket:
    loop = asyncio.get_running_loop()
    found = await _resolve(address)
    failure = OSError(f"{address.host} has no address")
    for left in range(len(found), 0, -1):
        # A silent address may take its share of the time, not that of those behind it.
        until = loop.time() + max(0.0, deadline - loop.time()) / left
        try:
            return await _connect(found[-left], until)
        except OSError as error:
            failure = error
    raise failure


async def _connect(found: _Resolved, until: float) -> socket.socket:
    family, kind, protocol, _name, address = found
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        async with asyncio.timeout_at(until):
            await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


async def _resolve(address: Address) -> Sequence[_Resolved]:
    """Look a name up without holding up the loop; an address written in numbers takes no look-up."""
    loop = asyncio.get_running_loop()
    try:
        return socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        )
    except socket.gaierror:
        return await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
