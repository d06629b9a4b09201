"""Conversations that are compressed on one side or on both, each with an algorithm of its own."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from proxy.config import CompressionAlgorithm
from proxy.conflicts.counters import Counters
from proxy.rules.match import RuleSet
from proxy.session.auth import AuthTerms
from proxy.session.compressed import CompressedPhase, Side
from proxy.session.login_phase import Agreed
from proxy.wire import capabilities as cap
from proxy.wire.compression import CompressedReader, CompressedWriter
from proxy.wire.greeting import parse_greeting
from proxy.wire.login import Login
from tests.clock import Clock
from tests.session.conversation import RSA, USUAL, Delivery, KeepingRecorder, Wires, cut_everywhere, settings
from tests.session.packets import command, duplicate, ok, packets, query, result, split_packets
from tests.session.ruled import INSERT, KEY, rule, statement
from tests.wire.captured import MYSQL_GREETING

Algorithm = CompressionAlgorithm | None
ZLIB, ZSTD = CompressionAlgorithm.ZLIB, CompressionAlgorithm.ZSTD
BOTH_SIDES = [(ZLIB, ZLIB), (ZSTD, ZSTD), (ZLIB, None), (None, ZLIB), (ZSTD, ZLIB), (None, ZSTD)]
LONG = query("SELECT '" + "abc" * 100 + "'")  # long enough to be worth compressing


class Peer:
    """The client or the backend: compresses what it says, and takes apart what it hears."""

    def __init__(self, algorithm: Algorithm, *, commands: bool) -> None:
        self.reader = CompressedReader(algorithm) if algorithm else None
        self.writer = CompressedWriter(algorithm, 3, self.reader, commands) if algorithm and self.reader else None

    def says(self, data: bytes) -> bytes:
        return self.writer.write(data) if self.writer else data

    def hears(self, data: bytes) -> bytes:
        return b"".join(self.reader.read(data)) if self.reader else data


@dataclass
class Talk:
    """A compressed conversation."""

    phase: CompressedPhase
    wires: Wires
    client: Peer
    backend: Peer
    delivery: Delivery
    recorder: KeepingRecorder

    def client_says(self, data: bytes) -> None:
        for piece in self.delivery.pieces(self.client.says(data)):
            self.phase.client_data(piece)

    def backend_says(self, data: bytes) -> None:
        for piece in self.delivery.pieces(self.backend.says(data)):
            self.phase.backend_data(piece)

    def backend_hears(self, data: bytes) -> None:
        said = bytes(self.wires.said_to_backend)
        self.wires.said_to_backend.clear()
        assert split_packets(self.backend.hears(said)) == split_packets(data)

    def client_hears(self, data: bytes) -> None:
        said = bytes(self.wires.said_to_client)
        self.wires.said_to_client.clear()
        assert split_packets(self.client.hears(said)) == split_packets(data)


@contextmanager
def compressed(
    delivery: Delivery, client: Algorithm, backend: Algorithm, in_force: RuleSet | None = None
) -> Iterator[Talk]:
    wires, counters, clock = Wires(), Counters(), Clock()
    recorder = KeepingRecorder(counters, clock)
    greeting = parse_greeting(MYSQL_GREETING)
    login = Login(USUAL, 0, 45, "app_rw", b"", "shop", "caching_sha2_password")
    agreed = Agreed(greeting, login, AuthTerms(False, False, RSA, None), cap.STATUS_AUTOCOMMIT, client, 0, backend)
    phase = CompressedPhase(wires, settings(counters, recorder, clock, in_force or RuleSet()), agreed)
    yield Talk(phase, wires, Peer(client, commands=True), Peer(backend, commands=False), delivery, recorder)
    assert not wires.said_to_client
    assert not wires.said_to_backend


@pytest.mark.parametrize(("client", "backend"), BOTH_SIDES)
def test_commands_and_replies_arrive(client: Algorithm, backend: Algorithm) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        with compressed(delivery, client, backend) as talk:
            for said, answer in ((LONG, result((b"abc" * 100,))), (query("DO 1"), ok())):
                talk.client_says(said)
                talk.backend_hears(said)
                assert not talk.phase.idle
                talk.backend_says(answer)
                talk.client_hears(answer)
                assert talk.phase.idle

    run()


def test_what_compresses_is_gone_with_the_session() -> None:
    """Not only when the garbage is collected: in the middle of a long packet that is 14 MiB of zstd's each."""

    def writers() -> int:
        return sum(isinstance(found, CompressedWriter) for found in gc.get_objects())

    gc.collect()
    with compressed(Delivery(), ZSTD, ZSTD) as talk:
        before = writers()
        talk.phase.end()
        assert writers() == before - 2


@pytest.mark.parametrize("algorithm", [ZLIB, ZSTD])
def test_no_level_that_a_client_asks_for_takes_more_than_the_hardest(algorithm: CompressionAlgorithm) -> None:
    """MySQL knows 22 levels of zstd; the last ones take hundreds of MiB. A login has a byte for it."""
    hardest, *others = (Side.make(algorithm, level, commands=False).write(LONG) for level in (9, 10, 22, 23, 255))
    assert others == [hardest] * 4


