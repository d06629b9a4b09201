"""Multi-statement texts: each INSERT in them for itself, and one reply for the client."""

import pytest

from proxy.config import Limits
from proxy.rules.match import RuleSet
from proxy.wire import capabilities as cap
from proxy.wire import commands
from tests.session.conversation import USUAL, Delivery, Talk, cut_everywhere, logged_in, rules
from tests.session.packets import command, duplicate, error, ok, packets, query, refusal, split_packets
from tests.session.ruled import ACTIONS, INSERT, KEY, rule, statement
from tests.session.test_tables import USERS, Tables
from tests.wire import packets as payloads
from tests.wire.packets import DEFINITION

IGNORE, ALWAYS = rule("ignore"), rule("ignore", "when: always")
OTHER = "INSERT INTO users (email, name) VALUES ('b@x', 'B')"
MORE = cap.STATUS_AUTOCOMMIT | cap.STATUS_MORE_RESULTS
IN_TRANS = cap.STATUS_IN_TRANS | cap.STATUS_AUTOCOMMIT


def rows(*, sequence: int, status: int = MORE, deprecate_eof: bool = False) -> bytes:
    """Say a result set of one row."""
    end = payloads.ok_as_eof(status) if deprecate_eof else payloads.eof(status)
    middle = [] if deprecate_eof else [payloads.eof(status)]
    return packets(b"\1", DEFINITION, *middle, payloads.row(b"1"), end, sequence=sequence)


def numbers(data: bytes) -> list[int]:
    return [number for number, _ in split_packets(data)]


# --------------------------------------------------------------------------------------------------------------------
# when: always


@pytest.mark.parametrize("action", ["ignore", "update", "idempotent"])
def test_each_insert_is_rewritten_for_itself(action: str) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        in_force = rule(action, "when: always")
        with logged_in(delivery, in_force) as talk:
            client, backend = talk
            client >> query(f"BEGIN; {INSERT} ;INSERT INTO shops (a) VALUES (1); {OTHER}; COMMIT;")
            backend << query(
                f"BEGIN; {statement(in_force)} ;INSERT INTO shops (a) VALUES (1); {statement(in_force, OTHER)}; COMMIT;"
            )
            answer = (
                ok(status=MORE | cap.STATUS_IN_TRANS)
                + ok(2, 3, status=MORE, sequence=2)
                + ok(1, status=MORE, sequence=3)
                + ok(1, 4, status=MORE, sequence=4)
                + ok(sequence=5)
            )
            backend >> answer
            client << answer
            assert talk.outcomes == [("updated", 1)]
            assert talk.rewrites == {"ok": 2}
            assert talk.skipped == []
            assert talk.session.idle

    run()


@cut_everywhere
def test_affected_rows_of_each_result(delivery: Delivery) -> None:
    in_force = rule("update", "when: always", "affected_rows: insert")
    with logged_in(delivery, in_force) as (client, backend):
        client >> query(f"{INSERT};UPDATE users SET name = 1;{OTHER}")
        backend << query(f"{statement(in_force)};UPDATE users SET name = 1;{statement(in_force, OTHER)}")
        backend >> ok(2, 3, status=MORE) + ok(2, status=MORE, sequence=2) + ok(0, 3, sequence=3)
        client << ok(1, 3, status=MORE) + ok(2, status=MORE, sequence=2) + ok(1, 3, sequence=3)


