"""Commands and replies of any making, where no rules are: not a byte changes, and it does not matter how they are cut.

Whole packets take the fast lane where they may, and packets in pieces never do. So both ways are held to each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from proxy.session import Session
from proxy.session.fast_lane import is_plain_result
from proxy.wire import capabilities as cap
from proxy.wire import commands
from proxy.wire.sequence import Headers
from tests.e2e.raw import framed
from tests.fuzz.corpus import PACKETS
from tests.fuzz.corpus import read as read_corpus
from tests.fuzz.sessions import COUNTERS, MARIADB, SMALL, TERMS, Counted, check_end, flags_of, logged_in
from tests.fuzz.target import SEPARATOR, Target, joined, pieces, random_of
from tests.session.test_transparency import exchanges
from tests.wire import packets as payloads
from tests.wire.packets import DEFINITION

Counts = tuple[list[int], dict[int | str, int]]
"""Of commands and errors."""
COMMAND, CLIENT, PACKET, BACKEND = range(4)
CHANGE_USER: Final = bytes((commands.CHANGE_USER,))


@dataclass(frozen=True, slots=True)
class Heard:
    """What a session has said to both sides by the end of a step, and what it knows.

    Args:
        reason: why it has ended.
        held: what the client has sent has waited for an answer: then what the backend has sent in the same go is not
            the answer to it.
        rest: whether it rests, as far as that does not depend on flags in a result.
        known: what else it knows.
    """

    reason: str
    held: bool
    to_client: bytes
    to_backend: bytes
    rest: bool
    known: tuple[object, ...]


def check(data: bytes) -> None:
    """Hold a conversation in whole packets and in pieces; the first byte says under which terms."""
    terms = (data[:1] or b"\0")[0] % TERMS
    chunks = list(_chunks(data[1:]))
    whole, cut = _held(terms, chunks), _held(terms, chunks, data)
    for one, other in zip(whole, cut, strict=True):
        if one.held or other.held:
            break
        assert one.reason == other.reason
        if not one.reason:
            assert one == other
    _check_bytes(chunks, whole[-1])
    _check_bytes(chunks, cut[-1])


def _chunks(data: bytes) -> Iterator[tuple[bool, bytes]]:
    """Give what the client (True) and the backend say in turn."""
    said, from_client, sequence = b"", True, 1
    for step in data.split(SEPARATOR):
        kind, rest = (step[0] & 3, step[1:]) if step else (CLIENT, b"")
        if (kind in (COMMAND, CLIENT)) != from_client:
            yield from_client, said
            said, from_client, sequence = b"", not from_client, 1
        said += framed(rest, 0 if kind == COMMAND else sequence) if kind in (COMMAND, PACKET) else rest
        sequence += 1
    yield from_client, said


def _held(terms: int, chunks: list[tuple[bool, bytes]], cut: bytes | None = None) -> list[Heard]:
    """Hold the conversation; cut: what decides where it is cut."""
    held, wires = logged_in(terms)
    before = list(COUNTERS.commands), dict(COUNTERS.errors)
    random = random_of(cut) if cut is not None else None
    # nothing is known of what a text leaves behind that is too long to be looked at
    found, rest = [], not terms & SMALL
    for from_client, said in chunks:
        feed = held.client_data if from_client else held.backend_data
        for piece in pieces(said, random) if random is not None else (said,):
            if piece:
                feed(piece)
        # a result's own flags are not read where it is plain
        rest = rest and (from_client or not is_plain_result(said, bool(flags_of(terms) & cap.DEPRECATE_EOF)))
        found.append(_seen(held, wires, rest=rest))
    held.client_ended()
    found.append(_seen(held, wires, rest=rest, before=before))
    check_end(held, wires)
    return found


def _seen(held: Session, wires: Counted, *, rest: bool, before: Counts | None = None) -> Heard:
    known: tuple[object, ...] = (
        *(held.idle, held.answered, held.user, held.received, held.sent, held.account()["commands"]),
    )
    if before is not None:
        codes, errors = before
        known += (
            [now - then for now, then in zip(COUNTERS.commands, codes, strict=True)],
            {code: count - errors.get(code, 0) for code, count in COUNTERS.errors.items() if count != errors.get(code)},
        )
    said = bytes(wires.said_to_client), bytes(wires.said_to_backend)
    return Heard(held.reason, "hold" in wires.asked, *said, rest and held.at_rest, known)


def _check_bytes(chunks: list[tuple[bool, bytes]], heard: Heard) -> None:
    """What was said has arrived, but for a packet of the backend's that is not whole, or for what is behind the end."""
    from_client = b"".join(said for is_client, said in chunks if is_client)
    from_backend = b"".join(said for is_client, said in chunks if not is_client)
    to_client, to_backend = heard.to_client, heard.to_backend
    if CHANGE_USER in from_client:  # each side's packets of a login are numbered anew
        from_client, from_backend, to_client, to_backend = map(
            _without_ids, (from_client, from_backend, to_client, to_backend)
        )
    assert from_client.startswith(to_backend)
    assert from_backend.startswith(to_client)
    if not heard.reason:
        assert from_client == to_backend
        assert len(from_backend) - len(to_client) <= _unfinished(from_backend)


