"""The causes, each from a conversation of inserts that was not held over any wire."""

import random
import struct

import pytest

from proxy.conflicts import causes
from proxy.conflicts.attempt import Attempt
from proxy.conflicts.causes import Judge, KeyFacts
from proxy.conflicts.conflict import Cause
from proxy.conflicts.insertions import Insertions
from proxy.sql.head import head
from tests.clock import Clock
from tests.conflicts.conflicts import met

ALICE = "alice@example.org"


class Scene:
    """Sessions that send inserts, and a judge of their conflicts."""

    def __init__(self, facts: KeyFacts | None = None) -> None:
        self.clock = Clock()
        self.memory = Insertions()
        self.judge = Judge(self.memory, self.clock, lambda schema, table, key: facts)
        self.clock.now += 10
        self.one, self.other = self.memory.opened(), self.memory.opened()

    def send(self, session: int, text: str, values: bytes = b"", *before: str, whole: bool = True) -> Attempt:
        if whole:
            self.memory.sent(session, text.encode(), self.clock.now, values)
        payloads = tuple(b"\x03" + each.encode() for each in before)
        table = head(text.encode()).table
        return Attempt(session, text.encode(), whole, values, self.clock.now, payloads, table=table)

    def meet(self, attempt: Attempt, **changes: object) -> Cause:
        return self.judge.judge(met(**changes), attempt).cause

    def columns(self, attempt: Attempt, **changes: object) -> tuple[str, ...]:
        return self.judge.judge(met(**changes), attempt).columns


def insert(email: str = ALICE, name: str = "Alice") -> str:
    return f"INSERT INTO users (email, name) VALUES ('{email}', '{name}')"


@pytest.fixture
def scene() -> Scene:
    return Scene()


# --------------------------------------------------------------------------------------------------------------------
# retry


def test_the_same_bytes_in_the_same_session(scene: Scene) -> None:
    scene.send(scene.one, insert())
    scene.clock.now += 0.01
    assert scene.meet(scene.send(scene.one, insert())) is Cause.RETRY


def test_the_same_bytes_after_their_session_has_ended(scene: Scene) -> None:
    scene.send(scene.one, insert())
    scene.memory.ended(scene.one)
    scene.clock.now += 0.01
    assert scene.meet(scene.send(scene.other, insert())) is Cause.RETRY


def test_the_same_bytes_a_while_later_in_another_session(scene: Scene) -> None:
    scene.send(scene.one, insert())
    scene.clock.now += 5
    assert scene.meet(scene.send(scene.other, insert())) is Cause.RETRY


def test_the_same_parameters(scene: Scene) -> None:
    text = "INSERT INTO users (email) VALUES (?)"
    scene.send(scene.one, text, b"\0\x11alice@example.org")
    scene.clock.now += 5
    assert scene.meet(scene.send(scene.other, text, b"\0\x11alice@example.org")) is Cause.RETRY


def test_what_comes_again_and_again_is_no_retry(scene: Scene) -> None:
    scene.send(scene.one, insert())
    found = []
    for _ in range(6):
        scene.clock.now += 1
        found.append(scene.meet(scene.send(scene.one, insert())))
    assert found == [Cause.RETRY] * 3 + [Cause.UNKNOWN] * 3


def test_counters_exist(scene: Scene) -> None:
    for email in ("a", "b", "c"):
        scene.send(scene.one, insert(email))
    found = []
    for number in range(30):
        scene.clock.now += 1
        found.append(scene.meet(scene.send(scene.one, insert("abc"[number % 3])), entry="abc"[number % 3]))
    assert set(found[12:]) == {Cause.EXISTING}


# --------------------------------------------------------------------------------------------------------------------
# race


def test_the_same_bytes_at_the_same_time(scene: Scene) -> None:
    scene.send(scene.one, insert())
    scene.clock.now += 0.003
    assert scene.meet(scene.send(scene.other, insert())) is Cause.RACE


