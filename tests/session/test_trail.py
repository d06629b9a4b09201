"""What a session tells of its inserts, seen in the causes of the conflicts that they meet."""

import pytest

from proxy.conflicts.conflict import Cause
from proxy.rules.match import RuleSet
from proxy.wire import capabilities as cap
from proxy.wire import commands
from tests.session.conversation import USUAL, Delivery, Talk, cut_everywhere, logged_in, rules
from tests.session.packets import command, duplicate, error, ok, query, result
from tests.session.ruled import KEY, rule, statement
from tests.session.test_prepared import TEXT, execute, long_data, passes, prepare, prepared_as

INSERT = "INSERT INTO users (email) VALUES ('a@x')"
NO_RULES = RuleSet()
NOT_FOR_IT = rules("- {name: r, table: orders, action: ignore}")
CONFLICT = duplicate("a@x", KEY)
WITH_ATTRIBUTES = USUAL | cap.QUERY_ATTRIBUTES


def passes_with_attributes(talk: Talk, text: str, answer: bytes) -> None:
    passes(talk, command(commands.QUERY, b"\0\1" + text.encode()), answer)


def cause(talk: Talk) -> Cause:
    """Give the cause of the one conflict that there was."""
    talk.wires.run_waiting()
    (found,) = talk.recorder.journal.records()
    return found.cause


def later(talk: Talk) -> None:
    """Let enough time pass for whatever comes now to be no race with what was before."""
    talk.clock.now += 5


@pytest.mark.parametrize("in_force", [NO_RULES, NOT_FOR_IT, rule("observe")], ids=["no rules", "others", "observe"])
def test_the_same_text_again(in_force: RuleSet) -> None:
    @cut_everywhere
    def held(delivery: Delivery) -> None:
        with logged_in(delivery, in_force) as talk:
            passes(talk, query(INSERT), ok(1))
            passes(talk, query(INSERT), CONFLICT)
        assert cause(talk) is Cause.RETRY

    held()


@cut_everywhere
def test_the_same_text_behind_query_attributes(delivery: Delivery) -> None:
    with logged_in(delivery, flags=WITH_ATTRIBUTES) as talk:
        passes_with_attributes(talk, INSERT, ok(1))
        passes_with_attributes(talk, INSERT, CONFLICT)
    assert cause(talk) is Cause.RETRY


@cut_everywhere
def test_the_same_text_but_for_a_comment_before_it(delivery: Delivery) -> None:
    with logged_in(delivery) as talk:
        passes(talk, query("/* a=1 */ " + INSERT), ok(1))
        passes(talk, query("/* a=2 */ " + INSERT), CONFLICT)
    assert cause(talk) is Cause.RETRY


@pytest.mark.parametrize("action", ["when: conflict", "when: always"])
def test_the_same_text_to_which_a_rule_has_an_answer(action: str) -> None:
    in_force = rule("ignore", action)
    with logged_in(Delivery(), in_force) as talk:
        client, backend = talk
        for first in (True, False):
            client >> query(INSERT)
            if "always" in action:
                backend << query(statement(in_force, INSERT))
                backend >> ok(1 if first else 0)
            else:
                backend << query(INSERT)
                backend >> (ok(1) if first else CONFLICT)
                if not first:
                    backend << query(statement(in_force, INSERT))
                    backend >> ok(0)
            client << ok(1 if first else 0)
    assert cause(talk) is Cause.RETRY


@pytest.mark.parametrize("in_force", [NO_RULES, rule("observe")], ids=["no rules", "observe"])
def test_the_same_execution_again(in_force: RuleSet) -> None:
    @cut_everywhere
    def held(delivery: Delivery) -> None:
        with logged_in(delivery, in_force) as talk:
            passes(talk, prepare(), prepared_as(7))
            passes(talk, execute(7), ok(1))
            passes(talk, execute(7, types=None), CONFLICT)
        assert cause(talk) is Cause.RETRY

    held()


@cut_everywhere
def test_mariadbs_last_prepared_is_an_insert_like_another(delivery: Delivery) -> None:
    with logged_in(delivery, mariadb=True) as talk:
        passes(talk, prepare(), prepared_as(7))
        passes(talk, execute(0xFFFFFFFF), ok(1))
        passes(talk, execute(7), duplicate("a@x", "ux_email"))
    assert cause(talk) is Cause.RETRY


@cut_everywhere
def test_another_execution_is_no_retry(delivery: Delivery) -> None:
    with logged_in(delivery) as talk:
        passes(talk, prepare(), prepared_as(7))
        passes(talk, execute(7, "b@x"), ok(1))
        later(talk)
        passes(talk, execute(7), CONFLICT)
    assert cause(talk) is Cause.EXISTING


