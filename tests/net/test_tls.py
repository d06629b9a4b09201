import asyncio
import gc
import ssl
import struct
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from proxy.config import Address, BackendTls, BackendTlsMode, ClientTls, ClientTlsMode, UnixAddress
from proxy.net.certificates import Certificate
from proxy.net.settings import BackendTlsContext
from proxy.net.tls import TlsError, backend_context, client_context, rsa_key
from tests.net.doubles import Backend, Peer, ScriptedSession, Stage, backend, limits, packet, stage

_T = TypeVar("_T")


@pytest.fixture
def files(certificate: Certificate, tmp_path: Path) -> dict[str, Path]:
    parts = {"cert": certificate.certificate, "key": certificate.key, "ca": certificate.authority}
    for name, pem in parts.items():
        tmp_path.joinpath(name).write_bytes(pem)
    return {name: tmp_path / name for name in parts}


@pytest.fixture
def server_context(files: dict[str, Path]) -> ssl.SSLContext:
    context = client_context(ClientTls(cert=files["cert"], key=files["key"]))
    assert context is not None
    return context


def trusting(files: dict[str, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(files["ca"]))


async def encrypt(client: Peer, context: ssl.SSLContext) -> None:
    client.send(packet(b"TLS"))
    await client.writer.start_tls(context, server_hostname="localhost")


class HandMade:
    """A TLS client over plain streams that decides which bytes go into one segment."""

    def __init__(self, peer: Peer, context: ssl.SSLContext) -> None:
        self.peer = peer
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    async def handshake(self, before: bytes, behind: bytes) -> None:
        """Send some bytes in the segment of the first flight, and encrypt others into that of the last."""
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.peer.send(before + self.outgoing.read())
                before = b""
                self.incoming.write(await self.peer.reader.read(1 << 16))
        self.tls.write(behind)
        self.peer.send(self.outgoing.read())


class Secure:
    """A TLS server over plain streams that goes on when its peer has ended its direction."""

    def __init__(self, peer: Peer, context: ssl.SSLContext) -> None:
        self.peer = peer
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    async def shake_hands(self) -> None:
        await self._when_it_has_come(self.tls.do_handshake)

    async def read(self) -> bytes:
        """What has come; nothing at the end of the peer's direction."""
        return await self._when_it_has_come(lambda: self.tls.read(1 << 14))

    def send(self, data: bytes) -> None:
        self.tls.write(data)
        self.peer.send(self.outgoing.read())

    def end(self) -> None:
        """Say that nothing more comes."""
        self.tls.unwrap()
        self.peer.send(self.outgoing.read())

    async def _when_it_has_come(self, action: Callable[[], _T]) -> _T:
        while True:
            try:
                return action()
            except ssl.SSLWantReadError:
                self.peer.send(self.outgoing.read())
                self.incoming.write(await self.peer.reader.read(1 << 16))
            finally:
                self.peer.send(self.outgoing.read())


async def test_client_tls(files: dict[str, Path], server_context: ssl.SSLContext) -> None:
    async with backend() as server, stage(server.address, client_tls=server_context) as running:
        client, session = await running.greeted()
        behind = await server.accept()
        await encrypt(client, trusting(files))
        client.send(packet(b"login") + packet(b"DONE") + b"bulk")
        assert await behind.read(13) == packet(b"login") + b"bulk"
        behind.send(b"answer")
        assert await client.read(6) == b"answer"
        assert session.events == ["client TLS"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_that_does_not_wait(
    files: dict[str, Path], server_context: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    context = trusting(files)
    context.maximum_version = version
    async with backend() as server, stage(server.address, client_tls=server_context) as running:
        client, session = await running.greeted()
        behind = await server.accept()
        await HandMade(client, context).handshake(packet(b"TLS"), packet(b"login") + packet(b"DONE") + b"bulk")
        assert await behind.read(13) == packet(b"login") + b"bulk"
        assert session.received == [packet(b"TLS"), packet(b"login"), packet(b"DONE"), b"bulk"]


async def test_a_large_flow_through_tls_on_both_sides(files: dict[str, Path], server_context: ssl.SSLContext) -> None:
    data = bytes(range(256)) * 20_000
    async with encrypted(files, server_context, write_buffer=4096) as (client, behind, session):
        client.send(data)
        behind.send(data[::-1])
        assert tuple(await asyncio.gather(behind.read(len(data)), client.read(len(data)))) == (data, data[::-1])
        assert session.events == ["client TLS", "backend TLS"]


async def test_what_the_backend_sent_before_its_end_arrives(
    files: dict[str, Path], server_context: ssl.SSLContext
) -> None:
    data = b"z" * 3_000_000
    async with encrypted(files, server_context, write_buffer=4096) as (client, behind, session):
        behind.send(data)
        received, _ = await asyncio.gather(client.rest(), behind.close())
        assert received == data
        await session.ended.wait()


async def test_a_client_that_still_sends_gets_what_the_backend_sent_before_its_end(
    files: dict[str, Path], server_context: ssl.SSLContext
) -> None:
    data = b"z" * 3_000_000
    async with encrypted(files, server_context, write_buffer=4096) as (client, behind, session):
        behind.send(data)
        await behind.close()
        await session.ended.wait()
        client.send(b"more" * 10_000)
        assert await client.rest() == data


async def test_an_end_of_the_client_ends_the_session(files: dict[str, Path], server_context: ssl.SSLContext) -> None:
    async with encrypted(files, server_context) as (client, behind, session):
        client.send(b"last words")
        await client.close()
        assert await behind.rest() == b"last words"
        assert session.events[2].startswith("client lost: ")


_EMPTY_HELLO = struct.pack(">BHH", 22, 0x0301, 4) + b"\x01\x00\x00\x00"


@pytest.mark.parametrize("noise", [b"this is no TLS" * 20, _EMPTY_HELLO])
async def test_a_client_handshake_that_fails(server_context: ssl.SSLContext, noise: bytes) -> None:
    async with backend() as server, stage(server.address, client_tls=server_context) as running:
        client, session = await running.greeted()
        behind = await server.accept()
        client.send(packet(b"TLS") + noise)
        assert await behind.rest() == b""
        await client.rest()
        assert session.events[0].startswith("client lost: TLS handshake failed: ")


async def test_a_client_that_leaves_in_the_handshake(server_context: ssl.SSLContext) -> None:
    async with backend() as server, stage(server.address, client_tls=server_context) as running:
        client, session = await running.greeted()
        client.send(packet(b"TLS"))
        await client.close()
        await session.ended.wait()
        assert session.events[0].startswith("client lost: TLS handshake failed: ")


async def test_a_client_that_is_slow_in_the_handshake(server_context: ssl.SSLContext) -> None:
    async with (
        backend() as server,
        stage(server.address, limits(login_timeout=0.05), client_tls=server_context) as running,
    ):
        client, session = await running.greeted()
        client.send(packet(b"TLS"))
        assert await client.rest() == b""
        assert session.events == ["timed out"]


async def test_tls_that_is_not_there_ends_the_session() -> None:
    async with backend() as server, stage(server.address) as running:
        for order in (b"TLS", b"BACKEND TLS"):
            client, session = await running.greeted()
            client.send(packet(order))
            assert await client.rest() == b""
            assert "TLS asked for" in session.events[0]


async def test_a_backend_that_fails_the_verification(files: dict[str, Path], server_context: ssl.SSLContext) -> None:
    tls = backend_context(BackendTls(mode=BackendTlsMode.VERIFY_CA))
    async with backend() as server, stage(server.address, backend_tls=tls) as running:
        client, session = await running.greeted()
        behind = await server.accept()
        client.send(packet(b"BACKEND TLS"))
        with pytest.raises((OSError, ssl.SSLError)):
            await behind.writer.start_tls(server_context)
        assert b"certificate verify failed" in await client.rest()
        assert session.events[0].startswith(f"unreachable: TLS handshake with {server.address} failed: ")


async def test_a_backend_that_never_answers_the_handshake() -> None:
    tls = backend_context(BackendTls())
    async with backend() as server, stage(server.address, limits(connect_timeout=0.05), backend_tls=tls) as running:
        client, session = await running.greeted()
        client.send(packet(b"BACKEND TLS"))
        answer = await client.rest()
        assert answer.startswith(b"ERR TLS handshake with ")
        assert session.events[0].startswith("unreachable: ")


async def test_a_client_whose_handshake_fails_is_told_why_though_it_says_more(server_context: ssl.SSLContext) -> None:
    async with backend() as server, stage(server.address, client_tls=server_context) as running:
        client, session = await running.greeted()
        client.send(packet(b"TLS") + _EMPTY_HELLO + b"this is no TLS" * 10_000)
        await session.ended.wait()
        client.send(b"nor is this" * 10_000)
        assert (await client.read(1)) == bytes((21,))  # an alert


async def test_a_reply_arrives_though_the_backend_has_heard_of_the_client_s_end(
    files: dict[str, Path], server_context: ssl.SSLContext
) -> None:
    tls = backend_context(BackendTls())
    async with (
        backend() as server,
        stage(server.address, backend_tls=tls, half_closed_timeout=0.05) as running,
    ):
        client, session = await running.greeted()
        behind = await server.accept()
        client.send(packet(b"BACKEND TLS"))
        secure = Secure(behind, server_context)
        await secure.shake_hands()
        assert await client.read(len(b"encrypted")) == b"encrypted"
        client.send(packet(b"DONE") + b"query")
        assert await secure.read() == b"query"
        session.idle = False
        client.writer.write_eof()
        assert await secure.read() == b""
        secure.send(b"reply")
        assert await client.read(5) == b"reply"
        secure.end()
        assert await session.event("backend lost") == "backend lost: connection closed"


async def test_a_client_that_is_held_is_not_waited_for_in_vain(
    files: dict[str, Path], server_context: ssl.SSLContext
) -> None:
    tls = backend_context(BackendTls())
    async with backend() as server, stage(server.address, client_tls=server_context, backend_tls=tls) as running:
        client, behind, session = await _encrypt_both(running, server, files, server_context)
        client.send(b"seen")
        assert await behind.read(4) == b"seen"
        session.wires.hold_client()
        client.send(bytes(1 << 20))
        behind.send(b"last words")
        await behind.close()
        assert await client.rest() == b"last words"
        await asyncio.wait_for(client.close(), 2)
        await asyncio.wait_for(running.listener.close(), 2)  # less than it may take to close


async def test_what_openssl_knows_of_a_session_ends_with_it(
    files: dict[str, Path], server_context: ssl.SSLContext
) -> None:
    tls = backend_context(BackendTls())
    async with backend() as server, stage(server.address, client_tls=server_context, backend_tls=tls) as running:
        client, behind, session = await _encrypt_both(running, server, files, server_context)
        client.send(b"x")
        assert await behind.read(1) == b"x"
        sides = (session.wires._client, session.wires._backend)
        kept = [weakref.ref(side._encryption._ssl) for side in sides if side._encryption is not None]
        assert len(kept) == 2
        gc.disable()
        try:
            await asyncio.gather(running.listener.close(), client.close(), behind.close())
            session.wires.to_client(b"goes nowhere")
            session.wires.to_backend(b"goes nowhere")
            assert [one() for one in kept] == [None, None]
        finally:
            gc.enable()


async def test_a_large_write_arrives_whole(files: dict[str, Path], server_context: ssl.SSLContext) -> None:
    data = bytes(range(251)) * 20_000
    async with encrypted(files, server_context) as (client, behind, session):
        session.wires.to_client(data)
        session.wires.to_backend(data[::-1])
        assert tuple(await asyncio.gather(behind.read(len(data)), client.read(len(data)))) == (data[::-1], data)


@pytest.mark.parametrize("order", [b"TLS", b"BACKEND TLS"])
async def test_an_end_in_the_middle_of_a_handshake(server_context: ssl.SSLContext, order: bytes) -> None:
    tls = backend_context(BackendTls())
    async with backend() as server, stage(server.address, client_tls=server_context, backend_tls=tls) as running:
        client, _session = await running.greeted()
        behind = await server.accept()
        client.send(packet(b"seen") + packet(order))
        assert await behind.read(8) == packet(b"seen")
        await asyncio.wait_for(running.listener.close(), 2)  # less than a client may take to close
        assert await client.rest() == b""


@pytest.mark.parametrize(
    ("mode", "host", "name", "accepted"),
    [
        (BackendTlsMode.PREFERRED, "127.0.0.1", None, True),
        (BackendTlsMode.REQUIRED, "other.example", None, True),
        (BackendTlsMode.AS_CLIENT, "other.example", None, True),
        (BackendTlsMode.VERIFY_CA, "other.example", None, True),
        (BackendTlsMode.VERIFY_IDENTITY, "127.0.0.1", None, True),
        (BackendTlsMode.VERIFY_IDENTITY, "other.example", "localhost", True),
        (BackendTlsMode.VERIFY_IDENTITY, "other.example", None, False),
        (BackendTlsMode.VERIFY_IDENTITY, "unix", None, True),
        (BackendTlsMode.VERIFY_IDENTITY, "unix", "other.example", False),
    ],
)
async def test_what_a_mode_verifies(
    files: dict[str, Path],
    server_context: ssl.SSLContext,
    mode: BackendTlsMode,
    host: str,
    name: str | None,
    accepted: bool,
) -> None:
    tls = backend_context(BackendTls(mode=mode, ca=files["ca"], server_name=name))
    assert tls is not None
    endpoint = UnixAddress(Path("mysql.sock")) if host == "unix" else Address(host, 3306)
    assert handshake_succeeds(tls, server_context, tls.name_of(endpoint)) is accepted


async def test_the_backend_may_ask_for_a_certificate(files: dict[str, Path], server_context: ssl.SSLContext) -> None:
    server_context.verify_mode = ssl.CERT_REQUIRED
    server_context.load_verify_locations(files["ca"])
    bare = backend_context(BackendTls())
    assert bare is not None
    assert not handshake_succeeds(bare, server_context)


def handshake_succeeds(tls: BackendTlsContext, server_context: ssl.SSLContext, name: str | None = None) -> bool:
    """Run a handshake in memory, and one byte: in TLS 1.3 the server judges after the client has ended."""
    one, two = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls.context.wrap_bio(one, two, server_hostname=name)
    server = server_context.wrap_bio(two, one, server_side=True)
    for _ in range(5):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
    client.write(b"!")
    return server.read() == b"!"


@pytest.mark.parametrize("mode", [ClientTlsMode.DISABLED, ClientTlsMode.PASSTHROUGH])
async def test_modes_without_tls_of_the_proxys_own(mode: ClientTlsMode) -> None:
    assert client_context(ClientTls(mode=mode)) is None


async def test_without_a_certificate_one_is_made() -> None:
    context = client_context(ClientTls())
    assert context is not None
    assert handshake_succeeds(
        BackendTlsContext(backend_context(BackendTls()).context, None),  # type: ignore[union-attr]
        context,
    )


async def test_old_versions_are_refused(server_context: ssl.SSLContext) -> None:
    tls = backend_context(BackendTls())
    assert tls is not None
    assert tls.context.minimum_version == server_context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert backend_context(BackendTls(mode=BackendTlsMode.DISABLED)) is None


async def test_a_file_that_cannot_be_used_is_named(files: dict[str, Path], tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    with pytest.raises(TlsError, match=r"missing\.pem.*No such file"):
        client_context(ClientTls(cert=missing))
    with pytest.raises(TlsError, match=r"cert and .*ca: "):
        client_context(ClientTls(cert=files["cert"], key=files["ca"]))
    with pytest.raises(TlsError, match=r"missing\.pem"):
        backend_context(BackendTls(mode=BackendTlsMode.VERIFY_CA, ca=missing))
    with pytest.raises(TlsError, match=r"missing\.pem"):
        backend_context(BackendTls(cert=missing))


@asynccontextmanager
async def encrypted(
    files: dict[str, Path], server_context: ssl.SSLContext, **changes: float
) -> AsyncIterator[tuple[Peer, Peer, ScriptedSession]]:
    """A session past its login with TLS on both sides."""
    tls = backend_context(BackendTls(mode=BackendTlsMode.VERIFY_CA, ca=files["ca"]))
    async with (
        backend() as server,
        stage(server.address, limits(**changes), client_tls=server_context, backend_tls=tls) as running,
    ):
        client, behind, session = await _encrypt_both(running, server, files, server_context)
        yield client, behind, session


async def _encrypt_both(
    running: Stage, server: Backend, files: dict[str, Path], server_context: ssl.SSLContext
) -> tuple[Peer, Peer, ScriptedSession]:
    client, session = await running.greeted()
    behind = await server.accept()
    await encrypt(client, trusting(files))
    client.send(packet(b"BACKEND TLS"))
    await behind.writer.start_tls(server_context)
    assert await client.read(len(b"encrypted")) == b"encrypted"
    client.send(packet(b"DONE"))
    return client, behind, session


def test_the_rsa_key_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rsa.pem"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert rsa_key(ClientTls(rsa_key=path)).public_pem == public
    assert rsa_key(ClientTls()).public_pem != rsa_key(ClientTls()).public_pem


@pytest.mark.parametrize("what", ["missing", "noise", "public", "encrypted", "elliptic", "short"])
def test_an_rsa_key_that_cannot_be_used(tmp_path: Path, what: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    form = PrivateFormat.PKCS8
    elliptic = ec.generate_private_key(ec.SECP256R1())
    pems = {
        "noise": b"noise",
        "public": key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "encrypted": key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"secret")),
        "elliptic": elliptic.private_bytes(Encoding.PEM, form, NoEncryption()),
        "short": key.private_bytes(Encoding.PEM, form, NoEncryption()),
    }
    path = tmp_path / "rsa.pem"
    if what in pems:
        path.write_bytes(pems[what])
    with pytest.raises(TlsError, match=r"cannot use the key in .*rsa\.pem: "):
        rsa_key(ClientTls(rsa_key=path))
