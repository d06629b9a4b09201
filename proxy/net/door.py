"""Where clients come in, and the PROXY header that some of their connections must begin with."""

import asyncio
import socket
from collections.abc import Callable

from proxy.config import Endpoint, Network
from proxy.net.client import Client, announced_client, connected_client
from proxy.net.loop import running_pump
from proxy.net.proxy_header import Announcement, HeaderReader, ProxyHeaderError, plain_ip
from proxy.net.pump import NOBODY, PumpedTransport, discard


class Entrance:
    """Where clients of one listening socket come in.

    listener: its address. networks: from where connections begin with a PROXY header. timeout: seconds that the header
    may take. announces: whether backends are told of the ends of clients' connections. admit: takes a client in, with
    the bytes that it has sent already. refuse: ends a connection whose header is wrong or missing, and is told why.
    """

    def __init__(
        self,
        listener: Endpoint,
        networks: tuple[Network, ...],
        timeout: float,
        announces: bool,
        admit: Callable[[PumpedTransport, Client, bytes], object],
        refuse: Callable[[PumpedTransport, Client, str], object],
    ) -> None:
        self._pump = running_pump()
        self.timeout = timeout
        self.announces = announces
        self.waiting: set[Door] = set()
        self.networks = networks
        self._listener = listener
        self._admit = admit
        self._refuse = refuse

    def welcome(self, sock: socket.socket) -> None:
        """Let a client in that has connected, or wait for its PROXY header."""
        # who waits for its header may be let in under other settings
        announced = self.announces or bool(self.networks)
        client = connected_client(sock, self._listener, announced=announced)
        if self._expects_header(client):
            door = Door(self, client)
            door.wait(PumpedTransport(self._pump, sock, door))
        else:
            self._admit(PumpedTransport(self._pump, sock, NOBODY), client, b"")

    def _expects_header(self, client: Client) -> bool:
        """Whether a connection must begin with a PROXY header: not one that is gone already, nor of a Unix socket."""
        if not self.networks or client.secure or not client.host:
            return False
        address = plain_ip(client.host)
        return any(address in network for network in self.networks)

    def admit(self, transport: PumpedTransport, client: Client, announcement: Announcement | None, rest: bytes) -> None:
        """Take a client in; announcement: what its PROXY header says; rest: what came behind it."""
        self._admit(transport, client if announcement is None else announced_client(announcement), rest)

    def refuse(self, transport: PumpedTransport, client: Client, reason: str) -> None:
        """End a connection whose PROXY header is wrong or missing."""
        self._refuse(transport, client, reason)

    def close(self) -> None:
        """Let nobody wait any longer."""
        for door in tuple(self.waiting):
            door.abort()


class Door:
    """Reads the header, as long as the connection has no pair that reads it.

    A receiver must not guess whether there is a header (PROXY protocol, chapter 2): where one is expected, a
    connection without one is refused.
    """

    __slots__ = ("_client", "_entrance", "_header", "_timer", "_transport", "feed")

    def __init__(self, entrance: Entrance, client: Client) -> None:
        self._entrance = entrance
        self._client = client
        self._header = HeaderReader()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: PumpedTransport | None = None
        self.feed: Callable[[bytes], None] = self._take

    def wait(self, transport: PumpedTransport) -> None:
        """Read the header."""
        self._transport = transport
        self._entrance.waiting.add(self)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._entrance.timeout, self._refuse, "no PROXY header in time")
        transport.resume_reading()

    def abort(self) -> None:
        """Close the connection at once."""
        if transport := self._leave():
            transport.drop()

    def _take(self, data: bytes) -> None:
        header, position = self._header, 0
        try:
            while header.missing and position < len(data):
                begin, position = position, min(position + header.missing, len(data))
                header.feed(data[begin:position])
        except ProxyHeaderError as error:
            self._refuse(str(error))
            return
        if not header.missing and (transport := self._leave()):
            self._entrance.admit(transport, self._client, header.announcement, data[position:])

    def _refuse(self, reason: str) -> None:
        if transport := self._leave():
            self._entrance.refuse(transport, self._client, reason)

    def _leave(self) -> PumpedTransport | None:
        """Read no more; hand out the connection, once."""
        transport, self._transport = self._transport, None
        self._entrance.waiting.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if transport is not None:
            transport.pause_reading()
            transport.feed = discard
        return transport

    # ----------------------------------------------------------------------------------------------------------------
    # What the transport tells

    def fault(self, error: Exception) -> None:
        """Refuse whose header cannot be read."""
        self._refuse(f"its PROXY header cannot be read: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        """Forget a connection that is gone."""
        self._leave()

    def eof_received(self) -> bool:
        """Refuse who stops in the middle of a header; without a byte it was a check whether the port is open."""
        if self._header.begun:
            self._refuse("the connection ended in its PROXY header")
        return self._header.begun

    def pause_writing(self) -> None:
        """Nothing is written that could be too much."""

    def resume_writing(self) -> None:
        """Nothing is written that could be too much."""
