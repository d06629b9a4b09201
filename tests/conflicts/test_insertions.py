import pytest

from proxy.conflicts.attempt import Attempt
from proxy.conflicts.insertions import FINGERPRINTS, LONGEST, NEWEST, RECENT, Insertions, Sent
from proxy.conflicts.mentions import needle_of

TEXT = b"INSERT INTO users (email) VALUES ('a@x')"


def attempt(session: int, at: float, text: bytes = TEXT, values: bytes = b"") -> Attempt:
    return Attempt(session, text, True, values, at)


def last(memory: Insertions, text: bytes = TEXT, values: bytes = b"") -> Sent | None:
    """Give the last INSERT of these bytes, as who has sent none finds it; among the recent ones it may be no more."""
    return memory.failed(attempt(0, 0.0, text, values))


def test_the_same_bytes_are_found_again_but_not_the_attempt_itself() -> None:
    memory = Insertions()
    one, other = memory.opened(), memory.opened()
    memory.sent(one, TEXT, 1.0)
    assert last(memory) == Sent(1.0, one)
    memory.sent(other, TEXT, 2.5)
    assert last(memory) == Sent(2.5, other)
    assert last(memory, TEXT + b" ") is None
    assert memory.failed(attempt(other, 2.5)) == Sent(1.0, one)
    assert memory.failed(attempt(one, 1.0)) is None


def test_a_comment_around_the_statement_does_not_make_it_another() -> None:
    memory = Insertions()
    one = memory.opened()
    memory.sent(one, TEXT + b" /* traceparent='00-1' */", 1.0)
    assert last(memory, TEXT + b" /* traceparent='00-2' */") == Sent(1.0, one)
    assert last(memory, b"/* app */ " + TEXT) == Sent(1.0, one)
    assert last(memory, TEXT) == Sent(1.0, one)


def test_what_failed_is_forgotten_and_what_was_before_it_is_back() -> None:
    memory = Insertions()
    one, other = memory.opened(), memory.opened()
    memory.sent(one, TEXT, 1.0)
    memory.sent(other, TEXT, 2.0)
    assert memory.failed(attempt(other, 2.0)) == Sent(1.0, one)
    assert [each.sent for each in memory.recent(needle_of("a@x"), 0.0)] == [Sent(1.0, one)]
    assert memory.failed(attempt(one, 1.0)) is None
    assert list(memory.recent(needle_of("a@x"), 0.0)) == []
    assert last(memory) is None


@pytest.mark.parametrize("values", [b"", b"\0\x03a@x"])
def test_what_came_in_after_all_is_remembered_as_before(values: bytes) -> None:
    memory = Insertions()
    one, other = memory.opened(), memory.opened()
    memory.sent(one, TEXT, 1.0, values)
    memory.sent(other, TEXT, 2.0, values)
    memory.failed(attempt(other, 2.0, values=values))
    memory.came_in(attempt(other, 2.0, values=values))
    assert {each.sent for each in memory.recent(needle_of("a@x"), 0.0)} == {Sent(2.0, other)}
    assert last(memory, values=values) == Sent(2.0, other)
    assert memory.failed(attempt(other, 2.0, values=values)) == Sent(1.0, one)


@pytest.mark.parametrize("values", [b"", b"\0\x03a@x"])
def test_the_same_bytes_in_another_schema_are_another_insert(values: bytes) -> None:
    memory = Insertions()
    one, other = memory.opened(), memory.opened()
    memory.sent(one, TEXT, 1.0, values, "north")
    memory.sent(other, TEXT, 2.0, values, "south")
    in_south = attempt(other, 2.0, values=values)._replace(schema="south")
    in_north = attempt(0, 9.0, values=values)._replace(schema="north")
    found = list(memory.recent(needle_of("a@x"), 0.0))
    assert [(each.sent, each.schema) for each in found] == [(Sent(2.0, other), "south"), (Sent(1.0, one), "north")]
    assert memory.failed(in_south) is None
    assert [each.schema for each in memory.recent(needle_of("a@x"), 0.0)] == ["north"]
    memory.came_in(in_south)
    assert [each.schema for each in memory.recent(needle_of("a@x"), 0.0)] == ["south", "north"]
    assert memory.failed(in_north) == Sent(1.0, one)


def test_what_is_not_known_as_a_whole_does_not_come_in() -> None:
    memory = Insertions()
    part = Attempt(memory.opened(), TEXT, False, started=1.0)
    memory.came_in(part)
    assert list(memory.recent(needle_of("a@x"), 0.0)) == []
    assert last(memory) is None


def test_parameters_are_part_of_the_statement() -> None:
    memory = Insertions()
    one = memory.opened()
    memory.sent(one, TEXT, 1.0, b"\0\x01a")
    assert [each.parameters for each in memory.recent(needle_of("A"), 0.0)] == [b"\0\x01a"]
    assert last(memory, values=b"\0\x01b") is None
    assert last(memory, values=b"\0\x01a") == Sent(1.0, one)