@pytest.mark.parametrize(("client", "backend"), BOTH_SIDES)
@pytest.mark.parametrize("when", ["conflict", "always"])
def test_a_conflict_is_resolved(client: Algorithm, backend: Algorithm, when: str) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        in_force = rule("ignore", f"when: {when}")
        with compressed(delivery, client, backend, in_force) as talk:
            talk.client_says(query(INSERT))
            if when == "conflict":
                talk.backend_hears(query(INSERT))
                talk.backend_says(duplicate("a@x", KEY))
            talk.backend_hears(query(statement(in_force)))
            talk.backend_says(ok(0, 3))
            talk.client_hears(ok(0, 3))
            talk.wires.run_waiting()
            assert [conflict.outcome for conflict in talk.recorder.conflicts] == ["kept"]

    run()


@cut_everywhere
def test_several_commands_in_flight(delivery: Delivery) -> None:
    with compressed(delivery, ZLIB, ZSTD) as talk:
        talk.client_says(LONG + LONG + query("DO 1"))
        talk.backend_hears(LONG + LONG + query("DO 1"))
        for answer in (result((b"1",)), result((b"2",)), ok()):
            talk.backend_says(answer)
            talk.client_hears(answer)
        assert talk.phase.idle


@cut_everywhere
def test_a_plain_client_counts_its_own_packets(delivery: Delivery) -> None:
    """A server that compresses counts compressed packets into the ids of the plain ones."""
    with compressed(delivery, None, ZLIB) as talk:
        talk.client_says(query("DO 1"))
        talk.backend_hears(query("DO 1"))
        talk.backend_says(ok(sequence=9))
        talk.client_hears(ok(sequence=1))


@cut_everywhere
def test_a_plain_backend_counts_its_own_packets(delivery: Delivery) -> None:
    with compressed(delivery, ZLIB, None) as talk:
        talk.client_says(query("LOAD DATA LOCAL INFILE 'f' INTO TABLE t"))
        talk.backend_hears(query("LOAD DATA LOCAL INFILE 'f' INTO TABLE t"))
        talk.backend_says(packets(b"\xfbf"))
        talk.client_hears(packets(b"\xfbf"))
        talk.client_says(packets(b"1\n2\n", b"", sequence=7))
        talk.backend_hears(packets(b"1\n2\n", b"", sequence=2))
        talk.backend_says(ok(2, sequence=4))
        assert split_packets(talk.client.hears(bytes(talk.wires.said_to_client)))[0][1][0] == 0
        talk.wires.said_to_client.clear()


@pytest.mark.parametrize(("client", "backend"), BOTH_SIDES)
def test_what_is_relayed_unseen_stays_compressed(client: Algorithm, backend: Algorithm) -> None:
    dump = command(0x12, bytes(10) + b"binlog.000001")
    events = packets(*(b"\0" + bytes([number]) * 90 for number in range(5)))
    with compressed(Delivery(), client, backend) as talk:
        talk.client_says(dump)
        talk.backend_hears(dump)
        for _ in range(2):
            talk.backend_says(events)
            heard = talk.client.hears(bytes(talk.wires.said_to_client))
            talk.wires.said_to_client.clear()
            assert [payload for _, payload in split_packets(heard)] == [p for _, p in split_packets(events)]


def test_it_passes_on_what_its_phase_asks_for() -> None:
    with compressed(Delivery(), ZLIB, ZLIB) as talk:
        assert (talk.phase.user, talk.phase.quitting, talk.phase.lost) == ("app_rw", False, "")
        for ask in ("start_client_tls", "start_backend_tls", "login_done", "hold_client", "release_client", "close"):
            getattr(talk.phase, ask)()
        asked = ["client tls", "backend tls", "login done", "hold", "release", "close"]
        assert talk.wires.asked == asked
        talk.client_says(command(0x01))
        talk.backend_hears(command(0x01))
        assert talk.phase.quitting


@pytest.mark.parametrize(("client", "backend"), BOTH_SIDES)
def test_a_conflict_in_a_multi_statement_text(client: Algorithm, backend: Algorithm) -> None:
    more = cap.STATUS_AUTOCOMMIT | cap.STATUS_MORE_RESULTS

    @cut_everywhere
    def run(delivery: Delivery) -> None:
        in_force = rule("ignore")
        with compressed(delivery, client, backend, in_force) as talk:
            talk.client_says(query(f"SELECT 1;{INSERT};SELECT 2"))
            talk.backend_hears(query(f"SELECT 1;{INSERT};SELECT 2"))
            talk.backend_says(result((b"1",), status=more) + duplicate("a@x", KEY, sequence=6))
            talk.backend_hears(query(f"{statement(in_force)};SELECT 2"))
            talk.backend_says(ok(0, 3, status=more) + result((b"2",), sequence=2))
            talk.client_hears(
                result((b"1",), status=more) + ok(0, 3, status=more, sequence=6) + result((b"2",), sequence=7)
            )
            talk.wires.run_waiting()
            assert [conflict.outcome for conflict in talk.recorder.conflicts] == ["kept"]

    run()
