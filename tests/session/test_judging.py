"""A conflict is judged once: while the backend is at work on what follows it, or once the client has its answer."""

from collections.abc import Callable

import pytest

from proxy.conflicts.attempt import Attempt
from proxy.conflicts.conflict import Cause, Met
from proxy.rules.match import RuleSet
from proxy.rules.table import Absence, Missing
from tests.session.conversation import Delivery, Talk, logged_in, rules
from tests.session.packets import duplicate, error, ok, query
from tests.session.ruled import INSERT, KEY, ROWS, rule, statement
from tests.session.test_batch import MORE
from tests.session.test_deadlocks import DEADLOCK
from tests.session.test_prepared import execute, passes, prepare, prepared_as, resolves
from tests.session.test_tables import BY_KEY, USERS, Tables
from tests.session.test_waiting import LARGE, take_rewritten

IGNORE, ALWAYS = rule("ignore"), rule("ignore", "when: always")
MET = Met("shop", "users", "ux_email", "a@x", "insert", 1062)
GUARD = error(1690, "BIGINT UNSIGNED value is out of range in '(18446744073709551615 + 7001062)'", "22003")


def meet(talk: Talk, text: str = INSERT) -> None:
    talk.client >> query(text)
    talk.backend << query(text)
    talk.backend >> duplicate("a@x", KEY)


def second(talk: Talk, answer: bytes, in_force: RuleSet = IGNORE, text: str = INSERT) -> None:
    talk.backend << query(statement(in_force, text))
    talk.backend >> answer
    talk.client.said.clear()


def remembers(talk: Talk, text: str = INSERT) -> bool:
    """Tell whether an INSERT is one that has come in, as far as is known."""
    later = Attempt(99, text.encode(), started=talk.clock.now + 1, schema="shop")
    return talk.recorder.insertions.failed(later) is not None


def test_it_is_judged_before_the_second_statement_is_answered_and_recorded_when_it_is() -> None:
    with logged_in(Delivery(), IGNORE) as talk:
        meet(talk)
        assert talk.recorder.judged == [], "the statement goes first"
        talk.wires.run_waiting()
        assert talk.recorder.judged == [MET]
        assert talk.conflicts == []
        assert not remembers(talk)
        second(talk, ok(0))
        assert talk.recorder.judged == [MET]
        assert talk.outcomes == [("kept", 1)]
        assert talk.conflicts[0].finding.sample == "INSERT INTO users (email, name) VALUES (?, ?)"


def test_one_that_goes_to_the_client_is_judged_when_it_is_recorded() -> None:
    with logged_in(Delivery()) as talk:
        meet(talk)
        talk.client << duplicate("a@x", KEY)
        assert talk.recorder.judged == [], "the answer goes first"
        talk.wires.run_waiting()
        assert (talk.recorder.judged, talk.outcomes) == ([MET], [("returned", 1)])


def after_a_definition(talk: Talk, tables: Tables, meanwhile: Callable[[], None]) -> None:
    meet(talk)
    meanwhile()
    tables.tell(USERS)
    meanwhile()
    take_rewritten(talk)
    talk.backend >> ok(0)
    talk.client << ok(0)


def with_no_definition(talk: Talk, tables: Tables, meanwhile: Callable[[], None]) -> None:
    meet(talk)
    meanwhile()
    tables.tell(Missing(Absence.NO_TABLE))
    talk.client << duplicate("a@x", KEY)


@pytest.mark.parametrize("course", [after_a_definition, with_no_definition])
@pytest.mark.parametrize("judged_meanwhile", [True, False])
def test_once_though_it_waits_for_a_definition(
    course: Callable[[Talk, Tables, Callable[[], None]], None], judged_meanwhile: bool
) -> None:
    tables = Tables()
    with logged_in(Delivery(), BY_KEY, tables=tables) as talk:
        course(talk, tables, talk.wires.run_waiting if judged_meanwhile else lambda: None)
        talk.wires.run_waiting()
        assert len(talk.recorder.judged) == len(talk.conflicts) == 1


def test_once_though_it_is_read_in_turns() -> None:
    with logged_in(Delivery(), rules("- {name: r, table: users, columns: [email], action: ignore}")) as talk:
        meet(talk, LARGE)
        talk.wires.run_waiting()
        take_rewritten(talk)
        talk.backend >> ok(0, info=b"Records: 60000  Duplicates: 0  Warnings: 0")
        talk.client << ok(0, info=b"Records: 60000  Duplicates: 0  Warnings: 0")
        talk.wires.run_waiting()
        assert talk.recorder.judged == [MET]
        assert talk.outcomes == [("kept", 60000)]


@pytest.mark.parametrize("judged_meanwhile", [True, False])
def test_once_though_its_second_statement_is_prepared_first(judged_meanwhile: bool) -> None:
    with logged_in(Delivery(), IGNORE) as talk:
        passes(talk, prepare(), prepared_as(7))
        for _ in range(2):
            resolves_or_goes_on(talk, judged_meanwhile)
        talk.wires.run_waiting()
        assert len(talk.recorder.judged) == len(talk.conflicts) == 2


