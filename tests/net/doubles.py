"""A session that does as the client's packets say, a backend that can be told what to do, and a stage for both."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from proxy.config import Address, Endpoint, Limits, Network, ProxyProtocolVersion, UnixAddress
from proxy.net.backends import Backends
from proxy.net.gate import Turns
from proxy.net.listener import Listener
from proxy.net.pair import Pair
from proxy.net.settings import BackendTlsContext, PairSettings

LOCALHOST = "127.0.0.1"
ANYWHERE = Address(LOCALHOST, 0)
GREETING = b"greeting"


def packet(payload: bytes, sequence: int = 0) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


class ScriptedSession:
    """Relays, and obeys the client's packets `TLS`, `BACKEND TLS`, `DONE` and `FAIL`."""

    def __init__(self, wires: Pair, address: str) -> None:
        self.wires = wires
        self.address = address
        self.closed = False
        self.result: str | None = None
        self.reason = ""
        self.thread_id = 0
        self.user = "somebody"
        self.idle = True
        self.left = False
        self.broken_off = False
        self.kept = b""
        self.begun = b""
        self.login = True
        self.events: list[str] = []
        self.received: list[bytes] = []
        self.sent = 0
        self.backend_secure: bool | None = None
        self.ended = asyncio.Event()
        self.happened = asyncio.Event()
        self._orders: dict[bytes, Callable[[], None]] = {
            b"TLS": wires.start_client_tls,
            b"BACKEND TLS": wires.start_backend_tls,
            b"DONE": self.done,
            b"FAIL": self._fail,
        }

    def account(self) -> dict[str, object]:
        return {"user": self.user}

    def let_go(self) -> None:
        """Hold on: tests ask what has become of it."""

    @property
    def bytes_moved(self) -> int:
        return self.sent + sum(map(len, self.received))

    def idle_timed_out(self) -> None:
        self.client_lost("idle")

    @property
    def waits_for_client(self) -> bool:
        return self.idle

    @property
    def at_rest(self) -> bool:
        return self.idle

    def asks_whether_alive(self, data: bytes) -> bool:
        return data == b"alive?" and self.idle

    def shut_down(self, tell: bool) -> None:
        if not self.closed:
            self.note("shut down")
            self.wires.to_client(b"ERR shutdown" if tell else b"")
        self._end()

    @property
    def answered(self) -> bool:
        return self.idle or self.broken_off

    def client_ended(self) -> None:
        self.wires.to_backend(self.kept)

    def note(self, event: str) -> None:
        self.events.append(event)
        self.happened.set()

    async def event(self, start: str) -> str:
        """Wait for an event that begins so."""
        while not (found := [event for event in self.events if event.startswith(start)]):
            self.happened.clear()
            await self.happened.wait()
        return found[0]

    def done(self) -> None:
        """End the login."""
        self.login = False
        self.wires.login_done()

    def _fail(self) -> None:
        raise ZeroDivisionError("told to fail")

    def in_bulk(
        self, _to_client: Callable[[bytes], None], _to_backend: Callable[[bytes], None]
    ) -> tuple[Callable[[bytes], None], Callable[[bytes], None]]:
        return self.client_data, self.backend_data

    def client_data(self, data: bytes) -> None:
        if self.login:
            data = self.begun + data
            whole = len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[:3], "little")
            self.begun = b"" if whole else data
            if not whole:
                return
        self.received.append(data)
        order = self._orders.get(data[4:] if self.login else data.removeprefix(b"in bulk: "))
        if order is not None:
            order()
        else:
            self.wires.to_backend(data)

    def backend_data(self, data: bytes) -> None:
        self.sent += len(data)
        self.wires.to_client(data)

    def client_tls_started(self) -> None:
        self.note("client TLS")

    def client_tls_failed(self, reason: str) -> None:
        self.client_lost(reason)

    def backend_tls_started(self) -> None:
        self.note("backend TLS")
        self.wires.to_client(b"encrypted")

    def backend_connected(self, secure: bool) -> None:
        self.backend_secure = secure

    def backend_unreachable(self, reason: str) -> None:
        self.note(f"unreachable: {reason}")
        self.wires.to_client(f"ERR {reason}".encode())
        self._end()

    def failed(self, reason: str) -> None:
        self.client_lost(reason)

    def malformed(self, reason: str) -> None:
        self.client_lost(f"malformed: {reason}")

    def client_lost(self, reason: str = "") -> None:
        if not self.closed:
            self.note(f"client lost: {reason}")
        self._end()

    def backend_lost(self, reason: str = "") -> None:
        if not self.closed:
            self.note(f"backend lost: {reason}")
        self._end()

    def login_timed_out(self) -> None:
        self.note("timed out")
        self.wires.to_client(b"ERR too late")
        self._end()

    def _end(self) -> None:
        self.closed = True
        self.ended.set()
        self.wires.close()