@pytest.mark.parametrize("deprecate_eof", [False, True])
def test_the_guard_refuses_in_the_middle(deprecate_eof: bool) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        flags = USUAL | cap.DEPRECATE_EOF if deprecate_eof else USUAL
        with logged_in(delivery, ALWAYS, flags=flags) as talk:
            client, backend = talk
            client >> query(f"SELECT 1; {INSERT};SELECT 2;{OTHER}")
            first, second = statement(ALWAYS), statement(ALWAYS, OTHER)
            backend << query(f"SELECT 1; {first};SELECT 2;{second}")
            before = rows(sequence=1, deprecate_eof=deprecate_eof)
            failed = numbers(before)[-1] + 1
            backend >> before + refusal(sequence=failed)
            client << before
            assert client.hears_nothing
            backend << query(f" {INSERT};SELECT 2;{second}")
            backend >> ok(1, 9, status=MORE) + rows(sequence=2, deprecate_eof=deprecate_eof) + ok(0, 3, sequence=9)
            client << ok(1, 9, status=MORE, sequence=failed) + rows(sequence=failed + 1, deprecate_eof=deprecate_eof)
            client << ok(0, 3, sequence=failed + 8)
            assert talk.rewrites == {"refused": 1, "ok": 1}
            assert talk.outcomes == [("kept", 1)]
            assert talk.session.idle
            client >> query("SELECT 1")
            backend << query("SELECT 1")
            backend >> rows(sequence=1, status=2)
            client << rows(sequence=1, status=2)

    run()


@cut_everywhere
def test_what_the_guard_refuses_is_a_conflict_that_ends_the_text(delivery: Delivery) -> None:
    with logged_in(delivery, ALWAYS) as talk:
        client, backend = talk
        client >> query(f"DO 1;{INSERT};{OTHER}")
        backend << query(f"DO 1;{statement(ALWAYS)};{statement(ALWAYS, OTHER)}")
        backend >> ok(status=MORE) + refusal(sequence=2)
        backend << query(f"{INSERT};{statement(ALWAYS, OTHER)}")
        backend >> duplicate("a", "users.ux_name")
        client << ok(status=MORE) + duplicate("a", "users.ux_name", sequence=2)
        assert talk.outcomes == [("returned", 1)]
        assert talk.session.idle


@cut_everywhere
def test_several_statements_of_a_text_fail(delivery: Delivery) -> None:
    with logged_in(delivery, ALWAYS) as talk:
        client, backend = talk
        first, second = statement(ALWAYS), statement(ALWAYS, OTHER)
        client >> query(f"{INSERT};DO 1;{OTHER};DO 2")
        backend << query(f"{first};DO 1;{second};DO 2")
        backend >> error(1142, "UPDATE command denied to user", "42000")
        backend << query(f"{INSERT};DO 1;{second};DO 2")
        backend >> ok(1, status=MORE) + ok(status=MORE, sequence=2) + error(1142, "UPDATE denied", "42000", sequence=3)
        backend << query(f"{OTHER};DO 2")
        backend >> ok(1, status=MORE) + ok(sequence=2)
        client << ok(1, status=MORE) + ok(status=MORE, sequence=2) + ok(1, status=MORE, sequence=3) + ok(sequence=4)
        assert talk.rewrites == {"error": 2}


# --------------------------------------------------------------------------------------------------------------------
# when: conflict


@pytest.mark.parametrize("action", ACTIONS)
def test_a_conflict_is_followed_by_a_second_statement_and_the_rest(action: str) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        in_force = rule(action)
        with logged_in(delivery, in_force) as talk:
            client, backend = talk
            text = f"SELECT 1;{INSERT}; {OTHER};SELECT 2"
            client >> query(text)
            backend << query(text)
            backend >> rows(sequence=1) + duplicate("a@x", KEY, sequence=6)
            client << rows(sequence=1)
            backend << query(f"{statement(in_force)}; {OTHER};SELECT 2")
            backend >> ok(0, 3, status=MORE) + duplicate("b@x", KEY, sequence=2)
            client << ok(0, 3, status=MORE, sequence=6)
            backend << query(f"{statement(in_force, ' ' + OTHER)};SELECT 2")
            backend >> ok(2, 3, status=MORE) + rows(sequence=2, status=2)
            client << ok(2, 3, status=MORE, sequence=7) + rows(sequence=8, status=2)
            assert talk.rewrites == {"ok": 2}
            assert [conflict.met.entry for conflict in talk.conflicts] == ["a@x", "b@x"]
            assert talk.session.idle

    run()