def resolves_or_goes_on(talk: Talk, judged_meanwhile: bool) -> None:
    if not talk.conflicts:
        resolves(talk, IGNORE)
        return
    passes_up_to_the_error(talk)
    if judged_meanwhile:
        talk.wires.run_waiting()
    talk.backend << execute(8)
    talk.backend >> ok(0)
    talk.client << ok(0)


def passes_up_to_the_error(talk: Talk) -> None:
    talk.client >> execute(7)
    talk.backend << execute(7)
    talk.backend >> duplicate("a@x", KEY)


@pytest.mark.parametrize("judged_meanwhile", [True, False])
@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ((DEADLOCK, DEADLOCK, ok(0)), "kept"),
        ((GUARD,), "refused"),
        ((error(1142, "denied", "42000"),), "failed"),
        ((error(1205, "timeout"),), "failed"),
    ],
    ids=["deadlocks", "guard", "changed nothing", "another error"],
)
def test_once_whatever_comes_of_it(answers: tuple[bytes, ...], outcome: str, judged_meanwhile: bool) -> None:
    with logged_in(Delivery(), IGNORE) as talk:
        meet(talk)
        for answer in answers:
            if judged_meanwhile:
                talk.wires.run_waiting()
            second(talk, answer)
        talk.wires.run_waiting()
        assert talk.recorder.judged == [MET]
        assert talk.outcomes == [(outcome, 1)]
        assert talk.session.account()["conflicts"] == 1


def test_once_though_it_came_to_two_outcomes() -> None:
    in_force = rule("update")
    with logged_in(Delivery(), in_force) as talk:
        meet(talk, ROWS)
        second(talk, ok(3, info=b"Records: 3  Duplicates: 1  Warnings: 0"), in_force, ROWS)
        talk.wires.run_waiting()
        assert talk.recorder.judged == [MET]
        assert talk.outcomes == [("updated", 1), ("kept", 1)]


@pytest.mark.parametrize("judged_meanwhile", [True, False])
@pytest.mark.parametrize("end", [lambda talk: talk.session.backend_lost(), lambda talk: talk.session.client_lost()])
def test_one_whose_session_ends_before_its_outcome_is_known(
    end: Callable[[Talk], None], judged_meanwhile: bool
) -> None:
    with logged_in(Delivery(), IGNORE) as talk:
        meet(talk)
        if judged_meanwhile:
            talk.wires.run_waiting()
        end(talk)
        talk.wires.run_waiting()
        talk.backend.said.clear()
        assert talk.recorder.judged == [MET]
        assert talk.outcomes == [("unknown", 1)]
        assert [conflict.rule for conflict in talk.conflicts] == ["r"]
        assert talk.session.account()["conflicts"] == 1
        assert remembers(talk), "who sends it again tries again"


def test_one_whose_session_ends_before_a_second_statement_is_sent() -> None:
    with logged_in(Delivery(), BY_KEY, tables=Tables()) as talk:
        meet(talk)
        talk.session.client_lost()
        talk.wires.run_waiting()
        assert talk.recorder.judged == [MET]
        assert [(conflict.outcome, conflict.rule) for conflict in talk.conflicts] == [("unknown", None)]
        assert not remembers(talk)


def test_one_whose_session_ends_right_behind_its_outcome_is_recorded() -> None:
    with logged_in(Delivery(), IGNORE) as talk:
        meet(talk)
        second(talk, ok(0))
        talk.session.client_lost()
        talk.wires.run_waiting()
        assert talk.recorder.judged == [MET]
        assert talk.outcomes == [("kept", 1)]


def test_one_whose_session_ends_at_the_next_statement_of_its_text_is_recorded_once() -> None:
    with logged_in(Delivery(), IGNORE) as talk:
        meet(talk, f"{INSERT};SELECT 1")
        talk.backend << query(f"{statement(IGNORE)};SELECT 1")
        talk.backend >> ok(0, status=MORE)
        talk.client << ok(0, status=MORE)
        talk.session.client_lost()
        talk.backend.said.clear()
        assert talk.outcomes == [("kept", 1)]


def test_one_that_was_prevented_is_judged_once_too() -> None:
    with logged_in(Delivery(), ALWAYS) as talk:
        talk.client >> query(INSERT)
        second(talk, ok(0), ALWAYS)
        talk.wires.run_waiting()
        assert len(talk.recorder.judged) == len(talk.conflicts) == 1
        assert not remembers(talk)


@pytest.mark.parametrize("judged_meanwhile", [True, False])
@pytest.mark.parametrize(
    ("affected", "outcome", "causes"),
    [(1, "inserted", [Cause.UNKNOWN, Cause.RETRY]), (0, "kept", [Cause.UNKNOWN, Cause.EXISTING])],
)
def test_only_what_came_in_after_all_makes_the_next_one_a_retry(
    affected: int, outcome: str, causes: list[Cause], judged_meanwhile: bool
) -> None:
    with logged_in(Delivery(), IGNORE) as talk:
        for answer in (ok(affected), ok(0)):
            meet(talk)
            if judged_meanwhile:
                talk.wires.run_waiting()
            second(talk, answer)
            talk.wires.run_waiting()
            talk.clock.now += 5
        assert talk.outcomes == [(outcome, 1), ("kept", 1)]
        assert [conflict.finding.cause for conflict in talk.conflicts] == causes
