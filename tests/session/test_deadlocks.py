"""A deadlock outside of any transaction undid one statement, which is sent again; inside one the client must know."""

import pytest

from proxy.config import Limits
from proxy.rules.match import RuleSet
from proxy.wire import commands
from tests.session.conversation import Delivery, Talk, cut_everywhere, logged_in
from tests.session.packets import command, duplicate, error, ok, packets, query
from tests.session.ruled import INSERT, KEY, rule, statement
from tests.wire import packets as payloads
from tests.wire.packets import DEFINITION, MORE_RESULTS, prepared

IGNORE, ALWAYS = rule("ignore"), rule("ignore", "when: always")
DEADLOCK = error(1213, "Deadlock found when trying to get lock; try restarting transaction", "40001")
DEADLOCK_BEHIND = DEADLOCK[:3] + b"\2" + DEADLOCK[4:]
IN_TRANSACTION = 3
NO_AUTOCOMMIT = 0
TIMES = 10


def passes(talk: Talk, said: bytes, answer: bytes) -> None:
    """Let a command and its answer pass through unchanged."""
    client, backend = talk
    client >> said
    backend << said
    backend >> answer
    client << answer


@cut_everywhere
def test_a_second_statement_is_sent_again(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        client >> query(INSERT)
        backend << query(INSERT)
        backend >> duplicate("a@x", KEY)
        for answer in (DEADLOCK, DEADLOCK, ok(0, 3)):
            backend << query(statement(IGNORE))
            assert client.hears_nothing
            backend >> answer
        client << ok(0, 3)
        assert talk.outcomes == [("kept", 1)]
        assert talk.rewrites == {"retried": 2, "ok": 1}
        assert talk.counters.errors == {1062: 1, 1213: 2}
        assert talk.counters.deadlocks == {}


@cut_everywhere
def test_a_rewritten_statement_is_sent_again(delivery: Delivery) -> None:
    with logged_in(delivery, ALWAYS) as talk:
        client, backend = talk
        client >> query(INSERT)
        for answer in (DEADLOCK, ok(1, 3)):
            backend << query(statement(ALWAYS))
            backend >> answer
        client << ok(1, 3)
        assert talk.counters.rewrites == {("r", "always", "text", "retried"): 1, ("r", "always", "text", "ok"): 1}


@cut_everywhere
def test_the_clients_own_statement_is_sent_again(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        client >> query(INSERT)
        for answer in (DEADLOCK, duplicate("a@x", KEY)):
            backend << query(INSERT)
            backend >> answer
        backend << query(statement(IGNORE))
        backend >> ok(0, 3)
        client << ok(0, 3)
        assert talk.outcomes == [("kept", 1)]


def test_it_is_not_sent_again_for_ever() -> None:
    with logged_in(Delivery(), ALWAYS) as talk:
        client, backend = talk
        client >> query(INSERT)
        for _ in range(TIMES + 1):
            backend << query(statement(ALWAYS))
            assert client.hears_nothing
            backend >> DEADLOCK
        client << DEADLOCK
        assert talk.rewrites == {"retried": TIMES, "deadlock": 1}
        assert talk.counters.deadlocks == {"r": 1}


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (query("BEGIN"), ok(status=IN_TRANSACTION)),
        (query("UPDATE users SET n = 1"), ok(1, status=IN_TRANSACTION)),
        (query("SET autocommit = 0"), ok(status=NO_AUTOCOMMIT)),
        (query("CALL begins_a_transaction_and_fails()"), error(1146, "Table 'shop.nothing' doesn't exist", "42S02")),
    ],
)
@pytest.mark.parametrize("in_force", [IGNORE, ALWAYS])
def test_inside_a_transaction_the_client_gets_it(said: bytes, answer: bytes, in_force: RuleSet) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        with logged_in(delivery, in_force) as talk:
            client, backend = talk
            passes(talk, said, answer)
            client >> query(INSERT)
            if in_force is IGNORE:
                backend << query(INSERT)
                backend >> duplicate("a@x", KEY)
            backend << query(statement(in_force))
            backend >> DEADLOCK
            client << DEADLOCK
            assert talk.rewrites == {"deadlock": 1}
            assert talk.counters.deadlocks == {"r": 1}

    run()


@cut_everywhere
def test_the_clients_own_deadlock_in_a_transaction_is_counted_for_the_rule(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        passes(talk, query("BEGIN"), ok(status=IN_TRANSACTION))
        passes(talk, query(INSERT), DEADLOCK)
        assert talk.counters.deadlocks == {"r": 1}
        assert talk.rewrites == {}
        passes(talk, query("ROLLBACK"), ok())
        client, backend = talk
        client >> query(INSERT)
        for answer in (DEADLOCK, ok(1, 3)):
            backend << query(INSERT)
            backend >> answer
        client << ok(1, 3)


@cut_everywhere
def test_an_error_of_an_insert_leaves_the_session_where_it_was(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        passes(talk, query(INSERT), duplicate("A", "users.ux_name"))
        client >> query(INSERT)
        for answer in (DEADLOCK, ok(1, 3)):
            backend << query(INSERT)
            backend >> answer
        client << ok(1, 3)


@pytest.mark.parametrize("in_force", [rule("observe"), rule("ignore", "dry_run: true")])
def test_a_rule_that_does_nothing_sends_nothing_again(in_force: RuleSet) -> None:
    with logged_in(Delivery(), in_force) as talk:
        passes(talk, query(INSERT), DEADLOCK)
        assert talk.rewrites == {}
        assert talk.counters.deadlocks == {}


PREPARE = command(commands.STMT_PREPARE, b"INSERT INTO users (email) VALUES (?)")
PREPARED = packets(prepared(0, 1), DEFINITION, payloads.eof())
EXECUTE = command(commands.STMT_EXECUTE, b"\7\0\0\0\0\1\0\0\0\0\1\xfe\0")


def long_data(data: bytes) -> bytes:
    return command(commands.STMT_SEND_LONG_DATA, b"\7\0\0\0\0\0" + data)


@cut_everywhere
def test_a_prepared_statement_is_sent_again_with_its_long_data(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        passes(talk, PREPARE, PREPARED)
        client >> long_data(b"long")
        backend << long_data(b"long")
        client >> EXECUTE
        backend << EXECUTE
        backend >> DEADLOCK
        backend << long_data(b"long") + EXECUTE
        backend >> ok(1, 3)
        client << ok(1, 3)


@cut_everywhere
def test_a_prepared_statement_whose_long_data_was_not_kept(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE, limits=Limits(statement=60)) as talk:
        client, backend = talk
        passes(talk, PREPARE, PREPARED)
        client >> long_data(b"x" * 60)
        backend << long_data(b"x" * 60)
        passes(talk, EXECUTE, DEADLOCK)
        assert talk.counters.deadlocks == {"r": 1}


@pytest.mark.parametrize("when", ["conflict", "always"])
def test_a_text_whose_first_statements_have_run_is_not_sent_again(when: str) -> None:
    """Where they cannot be told apart, nobody knows which of them the deadlock has undone."""
    for text in (f"INSERT INTO shops (a) VALUES (1); {INSERT}; SET NAMES gbk", f"{INSERT}; {INSERT}; SET NAMES gbk"):
        said = query(text)
        answer = ok(1, status=2 | MORE_RESULTS) + DEADLOCK_BEHIND

        @cut_everywhere
        def run(delivery: Delivery, said: bytes = said, answer: bytes = answer) -> None:
            with logged_in(delivery, rule("ignore", f"when: {when}")) as talk:
                passes(talk, said, answer)
                assert talk.session.idle

        run()