@cut_everywhere
def test_nothing_changes_without_a_conflict(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        text = f"/* a */ {INSERT}; -- b\n{OTHER} # c"
        client >> query(text)
        backend << query(text)
        backend >> ok(1, 7, status=MORE) + ok(1, 8, sequence=2)
        client << ok(1, 7, status=MORE) + ok(1, 8, sequence=2)
        assert talk.rewrites == {}


@cut_everywhere
def test_other_conflicts_and_errors_end_the_text_as_they_are(delivery: Delivery) -> None:
    for answer in (duplicate("1", "users.PRIMARY", sequence=2), error(1048, "null", "23000", sequence=2)):
        with logged_in(delivery, IGNORE) as talk:
            client, backend = talk
            client >> query(f"DO 1;{INSERT};DO 2")
            backend << query(f"DO 1;{INSERT};DO 2")
            backend >> ok(status=MORE) + answer
            client << ok(status=MORE) + answer
            assert talk.session.idle


@cut_everywhere
def test_a_conflict_of_another_statement_is_its_own(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE, mariadb=True) as talk:
        client, backend = talk
        for other, verb, table in (("UPDATE shops SET a = 1", "update", "shops"), ("DO f()", "other", None)):
            client >> query(f"{INSERT};{other}")
            backend << query(f"{INSERT};{other}")
            backend >> ok(1, status=MORE) + duplicate("1", "ux_email", sequence=2)
            client << ok(1, status=MORE) + duplicate("1", "ux_email", sequence=2)
            conflict = talk.conflicts.pop()
            assert (conflict.met.statement, conflict.met.table, conflict.rule) == (verb, table, None)


@cut_everywhere
def test_the_second_statement_fails(delivery: Delivery) -> None:
    for failure, answer in (
        (refusal(), duplicate("a@x", KEY, sequence=2)),
        (error(1142, "denied", "42000"), duplicate("a@x", KEY, sequence=2)),
        (error(1205, "Lock wait timeout exceeded"), error(1205, "Lock wait timeout exceeded", sequence=2)),
    ):
        with logged_in(delivery, IGNORE) as talk:
            client, backend = talk
            client >> query(f"DO 1;{INSERT};DO 2")
            backend << query(f"DO 1;{INSERT};DO 2")
            backend >> ok(status=MORE) + duplicate("a@x", KEY, sequence=2)
            backend << query(f"{statement(IGNORE)};DO 2")
            backend >> failure
            client << ok(status=MORE) + answer
            assert talk.session.idle


@cut_everywhere
def test_a_deadlock_outside_of_a_transaction(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        client >> query(f"{INSERT};{OTHER};BEGIN;{INSERT};COMMIT")
        backend << query(f"{INSERT};{OTHER};BEGIN;{INSERT};COMMIT")
        backend >> ok(1, status=MORE) + error(1213, "Deadlock found", "40001", sequence=2)
        backend << query(f"{OTHER};BEGIN;{INSERT};COMMIT")
        deadlock = error(1213, "Deadlock found", "40001", sequence=3)
        backend >> ok(1, status=MORE) + ok(status=MORE | IN_TRANS, sequence=2) + deadlock
        client << ok(1, status=MORE) + ok(1, status=MORE, sequence=2) + ok(status=MORE | IN_TRANS, sequence=3)
        client << error(1213, "Deadlock found", "40001", sequence=4)
        assert talk.rewrites == {"retried": 1}


@cut_everywhere
def test_a_dry_run_only_counts(delivery: Delivery) -> None:
    for when in ("conflict", "always"):
        with logged_in(delivery, rule("ignore", "dry_run: true", f"when: {when}")) as talk:
            client, backend = talk
            client >> query(f"{INSERT};DO 1")
            backend << query(f"{INSERT};DO 1")
            backend >> duplicate("a@x", KEY)
            client << duplicate("a@x", KEY)
            assert talk.rewrites == {"dry_run": 1}
            assert talk.outcomes == [("returned", 1)]


# --------------------------------------------------------------------------------------------------------------------
# What is left alone


def left_alone(text: str, in_force: RuleSet, first: bytes = b"", **more: object) -> Talk:
    """Let a text be passed on, of which the statement behind those with this answer meets a conflict."""
    met = duplicate("a@x", KEY, sequence=len(split_packets(first)) + 1)
    with logged_in(Delivery(), in_force, **more) as talk:  # type: ignore[arg-type]
        client, backend = talk
        client >> query(text)
        backend << query(text)
        backend >> first + met
        client << first + met
        assert talk.session.idle
    return talk


@pytest.mark.parametrize("in_force", [IGNORE, ALWAYS])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"SET NAMES latin1; {INSERT}", "multi_statement"),
        (f"SET sql_mode = ''; {INSERT}", "multi_statement"),
        (f"USE shop; {INSERT}", "multi_statement"),
        (f"CALL p(); {INSERT}", "multi_statement"),
        (f"CREATE TABLE t (a INT); {INSERT}", "multi_statement"),
        (f"/*!40101 SET NAMES utf8 */; {INSERT}", "versioned_comment"),
        (f"DO 1; {INSERT}; SELECT @a := 1", "assignment"),
        (f"DO 1; {INSERT}; SELECT 'a", "unterminated"),
    ],
)
def test_a_text_that_is_not_split(text: str, reason: str, in_force: RuleSet) -> None:
    talk = left_alone(text, in_force, ok(status=MORE))
    assert set(talk.skipped) == {reason}
    assert talk.outcomes == [("returned", 1)]


