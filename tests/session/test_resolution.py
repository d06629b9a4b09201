"""What becomes of an INSERT that rules are for."""

from typing import Any

import pytest

from proxy.conflicts.conflict import Met
from proxy.rules.match import RuleSet
from proxy.wire import capabilities as cap
from proxy.wire import commands, framing
from proxy.wire.answers import TRACK_VARIABLE
from tests.session.conversation import USUAL, Delivery, Talk, cut_everywhere, logged_in, rules
from tests.session.packets import (
    command,
    duplicate,
    error,
    ok,
    ok_with_changes,
    packets,
    query,
    refusal,
    split_packets,
)
from tests.session.ruled import ACTIONS, INSERT, KEY, ROWS, rule, statement
from tests.wire.packets import prepared

IGNORE, ALWAYS = rule("ignore"), rule("ignore", "when: always")


# --------------------------------------------------------------------------------------------------------------------
# when: conflict


@pytest.mark.parametrize("action", ACTIONS)
def test_an_insert_that_meets_nothing_stays_as_it_is(action: str) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        with logged_in(delivery, rule(action)) as talk:
            client, backend = talk
            client >> query(INSERT)
            backend << query(INSERT)
            backend >> ok(1, 7, info=b"")
            client << ok(1, 7)
            assert talk.conflicts == []
            assert talk.rewrites == {}

    run()


@pytest.mark.parametrize(
    ("action", "affected", "outcome"),
    [
        ("ignore", 0, "kept"),
        ("update", 2, "updated"),
        ("update", 0, "kept"),
        ("idempotent", 0, "kept"),
        ("replace", 2, "replaced"),
        ("replace", 1, "inserted"),
        ("ignore", 1, "inserted"),  # the row has gone meanwhile
    ],
)
def test_a_conflict_is_followed_by_a_second_statement(action: str, affected: int, outcome: str) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        in_force = rule(action)
        with logged_in(delivery, in_force) as talk:
            client, backend = talk
            client >> query(INSERT)
            backend << query(INSERT)
            backend >> duplicate("a@x", KEY)
            assert client.hears_nothing
            backend << query(statement(in_force))
            talk.clock.now += 0.25
            backend >> ok(affected, 3, warnings=1)
            client << ok(affected, 3, warnings=1)
            (conflict,) = talk.conflicts
            assert conflict.met == Met("shop", "users", "ux_email", "a@x", "insert", 1062)
            assert (conflict.user, conflict.client, conflict.thread_id) == ("app_rw", "10.1.2.3:40000", 13)
            assert (conflict.outcome, conflict.rule) == (outcome, "r")
            assert (conflict.latency, conflict.at) == (0.25, 1700000000.0)
            assert talk.counters.rewrites == {("r", "conflict", "text", "ok"): 1}
            assert talk.counters.errors == {1062: 1}
            assert talk.counters.resolution_durations.sum == 0.25
            assert talk.session.idle

    run()


def returned(delivery: Delivery, in_force: RuleSet, text: str = INSERT, key: str = KEY, **more: Any) -> Talk:
    """Hold a conversation in which the original error comes back, without a second statement."""
    with logged_in(delivery, in_force, **more) as talk:
        client, backend = talk
        client >> query(text)
        backend << query(text)
        backend >> duplicate("a@x", key)
        client << duplicate("a@x", key)
        assert talk.session.idle
    return talk


@cut_everywhere
def test_a_key_that_the_rule_does_not_name(delivery: Delivery) -> None:
    talk = returned(delivery, IGNORE, key="users.PRIMARY")
    assert talk.outcomes == [("returned", 1)]
    assert talk.conflicts[0].rule is None


@cut_everywhere
def test_a_conflict_in_a_trigger_s_table(delivery: Delivery) -> None:
    talk = returned(delivery, IGNORE, key="audit.ux_email")
    assert talk.outcomes == [("returned", 1)]
    assert talk.conflicts[0].met.table == "audit"


@cut_everywhere
def test_a_table_without_a_rule(delivery: Delivery) -> None:
    talk = returned(delivery, IGNORE, text="INSERT INTO shops (email) VALUES ('a@x')", key="shops.ux_email")
    assert talk.outcomes == [("returned", 1)]
    assert "hold" not in talk.wires.asked


@cut_everywhere
def test_observe(delivery: Delivery) -> None:
    talk = returned(delivery, rule("observe"))
    assert talk.outcomes == [("returned", 1)]
    assert talk.conflicts[0].rule == "r"


