"""Accepts clients, and keeps the pairs that they become."""

import asyncio
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from proxy.config import Endpoint, Network
from proxy.conflicts.labels import Result
from proxy.net.client import Client
from proxy.net.dial import NON_BLOCKING
from proxy.net.door import Entrance
from proxy.net.endings import Endings
from proxy.net.gate import TOO_MANY, Gate
from proxy.net.listening import Listening, open_listening
from proxy.net.loop import running_pump
from proxy.net.pair import OpenSession, Pair
from proxy.net.pump import Pump, PumpedTransport
from proxy.net.settings import Manners, PairSettings
from proxy.net.side import describe

_log = structlog.get_logger(__name__)

_TURN: Final = 64
"""How many clients are let in at a time."""
_PAUSE: Final = 1.0
"""Seconds until clients are accepted again after the system could not, as asyncio has it."""


class Listener:
    """Listening sockets and the pairs of the clients that came by them; `listen` opens each.

    networks: where connections begin with a PROXY header.
    socket_mode: the permissions of a Unix socket's file.
    gate: limits how many may be in. turned_away: is told which limit a client that is not let in has met.
    """

    def __init__(
        self,
        settings: PairSettings,
        open_session: OpenSession,
        networks: tuple[Network, ...] = (),
        socket_mode: int = 0o777,
        gate: Gate | None = None,
        turned_away: Callable[[Result], None] = lambda result: None,
    ) -> None:
        self._settings = settings
        self._open_session = open_session
        self._networks = networks
        self._socket_mode = socket_mode
        self._gate = gate or Gate(settings.limits, time.monotonic)
        self._turned_away = turned_away
        self._entrances: list[Entrance] = []
        self._pairs: set[Pair] = set()
        self._manners: Manners | None = None
        self._all_ended = asyncio.Event()
        self._all_ended.set()
        self._listenings: list[Listening] = []
        self._endings = Endings()

    def use(self, settings: PairSettings, networks: tuple[Network, ...]) -> None:
        """Exchange what the clients that come from now on meet."""
        self._settings = settings
        self._networks = networks
        self._gate.limits = settings.limits
        for entrance in self._entrances:
            entrance.networks = networks
            entrance.timeout = settings.limits.login_timeout
            entrance.announces = settings.announces

    @property
    def pairs(self) -> frozenset[Pair]:
        """The pairs that live now."""
        return frozenset(self._pairs)

    async def listen(self, endpoint: Endpoint) -> Endpoint:
        """Accept clients there too; returns the address really bound (port 0 asks for a free one). Raises OSError."""
        return self.accept_at(open_listening(endpoint, self._socket_mode))

    def accept_at(self, listening: Listening) -> Endpoint:
        """Accept clients at sockets that listen already; returns their address."""
        self._listenings.append(listening)
        entrance = self.entrance(listening.endpoint)
        for sock in listening.sockets:
            self._accept_at(sock, entrance)
        return listening.endpoint

    def _accept_at(self, sock: socket.socket, entrance: Entrance) -> None:
        if sock.fileno() >= 0:  # else it was closed meanwhile
            kind = sock.family, sock.type | NON_BLOCKING, sock.proto
            pump = running_pump()
            pump.listen(sock.fileno(), partial(self._accept, pump, sock, kind, entrance))

    def _accept(self, pump: Pump, sock: socket.socket, kind: tuple[int, int, int], entrance: Entrance) -> None:
        """Let in who waits, at most so many that the others' turn comes soon; kind: of the sockets."""
        for _ in range(_TURN):
            try:
                fd = pump.next_client(sock)
            except OSError as error:  # no descriptor or no memory is left: the kernel keeps who waits until there is
                _log.error("cannot accept clients", reason=describe(error), again_in=_PAUSE)
                pump.listen_no_more(sock.fileno())
                asyncio.get_running_loop().call_later(_PAUSE, self._accept_at, sock, entrance)
                return
            if fd < 0:
                return
            entrance.welcome(socket.socket(*kind, fileno=fd))

    def entrance(self, endpoint: Endpoint) -> Entrance:
        """Make the entrance of an address; whoever accepts its clients makes their doors with it."""
        settings = self._settings
        timeout, announces = settings.limits.login_timeout, settings.announces
        entrance = Entrance(endpoint, self._networks, timeout, announces, self._admit, self._refuse)
        self._entrances.append(entrance)
        return entrance

    def stop_accepting(self) -> None:
        """Close the listening sockets; the pairs live on."""
        for listening in self._listenings:
            for sock in listening.sockets:
                running_pump().listen_no_more(sock.fileno())
            listening.close()
        self._listenings.clear()
        for entrance in self._entrances:
            entrance.close()
        self._endings.tell()

    async def drain(self, manners: Manners) -> None:
        """Accept no more, let every pair leave; returns when all are gone."""
        self._manners = manners
        self.stop_accepting()
        for pair in self.pairs:
            pair.leave(manners)
        await self._all_ended.wait()

    async def shut_down(self) -> None:
        """Accept no more, tell all who can be told that it is over; returns when all connections are closed."""
        self.stop_accepting()
        for pair in self.pairs:
            pair.shut_down()
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

    def _admit(self, transport: PumpedTransport, client: Client, begun: bytes) -> None:
        if pair := self._take_in(transport, client, begun):
            pair.begin()

    def _refuse(self, transport: PumpedTransport, client: Client, reason: str) -> None:
        # As a pair, so that it is answered, counted and closed as any other; but no backend is asked for it.
        if pair := self._take_in(transport, client, b""):
            pair.refuse(reason)

    def _take_in(self, transport: PumpedTransport, client: Client, begun: bytes) -> Pair | None:
        limit = self._gate.enter(client.host)
        if limit is not None:
            # No pair: a crowd before the door is not to cost what those inside do.
            transport.write(TOO_MANY)
            transport.close()
            self._turned_away(limit)
            return None
        try:
            pair = Pair(transport, client, self._settings, self._open_session, self._ended, begun)
        except Exception as error:
            _log.error("client not admitted", reason=str(error), exc_info=error)
            transport.abort()
            self._gate.leave(client.host)
            return None
        self._pairs.add(pair)
        self._all_ended.clear()
        if self._manners is not None:  # it was on its way when the last socket was closed
            pair.leave(self._manners)
        return pair

    def _ended(self, pair: Pair) -> None:
        self._pairs.discard(pair)
        session, client = pair.session, pair.client
        self._gate.leave(client.host)
        account = session.account()
        self._endings.add(client.address, session.result, session.reason, account, usual=pair.usual_level)
        if not self._pairs:
            self._all_ended.set()
            if not self._listenings:  # it may be the last one
                self._endings.tell()
