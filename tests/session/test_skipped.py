"""Whatever keeps a rule from an INSERT is counted, once for each INSERT, with its reason."""

from typing import Any

import pytest

from proxy.config import Limits
from proxy.rules.match import RuleSet
from proxy.wire import capabilities as cap
from proxy.wire import commands
from tests.session.conversation import USUAL, Delivery, Talk, logged_in
from tests.session.packets import command, duplicate, ok, packets, query
from tests.session.ruled import INSERT, KEY, rule
from tests.wire import packets as payloads
from tests.wire.packets import DEFINITION, prepared

IGNORE, ALWAYS = rule("ignore"), rule("ignore", "when: always")
both = pytest.mark.parametrize("in_force", [IGNORE, ALWAYS], ids=["conflict", "always"])
SMALL = Limits(statement=40)
TEXT = b"INSERT INTO users (email) VALUES (?)"
EXECUTE = command(commands.STMT_EXECUTE, b"\7\0\0\0\0\1\0\0\0\0\1\xfe\0\3a@x")


def passed(talk: Talk, said: bytes, answer: bytes) -> None:
    """Let something be passed on as it is, and its answer too."""
    talk.client >> said
    talk.backend << said
    talk.backend >> answer
    talk.client << answer


def prepare(talk: Talk, text: bytes = TEXT) -> None:
    answer = packets(prepared(0, 1), DEFINITION, payloads.eof())
    passed(talk, command(commands.STMT_PREPARE, text), answer)


def left_alone(said: bytes, in_force: RuleSet, **more: Any) -> list[str]:
    """Hold a conflict that is returned; give the reasons that were counted."""
    with logged_in(Delivery(), in_force, **more) as talk:
        passed(talk, said, duplicate("a@x", KEY))
        assert talk.outcomes == [("returned", 1)]
        assert talk.conflicts[0].rule == "r"
    return talk.skipped


@both
def test_a_text_over_the_limit(in_force: RuleSet) -> None:
    assert left_alone(query(INSERT), in_force, limits=SMALL) == ["too_large"]


def test_without_a_conflict_only_what_would_have_been_sent_in_the_first_place_is() -> None:
    for in_force, wanted in (
        (IGNORE, []),
        (ALWAYS, ["too_large"]),
        (rule("ignore", "when: always", "dry_run: true"), []),
    ):
        with logged_in(Delivery(), in_force, limits=SMALL) as talk:
            passed(talk, query(INSERT), ok(1))
            assert talk.skipped == wanted


@both
def test_a_prepared_text_over_the_limit(in_force: RuleSet) -> None:
    with logged_in(Delivery(), in_force, limits=Limits(statement=len(TEXT))) as talk:
        prepare(talk)
        passed(talk, EXECUTE, duplicate("a@x", KEY))
        assert talk.skipped == ["too_large"]


@both
def test_an_execution_over_the_limit(in_force: RuleSet) -> None:
    with logged_in(Delivery(), in_force, limits=Limits(statement=60)) as talk:
        prepare(talk)
        passed(
            talk, EXECUTE.replace(b"\3a@x", b"\x64" + b"x" * 100).replace(b"\x12\0\0", b"\x73\0\0"), duplicate("x", KEY)
        )
        assert talk.skipped == ["too_large"]


@both
def test_a_statement_that_was_prepared_before_the_rule_was_there(in_force: RuleSet) -> None:
    current = [RuleSet()]
    with logged_in(Delivery(), rules=lambda: current[0]) as talk:
        prepare(talk)
        current[0] = in_force
        passed(talk, EXECUTE, duplicate("a@x", KEY))
        assert talk.skipped == ["prepared"]


@both
@pytest.mark.parametrize("code", [commands.STMT_EXECUTE, commands.STMT_BULK_EXECUTE])
def test_a_session_that_has_changed(in_force: RuleSet, code: int) -> None:
    bulk = command(code, b"\7\0\0\0\x80\0\xfe\0\0\3a@x\0\3b@x")
    with logged_in(Delivery(), in_force, mariadb=True) as talk:
        prepare(talk)
        passed(talk, query("SET NAMES latin1"), ok())
        passed(talk, EXECUTE if code == commands.STMT_EXECUTE else bulk, duplicate("a@x", "ux_email"))
        assert talk.skipped == ["session_changed"]


@both
@pytest.mark.parametrize("text", ["CALL p()", "EXECUTE s", "/* x */ call p()"])
def test_an_insert_of_a_routine_or_of_sql_text(in_force: RuleSet, text: str) -> None:
    assert left_alone(query(text), in_force) == ["not_insert"]


@both
def test_an_insert_behind_a_long_comment(in_force: RuleSet) -> None:
    assert left_alone(query(f"/* {'x' * 1100} */ {INSERT}"), in_force) == ["too_large"]


@both
def test_an_insert_behind_long_query_attributes(in_force: RuleSet) -> None:
    attribute = b"\1\1\0\1\xfe\0\1a" + b"\xfc\xd0\x07" + b"v" * 2000
    said = query(attribute + INSERT.encode())
    assert left_alone(said, in_force, flags=USUAL | cap.QUERY_ATTRIBUTES) == ["too_large"]


@both
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (INSERT + " ON DUPLICATE KEY UPDATE id = 1", "on_duplicate"),
        (INSERT.replace("INSERT", "INSERT IGNORE"), "ignore"),
        (INSERT + " AS new", "row_alias"),
        (INSERT.replace("'A'", "@a := 1"), "assignment"),
        (INSERT.replace("'A'", "ROW_COUNT()"), "session_state"),
        ("LOAD DATA INFILE 'x' INTO TABLE users", "load_data"),
        (INSERT.replace("(email, name)", "(email)"), "malformed"),
    ],
)
def test_what_the_text_does_not_allow(in_force: RuleSet, text: str, reason: str) -> None:
    assert left_alone(query(text), in_force) == [reason]


def test_a_dry_run_counts_the_reason_that_would_have_been() -> None:
    for when in ("conflict", "always"):
        dry = rule("ignore", f"when: {when}", "dry_run: true")
        assert left_alone(query(INSERT + " AS new"), dry) == ["row_alias"]


def test_conflicts_of_other_statements_are_no_inserts_that_were_left_alone() -> None:
    with logged_in(Delivery(), ALWAYS) as talk:
        passed(talk, query("UPDATE users SET email = 'a@x'"), duplicate("a@x", KEY))
        prepare(talk, b"UPDATE users SET email = ?")
        passed(talk, EXECUTE, duplicate("a@x", KEY))
        assert talk.skipped == []
        assert talk.outcomes == [("returned", 1)] * 2