@cut_everywhere
def test_a_dry_run(delivery: Delivery) -> None:
    for when in ("conflict", "always"):
        talk = returned(delivery, rule("ignore", "dry_run: true", f"when: {when}"))
        assert talk.outcomes == [("returned", 1)]
        assert talk.rewrites == {"dry_run": 1}


@cut_everywhere
def test_a_rule_without_its_key_s_columns(delivery: Delivery) -> None:
    talk = returned(delivery, rules("- {name: r, table: shop.users, key: ux_email, action: ignore}"))
    assert talk.skipped == ["columns_unknown"]


@cut_everywhere
def test_a_statement_that_already_says_what_to_do(delivery: Delivery) -> None:
    talk = returned(delivery, IGNORE, text=INSERT + " ON DUPLICATE KEY UPDATE id = 1")
    assert talk.skipped == ["on_duplicate"]


@cut_everywhere
def test_an_exhausted_auto_increment(delivery: Delivery) -> None:
    in_force = rules("- {name: r, table: shop.users, key: PRIMARY, columns: [id], action: ignore}")
    with logged_in(delivery, in_force) as talk:
        client, backend = talk
        client >> query(INSERT)
        backend << query(INSERT)
        backend >> duplicate("127", "users.PRIMARY")
        client << duplicate("127", "users.PRIMARY")
        assert talk.skipped == ["auto_increment"]


def test_a_statement_over_the_limit() -> None:
    from proxy.config import Limits

    talk = returned(Delivery(), IGNORE, limits=Limits(statement=len(INSERT)))
    assert talk.skipped == ["too_large"]
    assert talk.outcomes == [("returned", 1)]
    with logged_in(Delivery(), IGNORE, limits=Limits(statement=len(INSERT) + 1)) as (client, backend):
        client >> query(INSERT)
        backend << query(INSERT)
        backend >> duplicate("a@x", KEY)
        backend << query(statement(IGNORE))
        backend >> ok()
        client << ok()