@pytest.mark.parametrize("values", [b"", b"\0\x01x"])
def test_the_newest_ones_are_found_in_any_letter_case_and_older_ones_as_they_are(values: bytes) -> None:
    memory = Insertions()
    one = memory.opened()
    for number in range(NEWEST + 2):
        memory.sent(one, b"INSERT INTO t VALUES (%d, 'Alice')" % number, float(number), values)

    def found(entry: str) -> list[float]:
        return [each.sent.at for each in memory.recent(needle_of(entry), 0.0)]

    newest = [float(number) for number in reversed(range(2, NEWEST + 2))]
    assert found("alice") == newest
    assert found("Alice") == [*newest, 1.0, 0.0]
    assert found("1-Alice") == [*newest, 1.0]
    assert found("bob") == []


@pytest.mark.parametrize("values", [b"", b"\0\x03a@x"])
def test_what_was_sent_before_is_left_out(values: bytes) -> None:
    memory = Insertions()
    one = memory.opened()
    for at in (1.0, 2.0, 3.0):
        memory.sent(one, TEXT + b" -- %d" % at, at, values)
    memory.sent(one, TEXT, 0.5, values)  # it was told of late
    memory.failed(attempt(one, 3.0, TEXT + b" -- 3", values))
    memory.sent(one, TEXT + b" -- 4", 4.0, values)

    def found(since: float) -> list[float]:
        return [each.sent.at for each in memory.recent(needle_of("a@x"), since)]

    assert found(-1.0) == [4.0, 0.5, 2.0, 1.0]
    assert found(2.0) == [4.0, 0.5, 2.0]
    assert found(3.5) == [4.0]
    assert found(5.0) == []
    for number in range(2 * RECENT):
        memory.sent(one, b"INSERT %d" % number, 5.0, values)
        memory.failed(attempt(one, 5.0, b"INSERT %d" % number, values))
    assert found(2.0) == [4.0, 0.5, 2.0]


def test_numbers_are_found_in_parameters() -> None:
    memory = Insertions()
    one = memory.opened()
    for number in (65, 66, 1 << 40):
        memory.sent(one, TEXT, 1.0, b"\0" + number.to_bytes(8, "little"))
    assert [each.parameters[1] for each in memory.recent(needle_of("65"), 0.0)] == [65]
    assert [each.parameters[6] for each in memory.recent(needle_of(str(1 << 40)), 0.0)] == [1]


@pytest.mark.parametrize("values", [b"", b"\0\x01x"])
def test_what_failed_makes_room_at_once(values: bytes) -> None:
    memory = Insertions()
    one = memory.opened()
    memory.sent(one, TEXT, 1.0, values)
    for number in range(2 * RECENT):
        text = b"INSERT %d" % number
        memory.sent(one, text, 2.0, values)
        memory.failed(attempt(one, 2.0, text, values))
    assert [each.text for each in memory.recent(needle_of("a@x"), 0.0)] == [TEXT]


@pytest.mark.parametrize("values", [b"", b"\0\x01x"])
def test_what_failed_makes_room_also_where_others_have_sent_theirs_meanwhile(values: bytes) -> None:
    memory = Insertions()
    one = memory.opened()
    memory.sent(one, TEXT, 1.0, values)
    sent = [b"INSERT %d" % number for number in range(2 * RECENT)]
    for number, text in enumerate(sent):
        memory.sent(one, text, 2.0, values)
        if number >= NEWEST:
            earlier = sent[number - NEWEST + 1]
            memory.failed(attempt(one, 2.0, earlier, values))
    left = [each.text for each in memory.recent(needle_of("INSERT"), 0.0)]
    assert left == [*reversed(sent[1 - NEWEST :]), sent[0], TEXT]


def test_a_sessions_end_is_known() -> None:
    memory = Insertions()
    one, other = memory.opened(), memory.opened()
    memory.ended(one)
    memory.ended(one)
    assert (memory.is_alive(one), memory.is_alive(other)) == (False, True)


def test_memory_is_bounded() -> None:
    memory = Insertions()
    one = memory.opened()
    for number in range(3 * FINGERPRINTS):
        memory.sent(one, b"INSERT %d" % number, 1.0)
    assert len(list(memory.recent(needle_of("INSERT"), 0.0))) == RECENT
    sent = range(3 * FINGERPRINTS)
    kept = [number for number in sent if memory.failed(attempt(one, 2.0, b"INSERT %d" % number))]
    assert FINGERPRINTS <= len(kept) <= 2 * FINGERPRINTS
    assert kept[-1] == sent[-1]


def test_what_is_too_long_is_not_remembered() -> None:
    memory = Insertions()
    one = memory.opened()
    memory.sent(one, b"x" * (LONGEST + 1), 1.0)
    memory.failed(attempt(one, 1.0, b"x" * (LONGEST + 1)))
    assert last(memory, b"x" * (LONGEST + 1)) is None
