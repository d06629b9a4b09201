"""A rule whose statements fail again and again rests, for all sessions."""

import pytest

from proxy.rules.match import RuleSet
from proxy.rules.trips import LIMIT, REST, Trips
from proxy.wire import commands
from tests.clock import Clock
from tests.session.conversation import Delivery, Talk, logged_in
from tests.session.packets import command, duplicate, error, ok, packets, query, refusal
from tests.session.ruled import INSERT, KEY, rule, statement
from tests.wire import packets as payloads
from tests.wire.packets import DEFINITION, prepared

IGNORE, ALWAYS = rule("ignore"), rule("ignore", "when: always")
DENIED = error(1142, "UPDATE command denied", "42000")
TIMEOUT = error(1205, "Lock wait timeout exceeded", "HY000")


def conflict(talk: Talk, in_force: RuleSet, answer: bytes, heard: bytes | None = None) -> None:
    """Hold a conflict whose second statement is answered so; heard: what the client gets, by default the conflict."""
    client, backend = talk
    client >> query(INSERT)
    backend << query(INSERT)
    backend >> duplicate("a@x", KEY)
    backend << query(statement(in_force))
    backend >> answer
    client << (heard or duplicate("a@x", KEY))


def returned(talk: Talk) -> None:
    """Hold a conflict to which the rule does nothing."""
    client, backend = talk
    client >> query(INSERT)
    backend << query(INSERT)
    backend >> duplicate("a@x", KEY)
    client << duplicate("a@x", KEY)


def rewritten(talk: Talk, answer: bytes, own: bytes) -> None:
    """Hold an INSERT with `when: always` whose statement is answered so, and then the client's own."""
    client, backend = talk
    client >> query(INSERT)
    backend << query(statement(ALWAYS))
    backend >> answer
    backend << query(INSERT)
    backend >> own
    client << own


def test_a_second_statement_that_always_fails() -> None:
    with logged_in(Delivery(), IGNORE) as talk:
        for _ in range(LIMIT):
            assert not talk.counters.tripped.get("r")
            conflict(talk, IGNORE, DENIED)
        assert talk.counters.tripped == {"r": True}
        returned(talk)
        assert talk.skipped == ["tripped"]
        assert talk.outcomes == [("failed", 1)] * LIMIT + [("returned", 1)]
        talk.clock.now += REST
        conflict(talk, IGNORE, ok(), ok())
        assert talk.counters.tripped == {"r": False}


def test_a_rule_that_still_fails_after_its_rest() -> None:
    with logged_in(Delivery(), IGNORE) as talk:
        for _ in range(LIMIT):
            conflict(talk, IGNORE, DENIED)
        talk.clock.now += REST
        conflict(talk, IGNORE, DENIED)
        returned(talk)
        assert talk.counters.tripped == {"r": True}


def test_a_success_between_failures() -> None:
    with logged_in(Delivery(), IGNORE) as talk:
        for _ in range(3):
            for _ in range(LIMIT - 1):
                conflict(talk, IGNORE, DENIED)
            conflict(talk, IGNORE, ok(), ok())
        assert talk.skipped == []


@pytest.mark.parametrize("failure", [refusal(), TIMEOUT])
def test_what_is_not_the_rules_doing(failure: bytes) -> None:
    with logged_in(Delivery(), IGNORE) as talk:
        for _ in range(2 * LIMIT):
            conflict(talk, IGNORE, failure, duplicate("a@x", KEY) if failure is not TIMEOUT else TIMEOUT)
        assert talk.skipped == []


def test_a_rewritten_statement_that_always_fails() -> None:
    with logged_in(Delivery(), ALWAYS) as talk:
        client, backend = talk
        for own in (ok(1, 5), duplicate("a@x", KEY)) * LIMIT:
            if talk.counters.tripped.get("r"):
                client >> query(INSERT)
                backend << query(INSERT)
                backend >> own
                client << own
            else:
                rewritten(talk, DENIED, own)
        assert talk.rewrites == {"error": LIMIT}
        assert set(talk.skipped) == {"tripped"}