@pytest.mark.parametrize("in_force", [NO_RULES, rule("observe")], ids=["no rules", "observe"])
def test_what_came_by_long_data_does_not_tell(in_force: RuleSet) -> None:
    with logged_in(Delivery(), in_force) as talk:
        passes(talk, prepare(), prepared_as(7))
        for answer in (ok(1), CONFLICT):
            passes(talk, long_data(7))
            passes(talk, execute(7, ""), answer)
            later(talk)
    assert cause(talk) is Cause.UNKNOWN


@pytest.mark.parametrize("in_force", [NO_RULES, rule("observe")], ids=["no rules", "observe"])
def test_one_that_has_looked_before(in_force: RuleSet) -> None:
    @cut_everywhere
    def held(delivery: Delivery) -> None:
        with logged_in(delivery, in_force) as talk:
            passes(talk, query("SELECT id FROM users WHERE email = 'a@x'"), result())
            passes(talk, query("BEGIN"), ok())
            passes(talk, query("SAVEPOINT s"), ok())
            passes(talk, query(INSERT), CONFLICT)
        assert cause(talk) is Cause.RACE

    held()


@cut_everywhere
def test_one_that_has_looked_with_a_prepared_statement(delivery: Delivery) -> None:
    with logged_in(delivery) as talk:
        passes(talk, prepare(), prepared_as(7))
        passes(talk, prepare("SELECT id FROM users WHERE email = ?"), prepared_as(8))
        passes(talk, execute(8), ok())
        passes(talk, execute(7), CONFLICT)
    assert cause(talk) is Cause.RACE


def test_one_that_looked_long_ago() -> None:
    with logged_in(Delivery()) as talk:
        passes(talk, query("SELECT id FROM users WHERE email = 'a@x'"), result())
        for _ in range(4):
            passes(talk, query("COMMIT"), ok())
        later(talk)
        passes(talk, query(INSERT), CONFLICT)
    assert cause(talk) is Cause.EXISTING


def test_a_select_that_was_sent_behind_it_is_not_before_it() -> None:
    look = query("SELECT id FROM users WHERE email = 'a@x'")
    with logged_in(Delivery()) as talk:
        client, backend = talk
        later(talk)
        client >> query(INSERT) + look
        backend << query(INSERT) + look
        backend >> CONFLICT
        backend >> result()
        client << CONFLICT + result()
    assert cause(talk) is Cause.EXISTING


@pytest.mark.parametrize("in_force", [NO_RULES, rule("observe")], ids=["no rules", "observe"])
def test_an_insert_that_failed_is_not_tried_again_but_tried(in_force: RuleSet) -> None:
    with logged_in(Delivery(), in_force) as talk:
        passes(talk, query(INSERT), error(1406, "Data too long for column 'name' at row 1", "22001"))
        later(talk)
        passes(talk, query(INSERT), CONFLICT)
    assert cause(talk) is Cause.EXISTING


def test_only_the_beginning_of_a_large_one_is_here() -> None:
    large = query(INSERT + ", ('" + "x" * 2000 + "')")
    with logged_in(Delivery(1100)) as talk:
        for answer in (ok(2), CONFLICT):
            passes(talk, large, answer)
            later(talk)
    assert cause(talk) is Cause.UNKNOWN


def test_an_end_is_told() -> None:
    with logged_in(Delivery()) as talk:
        passes(talk, query(INSERT), ok(1))
        assert talk.recorder.insertions.is_alive(1)
        talk.session.client_lost()
    assert not talk.recorder.insertions.is_alive(1)


def test_conflicts_of_other_statements_are_told_with_their_samples() -> None:
    with logged_in(Delivery()) as talk:
        passes(talk, query("UPDATE users SET email = 'a@x' WHERE id = 3"), CONFLICT)
    talk.wires.run_waiting()
    (found,) = talk.recorder.journal.records()
    assert (found.cause, found.sample) == (Cause.UNKNOWN, "UPDATE users SET email = ? WHERE id = ?")


def test_the_same_prepared_text_but_for_a_comment() -> None:
    with logged_in(Delivery()) as talk:
        passes(talk, prepare(TEXT + " /* 1 */"), prepared_as(7))
        passes(talk, execute(7), ok(1))
        passes(talk, prepare(TEXT + " /* 2 */"), prepared_as(8))
        passes(talk, execute(8), CONFLICT)
    assert cause(talk) is Cause.RETRY
