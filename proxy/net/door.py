"""The protocol of a connection until its pair is there, which reads the PROXY header where one must come first."""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from proxy.config import Endpoint, Network
from proxy.net.client import Client, announced_client, connected_client
from proxy.net.proxy_header import Announcement, HeaderReader, ProxyHeaderError, plain_ip

_SCRATCH: Final = 512


class Entrance:
    """Where clients of one listening socket come in.

    listener: its address. networks: from where connections begin with a PROXY header. timeout: seconds that the header
    may take. admit: takes a client in. refuse: ends a connection whose header is wrong or missing, and is told why.
    """

    def __init__(
        self,
        listener: Endpoint,
        networks: tuple[Network, ...],
        timeout: float,
        admit: Callable[[asyncio.Transport, Client], object],
        refuse: Callable[[asyncio.Transport, Client, str], object],
    ) -> None:
        self.timeout = timeout
        self.waiting: set[Door] = set()
        self._listener = listener
        self.networks = networks
        self._admit = admit
        self._refuse = refuse

    def make_door(self) -> "Door":
        """Make the protocol of a connection that has come."""
        return Door(self)

    def expects_header(self, transport: asyncio.Transport) -> bool:
        """Whether this connection must begin with a PROXY header."""
        peer = transport.get_extra_info("peername") if self.networks else None
        # A peer that is gone already, or has come by a Unix socket, has no address.
        return isinstance(peer, tuple) and any(plain_ip(peer[0]) in network for network in self.networks)

    def admit(self, transport: asyncio.Transport, announcement: Announcement | None) -> None:
        """Take a client in; announcement: what its PROXY header says."""
        if announcement is not None:
            self._admit(transport, announced_client(announcement))
        else:
            self._admit(transport, connected_client(transport, self._listener))

    def refuse(self, transport: asyncio.Transport, reason: str) -> None:
        """End a connection whose PROXY header is wrong or missing."""
        self._refuse(transport, connected_client(transport, self._listener), reason)

    def close(self) -> None:
        """Let nobody wait any longer."""
        for door in tuple(self.waiting):
            door.abort()


class Door(asyncio.BufferedProtocol):
    """Reads the header exactly: what follows it is for the pair to read.

    A receiver must not guess whether there is a header (PROXY protocol, chapter 2): where one is expected, a
    connection without one is refused.
    """

    __slots__ = ("_entrance", "_header", "_scratch", "_timer", "_transport")

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self._header = HeaderReader()
        self._scratch = memoryview(b"")
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client in, or wait for its header."""
        self._transport = arrived = cast(asyncio.Transport, transport)
        if not self._entrance.expects_header(arrived):
            self._entrance.admit(arrived, None)
            return
        self._scratch = memoryview(bytearray(_SCRATCH))
        self._entrance.waiting.add(self)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._entrance.timeout, self._refuse, "no PROXY header in time")

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where the next bytes go, and by its length how many may be read."""
        return self._scratch[: self._header.missing]

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes of the header."""
        try:
            self._header.feed(self._scratch[:nbytes])
        except ProxyHeaderError as error:
            self._refuse(str(error))
        else:
            if not self._header.missing:
                self._leave(lambda transport: self._entrance.admit(transport, self._header.announcement))

    def eof_received(self) -> bool:
        """Refuse who stops in the middle of a header; without a byte it was a check whether the port is open."""
        if self._header.begun:
            self._refuse("the connection ended in its PROXY header")
        return self._header.begun

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection that is gone."""
        self._forget()

    def abort(self) -> None:
        """Close the connection at once."""
        self._forget()
        if self._transport is not None:
            self._transport.abort()

    def _refuse(self, reason: str) -> None:
        self._leave(lambda transport: self._entrance.refuse(transport, reason))

    def _leave(self, last: Callable[[asyncio.Transport], None]) -> None:
        transport = self._transport
        if transport is None or self not in self._entrance.waiting:
            return
        self._forget()
        transport.pause_reading()
        # Not from within the transport's own call: it is to read for another protocol afterwards.
        asyncio.get_running_loop().call_soon(last, transport)

    def _forget(self) -> None:
        self._entrance.waiting.discard(self)
        if self._timer is not None:
            self._timer.cancel()
