"""What workers tell one another of their inserts, in memory that all of them have."""

import subprocess
import sys

import pytest

from proxy.conflicts.attempt import Attempt
from proxy.conflicts.causes import Judge
from proxy.conflicts.conflict import Cause
from proxy.conflicts.insertions import Insertions, Sent
from proxy.conflicts.neighbours import PART, Neighbours
from tests.clock import Clock
from tests.conflicts.conflicts import met

TEXT = b"INSERT INTO users (email) VALUES ('a@x')"
KEY = -(1 << 63) + 5


def team(workers: int = 3) -> list[Neighbours]:
    memory = memoryview(bytearray(workers * PART))
    return [Neighbours(memory, index, workers) for index in range(workers)]


def attempt(session: int, at: float, values: bytes = b"", schema: str | None = "shop") -> Attempt:
    return Attempt(session, TEXT, True, values, at, table="users", schema=schema)


def test_the_newest_of_the_others_is_found() -> None:
    one, two, three = team()
    assert one.last(KEY) is None
    one.sent(KEY, 10, 3)
    assert one.last(KEY) is None, "its own are no neighbour's"
    assert two.last(KEY) == (10, 3)
    three.sent(KEY, 20, 5)
    assert two.last(KEY) == (20, 5)
    assert three.last(KEY) == (10, 3)
    assert two.last(KEY + 1) is None
    three.failed(KEY)
    assert two.last(KEY) == (10, 3)


def test_what_has_the_same_place_takes_it() -> None:
    one, two = team(2)
    one.sent(5, 10, 2)
    one.sent(5 + (1 << 16), 20, 2)
    one.failed(5)
    assert (two.last(5), two.last(5 + (1 << 16))) == (None, (20, 2))


def test_what_is_being_written_is_not_taken() -> None:
    """Its moment is written last, and looked at first and last."""
    memory = memoryview(bytearray(2 * PART))
    one, two = Neighbours(memory, 0, 2), Neighbours(memory, 1, 2)
    one.sent(KEY, 10, 2)
    place = 3 * (KEY & 0xFFFF)
    assert memory.cast("q")[place : place + 3].tolist() == [KEY, 10, 2]
    memory.cast("q")[place + 1] = 0
    assert two.last(KEY) is None


def test_sessions_of_all_workers_have_numbers_of_their_own_and_are_known_to_be_open() -> None:
    one, two, three = map(Insertions, team())
    sessions = [each.opened() for _ in range(20) for each in (one, two, three)]
    assert len(set(sessions)) == 60
    assert all(each.is_alive(session) for session in sessions for each in (one, two, three))
    for session, owner in zip(sessions[3:6], (one, two, three), strict=True):
        owner.ended(session)
    assert [session for session in sessions if not two.is_alive(session)] == sessions[3:6]


def test_the_sessions_of_a_worker_that_has_died_are_open_no_more() -> None:
    memory = memoryview(bytearray(2 * PART))
    one, two = Neighbours(memory, 0, 2), Neighbours(memory, 1, 2)
    session = one.number(9)
    one.opened(session)
    assert two.is_open(session)
    Neighbours(memory, 0, 2)
    assert not two.is_open(session)


@pytest.mark.parametrize("values", [b"", b"\0\x03a@x"])
def test_the_same_bytes_are_found_through_another_worker(values: bytes) -> None:
    one, two, _ = map(Insertions, team())
    first, second = one.opened(), two.opened()
    one.sent(first, TEXT, 1.0, values, "shop")
    assert two.failed(attempt(second, 9.0, values)) == Sent(1.0, first)
    assert two.failed(attempt(second, 9.0, values, "another")) is None
    two.sent(second, TEXT, 2.0, values, "shop")
    assert one.failed(attempt(first, 1.0, values)) == Sent(2.0, second)
    assert two.failed(attempt(second, 2.0, values)) is None


def test_what_was_before_the_one_that_failed_is_told_again() -> None:
    one, two, _ = map(Insertions, team())
    first, second = one.opened(), one.opened()
    one.sent(first, TEXT, 1.0, b"", "shop")
    one.sent(second, TEXT, 2.0, b"", "shop")
    one.failed(attempt(second, 2.0))
    assert two.failed(attempt(two.opened(), 9.0)) == Sent(1.0, first)


@pytest.mark.parametrize(("ended", "later", "cause"), [(False, 0.1, "race"), (True, 0.1, "retry"), (False, 5, "retry")])
def test_causes(ended: bool, later: float, cause: str) -> None:
    one, two, _ = map(Insertions, team())
    clock = Clock()
    judge = Judge(two, clock, lambda *_: None, sees_all=False)
    first, second = one.opened(), two.opened()
    one.sent(first, TEXT, clock.now, b"", "shop")
    if ended:
        one.ended(first)
    clock.now += later
    two.sent(second, TEXT, clock.now, b"", "shop")
    assert judge.judge(met(), attempt(second, clock.now)).cause is Cause(cause)


def test_processes_with_the_same_seed_agree_on_hashes() -> None:
    """No schema is among them, whose hash would be where None stands in memory."""
    program = (
        "from proxy.conflicts.insertions import fingerprint\n"
        f"print(fingerprint({TEXT!r}, b'', None), fingerprint({TEXT!r}, b'1', 'shop'))"
    )
    command = [sys.executable, "-c", program]
    found = {
        subprocess.run(command, env={"PYTHONHASHSEED": "7"}, capture_output=True, check=True).stdout for _ in range(3)
    }
    assert len(found) == 1
