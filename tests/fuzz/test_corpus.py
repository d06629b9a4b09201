"""What clients should not say ends their own session, as it would at the server, and nobody else's."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import contextlib
import socket
import time
from collections import Counter
from collections.abc import Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from proxy.config import BackendTls, BackendTlsMode
from proxy.wire import capabilities as cap
from tests.e2e.raw import split
from tests.e2e.running import Proxy, in_front_of, proxied
from tests.e2e.users import rows
from tests.fuzz import logins, packets
from tests.fuzz.corpus import LOGINS, PACKETS, Case, make, read
from tests.raw import USUAL, logged_in
from tests.servers.launch import Server

PATIENCE = 30
ERR = 0xFF
REFUSED = ("login_refused", "malformed", "passthrough")  # the last one is of MySQL 4.0's protocol
REFUSALS = (1043, 1156, 1251)  # bad handshake, packets out of order, a protocol that is too old


@dataclass
class Watched:
    """A proxy, what it logs, and a session of another client."""

    proxy: Proxy
    logs: list[MutableMapping[str, Any]]
    other: Any
    results: Counter[str] = field(default_factory=Counter)

    def end_of(self, address: tuple[str, int]) -> tuple[str, str]:
        """Wait until the session of a client has ended; return its result and the reason in the log."""
        client = "{}:{}".format(*address)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for line in self.logs:
                if line["event"] == "session ended" and line["client"] == client:
                    self.logs.clear()
                    self.results[line["result"]] += 1
                    return line["result"], line["reason"]
            time.sleep(0)
        raise AssertionError("the session has not ended")

    def assert_other_works(self) -> None:
        """Another client's session goes on."""
        number = self.results.total()
        assert rows(self.other, f"SELECT {number}") == [(number,)]

    def assert_all_ended(self, count: int) -> None:
        """So many sessions have ended, each once, and no others are there than that of the other client."""
        assert self.results.total() == count
        ended = self.proxy.counted("keyclash_sessions_total")
        assert ended == {(result,): times for result, times in self.results.items()}
        assert self.proxy.counted("keyclash_sessions") == {}


@pytest.fixture
def watched(server: Server) -> Iterator[Watched]:
    """A proxy without TLS towards the server, so that the server hears a client out who says no more."""
    plain = in_front_of(server, backend_tls=BackendTls(BackendTlsMode.DISABLED))
    with proxied(plain, server) as proxy, capture_logs() as logs, proxy.connect() as other:
        proxy.count_anew()
        yield Watched(proxy, logs, other)


def is_whole(data: bytes) -> bool:
    return len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[:3], "little")


