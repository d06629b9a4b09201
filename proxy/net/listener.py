"""Accepts clients, and keeps the pairs that they become."""

import asyncio
from typing import Final, cast

import structlog

from proxy.config import Address
from proxy.net.pair import OpenSession, Pair, PairSettings

_log = structlog.get_logger(__name__)
_BACKLOG: Final = 1024


class Listener:
    """A listening socket and the pairs of the clients that came by it. Made by `open_listener`."""

    def __init__(self, settings: PairSettings, open_session: OpenSession) -> None:
        self._settings = settings
        self._open_session = open_session
        self._pairs: set[Pair] = set()
        self._all_ended = asyncio.Event()
        self._all_ended.set()
        self._server: asyncio.Server | None = None

    @property
    def pairs(self) -> frozenset[Pair]:
        """The pairs that live now."""
        return frozenset(self._pairs)

    async def listen(self, address: Address) -> Address:
        """Accept clients; returns the address really bound (port 0 asks for a free one). Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._door, address.host, address.port, backlog=_BACKLOG)
        name = self._server.sockets[0].getsockname()
        return Address(name[0], name[1])

    def stop_accepting(self) -> None:
        """Close the listening socket; the pairs live on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def drain(self) -> None:
        """Accept no more, close every pair as soon as it is idle; returns when all are gone."""
        self.stop_accepting()
        for pair in self.pairs:
            pair.close_when_idle()
        await self._all_ended.wait()

    async def close(self) -> None:
        """Close everything; returns when all connections are closed."""
        self.stop_accepting()
        for pair in self.pairs:
            pair.close()
        await self._all_ended.wait()

    def abort(self) -> None:
        """Close everything at once; what waits to be sent is thrown away."""
        self.stop_accepting()
        for pair in self.pairs:
            pair.abort()

    def _door(self) -> asyncio.Protocol:
        return _Door(self)

    def admit(self, transport: asyncio.Transport) -> None:
        """Make a pair of a client that has connected."""
        pair = Pair(transport, self._settings, self._open_session, self._ended)
        self._pairs.add(pair)
        self._all_ended.clear()

    def _ended(self, pair: Pair) -> None:
        self._pairs.discard(pair)
        if not self._pairs:
            self._all_ended.set()


class _Door(asyncio.Protocol):
    """The protocol of a connection until its pair is there."""

    __slots__ = ("_listener",)

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        try:
            self._listener.admit(cast(asyncio.Transport, transport))
        except Exception as error:
            _log.error("client not admitted", reason=str(error), exc_info=error)
            cast(asyncio.Transport, transport).abort()
