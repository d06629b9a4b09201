"""Reaching a backend: its name looked up anew each time, every address of it tried, over TCP or a Unix socket."""

import asyncio
import errno
import os
import socket
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from proxy.config import Address, Endpoint, UnixAddress
from proxy.net.side import describe

_UNIX_RETRY: Final = 0.01
"""Seconds until a Unix socket is tried again whose queue was full: unlike TCP, the kernel lets nobody wait."""
_UNDER_WAY: Final = (errno.EINPROGRESS, errno.EALREADY, errno.EAGAIN)
NON_BLOCKING: Final = getattr(socket, "SOCK_NONBLOCK", 0)
"""Part of a socket's type, where the system knows it there: one system call less."""

_Resolved = tuple[int, int, int, str, Any]


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
    one = Dial(endpoint)
    try:
        return one.at_once() or await one.in_time(seconds)
    finally:
        one.hang_up()


class Dial:
    """One connection that is being made: at once where that is possible, as it is to a server on this machine.

    endpoint: where to.
    """

    __slots__ = ("_endpoint", "_socket")

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._socket: socket.socket | None = None

    def at_once(self) -> socket.socket | None:
        """Connect without waiting for anything; None: that takes its time, and `in_time` goes on with it.

        Raises:
            UnreachableError: the connection is refused.
        """
        found = _without_look_up(self._endpoint)
        if found is None:
            return None
        self._socket = sock = _open(found)
        try:
            # Linux has connected to a server on this machine by the end of the call, and says so when asked again.
            connected = _connects(sock, found) or _connects(sock, found)
        except OSError as error:
            self.hang_up()
            raise UnreachableError(self._endpoint, describe(error)) from None
        return self._connected() if connected else None

    async def in_time(self, seconds: float) -> socket.socket:
        """Connect, and wait for it for at most so many seconds.

        Raises:
            UnreachableError: none of the addresses took the connection.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                if isinstance(self._endpoint, UnixAddress):
                    await self._connect_unix(_of_unix(self._endpoint))
                elif (found := _without_look_up(self._endpoint)) is not None:
                    await self._connect(found)
                else:
                    await self._connect_any(self._endpoint, loop.time() + seconds)
        except TimeoutError:
            raise UnreachableError(self._endpoint, f"no answer within {seconds:g} s") from None
        except OSError as error:
            raise UnreachableError(self._endpoint, describe(error)) from None
        return self._connected()

    def hang_up(self) -> None:
        """Close what is not connected yet."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        """Hand the socket out: it is the caller's from now on."""
        sock, self._socket = self._socket, None
        if sock is None:
            raise RuntimeError("nothing has been dialled")
        return sock

    async def _connect_unix(self, found: _Resolved) -> None:
        sock = self._reopen(found)
        while True:
            if _connects(sock, found):
                return
            # asyncio would take it for a connection that is under way, and report success.
            await asyncio.sleep(_UNIX_RETRY)

    async def _connect_any(self, address: Address, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        found = await _resolve(address)
        failure = OSError(f"{address.host} has no address")
        for left in range(len(found), 0, -1):
            # A silent address may take its share of the time, not that of those behind it.
            until = loop.time() + max(0.0, deadline - loop.time()) / left
            try:
                async with asyncio.timeout_at(until):
                    await self._connect(found[-left])
                return
            except OSError as error:
                failure = error
                self.hang_up()
        raise failure

    async def _connect(self, found: _Resolved) -> None:
        await asyncio.get_running_loop().sock_connect(self._reopen(found), found[4])

    def _reopen(self, found: _Resolved) -> socket.socket:
        """Go on with the connection that is under way, or begin one."""
        if self._socket is None:
            self._socket = _open(found)
        return self._socket


def _open(found: _Resolved) -> socket.socket:
    family, kind, protocol, _name, _address = found
    sock = socket.socket(family, kind | NON_BLOCKING, protocol)
    if not NON_BLOCKING:
        sock.setblocking(False)
    return sock


def _connects(sock: socket.socket, found: _Resolved) -> bool:
    number = sock.connect_ex(found[4])
    if number and number not in _UNDER_WAY:
        raise OSError(number, os.strerror(number))
    return not number


@lru_cache(maxsize=64)
def _without_look_up(endpoint: Endpoint) -> _Resolved | None:
    """Give an address that is written in numbers, or a Unix socket's; None: it has a name."""
    if isinstance(endpoint, UnixAddress):
        return _of_unix(endpoint)
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    try:
        return socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=flags)[0]
    except socket.gaierror:
        return None


def _of_unix(address: UnixAddress) -> _Resolved:
    return socket.AF_UNIX, socket.SOCK_STREAM, 0, "", str(address.path)


async def _resolve(address: Address) -> Sequence[_Resolved]:
    """Look a name up without holding up the loop."""
    return await asyncio.get_running_loop().getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