def test_a_text_that_begins_with_the_insert_and_is_not_split() -> None:
    assert left_alone(f"{INSERT}; USE other", IGNORE).skipped == ["multi_statement"]


@pytest.mark.parametrize("in_force", [IGNORE, ALWAYS])
def test_an_insert_that_is_left_alone_does_not_keep_the_others(in_force: RuleSet) -> None:
    ignoring = INSERT.replace("INSERT", "INSERT IGNORE")
    with logged_in(Delivery(), in_force) as talk:
        client, backend = talk
        client >> query(f"{ignoring};{INSERT}")
        if in_force is ALWAYS:
            backend << query(f"{ignoring};{statement(ALWAYS)}")
            backend >> ok(0, status=MORE) + ok(0, sequence=2)
            assert talk.skipped == ["ignore"]
        else:
            backend << query(f"{ignoring};{INSERT}")
            backend >> ok(0, status=MORE) + duplicate("a@x", KEY, sequence=2)
            backend << query(statement(IGNORE))
            backend >> ok(0)
        client << ok(0, status=MORE) + ok(0, sequence=2)


def test_without_multi_statements_nothing_is_looked_for() -> None:
    syntax = error(1064, "You have an error", "42000")
    with logged_in(Delivery(), ALWAYS, flags=USUAL & ~cap.MULTI_STATEMENTS) as talk:
        client, backend = talk
        for text in (f"DO 1;{INSERT}", f"{INSERT};DO 1"):
            client >> query(text)
            backend << query(text)
            backend >> syntax
            client << syntax


@cut_everywhere
def test_set_option_switches_them(delivery: Delivery) -> None:
    on, off = (command(commands.SET_OPTION, option) for option in (b"\0\0", b"\1\0"))
    with logged_in(delivery, ALWAYS, flags=USUAL & ~cap.MULTI_STATEMENTS) as talk:
        client, backend = talk
        client >> on + query(f"DO 1;{INSERT}")
        backend << on
        backend >> packets(payloads.eof())
        client << packets(payloads.eof())
        backend << query(f"DO 1;{statement(ALWAYS)}")
        backend >> ok(status=MORE) + ok(0, sequence=2)
        client << ok(status=MORE) + ok(0, sequence=2)
        client >> off
        backend << off
        backend >> packets(payloads.eof())
        client << packets(payloads.eof())
        client >> query(f"DO 1;{INSERT}")
        backend << query(f"DO 1;{INSERT}")
        backend >> error(1064, "You have an error", "42000")
        client << error(1064, "You have an error", "42000")