@pytest.mark.parametrize("values", [b"", b"\0\x11alice@example.org"])
@pytest.mark.parametrize("seed", range(8))
def test_the_same_bytes_of_many_at_the_same_time(scene: Scene, seed: int, values: bytes) -> None:
    """Whoever of them comes in, and in whatever order the others hear of it."""
    chance = random.Random(seed)
    attempts = []
    for _ in range(16):
        attempts.append(scene.send(scene.memory.opened(), insert(), values))
        scene.clock.now += 0.001
    attempts.remove(chance.choice(attempts))
    chance.shuffle(attempts)
    assert {scene.meet(attempt) for attempt in attempts} == {Cause.RACE}


def test_many_that_meet_the_same_old_row_do_not_race(scene: Scene) -> None:
    scene.meet(scene.send(scene.one, insert()))
    scene.clock.now += 1
    attempts = [scene.send(scene.memory.opened(), insert()) for _ in range(16)]
    assert {scene.meet(attempt) for attempt in attempts} == {Cause.EXISTING}


def test_the_same_entry_at_the_same_time(scene: Scene) -> None:
    scene.send(scene.one, insert(name="one"))
    scene.clock.now += 0.1
    assert scene.meet(scene.send(scene.other, insert(ALICE.upper(), "other")), entry=ALICE.upper()) is Cause.RACE


def test_another_entry_at_the_same_time_is_none(scene: Scene) -> None:
    scene.send(scene.one, insert("bob@example.org", ALICE))
    assert scene.meet(scene.send(scene.other, insert())) is Cause.EXISTING


def test_the_same_entry_at_the_same_time_behind_one_of_long_ago(scene: Scene) -> None:
    text = "INSERT INTO users (email, name) VALUES (?, ?)"
    scene.send(scene.other, insert(name="of another schema"))
    scene.clock.now += 5
    scene.send(scene.one, text, b"\0\x11alice@example.org\x03one")
    assert scene.meet(scene.send(scene.other, text, b"\0\x11alice@example.org\x05other")) is Cause.RACE


def test_another_table_at_the_same_time_is_none(scene: Scene) -> None:
    scene.send(scene.one, f"INSERT INTO logs (email) VALUES ('{ALICE}')")
    assert scene.meet(scene.send(scene.other, insert())) is Cause.EXISTING


def test_one_that_waited_for_anothers_transaction(scene: Scene) -> None:
    scene.send(scene.one, insert(name="one"))
    scene.clock.now += 3
    attempt = scene.send(scene.other, insert(name="other"))
    scene.clock.now += 0.5
    assert scene.meet(attempt) is Cause.RACE


@pytest.mark.parametrize(
    "before",
    [
        (f"SELECT id FROM users WHERE email = '{ALICE}'",),
        ("BEGIN", f"select * from `users` where email = '{ALICE}'"),
        ("SAVEPOINT a", f"/* app */ SELECT 1 FROM users WHERE email IN ('x', '{ALICE}')"),
    ],
)
def test_one_that_has_just_looked(scene: Scene, before: tuple[str, ...]) -> None:
    assert scene.meet(scene.send(scene.one, insert(), b"", *before)) is Cause.RACE


@pytest.mark.parametrize(
    "before", ["SELECT id FROM users WHERE email = 'bob'", f"SELECT id FROM logs WHERE email = '{ALICE}'", "BEGIN"]
)
def test_one_that_has_looked_for_something_else(scene: Scene, before: str) -> None:
    assert scene.meet(scene.send(scene.one, insert(), b"", before)) is Cause.EXISTING


def test_two_that_meet_the_same_old_row_do_not_race(scene: Scene) -> None:
    assert scene.meet(scene.send(scene.one, insert())) is Cause.EXISTING
    scene.clock.now += 1
    first, second = scene.send(scene.one, insert()), scene.send(scene.other, insert())
    assert (scene.meet(first), scene.meet(second)) == (Cause.EXISTING, Cause.EXISTING)


def test_prepared_statements_race_for_an_entry(scene: Scene) -> None:
    text = "INSERT INTO users (email, at) VALUES (?, ?)"
    entry = b"\x11alice@example.org"
    scene.send(scene.one, text, b"\0" + entry + struct.pack("<q", 1))
    scene.clock.now += 0.01
    assert scene.meet(scene.send(scene.other, text, b"\0" + entry + struct.pack("<q", 2))) is Cause.RACE