def _without_ids(data: bytes) -> bytes:
    rest = bytearray(data)
    for at in Headers().walk(data):
        rest[at] = 0
    return bytes(rest)


def _unfinished(data: bytes) -> int:
    headers = Headers()
    for _ in headers.walk(data):
        pass
    return headers.unfinished


def _exchange(terms: int, said: bytes, answered: bytes) -> bytes:
    return bytes((terms,)) + joined(bytes((CLIENT,)) + said, bytes((BACKEND,)) + answered)


def _steps(terms: int, *steps: tuple[int, bytes]) -> bytes:
    return bytes((terms,)) + joined(*(bytes((kind,)) + data for kind, data in steps))


_INFILE = b"\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE t"
_USER = b"\x11bob\0\0shop\0\x2d\0caching_sha2_password\0"
_SWITCH = b"\xfecaching_sha2_password\0" + b"n" * 20 + b"\0"

TARGET = Target(
    check,
    seeds=(
        *(
            _exchange(terms, said[:600], answered)
            for terms in (0, 1, 8, 9, MARIADB, 127)
            for said, answered in exchanges(bool(terms & 1))
        ),
        _steps(
            0,
            (COMMAND, _INFILE),
            (PACKET, b"\xfbx"),
            (CLIENT, framed(b"1\n", 2) + framed(b"", 3)),
            (PACKET, payloads.ok(2)),
        ),
        _steps(
            0,
            (COMMAND, _USER),
            (PACKET, _SWITCH),
            (CLIENT, framed(b"x" * 32, 2)),
            (PACKET, b"\1\3"),
            (PACKET, payloads.ok()),
        ),
        _steps(0, (COMMAND, _USER), (PACKET, payloads.error(1045, "no", "28000"))),
        _steps(8, (COMMAND, b"\x1b\1\0"), (PACKET, payloads.eof()), (COMMAND, b"\x03SELECT 1; SELECT 2")),
        _steps(
            2,
            (COMMAND, b"\x03SET NAMES latin1"),
            (PACKET, b"\0\0\0\2\x40\0\0\0\x12\0\x10\x14character_set_client\6latin1"),
        ),
        _steps(4, (COMMAND, b"\x03\0\1SELECT 1"), (PACKET, b"\1"), (PACKET, DEFINITION), (PACKET, payloads.eof())),
        _steps(
            16,
            (COMMAND, b"\x03SELECT 1"),
            (PACKET, b"\1\0"),
            (PACKET, payloads.eof()),
            (PACKET, b"\x011"),
            (PACKET, payloads.eof()),
        ),
        _steps(0, (COMMAND, b"\x12binlog"), (BACKEND, b"anything"), (CLIENT, b"at all")),
        _steps(0, (COMMAND, b"\1")),
        _steps(
            MARIADB,
            (COMMAND, b"\x16DO ?"),
            (COMMAND, b"\x17\xff\xff\xff\xff\0\1\0\0\0"),
            (PACKET, payloads.prepared(0, 1)),
        ),
        *(_exchange(number % 128, case.data, payloads.ok()) for number, case in enumerate(read_corpus(PACKETS)[::8])),
    ),
    words=(
        *(
            SEPARATOR,
            SEPARATOR + b"\0\x03",
            SEPARATOR + b"\0\x17",
            SEPARATOR + b"\2",
            SEPARATOR + b"\2\xff\x26\4#23000",
        ),
        *(
            SEPARATOR + b"\2\0\0\0\2\0\0\0",
            SEPARATOR + b"\2\xfe\0\0\2\0",
            SEPARATOR + b"\2\1",
            SEPARATOR + b"\2" + DEFINITION,
        ),
        *(b"SELECT ", b"SET ", b"INSERT INTO t VALUES (1)", b"COMMIT", b"SHOW ", b"BEGIN", b"CALL p()", b";", b"USE x"),
        *(
            b"\x16INSERT INTO t VALUES (?)",
            b"\x17\7\0\0\0\0\1\0\0\0",
            b"\x18\7\0\0\0\0\0",
            b"\x19\7\0\0\0",
            b"\x1c\7\0\0\0",
        ),
        *(
            b"\xff\xff\xff\xff",
            b"\xfe\0\0\x0a\0",
            b"\xfe\0\0\x42\0",
            b"\0\7\0\0\0\1\0\1\0\0\0\0",
            b"\xff\xff\xff\1\1\2",
            b"\x11",
        ),
    ),
    longest=700,
)