def test_a_semicolon_in_a_value_is_no_end() -> None:
    text = INSERT.replace("'A'", "'A; INSERT INTO users VALUES (1)'")
    with logged_in(Delivery(), ALWAYS) as (client, backend):
        client >> query(text)
        backend << query(statement(ALWAYS, text))
        backend >> ok(1, 7)
        client << ok(1, 7)
        for plain in ("SELECT 'a; INSERT INTO users (email) VALUES (1)'", "SELECT 1; SELECT 2", "SELECT 1;"):
            client >> query(plain)
            backend << query(plain)
            backend >> ok()
            client << ok()


# --------------------------------------------------------------------------------------------------------------------
# Around it


@cut_everywhere
def test_what_is_sent_behind_it_waits_for_the_whole_reply(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        client >> query("SELECT 1") + query(f"DO 1;{INSERT};DO 2") + query("DO 3")
        backend << query("SELECT 1")
        backend >> rows(sequence=1, status=2)
        client << rows(sequence=1, status=2)
        backend << query(f"DO 1;{INSERT};DO 2")
        backend >> ok(status=MORE) + duplicate("a@x", KEY, sequence=2)
        client << ok(status=MORE)
        backend << query(f"{statement(IGNORE)};DO 2")
        backend >> ok(0, status=MORE) + ok(sequence=2)
        client << ok(0, status=MORE, sequence=2) + ok(sequence=3)
        backend << query("DO 3")
        backend >> ok()
        client << ok()


@cut_everywhere
def test_the_schema_of_a_use_before_it(delivery: Delivery) -> None:
    with logged_in(delivery, ALWAYS, schema="other") as talk:
        client, backend = talk
        client >> query("USE shop") + query(f"DO 1;{INSERT}")
        backend << query("USE shop")
        backend >> ok()
        client << ok()
        backend << query(f"DO 1;{statement(ALWAYS)}")
        backend >> ok(status=MORE) + ok(1, sequence=2)
        client << ok(status=MORE) + ok(1, sequence=2)


def test_ids_of_packets_wrap() -> None:
    many = packets(b"\1", DEFINITION, payloads.eof(MORE), *[payloads.row(b"1")] * 300, payloads.eof(MORE))
    with logged_in(Delivery(), IGNORE) as talk:
        client, backend = talk
        client >> query(f"SELECT 1;{INSERT};SELECT 2")
        backend << query(f"SELECT 1;{INSERT};SELECT 2")
        backend >> many + duplicate("a@x", KEY, sequence=305)
        client << many
        backend << query(f"{statement(IGNORE)};SELECT 2")
        rest = ok(status=MORE) + packets(
            b"\1", DEFINITION, payloads.eof(), *[payloads.row(b"1")] * 300, payloads.eof(), sequence=2
        )
        backend >> rest
        assert numbers(bytes(client.said)) == [number & 0xFF for number in range(305, 305 + 305)]
        client.said.clear()


@cut_everywhere
def test_returning_in_the_middle(delivery: Delivery) -> None:
    text = "INSERT INTO users (email) VALUES ('a@x') RETURNING id"
    head = [b"\1", DEFINITION, payloads.eof(MORE)]
    with logged_in(delivery, IGNORE, mariadb=True) as talk:
        client, backend = talk
        client >> query(f"DO 1;{text};DO 2")
        backend << query(f"DO 1;{text};DO 2")
        backend >> ok(status=MORE) + packets(*head, sequence=2) + duplicate("a@x", "ux_email", sequence=5)
        client << ok(status=MORE)
        assert client.hears_nothing
        backend << query(f"{statement(IGNORE, text, '10.11.18-MariaDB')};DO 2")
        backend >> packets(*head, b"\x011", payloads.eof(MORE)) + ok(sequence=6)
        client << packets(*head, b"\x011", payloads.eof(MORE), sequence=2) + ok(sequence=7)


@cut_everywhere
def test_query_attributes_stay_in_front(delivery: Delivery) -> None:
    flags = USUAL | cap.QUERY_ATTRIBUTES
    with logged_in(delivery, IGNORE, flags=flags) as (client, backend):
        client >> query(f"\0\1DO 1;{INSERT};DO 2")
        backend << query(f"\0\1DO 1;{INSERT};DO 2")
        backend >> ok(status=MORE) + duplicate("a@x", KEY, sequence=2)
        backend << query(f"\0\1{statement(IGNORE)};DO 2")
        backend >> ok(status=MORE) + ok(sequence=2)
        client << ok(status=MORE) + ok(status=MORE, sequence=2) + ok(sequence=3)


def test_a_text_of_many_statements_is_read_in_turns() -> None:
    in_force = ALWAYS
    text = ";".join([INSERT] * 1000)
    with logged_in(Delivery(), in_force) as talk:
        client, backend = talk
        client >> query(text) + query("DO 1")
        assert backend.hears_nothing
        assert talk.wires.asked.count("soon") == 1
        talk.wires.run_waiting()
        assert talk.wires.asked.count("soon") > 1000 // 64
        backend << query(";".join([statement(in_force)] * 1000))
        answers = b"".join(ok(0, status=MORE, sequence=number) for number in range(1, 1000)) + ok(0, sequence=1000)
        backend >> answers
        client << answers
        backend << query("DO 1")
        assert talk.outcomes == [("kept", 1)] * 1000


def test_a_text_of_many_statements_need_not_begin_with_an_insert() -> None:
    text = ";".join(["BEGIN", *[INSERT] * 100])
    with logged_in(Delivery(), IGNORE) as talk:
        client, backend = talk
        client >> query(text)
        talk.wires.run_waiting()
        backend << query(text)
        backend >> ok(status=MORE) + duplicate("a@x", KEY, sequence=2)
        backend << query(";".join([statement(IGNORE), *[INSERT] * 99]))
        answers = b"".join(ok(status=MORE, sequence=number) for number in range(2, 101))
        backend >> b"".join(ok(status=MORE, sequence=number) for number in range(1, 100)) + ok(sequence=100)
        client << ok(status=MORE) + answers + ok(sequence=101)


def test_a_text_longer_than_is_split_goes_on_as_it_is() -> None:
    text = f"SELECT '{'x' * (128 << 10)}'; {INSERT}"
    anywhere = rules("- {name: r, table: users, action: ignore}")  # the text may have changed the schema
    with logged_in(Delivery(), anywhere) as talk:
        client, backend = talk
        client >> query(text)
        backend << query(text)
        backend >> rows(sequence=1) + duplicate("a@x", KEY, sequence=6)
        client << rows(sequence=1) + duplicate("a@x", KEY, sequence=6)
        assert talk.skipped == ["too_large"]


def test_a_definition_is_looked_up_in_the_middle() -> None:
    tables = Tables()
    in_force = rules("- {name: r, table: shop.users, key: ux_email, action: ignore}")
    with logged_in(Delivery(), in_force, tables=tables) as talk:
        client, backend = talk
        client >> query(f"DO 1;{INSERT};DO 2")
        backend << query(f"DO 1;{INSERT};DO 2")
        backend >> ok(status=MORE) + duplicate("a@x", KEY, sequence=2)
        client << ok(status=MORE)
        tables.tell(USERS)
        backend << query(f"{statement(IGNORE)};DO 2")
        backend >> ok(0, status=MORE) + ok(sequence=2)
        client << ok(0, status=MORE, sequence=2) + ok(sequence=3)


def test_no_more_of_a_text_is_kept_than_the_limit_for_statements() -> None:
    with logged_in(Delivery(), ALWAYS, limits=Limits(statement=2000)) as talk:
        client, backend = talk
        said = query(f"SELECT '{'x' * 3000}'; {INSERT}")
        client >> said[:2000]
        backend << said[:2000]
        client >> said[2000:]
        backend << said[2000:]
        backend >> rows(sequence=1) + ok(1, sequence=6)
        client << rows(sequence=1) + ok(1, sequence=6)
