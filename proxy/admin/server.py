"""The listener of the HTTP side, with bounds on what a careless or hostile peer can hold."""

import asyncio
import logging
import socket
from collections.abc import Iterable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from proxy.config import Address

MAX_CONNECTIONS = 64
"""More are refused at once: a scraper, an orchestrator and a few people need far fewer."""

IDLE_TIMEOUT = 30.0
"""Seconds in which a connection must send a whole request."""

_log = logging.getLogger(__name__)


class AdminServer:
    """Serves an application on one address, from start to stop."""

    def __init__(
        self, app: web.Application, *, max_connections: int = MAX_CONNECTIONS, idle_timeout: float = IDLE_TIMEOUT
    ) -> None:
        self._max_connections = max_connections
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_log,
            keepalive_timeout=idle_timeout,
            lingering_time=1.0,
            shutdown_timeout=1.0,
        )
        self._servers: list[asyncio.Server] = []

    @property
    def address(self) -> Address:
        """Where it listens, with the port that the system chose if port 0 was asked for; RuntimeError if nowhere."""
        if not self._servers or not self._servers[0].sockets:
            raise RuntimeError("the admin server does not listen")
        host, port = self._servers[0].sockets[0].getsockname()[:2]
        return Address(host, port)

    async def start(self, address: Address) -> None:
        """Listen on an address; raises OSError if that cannot be had, and may be called again then."""
        await self._set_up()
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_server(self._connect, address.host, address.port))

    async def serve(self, sockets: Iterable[socket.socket]) -> None:
        """Answer at sockets that listen already."""
        await self._set_up()
        loop = asyncio.get_running_loop()
        for sock in sockets:
            self._servers.append(await loop.create_server(self._connect, sock=sock))

    def stop_accepting(self) -> None:
        """Close the sockets; those who are connected are still answered."""
        for server in self._servers:
            server.close()

    async def stop(self) -> None:
        """Stop listening and close every connection, those with a request in hand after a second."""
        self.stop_accepting()
        await self._runner.cleanup()

    async def _set_up(self) -> None:
        if self._runner.server is None:
            await self._runner.setup()

    def _connect(self) -> asyncio.Protocol:
        server = self._runner.server
        if server is None or len(server.connections) >= self._max_connections:
            return _Refusal()
        return server()


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _is_not_the_peers_fault(record: logging.LogRecord) -> bool:
    """Keep what is not HTTP out of the log, which anybody could fill with it; its sender is told."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


_log.addFilter(_is_not_the_peers_fault)