def test_an_error_that_the_clients_own_statement_meets_too() -> None:
    """The table is not there, or the client may not insert into it: no rule is to blame."""
    with logged_in(Delivery(), ALWAYS) as talk:
        for _ in range(2 * LIMIT):
            rewritten(talk, DENIED, DENIED)
        assert talk.skipped == []
        assert talk.counters.tripped == {}


@pytest.mark.parametrize("when", ["conflict", "always"])
def test_a_text_that_can_never_be_prepared(when: str) -> None:
    in_force = rule("ignore", f"when: {when}")
    text = "INSERT INTO users (email) VALUES (?)"
    prepare = command(commands.STMT_PREPARE, text.encode())
    execute = command(commands.STMT_EXECUTE, b"\7\0\0\0\0\1\0\0\0\0\1\xfe\0\3a@x")
    answer = packets(prepared(0, 1), DEFINITION, payloads.eof())
    with logged_in(Delivery(), in_force) as talk:
        client, backend = talk
        client >> prepare
        backend << prepare
        backend >> answer
        client << answer
        for number in range(LIMIT + 2):
            client >> execute
            if when == "conflict":
                backend << execute
                backend >> duplicate("a@x", KEY)
            if number < LIMIT:
                backend << command(commands.STMT_PREPARE, statement(in_force, text).encode())
                backend >> DENIED
            if when == "always":
                backend << execute
                backend >> ok(1, 5)
                client << ok(1, 5)
            else:
                client << duplicate("a@x", KEY)
        assert talk.rewrites == {"error": LIMIT}
        assert talk.skipped == ["tripped"] * 2


def test_all_sessions_share_the_count() -> None:
    trips = Trips(Clock(), lambda _, __: None)
    with logged_in(Delivery(), IGNORE, trips=trips) as first:
        for _ in range(LIMIT):
            conflict(first, IGNORE, DENIED)
    with logged_in(Delivery(), IGNORE, trips=trips) as second:
        returned(second)
        assert second.skipped == ["tripped"]


def test_rules_that_are_exchanged_begin_anew() -> None:
    clock = Clock()
    trips = Trips(clock, lambda _, __: None)
    repaired = rule("update")
    current = [IGNORE]
    with logged_in(Delivery(), rules=lambda: current[0], trips=trips) as talk:
        for _ in range(LIMIT):
            conflict(talk, IGNORE, DENIED)
        returned(talk)
        trips.forget()
        current[0] = repaired
        conflict(talk, repaired, ok(2), ok(2))
        trips.forget()
        current[0] = IGNORE
        conflict(talk, IGNORE, DENIED)
        assert talk.skipped == ["tripped"]


def test_a_prepared_statement_with_the_old_rule_does_not_trip_the_new_one() -> None:
    text = "INSERT INTO users (email) VALUES (?)"
    prepare = command(commands.STMT_PREPARE, text.encode())
    execute = command(commands.STMT_EXECUTE, b"\7\0\0\0\0\1\0\0\0\0\1\xfe\0\3a@x")
    answer = packets(prepared(0, 1), DEFINITION, payloads.eof())
    repaired, current = rule("update"), [IGNORE]
    with logged_in(Delivery(), rules=lambda: current[0]) as talk:
        client, backend = talk
        client >> prepare
        backend << prepare
        backend >> answer
        client << answer
        current[0] = repaired
        for number in range(LIMIT + 1):
            client >> execute
            backend << execute
            backend >> duplicate("a@x", KEY)
            if number < LIMIT:
                backend << command(commands.STMT_PREPARE, statement(IGNORE, text).encode())
                backend >> DENIED
            client << duplicate("a@x", KEY)
        assert talk.skipped == ["tripped"]
        conflict(talk, repaired, ok(2), ok(2))