@dataclass
class Peer:
    """One end of a connection, as a test holds it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read(self, size: int) -> bytes:
        return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """All that comes until the end, which may be a reset."""
        data = bytearray()
        with suppress(ConnectionError):
            while chunk := await self.reader.read(1 << 16):
                data += chunk
        return bytes(data)

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()

    def reset(self) -> None:
        self.writer.transport.abort()


@dataclass
class Backend:
    """A server whose connections a test takes in hand one by one."""

    endpoint: Endpoint
    _arrived: asyncio.Queue[Peer]
    _peers: list[Peer]

    @property
    def address(self) -> Address:
        assert isinstance(self.endpoint, Address)
        return self.endpoint

    async def accept(self) -> Peer:
        """Take the next connection; it has been greeted."""
        return await self._arrived.get()


@asynccontextmanager
async def backend(at: Endpoint = ANYWHERE, greeting: bytes = GREETING) -> AsyncIterator[Backend]:
    arrived: asyncio.Queue[Peer] = asyncio.Queue()
    peers: list[Peer] = []

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        peers.append(Peer(reader, writer))
        arrived.put_nowait(peers[-1])

    if isinstance(at, UnixAddress):
        server = await asyncio.start_unix_server(connected, at.path)
    else:
        server = await asyncio.start_server(connected, at.host, at.port)
        at = Address(at.host, server.sockets[0].getsockname()[1])
    try:
        yield Backend(at, arrived, peers)
    finally:
        server.close()
        for peer in peers:
            peer.reset()
            await peer.close()


@dataclass
class Stage:
    """A listener with scripted sessions, and the clients that a test makes."""

    listener: Listener
    endpoint: Endpoint
    sessions: list[ScriptedSession]
    turns: Turns
    _clients: list[Peer] = field(default_factory=list)

    async def connect(self, limit: int = 1 << 16) -> Peer:
        if isinstance(self.endpoint, UnixAddress):
            client = Peer(*await asyncio.open_unix_connection(self.endpoint.path, limit=limit))
        else:
            client = Peer(*await asyncio.open_connection(self.endpoint.host, self.endpoint.port, limit=limit))
        self._clients.append(client)
        return client

    async def greeted(self) -> tuple[Peer, ScriptedSession]:
        """Connect and read the backend's greeting."""
        client = await self.connect()
        assert await client.read(len(GREETING)) == GREETING
        return client, self.sessions[-1]

    async def end_all(self) -> None:
        for client in self._clients:
            client.reset()
            await client.close()


@asynccontextmanager
async def stage(
    behind: Endpoint | tuple[Endpoint, ...],
    limits: Limits | None = None,
    client_tls: ssl.SSLContext | None = None,
    backend_tls: BackendTlsContext | None = None,
    *,
    header: ProxyProtocolVersion = ProxyProtocolVersion.OFF,
    networks: tuple[Network, ...] = (),
    at: Endpoint = ANYWHERE,
    **settings: float,
) -> AsyncIterator[Stage]:
    """Run a listener for the length of the block; header: of the backend's, networks: that must send one themselves."""
    backends = Backends(behind if isinstance(behind, tuple) else (behind,))
    settled = PairSettings(backends, limits or Limits(), client_tls, backend_tls, header)
    settled = replace(settled, **settings)  # type: ignore[arg-type]  # some of its fields are no numbers
    sessions: list[ScriptedSession] = []

    def open_session(wires: Pair, address: str) -> ScriptedSession:
        sessions.append(ScriptedSession(wires, address))
        return sessions[-1]

    listener = Listener(settled, open_session, networks)
    running = Stage(listener, await listener.listen(at), sessions, settled.turns)
    try:
        yield running
    finally:
        await running.end_all()
        await listener.close()


def limits(**changes: float) -> Limits:
    return replace(Limits(), **changes)  # type: ignore[arg-type]


async def logged_in(running: Stage, server: Backend) -> tuple[Peer, Peer, ScriptedSession]:
    """Bring a client past its login; return it, its connection at the backend, and its session."""
    client, session = await running.greeted()
    behind = await server.accept()
    client.send(packet(b"DONE"))
    return client, behind, session