# --------------------------------------------------------------------------------------------------------------------
# bulk, sequence, existing, unknown


@pytest.mark.parametrize(
    ("rows", "cause"),
    [
        ("('a', 1), ('b', 2), ('a', 3)", Cause.BULK),
        ("('a', 1), ('A ', 2)", Cause.BULK),
        ("('a', 1), ('b', 2)", Cause.EXISTING),
        ("('b', 1), ('b', 2), ('a', 3)", Cause.EXISTING),
    ],
)
def test_rows_of_one_statement(scene: Scene, rows: str, cause: Cause) -> None:
    text = f"INSERT INTO users (email, n) VALUES {rows}"
    assert scene.meet(scene.send(scene.one, text), entry="a") is cause


def test_composite_keys_in_one_statement(scene: Scene) -> None:
    text = "INSERT INTO users (shop, name, number) VALUES (1, 'x', 7), (2, 'y', 7), (1, 'z', 7)"
    attempt = scene.send(scene.one, text)
    assert scene.meet(attempt, entry="1-7", key="ux_number") is Cause.BULK
    assert scene.columns(attempt, entry="1-7", key="ux_number") == ("shop", "number")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("INSERT INTO users (email) VALUES ('x')", Cause.SEQUENCE),
        ("INSERT INTO users (id, email) VALUES (NULL, 'x')", Cause.SEQUENCE),
        ("INSERT INTO users SET email = 'x'", Cause.SEQUENCE),
        ("INSERT INTO users (id, email) VALUES (7, 'x')", Cause.EXISTING),
        ("INSERT INTO users (id, email) VALUES ('7', 'x')", Cause.EXISTING),
        ("INSERT INTO users (id, email) VALUES (3 + 4, 'x')", Cause.EXISTING),
        ("INSERT INTO users VALUES (7, 'x')", Cause.EXISTING),
    ],
)
def test_values_that_the_server_made_up(scene: Scene, text: str, cause: Cause) -> None:
    assert scene.meet(scene.send(scene.one, text), key="PRIMARY", entry="7") is cause


def test_a_known_definition_tells_of_the_sequence() -> None:
    scene = Scene(KeyFacts(("number",), "number", ("number", "email")))
    first = scene.send(scene.one, "INSERT INTO users (email) VALUES ('7')")
    assert scene.meet(first, key="ux_number", entry="7") is Cause.SEQUENCE
    unnamed = scene.send(scene.one, "INSERT INTO users VALUES (DEFAULT, 'x')")
    assert scene.meet(unnamed, key="ux_number", entry="8") is Cause.SEQUENCE
    assert scene.columns(unnamed, key="ux_number", entry="8") == ("number",)


def test_a_definition_without_auto_increment_has_no_sequence() -> None:
    scene = Scene(KeyFacts(("id",), None, ("id", "email")))
    attempt = scene.send(scene.one, "INSERT INTO users (email) VALUES ('x')")
    assert scene.meet(attempt, key="PRIMARY", entry="0") is Cause.EXISTING


def test_parameters_may_be_the_value_of_a_key(scene: Scene) -> None:
    text = "INSERT INTO users (id, email) VALUES (?, ?)"
    given = scene.send(scene.one, text, b"\0" + struct.pack("<q", 7) + b"\x01x")
    assert scene.meet(given, key="PRIMARY", entry="7") is Cause.EXISTING
    other = scene.send(scene.one, text, b"\x01" + b"\x01x")
    assert scene.meet(other, key="PRIMARY", entry="8") is Cause.SEQUENCE


@pytest.mark.parametrize(
    "changes",
    [{"entry": None}, {"errno": 1761}, {"table": "audit"}, {"table": None}, {"statement": "update"}],
)
def test_what_does_not_tell(scene: Scene, changes: dict[str, object]) -> None:
    assert scene.meet(scene.send(scene.one, insert()), **changes) is Cause.UNKNOWN


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (insert("bob@example.org") + "; " + insert(), Cause.UNKNOWN),
        (insert() + ";", Cause.EXISTING),
        (insert(name="a; b"), Cause.EXISTING),
    ],
)
def test_several_statements_do_not_tell(scene: Scene, text: str, cause: Cause) -> None:
    assert scene.meet(scene.send(scene.one, text)) is cause