def end_writing(stream: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may be closed already
        stream.shutdown(socket.SHUT_WR)


def received(stream: socket.socket) -> Iterator[bytes]:
    """Yield what comes until the connection is closed, or broken off."""
    with contextlib.suppress(ConnectionResetError):
        while data := stream.recv(1 << 16):
            yield data


def answer_to_login(stream: socket.socket, case: Case) -> bytes:
    """Say what a case says in place of a login; return the first packet that answers, nothing if none does."""
    with stream:
        assert stream.recv(4096)[:1], "the greeting"
        stream.sendall(case.data)
        if not is_whole(case.data) or case.kind == "false_tls":
            end_writing(stream)
        answer = b""
        for data in received(stream):
            answer += data
            if is_whole(answer):
                end_writing(stream)
    return answer[: 4 + int.from_bytes(answer[:3], "little")]


def seen(answer: bytes) -> tuple[int, bytes]:
    """Return what is the same in all answers of a kind: the sequence id, and an error's text or how a packet begins."""
    return (answer[3], answer[4:] if answer[4] == ERR else answer[4:20]) if answer else (0, b"")


def error_in(answer: bytes) -> int:
    return int.from_bytes(answer[5:7], "little") if answer[4:5] == bytes((ERR,)) else 0


def masked(data: bytes) -> list[tuple[int, bytes]]:
    """Return packets without what differs from session to session: MariaDB's ids of statements, and nonces."""
    packets = []
    for sequence, payload in split(data):
        if payload[:1] == b"\0" and payload[7:9] == b"\2\0":
            payload = payload[:1] + payload[5:]
        packets.append((sequence, payload.partition(b"mysql_native_password")[1] or payload))
    return packets


def is_out_of_order(data: bytes) -> bool:
    """Tell whether one of the packets does not begin a command."""
    at = 0
    while at + 4 <= len(data) and not data[at + 3]:
        at += 4 + int.from_bytes(data[at : at + 3], "little")
    return at + 4 <= len(data)


def same(case: Case, direct: bytes, through: bytes) -> bool:
    """Tell whether two sessions heard the same.

    After packets out of order a server breaks the connection off, and what it has said may be lost with it, directly as
    well as through the proxy: then one may have heard less.
    """
    shorter, longer = sorted((masked(direct), masked(through)), key=len)
    return longer == shorter or (is_out_of_order(case.data) and longer[: len(shorter)] == shorter)


def test_the_corpus_is_what_its_script_makes() -> None:
    assert list(make(logins.KINDS)) == read(LOGINS)
    assert list(make(packets.KINDS)) == read(PACKETS)


def check_login(case: Case, direct: bytes, through: bytes, result: str) -> None:
    if case.kind == "false_tls":
        assert result == "tls_failed"
    elif not is_whole(case.data):
        assert result in ("client_closed", "malformed")
    elif seen(direct) == seen(through):
        assert result in (REFUSED if error_in(direct) else ("client_closed", "malformed"))
    else:  # the server has its own words, but refuses it too
        assert result == "malformed"
        assert error_in(direct)
        assert not through or error_in(through) in REFUSALS


def test_garbage_logins(watched: Watched) -> None:
    addresses = [(server.host, server.port) for server in (watched.proxy.server, watched.proxy.as_server)]
    for case in read(LOGINS):
        direct = answer_to_login(socket.create_connection(addresses[0], PATIENCE), case)
        stream = socket.create_connection(addresses[1], PATIENCE)
        own = stream.getsockname()
        through = answer_to_login(stream, case)
        result, reason = watched.end_of(own)
        assert reason
        check_login(case, direct, through, result)
        watched.assert_other_works()
    assert set(watched.results) == {*REFUSED, "client_closed", "tls_failed"}
    watched.assert_all_ended(len(read(LOGINS)))


def said_and_heard(server: Server, data: bytes, terms: int = USUAL) -> tuple[tuple[str, int], bytes]:
    """Log in, say something and no more; return the own address and all that comes."""
    with logged_in(server, terms) as raw:
        own = raw.stream.getsockname()
        raw.stream.sendall(data)
        end_writing(raw.stream)
        return own, b"".join(received(raw.stream))


def test_malformed_packets(watched: Watched) -> None:
    """The server alone judges a command, so all that the client gets is the server's word; but for a login too long."""
    both = (watched.proxy.server, watched.proxy.as_server)
    for case in read(PACKETS):
        with ThreadPoolExecutor(2) as pool:  # MariaDB takes a second to refuse a change of the user
            (_, direct), (own, through) = pool.map(said_and_heard, both, (case.data,) * 2)
        result, reason = watched.end_of(own)
        assert reason
        if result == "malformed":
            assert case.kind == "long_announced"
            assert through == b""
        else:
            assert result in ("backend_closed", "client_closed", "quit")
            assert same(case, direct, through), case
        watched.assert_other_works()
    assert set(watched.results) - {"client_closed"} == {"backend_closed", "quit", "malformed"}
    watched.assert_all_ended(len(read(PACKETS)))


def test_packets_that_are_not_compressed_as_agreed(watched: Watched) -> None:
    cases = read(PACKETS)[:100]
    for case in cases:
        own, _ = said_and_heard(watched.proxy.as_server, case.data, USUAL | cap.COMPRESS)
        result, reason = watched.end_of(own)
        assert reason
        assert result in ("malformed", "backend_closed", "client_closed", "quit")
        watched.assert_other_works()
    assert watched.results["malformed"]
    watched.assert_all_ended(len(cases))
