"""What the client gets of the backend's bytes, and when."""

from proxy.session.reply_gate import ReplyGate
from proxy.wire.sequence import Shift
from tests.wire.packets import packets


def gate(limit: int = 10) -> tuple[ReplyGate, list[bytes]]:
    got: list[bytes] = []
    return ReplyGate(got.append, limit), got


def test_bytes_pass_as_they_come() -> None:
    made, got = gate()
    made.pass_on(b"one")
    made.send(b"two")
    assert got == [b"one", b"two"]


def test_what_is_kept_comes_later_in_its_order() -> None:
    made, got = gate()
    made.keeping = True
    made.pass_on(b"one")
    made.send(b"two")
    assert got == []
    made.release()
    made.send(b"three")
    assert got == [b"one", b"two", b"three"]


def test_what_is_dropped_never_comes() -> None:
    made, got = gate()
    made.keeping = True
    made.send(b"one")
    made.drop()
    made.send(b"two")
    made.release()
    assert got == [b"two"]


def test_more_than_the_limit_is_not_kept() -> None:
    made, got = gate(limit=5)
    made.keeping = True
    made.send(b"12345")
    assert got == []
    made.send(b"6")
    assert got == [b"12345", b"6"]
    assert not made.keeping


def test_only_the_backends_own_sequence_ids_are_raised() -> None:
    made, got = gate()
    made.shift = Shift()
    made.shift.by = 2
    made.pass_on(packets(b"row", sequence=3))
    made.send(packets(b"answer", sequence=6))
    assert got == [packets(b"row", sequence=5), packets(b"answer", sequence=6)]