def test_several_statements_that_are_sent_again(scene: Scene) -> None:
    text = insert("bob@example.org") + "; " + insert()
    scene.send(scene.one, text)
    scene.clock.now += 1
    assert scene.meet(scene.send(scene.one, text)) is Cause.RETRY


def test_the_beginning_of_a_statement_does_not_tell(scene: Scene) -> None:
    assert scene.meet(scene.send(scene.one, insert()[:60], whole=False)) is Cause.UNKNOWN


def test_shortly_after_the_start_nothing_is_known() -> None:
    scene = Scene()
    scene.clock.now -= 9.9
    assert scene.meet(scene.send(scene.one, insert())) is Cause.UNKNOWN


def test_the_share_of_one_process_does_not_tell_what_had_been_there() -> None:
    scene = Scene()
    scene.judge = Judge(scene.memory, scene.clock, lambda schema, table, key: None, sees_all=False)
    scene.clock.now += 10
    assert scene.meet(scene.send(scene.one, insert())) is Cause.UNKNOWN
    scene.clock.now += 1
    assert scene.meet(scene.send(scene.one, insert(name="other"))) is Cause.EXISTING


@pytest.mark.parametrize(("ago", "cause"), [(9.9, Cause.EXISTING), (10.1, Cause.UNKNOWN)])
def test_of_a_share_it_tells_what_was_inserted_a_while_ago(ago: float, cause: Cause) -> None:
    scene = Scene()
    scene.judge = Judge(scene.memory, scene.clock, lambda schema, table, key: None, sees_all=False)
    scene.send(scene.other, insert(name="other"))
    scene.clock.now += ago
    assert scene.meet(scene.send(scene.one, insert())) is cause


@pytest.mark.parametrize(
    ("ago", "waited", "cause"),
    [(0.24, 0, Cause.RACE), (0.26, 0, Cause.EXISTING), (9.9, 0.2, Cause.RACE), (10.1, 0.2, Cause.EXISTING)],
)
def test_how_far_apart_two_are_that_race(scene: Scene, ago: float, waited: float, cause: Cause) -> None:
    scene.send(scene.other, insert(name="other"))
    scene.clock.now += ago
    attempt = scene.send(scene.one, insert())
    scene.clock.now += waited
    assert scene.meet(attempt) is cause


def test_an_insert_that_got_in_is_remembered_as_one(scene: Scene) -> None:
    attempt = scene.send(scene.one, insert())
    assert scene.meet(attempt) is Cause.EXISTING
    scene.memory.came_in(attempt)
    scene.clock.now += 0.5
    assert scene.meet(scene.send(scene.one, insert())) is Cause.RETRY


def test_reading_keeps_to_a_budget(scene: Scene) -> None:
    text = "INSERT INTO users (email) VALUES " + ", ".join(f"('{number}@x')" for number in range(6_000))
    found = [scene.meet(scene.send(scene.one, text), entry="5@x") for _ in range(9)]
    assert found[0] is Cause.EXISTING
    assert found[-1] is Cause.UNKNOWN


def test_memory_is_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(causes, "ENTRIES", 50)
    for number in range(500):
        scene.clock.now += 1
        scene.meet(scene.send(scene.one, "INSERT INTO users (email) VALUES ('x')"), entry=f"{number}")
    assert len(scene.judge._entries) + len(scene.judge._old_entries) <= 100


def test_the_search_among_recent_inserts_is_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def mentions(text: bytes, parameters: bytes, entry: str) -> bool:
        looked.append(entry)
        return True

    monkeypatch.setattr(causes, "mentions", mentions)
    for number in range(1_000):
        scene.send(scene.one, f"INSERT INTO logs (line) VALUES ('{ALICE} {number}')")
    scene.meet(scene.send(scene.other, insert()))
    assert 32 < len(looked) <= causes.EXAMINED
