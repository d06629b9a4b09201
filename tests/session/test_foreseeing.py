"""Where INSERTs meet one conflict after the other, a rule's statement is made before the next conflict is there."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from proxy.rules.match import RuleSet
from proxy.rules.table import Table
from proxy.session.planner import Planner
from proxy.session.resolution import Resolver
from proxy.session.statement import Statement
from tests.session.conversation import Delivery, Talk, logged_in
from tests.session.packets import duplicate, error, ok, query
from tests.session.ruled import INSERT, KEY, rule, statement
from tests.session.test_tables import BY_KEY, USERS, Tables, resolve
from tests.session.test_tables import meet as meet_by_key

IGNORE = rule("ignore")
OTHER = "INSERT INTO users (email, name) VALUES ('b@x', 'B')"


class Made:
    """The texts of the client's for which a rule's statement is asked; in brackets where there was no conflict yet."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        foresee, plan = Resolver.foresee, Planner.plan

        def foreseeing(resolver: Resolver, of: Statement) -> None:
            self.asked.append(f"[{of.text.decode()}]")
            foresee(resolver, of)

        def planning(planner: Planner, command: object, of: Statement, *more: object) -> object:
            self.asked.append(of.text.decode() + ("" if of.plans else " anew"))
            return plan(planner, command, of, *more)  # type: ignore[arg-type]

        patch.setattr(Resolver, "foresee", foreseeing)
        patch.setattr(Planner, "plan", planning)


def meet(talk: Talk, text: str = INSERT, in_force: RuleSet = IGNORE) -> None:
    """Have an INSERT meet a conflict that the rule resolves; what can be done meanwhile is done."""
    talk.client >> query(text)
    talk.backend << query(text)
    talk.wires.run_waiting()
    talk.backend >> duplicate("a@x", KEY)
    talk.backend << query(statement(in_force, text))
    talk.wires.run_waiting()
    talk.backend >> ok(0)
    talk.client << ok(0)


@contextmanager
def behind_three(in_force: RuleSet = IGNORE) -> Iterator[tuple[Talk, Made]]:
    """Give a session that has met three conflicts in a row."""
    with pytest.MonkeyPatch.context() as patch, logged_in(Delivery(), in_force) as talk:
        made = Made(patch)
        for _ in range(3):
            meet(talk, in_force=in_force)
        assert made.asked == [f"{INSERT} anew"] * 3
        made.asked.clear()
        yield talk, made


def test_the_fourth_conflict_in_a_row_finds_the_rules_statement_made() -> None:
    with behind_three() as (talk, made):
        meet(talk, OTHER)
        assert made.asked == [f"[{OTHER}]", OTHER]
        assert talk.outcomes == [("kept", 1)] * 4
        assert talk.rewrites == {"ok": 4}


def test_a_reply_may_come_sooner_than_what_was_to_be_done_meanwhile() -> None:
    with behind_three() as (talk, made):
        talk.client >> query(OTHER)
        talk.backend << query(OTHER)
        talk.backend >> duplicate("b@x", KEY)
        talk.backend << query(statement(IGNORE, OTHER))
        talk.wires.run_waiting()
        talk.backend >> ok(0)
        talk.client << ok(0)
        assert made.asked == [f"{OTHER} anew", f"[{OTHER}]"]
        meet(talk)
        assert made.asked[2:] == [f"[{INSERT}]", INSERT], "what was made too late is not taken for the next one's"


def test_an_insert_that_meets_none_goes_as_it_would() -> None:
    with behind_three() as (talk, made):
        talk.client >> query(OTHER)
        talk.backend << query(OTHER)
        talk.wires.run_waiting()
        talk.backend >> ok(1)
        talk.client << ok(1)
        assert made.asked == [f"[{OTHER}]"]
        assert talk.rewrites == {"ok": 3}
        meet(talk)
        assert made.asked[1:] == [f"{INSERT} anew"], "it was not the fourth in a row"


def test_an_insert_that_is_sent_again_is_read_again() -> None:
    with behind_three() as (talk, made):
        for _ in range(2):
            meet(talk, OTHER)
        assert made.asked == [f"[{OTHER}]", OTHER] * 2


def test_a_rules_reasons_are_counted_for_conflicts_only() -> None:
    with behind_three() as (talk, made):
        text = "INSERT INTO users (email, name) VALUES ('a@x', 'A') ON DUPLICATE KEY UPDATE name = 'B'"
        talk.client >> query(text)
        talk.backend << query(text)
        talk.wires.run_waiting()
        assert made.asked == [f"[{text}]"]
        assert talk.skipped == []
        talk.backend >> duplicate("a@x", KEY)
        talk.client << duplicate("a@x", KEY)
        assert talk.skipped == ["on_duplicate"]


def test_another_error_is_the_clients() -> None:
    with behind_three() as (talk, _):
        talk.client >> query(OTHER)
        talk.backend << query(OTHER)
        talk.wires.run_waiting()
        refused = error(1048, "Column 'name' cannot be null", "23000")
        talk.backend >> refused
        talk.client << refused
        meet(talk)


def test_a_session_that_has_ended_foresees_nothing() -> None:
    with behind_three() as (talk, made):
        talk.client >> query(OTHER)
        talk.backend << query(OTHER)
        talk.session.client_lost()
        talk.wires.run_waiting()
        assert made.asked == []


def test_conflicts_that_no_rule_answers_are_not_foreseen() -> None:
    with pytest.MonkeyPatch.context() as patch, logged_in(Delivery(), rule("ignore", "dry_run: true")) as talk:
        made = Made(patch)
        for _ in range(4):
            talk.client >> query(INSERT)
            talk.backend << query(INSERT)
            talk.wires.run_waiting()
            talk.backend >> duplicate("a@x", KEY)
            talk.client << duplicate("a@x", KEY)
        assert made.asked == [f"{INSERT} anew"] * 4


@pytest.mark.parametrize(("found", "asked"), [(USERS, [f"[{OTHER}]", OTHER]), (None, [f"[{OTHER}]", f"{OTHER} anew"])])
def test_a_definition_is_not_looked_up_before_there_is_a_conflict(found: Table | None, asked: list[str]) -> None:
    tables = Tables(USERS)
    with pytest.MonkeyPatch.context() as patch, logged_in(Delivery(), BY_KEY, tables=tables) as talk:
        made = Made(patch)
        for _ in range(3):
            meet_by_key(talk)
            resolve(talk)
        made.asked.clear()
        tables.found = found
        talk.client >> query(OTHER)
        talk.backend << query(OTHER)
        talk.wires.run_waiting()
        assert tables.asked == []
        talk.backend >> duplicate("b@x", KEY)
        tables.tell(USERS)
        resolve(talk)
        assert made.asked == asked