@cut_everywhere
def test_other_errors_are_the_client_s(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        for number, state in ((1048, "23000"), (1205, "HY000"), (1690, "22003")):
            client >> query(INSERT)
            backend << query(INSERT)
            backend >> error(number, "text", state)
            client << error(number, "text", state)
        assert talk.conflicts == []
        assert talk.counters.errors == {1048: 1, 1205: 1, 1690: 1}


# --------------------------------------------------------------------------------------------------------------------
# The second statement fails


@cut_everywhere
def test_the_guard_refuses(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        client >> query(INSERT)
        backend << query(INSERT)
        backend >> duplicate("a@x", KEY)
        backend << query(statement(IGNORE))
        backend >> refusal()
        client << duplicate("a@x", KEY)
        assert talk.outcomes == [("refused", 1)]
        assert talk.rewrites == {"refused": 1}


@pytest.mark.parametrize("number", [1054, 1064, 1142, 1143, 3105])
def test_an_error_that_changed_nothing_gives_the_first_error(number: int) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        with logged_in(delivery, IGNORE) as talk:
            client, backend = talk
            client >> query(INSERT)
            backend << query(INSERT)
            backend >> duplicate("a@x", KEY)
            backend << query(statement(IGNORE))
            backend >> error(number, "UPDATE command denied to user", "42000")
            client << duplicate("a@x", KEY)
            assert talk.outcomes == [("failed", 1)]
            assert talk.rewrites == {"error": 1}

    run()


@pytest.mark.parametrize(("number", "state"), [(1205, "HY000"), (1317, "70100"), (1690, "22003")])
def test_any_other_error_is_the_client_s(number: int, state: str) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        with logged_in(delivery, IGNORE) as talk:
            client, backend = talk
            client >> query(INSERT)
            backend << query(INSERT)
            backend >> duplicate("a@x", KEY)
            backend << query(statement(IGNORE))
            backend >> error(number, "the transaction may be gone", state)
            client << error(number, "the transaction may be gone", state)
            assert talk.outcomes == [("failed", 1)]
            assert talk.rewrites == {"error": 1}

    run()


@cut_everywhere
def test_the_second_statement_meets_another_key(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        client >> query(INSERT)
        backend << query(INSERT)
        backend >> duplicate("a@x", KEY)
        backend << query(statement(IGNORE))
        backend >> duplicate("A", "users.ux_name")
        client << duplicate("A", "users.ux_name")
        assert talk.outcomes == [("failed", 1)]
        assert talk.counters.errors == {1062: 2}


def test_the_backend_goes_away_under_the_second_statement() -> None:
    with logged_in(Delivery(), IGNORE) as talk:
        client, backend = talk
        client >> query(INSERT)
        backend << query(INSERT)
        backend >> duplicate("a@x", KEY)
        backend << query(statement(IGNORE))
        talk.session.backend_lost("connection reset")
        assert talk.session.result == "backend_closed"
        assert client.hears_nothing


# --------------------------------------------------------------------------------------------------------------------
# when: always


@pytest.mark.parametrize(("affected", "outcomes"), [(1, []), (0, [("kept", 1)]), (2, [("updated", 1)])])
def test_always(affected: int, outcomes: list[tuple[str, int]]) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        with logged_in(delivery, ALWAYS) as talk:
            client, backend = talk
            client >> query(INSERT)
            backend << query(statement(ALWAYS))
            backend >> ok(affected, 3)
            client << ok(affected, 3)
            assert talk.outcomes == outcomes
            assert talk.counters.rewrites == {("r", "always", "text", "ok"): 1}

    run()


@pytest.mark.parametrize("failure", [refusal(), error(1142, "UPDATE command denied", "42000")])
@pytest.mark.parametrize("answer", [ok(1, 9), error(1048, "Column cannot be null", "23000")])
def test_always_falls_back_on_the_client_s_own_statement(failure: bytes, answer: bytes) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        with logged_in(delivery, ALWAYS) as talk:
            client, backend = talk
            client >> query(INSERT)
            backend << query(statement(ALWAYS))
            backend >> failure
            assert client.hears_nothing
            backend << query(INSERT)
            backend >> answer
            client << answer
            assert talk.conflicts == []

    run()


@cut_everywhere
def test_always_and_a_conflict_on_another_key(delivery: Delivery) -> None:
    with logged_in(delivery, ALWAYS) as talk:
        client, backend = talk
        client >> query(INSERT)
        backend << query(statement(ALWAYS))
        backend >> refusal()
        backend << query(INSERT)
        backend >> duplicate("A", "users.ux_name")
        client << duplicate("A", "users.ux_name")
        assert talk.outcomes == [("returned", 1)]
        assert talk.rewrites == {"refused": 1}


@cut_everywhere
def test_a_row_that_the_guard_refused_is_not_tried_again(delivery: Delivery) -> None:
    with logged_in(delivery, ALWAYS) as talk:
        client, backend = talk
        client >> query(INSERT)
        backend << query(statement(ALWAYS))
        backend >> refusal()
        backend << query(INSERT)
        backend >> duplicate("a@x", KEY)
        client << duplicate("a@x", KEY)
        assert talk.outcomes == [("refused", 1)]


@cut_everywhere
def test_always_and_any_other_error(delivery: Delivery) -> None:
    with logged_in(delivery, ALWAYS) as talk:
        client, backend = talk
        for failure in (error(1205, "Lock wait timeout exceeded", "HY000"), duplicate("A", "users.ux_name")):
            client >> query(INSERT)
            backend << query(statement(ALWAYS))
            backend >> failure
            client << failure
        assert talk.outcomes == [("returned", 1)]
        assert talk.rewrites == {"error": 2}


@cut_everywhere
def test_always_where_there_is_no_plan(delivery: Delivery) -> None:
    text = "INSERT INTO users VALUES ('a@x') ON DUPLICATE KEY UPDATE id = 1"
    with logged_in(delivery, ALWAYS) as talk:
        client, backend = talk
        client >> query(text)
        backend << query(text)
        backend >> ok(1)
        client << ok(1)
        assert talk.skipped == ["on_duplicate"]


# --------------------------------------------------------------------------------------------------------------------
# The OK that the client reads


@cut_everywhere
def test_affected_rows_as_an_insert_gives_them(delivery: Delivery) -> None:
    for when in ("conflict", "always"):
        in_force = rule("ignore", "affected_rows: insert", f"when: {when}")
        with logged_in(delivery, in_force, flags=USUAL | cap.SESSION_TRACK) as talk:
            client, backend = talk
            client >> query(INSERT)
            if when == "conflict":
                backend << query(INSERT)
                backend >> duplicate("a@x", KEY)
            backend << query(statement(in_force))
            change = (TRACK_VARIABLE, b"\x09last_user\1x")
            backend >> ok_with_changes(change, status=0x8003)
            expected = bytearray(ok_with_changes(change, status=0x8003))
            expected[5] = 1  # the number of affected rows, and no other byte
            client << bytes(expected)
            assert talk.outcomes == [("kept", 1)]


@pytest.mark.parametrize(
    ("affected", "info", "outcomes"),
    [
        (2, b"Records: 3  Duplicates: 0  Warnings: 0", [("kept", 1)]),
        (4, b"Records: 3  Duplicates: 1  Warnings: 0", [("updated", 1)]),
        (3, b"Records: 3  Duplicates: 1  Warnings: 0", [("updated", 1), ("kept", 1)]),
        (3, b"Records: 3  Duplicates: 0  Warnings: 0", [("inserted", 1)]),
        (3, b"", [("unknown", 1)]),
    ],
)
def test_several_rows(affected: int, info: bytes, outcomes: list[tuple[str, int]]) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        in_force = rule("ignore", "affected_rows: insert")
        with logged_in(delivery, in_force) as talk:
            client, backend = talk
            client >> query(ROWS)
            backend << query(ROWS)
            backend >> duplicate("a@x", KEY)
            backend << query(statement(in_force, ROWS))
            backend >> ok(affected, 4, info=info)
            client << ok(3, 4, info=info)
            assert talk.outcomes == outcomes

    run()


@cut_everywhere
def test_found_rows_leaves_one_unknown(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE, flags=USUAL | cap.FOUND_ROWS) as talk:
        client, backend = talk
        client >> query(INSERT)
        backend << query(INSERT)
        backend >> duplicate("a@x", KEY)
        backend << query(statement(IGNORE))
        backend >> ok(1)
        client << ok(1)
        assert talk.outcomes == [("unknown", 1)]


@cut_everywhere
def test_found_rows_with_always_records_nothing_where_it_cannot_tell(delivery: Delivery) -> None:
    with logged_in(delivery, ALWAYS, flags=USUAL | cap.FOUND_ROWS) as talk:
        client, backend = talk
        client >> query(INSERT)
        backend << query(statement(ALWAYS))
        backend >> ok(1)
        client << ok(1)
        assert talk.conflicts == []


# --------------------------------------------------------------------------------------------------------------------
# MariaDB


@cut_everywhere
def test_mariadb_names_no_table(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE, mariadb=True) as talk:
        client, backend = talk
        client >> query(INSERT)
        backend << query(INSERT)
        backend >> duplicate("a@x", "ux_email")
        backend << query(statement(IGNORE, version="5.5.5-10.11.18-MariaDB"))
        backend >> ok()
        client << ok()
        assert talk.conflicts[0].met.table == "users"


# --------------------------------------------------------------------------------------------------------------------
# Statements that are larger than a packet


def test_a_statement_that_needs_two_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client has sent one packet, so its reply begins with sequence id 1."""
    monkeypatch.setattr(framing, "MAX_PAYLOAD", 100)
    for when in ("conflict", "always"):
        in_force = rule("ignore", f"when: {when}")
        with logged_in(Delivery(), in_force) as talk:
            client, backend = talk
            client >> query(INSERT)
            if when == "conflict":
                backend << query(INSERT)
                backend >> duplicate("a@x", KEY)
            sent = split_packets(bytes(backend.said))
            assert [sequence for sequence, _ in sent] == list(range(len(sent)))
            assert len(sent) > 1
            assert b"".join(payload for _, payload in sent) == b"\x03" + statement(in_force).encode()
            backend.said.clear()
            backend >> ok(0, sequence=len(sent))
            client << ok(0)


# --------------------------------------------------------------------------------------------------------------------
# What is known of the session decides whether a text can be read


GBK = b"INSERT INTO users (email, name) VALUES ('a@x', '\xbf\\' , 'B')"


@cut_everywhere
def test_a_text_that_depends_on_the_charset_is_left_alone(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        client >> query("SET NAMES gbk")
        backend << query("SET NAMES gbk")
        backend >> ok()
        client << ok()
        client >> query(GBK)
        backend << query(GBK)
        backend >> duplicate("a@x", KEY)
        client << duplicate("a@x", KEY)
        assert talk.skipped == ["charset"]


QUOTED = 'INSERT INTO users (email, name) VALUES ("a@x", "A")'


@cut_everywhere
def test_double_quotes_are_left_alone_until_the_sql_mode_is_known(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        client >> query(QUOTED)
        backend << query(QUOTED)
        backend >> duplicate("a@x", KEY)
        client << duplicate("a@x", KEY)
        assert talk.skipped == ["ansi_quotes"]
        client >> query("SET sql_mode = 'STRICT_ALL_TABLES'")
        backend << query("SET sql_mode = 'STRICT_ALL_TABLES'")
        backend >> ok()
        client << ok()
        client >> query(QUOTED)
        backend << query(QUOTED)
        backend >> duplicate("a@x", KEY)
        backend << query(statement(IGNORE, QUOTED))
        backend >> ok()
        client << ok()


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        (query("SET @@session.sql_mode = @mode"), ok()),
        (query("EXECUTE s"), ok()),
        (query("/* a comment */ SET sql_mode = 'ANSI_QUOTES'"), ok()),
        (query(b"/*" + b"x" * 1100 + b"*/ SET sql_mode = @mode"), ok()),
        (query(b"SET @a = '" + b"x" * 1100 + b"', sql_mode = @mode"), ok()),
        (query("SELECT 1; SET sql_mode = @mode"), ok(status=10) + ok(sequence=2)),
        (
            query("SELECT 1; SET sql_mode = @mode; nonsense"),
            ok(status=10) + ok(status=10, sequence=2) + error(1064, sequence=3),
        ),
        (command(commands.RESET_CONNECTION), ok()),
    ],
)
def test_what_may_have_changed_the_sql_mode_makes_it_unknown(said: bytes, answered: bytes) -> None:
    any_schema = rules("- {name: r, table: users, key: ux_email, columns: [email], action: ignore}")
    with logged_in(Delivery(), any_schema) as talk:
        client, backend = talk
        for first, second in ((query("SET sql_mode = ''"), ok()), (said, answered)):
            client >> first
            backend << first
            backend >> second
            client << second
        client >> query(QUOTED)
        backend << query(QUOTED)
        backend >> duplicate("a@x", KEY)
        client << duplicate("a@x", KEY)
        assert talk.skipped == ["ansi_quotes"]


@cut_everywhere
def test_a_prepared_set_makes_it_unknown(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        for said, answered in (
            (query("SET sql_mode = ''"), ok()),
            (command(commands.STMT_PREPARE, b"SET sql_mode = 'ANSI_QUOTES'"), packets(prepared(0, 0))),
            (command(commands.STMT_EXECUTE, b"\7\0\0\0\0\1\0\0\0"), ok()),
        ):
            client >> said
            backend << said
            backend >> answered
            client << answered
        client >> query(QUOTED)
        backend << query(QUOTED)
        backend >> duplicate("a@x", KEY)
        client << duplicate("a@x", KEY)
        assert talk.skipped == ["ansi_quotes"]


@pytest.mark.parametrize(
    "batch", ["SELECT 1; USE other", "DO 1; use `other`; DO 2", "DO 1" + " " * 1100 + "; USE other"]
)
def test_a_schema_that_a_batch_may_have_changed_is_unknown(batch: str) -> None:
    with logged_in(Delivery(), IGNORE) as talk:
        client, backend = talk
        client >> query(batch)
        backend << query(batch)
        backend >> ok(status=10) + ok(sequence=2)
        client << ok(status=10) + ok(sequence=2)
        client >> query(INSERT)
        backend << query(INSERT)
        backend >> duplicate("a@x", KEY)
        client << duplicate("a@x", KEY)
        assert talk.outcomes == [("returned", 1)]


@cut_everywhere
def test_use_changes_the_schema(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE, schema="other") as talk:
        client, backend = talk
        client >> query("use `shop`;")
        backend << query("use `shop`;")
        backend >> ok()
        client << ok()
        client >> query(INSERT)
        backend << query(INSERT)
        backend >> duplicate("a@x", KEY)
        backend << query(statement(IGNORE))
        backend >> ok()
        client << ok()
        assert talk.conflicts[0].met.schema == "shop"


@pytest.mark.parametrize("verb", ["LOAD", "load", "/* c */ LOAD"])
def test_load_data_is_rewritten(verb: str) -> None:
    in_force = rules("- {name: r, table: users, action: replace, allow_replace: true, when: always}")
    told = b"Records: 3  Deleted: 1  Skipped: 0  Warnings: 0"

    @cut_everywhere
    def run(delivery: Delivery) -> None:
        with logged_in(delivery, in_force) as talk:
            client, backend = talk
            client >> query(f"{verb} DATA INFILE 'f' INTO TABLE users")
            backend << query(f"{verb} DATA INFILE 'f' REPLACE  INTO TABLE users")
            backend >> ok(4, info=told)
            client << ok(4, info=told)
            assert talk.outcomes == [("replaced", 1)]

    run()


@pytest.mark.parametrize("records", [1, 3])
def test_what_a_load_data_has_skipped_is_counted_once(records: int) -> None:
    in_force = rules("- {name: r, table: users, action: ignore, when: always, affected_rows: insert}")
    told = b"Records: %d  Deleted: 0  Skipped: 1  Warnings: 0" % records
    with logged_in(Delivery(), in_force) as talk:
        client, backend = talk
        client >> query("LOAD DATA LOCAL INFILE 'f' INTO TABLE users")
        backend << query("LOAD DATA LOCAL INFILE 'f' IGNORE  INTO TABLE users")
        backend >> packets(b"\xfbf")
        client << packets(b"\xfbf")
        client >> packets(b"a@x\n", b"", sequence=2)
        backend << packets(b"a@x\n", b"", sequence=2)
        backend >> ok(records - 1, info=told, sequence=4)
        client << ok(records - 1, info=told, sequence=4)  # what it says without a rule
        assert talk.outcomes == [("kept", 1)]


def test_what_a_load_data_has_skipped_without_its_rule_is_not_the_rules() -> None:
    in_force = rules("- {name: r, table: users, action: replace, allow_replace: true, when: always}")
    told = b"Records: 3  Deleted: 0  Skipped: 1  Warnings: 0"
    with logged_in(Delivery(), in_force) as talk:
        client, backend = talk
        client >> query("LOAD DATA LOCAL INFILE 'f' INTO TABLE users")
        backend << query("LOAD DATA LOCAL INFILE 'f' REPLACE  INTO TABLE users")
        backend >> error(1142, "DELETE command denied", "42000")
        backend << query("LOAD DATA LOCAL INFILE 'f' INTO TABLE users")
        backend >> packets(b"\xfbf")
        client << packets(b"\xfbf")
        client >> packets(b"a@x\n", b"", sequence=2)
        backend << packets(b"a@x\n", b"", sequence=2)
        backend >> ok(2, info=told, sequence=4)
        client << ok(2, info=told, sequence=4)
        assert [(conflict.outcome, conflict.rule) for conflict in talk.conflicts] == [("kept", None)]


@pytest.mark.parametrize(("number", "message"), [(1213, "Deadlock found"), (1054, "Unknown column in a trigger")])
@pytest.mark.parametrize("when", ["always", "conflict"])
def test_a_load_data_is_not_sent_again_behind_the_clients_file(when: str, number: int, message: str) -> None:
    in_force = rules(f"- {{name: r, table: users, action: replace, allow_replace: true, when: {when}}}")
    word = "REPLACE  " if when == "always" else ""
    with logged_in(Delivery(), in_force) as talk:
        client, backend = talk
        client >> query("LOAD DATA LOCAL INFILE 'f' INTO TABLE users")
        backend << query(f"LOAD DATA LOCAL INFILE 'f' {word}INTO TABLE users")
        backend >> packets(b"\xfbf")
        client << packets(b"\xfbf")
        client >> packets(b"a@x\n", b"", sequence=2)
        backend << packets(b"a@x\n", b"", sequence=2)
        backend >> error(number, message, sequence=4)
        client << error(number, message, sequence=4)


@cut_everywhere
def test_the_next_packets_length_is_no_part_of_a_tables_name(delivery: Delivery) -> None:
    in_force = rules("- {name: r, table: users, action: replace, allow_replace: true, when: always}")
    behind = query(f"SELECT '{'x' * 105}'")
    assert behind[:1] == b"s"
    with logged_in(delivery, in_force) as talk:
        client, backend = talk
        client >> query("/* c */ LOAD DATA INFILE 'f' INTO TABLE users") + behind
        backend << query("/* c */ LOAD DATA INFILE 'f' REPLACE  INTO TABLE users")
        backend >> ok(3)
        client << ok(3)
        backend << behind
