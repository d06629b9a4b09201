"""Prepared INSERTs that rules are for: which texts are prepared beside the client's, and what runs them."""

import pytest

from proxy.config import Limits
from proxy.rules.match import RuleSet
from proxy.wire import capabilities as cap
from proxy.wire import commands
from tests.session.conversation import USUAL, Delivery, Talk, cut_everywhere, logged_in, rules
from tests.session.packets import command, duplicate, error, ok, packets, query, refusal, result
from tests.session.ruled import KEY, rule, statement
from tests.wire import packets as payloads
from tests.wire.packets import DEFINITION, prepared

TEXT = "INSERT INTO users (email) VALUES (?)"
IGNORE, ALWAYS = rule("ignore"), rule("ignore", "when: always")
INTO_ANY = rules("- {name: r, table: users, key: ux_email, columns: [email], action: ignore}")
STRING = b"\xfe\0"
LAST = 0xFFFFFFFF
MARIADB = "5.5.5-10.11.18-MariaDB"


def prepare(text: str = TEXT) -> bytes:
    """Say COM_STMT_PREPARE."""
    return command(commands.STMT_PREPARE, text.encode())


def rules_prepare(in_force: RuleSet, text: str = TEXT, version: str = "9.7.4") -> bytes:
    """Say COM_STMT_PREPARE of what the rule makes of a text."""
    return prepare(statement(in_force, text, version))


def prepared_as(number: int, parameters: int = 1, *, deprecate_eof: bool = False) -> bytes:
    """Say that a statement without columns is prepared."""
    start = prepared(0, parameters).replace(b"\0\7\0\0\0", b"\0" + number.to_bytes(4, "little"))
    return packets(start, *[DEFINITION] * parameters, *([payloads.eof()] if parameters and not deprecate_eof else []))


def on(code: int, number: int, rest: bytes = b"") -> bytes:
    """Say a command on a prepared statement."""
    return command(code, number.to_bytes(4, "little") + rest)


def execute(number: int, value: str = "a@x", types: bytes | None = STRING) -> bytes:
    """Say COM_STMT_EXECUTE with one string; types None: the server is to remember them."""
    bound = b"\0" if types is None else b"\1" + types
    return on(commands.STMT_EXECUTE, number, b"\0\1\0\0\0\0" + bound + bytes((len(value),)) + value.encode())


def long_data(number: int, data: bytes = b"long") -> bytes:
    """Say COM_STMT_SEND_LONG_DATA for the first parameter."""
    return on(commands.STMT_SEND_LONG_DATA, number, b"\0\0" + data)


EXECUTE_LONG = on(commands.STMT_EXECUTE, 7, b"\0\1\0\0\0\0\1" + STRING)
"""COM_STMT_EXECUTE of a parameter whose value has come ahead."""


def passes(talk: Talk, said: bytes, answer: bytes = b"") -> None:
    """Let a command and its answer pass through unchanged."""
    client, backend = talk
    client >> said
    backend << said
    if answer:
        backend >> answer
        client << answer


def resolves(talk: Talk, in_force: RuleSet, version: str = "9.7.4", key: str = KEY) -> None:
    """Let a first conflict of statement 7 be resolved by statement 8, which is prepared for it."""
    client, backend = talk
    client >> execute(7)
    backend << execute(7)
    backend >> duplicate("a@x", key)
    backend << rules_prepare(in_force, TEXT, version)
    backend >> prepared_as(8)
    backend << execute(8)
    backend >> ok()
    client << ok()


# --------------------------------------------------------------------------------------------------------------------
# when: conflict


@pytest.mark.parametrize("deprecate_eof", [False, True])
@pytest.mark.parametrize("action", ["ignore", "update", "idempotent", "replace"])
def test_a_conflict_has_the_rules_text_prepared_and_run(action: str, deprecate_eof: bool) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        in_force = rule(action)
        text = TEXT if action != "update" else "INSERT INTO users (email, name) VALUES (?, 'A')"
        with logged_in(delivery, in_force, flags=USUAL | (cap.DEPRECATE_EOF if deprecate_eof else 0)) as talk:
            client, backend = talk
            passes(talk, prepare(text), prepared_as(7, deprecate_eof=deprecate_eof))
            client >> execute(7)
            backend << execute(7)
            backend >> duplicate("a@x", KEY)
            assert client.hears_nothing
            backend << rules_prepare(in_force, text)
            backend >> prepared_as(8, deprecate_eof=deprecate_eof)
            assert client.hears_nothing
            backend << execute(8)
            backend >> ok(2, 3)
            client << ok(2, 3)
            assert talk.counters.rewrites == {("r", "conflict", "prepared", "ok"): 1}
            assert len(talk.outcomes) == 1
            assert talk.session.idle

    run()


@cut_everywhere
def test_the_rules_text_is_prepared_once(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        passes(talk, prepare(), prepared_as(7))
        resolves(talk, IGNORE)
        for value in ("b@x", "c@x"):
            client >> execute(7, value)
            backend << execute(7, value)
            backend >> duplicate(value, KEY)
            backend << execute(8, value)
            backend >> ok()
            client << ok()
        assert talk.outcomes == [("kept", 1)] * 3


@cut_everywhere
def test_an_execution_without_conflict_is_the_clients_own(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        passes(talk, prepare(), prepared_as(7))
        passes(talk, execute(7), ok(1, 5))
        assert talk.conflicts == []
        assert talk.rewrites == {}


@cut_everywhere
def test_several_statements_have_texts_of_their_own(delivery: Delivery) -> None:
    other = "INSERT INTO users (email, name) VALUES (?, 'B')"
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        passes(talk, prepare(), prepared_as(7))
        resolves(talk, IGNORE)
        passes(talk, prepare(other), prepared_as(9))
        client >> execute(9)
        backend << execute(9)
        backend >> duplicate("a@x", KEY)
        backend << rules_prepare(IGNORE, other)
        backend >> prepared_as(10)
        backend << execute(10)
        backend >> ok()
        client << ok()
        client >> execute(7)
        backend << execute(7)
        backend >> duplicate("a@x", KEY)
        backend << execute(8)
        backend >> ok()
        client << ok()


@cut_everywhere
def test_the_guard_refuses(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        passes(talk, prepare(), prepared_as(7))
        client >> execute(7)
        backend << execute(7)
        backend >> duplicate("a@x", KEY)
        backend << rules_prepare(IGNORE)
        backend >> prepared_as(8)
        backend << execute(8)
        backend >> refusal()
        client << duplicate("a@x", KEY)
        assert talk.outcomes == [("refused", 1)]


@pytest.mark.parametrize("when", ["conflict", "always"])
def test_the_rules_text_cannot_be_prepared(when: str) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        in_force = rule("ignore", f"when: {when}")
        with logged_in(delivery, in_force) as talk:
            client, backend = talk
            passes(talk, prepare(), prepared_as(7))
            for _ in range(2):  # it is tried again
                client >> execute(7)
                if when == "conflict":
                    backend << execute(7)
                    backend >> duplicate("a@x", KEY)
                backend << rules_prepare(in_force)
                backend >> error(1142, "UPDATE command denied", "42000")
                if when == "always":
                    assert client.hears_nothing
                    backend << execute(7)
                    backend >> duplicate("a@x", KEY)
                client << duplicate("a@x", KEY)
            assert talk.rewrites == {"error": 2}
            assert talk.outcomes == [("failed", 1)] * 2
            assert talk.session.idle

    run()


def test_the_backend_goes_away_while_a_rules_text_is_prepared() -> None:
    with logged_in(Delivery(), IGNORE) as talk:
        client, backend = talk
        passes(talk, prepare(), prepared_as(7))
        client >> execute(7)
        backend << execute(7)
        backend >> duplicate("a@x", KEY)
        backend << rules_prepare(IGNORE)
        talk.session.backend_lost("connection reset")
        assert talk.session.result == "backend_closed"
        assert client.hears_nothing


# --------------------------------------------------------------------------------------------------------------------
# when: always


@pytest.mark.parametrize("deprecate_eof", [False, True])
def test_always_runs_the_rules_text_in_the_first_place(deprecate_eof: bool) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        with logged_in(delivery, ALWAYS, flags=USUAL | (cap.DEPRECATE_EOF if deprecate_eof else 0)) as talk:
            client, backend = talk
            passes(talk, prepare(), prepared_as(7, deprecate_eof=deprecate_eof))
            client >> execute(7)
            backend << rules_prepare(ALWAYS)
            backend >> prepared_as(8, deprecate_eof=deprecate_eof)
            backend << execute(8)
            backend >> ok(0, 3)
            client << ok(0, 3)
            client >> execute(7, "b@x")
            backend << execute(8, "b@x")
            backend >> ok(1, 4)
            client << ok(1, 4)
            assert talk.outcomes == [("kept", 1)]
            assert talk.counters.rewrites == {("r", "always", "prepared", "ok"): 2}

    run()


@pytest.mark.parametrize("failure", [refusal(), error(1054, "Unknown column", "42S22")])
@pytest.mark.parametrize(
    "answer", [ok(1, 9), error(1048, "Column cannot be null", "23000"), duplicate("A", "users.ux")]
)
def test_always_falls_back_on_the_clients_own(failure: bytes, answer: bytes) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        with logged_in(delivery, ALWAYS) as talk:
            client, backend = talk
            passes(talk, prepare(), prepared_as(7))
            client >> execute(7)
            backend << rules_prepare(ALWAYS)
            backend >> prepared_as(8)
            backend << execute(8)
            backend >> failure
            assert client.hears_nothing
            backend << execute(7)
            backend >> answer
            client << answer

    run()


# --------------------------------------------------------------------------------------------------------------------
# Types and attributes


@cut_everywhere
def test_types_that_were_sent_earlier_are_sent_to_the_other_statement(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        passes(talk, prepare(), prepared_as(7))
        passes(talk, execute(7), ok(1, 5))
        for ahead in (rules_prepare(IGNORE), b""):
            client >> execute(7, "b@x", types=None)
            backend << execute(7, "b@x", types=None)
            backend >> duplicate("b@x", KEY)
            backend << ahead
            if ahead:
                backend >> prepared_as(8)
            backend << execute(8, "b@x")
            backend >> ok()
            client << ok()


@cut_everywhere
def test_the_types_sent_last_count(delivery: Delivery) -> None:
    blob = b"\xfc\0"
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        passes(talk, prepare(), prepared_as(7))
        resolves(talk, IGNORE)
        passes(talk, execute(7, "b@x", blob), ok(1, 5))
        client >> execute(7, "c@x", types=None)
        backend << execute(7, "c@x", types=None)
        backend >> duplicate("c@x", KEY)
        backend << execute(8, "c@x", blob)
        backend >> ok()
        client << ok()


@cut_everywhere
def test_types_that_were_never_sent(delivery: Delivery) -> None:
    """The server does not take such an execution either, unless its parameters have come as long data."""
    with logged_in(delivery, IGNORE) as talk:
        passes(talk, prepare(), prepared_as(7))
        passes(talk, execute(7, types=None), duplicate("a@x", KEY))
        assert talk.skipped == ["parameters"]


@cut_everywhere
def test_a_statement_without_parameters(delivery: Delivery) -> None:
    text = "INSERT INTO users (email) VALUES ('a@x')"
    bare = on(commands.STMT_EXECUTE, 7, b"\0\1\0\0\0")
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        passes(talk, prepare(text), prepared_as(7, 0))
        client >> bare
        backend << bare
        backend >> duplicate("a@x", KEY)
        backend << rules_prepare(IGNORE, text)
        backend >> prepared_as(8, 0)
        backend << bare.replace(b"\x17\7", b"\x17\x08")
        backend >> ok()
        client << ok()


@cut_everywhere
def test_query_attributes_go_with_the_parameters(delivery: Delivery) -> None:
    named = STRING + b"\0" + STRING + b"\5trace"
    values = b"\3a@x" + b"\2id"

    def run(number: int, types: bytes) -> bytes:
        return on(commands.STMT_EXECUTE, number, b"\x08\1\0\0\0" + b"\2\0" + types + values)

    with logged_in(delivery, IGNORE, flags=USUAL | cap.QUERY_ATTRIBUTES) as talk:
        client, backend = talk
        passes(talk, prepare(), prepared_as(7))
        for types, ahead in ((b"\1" + named, rules_prepare(IGNORE)), (b"\0", b"")):
            client >> run(7, types)
            backend << run(7, types)
            backend >> duplicate("a@x", KEY)
            backend << ahead
            if ahead:
                backend >> prepared_as(8)
            backend << run(8, b"\1" + named)
            backend >> ok()
            client << ok()


@cut_everywhere
def test_other_attributes_than_those_whose_types_are_known(delivery: Delivery) -> None:
    """Two types were sent, and now there are values of one: which one it is, only the server knows."""
    both = b"\x08\1\0\0\0" + b"\2\0\1" + STRING + b"\0" + STRING + b"\5trace" + b"\3a@x" + b"\2id"
    one = b"\x08\1\0\0\0" + b"\1\0\0" + b"\3a@x"
    with logged_in(delivery, IGNORE, flags=USUAL | cap.QUERY_ATTRIBUTES) as talk:
        passes(talk, prepare(), prepared_as(7))
        passes(talk, on(commands.STMT_EXECUTE, 7, both), ok(1, 5))
        passes(talk, on(commands.STMT_EXECUTE, 7, one), duplicate("a@x", KEY))
        assert talk.skipped == ["parameters"]


@cut_everywhere
def test_an_execution_that_is_cut_is_the_servers_to_judge(delivery: Delivery) -> None:
    for in_force in (IGNORE, ALWAYS):
        with logged_in(delivery, in_force) as talk:
            passes(talk, prepare(), prepared_as(7))
            passes(talk, on(commands.STMT_EXECUTE, 7, b"\0\1\0"), error(1835, "Malformed communication packet."))
            passes(talk, on(commands.STMT_RESET, 7), ok())


# --------------------------------------------------------------------------------------------------------------------
# Long data


@cut_everywhere
def test_long_data_is_sent_to_the_other_statement_as_well(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        passes(talk, prepare(), prepared_as(7))
        for part in (b"long", b"er"):
            passes(talk, long_data(7, part))
        client >> EXECUTE_LONG
        backend << EXECUTE_LONG
        backend >> duplicate("longer", KEY)
        backend << rules_prepare(IGNORE)
        backend >> prepared_as(8)
        backend << long_data(8, b"long") + long_data(8, b"er") + EXECUTE_LONG.replace(b"\x17\7", b"\x17\x08")
        backend >> ok()
        client << ok()
        client >> execute(7)  # the server has forgotten it after the execution
        backend << execute(7)
        backend >> duplicate("a@x", KEY)
        backend << execute(8)
        backend >> ok()
        client << ok()


@cut_everywhere
def test_always_keeps_long_data_back_until_it_is_known_where_it_goes(delivery: Delivery) -> None:
    with logged_in(delivery, ALWAYS) as talk:
        client, backend = talk
        passes(talk, prepare(), prepared_as(7))
        client >> long_data(7, b"long")
        client >> long_data(7, b"er")
        assert backend.hears_nothing
        client >> EXECUTE_LONG
        backend << rules_prepare(ALWAYS)
        backend >> prepared_as(8)
        sent = long_data(8, b"long") + long_data(8, b"er") + EXECUTE_LONG.replace(b"\x17\7", b"\x17\x08")
        backend << sent
        backend >> refusal()
        backend << long_data(7, b"long") + long_data(7, b"er") + EXECUTE_LONG
        backend >> ok(1, 5)
        client << ok(1, 5)
        client >> execute(7)
        backend << execute(8)
        backend >> ok(1, 6)
        client << ok(1, 6)


@pytest.mark.parametrize("when", ["conflict", "always"])
def test_long_data_over_the_bound(when: str) -> None:
    """No rule's text is run with half of it; the next execution begins anew."""

    @cut_everywhere
    def run(delivery: Delivery) -> None:
        in_force = rule("ignore", f"when: {when}")
        with logged_in(delivery, in_force, limits=Limits(statement=60)) as talk:
            client, backend = talk
            passes(talk, prepare(), prepared_as(7))
            small, large = long_data(7), long_data(7, b"x" * 50)
            client >> small
            if when == "always":
                assert backend.hears_nothing
            else:
                backend << small
            client >> large
            backend << (small if when == "always" else b"") + large
            passes(talk, small)
            client >> EXECUTE_LONG
            backend << EXECUTE_LONG
            backend >> duplicate("long", KEY)
            client << duplicate("long", KEY)
            assert talk.skipped == ["long_data"]
            client >> execute(7)
            if when == "conflict":
                backend << execute(7)
                backend >> duplicate("a@x", KEY)
            backend << rules_prepare(in_force)
            backend >> prepared_as(8)
            backend << execute(8)
            backend >> ok()
            client << ok()

    run()


@pytest.mark.parametrize("when", ["conflict", "always"])
def test_an_execution_over_the_limit(when: str) -> None:
    """It is passed on as it comes, behind its long data; what types it has sent is not known any more."""

    @cut_everywhere
    def run(delivery: Delivery) -> None:
        in_force = rule("ignore", f"when: {when}")
        with logged_in(delivery, in_force, limits=Limits(statement=60)) as talk:
            client, backend = talk
            passes(talk, prepare(), prepared_as(7))
            client >> long_data(7)
            if when == "conflict":
                backend << long_data(7)
            large = execute(7, "x" * 60)
            client >> large
            backend << (long_data(7) if when == "always" else b"") + large
            backend >> duplicate("x" * 60, KEY)
            client << duplicate("x" * 60, KEY)
            assert talk.skipped == ["too_large"]
            client >> execute(7, types=None)
            backend << execute(7, types=None)
            backend >> duplicate("a@x", KEY)
            client << duplicate("a@x", KEY)
            assert "parameters" in talk.skipped
            client >> execute(7)
            if when == "conflict":
                backend << execute(7)
                backend >> duplicate("a@x", KEY)
            backend << rules_prepare(in_force)
            backend >> prepared_as(8)
            backend << execute(8)
            backend >> ok()
            client << ok()

    run()


@pytest.mark.parametrize("when", ["conflict", "always"])
def test_reset_forgets_long_data(when: str) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        in_force = rule("ignore", f"when: {when}")
        with logged_in(delivery, in_force) as talk:
            client, backend = talk
            passes(talk, prepare(), prepared_as(7))
            client >> long_data(7)
            if when == "conflict":
                backend << long_data(7)
            passes(talk, on(commands.STMT_RESET, 7), ok())
            client >> execute(7)
            if when == "conflict":
                backend << execute(7)
                backend >> duplicate("a@x", KEY)
            backend << rules_prepare(in_force)
            backend >> prepared_as(8)
            backend << execute(8)
            backend >> ok()
            client << ok()

    run()


# --------------------------------------------------------------------------------------------------------------------
# The end of statements


@cut_everywhere
def test_close_closes_both(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        passes(talk, prepare(), prepared_as(7))
        resolves(talk, IGNORE)
        client >> on(commands.STMT_CLOSE, 7)
        backend << on(commands.STMT_CLOSE, 8) + on(commands.STMT_CLOSE, 7)
        passes(talk, execute(7), error(1243, "Unknown prepared statement handler (7)"))
        passes(talk, prepare("SELECT ?"), prepared_as(7))
        passes(talk, execute(7), duplicate("a@x", KEY))  # the id is another statement's now
        assert talk.rewrites == {"ok": 1}


@cut_everywhere
def test_closing_a_statement_without_a_second_one(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        passes(talk, prepare(), prepared_as(7))
        passes(talk, on(commands.STMT_CLOSE, 7))
        passes(talk, query("SELECT 1"), result((b"1",)))


@cut_everywhere
def test_reset_connection_ends_all_statements(delivery: Delivery) -> None:
    with logged_in(delivery, INTO_ANY) as talk:
        client, backend = talk
        passes(talk, prepare(), prepared_as(7))
        resolves(talk, INTO_ANY)
        passes(talk, command(commands.RESET_CONNECTION), ok())
        passes(talk, execute(7), error(1243, "Unknown prepared statement handler (7)"))
        passes(talk, prepare(), prepared_as(1))
        client >> execute(1)
        backend << execute(1)
        backend >> duplicate("a@x", KEY)
        backend << rules_prepare(INTO_ANY)
        backend >> prepared_as(2)
        backend << execute(2)
        backend >> ok()
        client << ok()


# --------------------------------------------------------------------------------------------------------------------
# What changes between PREPARE and EXECUTE


@pytest.mark.parametrize(
    "change",
    [
        query("USE other"),
        command(commands.INIT_DB, b"other"),
        query("SET NAMES latin1"),
        query("SET sql_mode = 'ANSI_QUOTES'"),
        query("SET @@session.sql_mode = @mode"),
    ],
)
@pytest.mark.parametrize("when", ["conflict", "always"])
def test_a_session_that_has_changed_reads_the_text_otherwise(change: bytes, when: str) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        with logged_in(delivery, rule("ignore", f"when: {when}")) as talk:
            passes(talk, prepare(), prepared_as(7))
            passes(talk, change, ok())
            passes(talk, execute(7), duplicate("a@x", KEY))
            assert set(talk.skipped) == {"session_changed"}
            assert talk.rewrites == {}

    run()


@cut_everywhere
def test_the_schema_is_that_of_the_prepare(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        passes(talk, prepare(), prepared_as(7))
        passes(talk, query("USE other"), ok())
        passes(talk, execute(7), duplicate("a@x", KEY))
        assert [conflict.met.schema for conflict in talk.conflicts] == ["shop"]


@pytest.mark.parametrize("after", [RuleSet(), rule("update")])
def test_a_statement_keeps_the_rules_that_it_was_prepared_with(after: RuleSet) -> None:
    for in_force in (IGNORE, ALWAYS):
        current = [in_force]
        with logged_in(Delivery(), rules=lambda current=current: current[0]) as talk:
            client, backend = talk
            passes(talk, prepare(), prepared_as(7))
            current[0] = after
            client >> long_data(7)
            if in_force is IGNORE:
                backend << long_data(7)
            client >> EXECUTE_LONG
            if in_force is IGNORE:
                backend << EXECUTE_LONG
                backend >> duplicate("long", KEY)
            backend << rules_prepare(in_force)
            backend >> prepared_as(8)
            backend << long_data(8) + EXECUTE_LONG.replace(b"\x17\7", b"\x17\x08")
            backend >> ok()
            client << ok()


# --------------------------------------------------------------------------------------------------------------------
# Several commands in flight


@cut_everywhere
def test_an_execute_behind_its_prepare(delivery: Delivery) -> None:
    """MariaDB's connectors send both at once, the latter for the statement prepared last."""
    with logged_in(delivery, IGNORE, mariadb=True) as talk:
        client, backend = talk
        client >> prepare() + execute(LAST)
        backend << prepare()
        backend >> prepared_as(7)
        client << prepared_as(7)
        backend << execute(LAST)
        backend >> duplicate("a@x", "ux_email")
        backend << rules_prepare(IGNORE, version=MARIADB)
        backend >> prepared_as(8)
        backend << execute(8)
        backend >> ok()
        client << ok()


@cut_everywhere
def test_commands_behind_an_execute_wait_for_its_second_statement(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        passes(talk, prepare(), prepared_as(7))
        client >> execute(7) + long_data(7) + on(commands.STMT_CLOSE, 7) + query("SELECT 1")
        backend << execute(7)
        backend >> duplicate("a@x", KEY)
        backend << rules_prepare(IGNORE)
        backend >> prepared_as(8)
        backend << execute(8)
        backend >> ok()
        client << ok()
        backend << long_data(7) + on(commands.STMT_CLOSE, 8) + on(commands.STMT_CLOSE, 7) + query("SELECT 1")
        backend >> result((b"1",))
        client << result((b"1",))


# --------------------------------------------------------------------------------------------------------------------
# MariaDB: "the last one", bulk executions


@cut_everywhere
def test_the_last_one_is_the_clients_own(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE, mariadb=True) as talk:
        client, backend = talk
        passes(talk, prepare(), prepared_as(7))
        passes(talk, execute(LAST), ok(1, 5))
        resolves(talk, IGNORE, MARIADB, "ux_email")
        for said, meant in (
            (long_data(LAST), long_data(7)),
            (on(commands.STMT_RESET, LAST), on(commands.STMT_RESET, 7)),
            (execute(LAST), execute(7)),
        ):
            client >> said
            backend << meant
            if said[4] != commands.STMT_SEND_LONG_DATA:
                backend >> ok()
                client << ok()
        client >> on(commands.STMT_CLOSE, LAST)
        backend << on(commands.STMT_CLOSE, 8) + on(commands.STMT_CLOSE, 7)


@cut_everywhere
def test_the_last_one_of_no_interest_behind_a_text_of_the_proxys(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE, mariadb=True) as talk:
        client, backend = talk
        passes(talk, prepare(), prepared_as(7))
        passes(talk, prepare("SELECT ?"), prepared_as(9))
        resolves(talk, IGNORE, MARIADB, "ux_email")
        for code, answer in ((commands.STMT_EXECUTE, ok()), (commands.STMT_FETCH, error(1421, "no open cursor"))):
            client >> on(code, LAST, b"\0\1\0\0\0")
            backend << on(code, 9, b"\0\1\0\0\0")
            backend >> answer
            client << answer
        client >> on(commands.STMT_CLOSE, 7)
        backend << on(commands.STMT_CLOSE, 8) + on(commands.STMT_CLOSE, 7)
        client >> execute(LAST)
        backend << execute(9)
        backend >> ok()
        client << ok()
        passes(talk, prepare("SELECT ?, ?"), prepared_as(10, 2))
        passes(talk, on(commands.STMT_EXECUTE, LAST, b"\0\1\0\0\0"), ok())


@cut_everywhere
def test_the_last_one_while_it_is_being_prepared(delivery: Delivery) -> None:
    """The id stands for the statement whose reply is due, not for the one before it."""
    with logged_in(delivery, IGNORE, mariadb=True) as talk:
        client, backend = talk
        passes(talk, prepare(), prepared_as(7))
        resolves(talk, IGNORE, MARIADB, "ux_email")
        client >> prepare("SELECT ?") + on(commands.STMT_CLOSE, LAST)
        backend << prepare("SELECT ?")
        backend >> prepared_as(9)
        client << prepared_as(9)
        backend << on(commands.STMT_CLOSE, LAST)
        client >> execute(7)
        backend << execute(7)
        backend >> duplicate("a@x", "ux_email")
        backend << execute(8)
        backend >> ok()
        client << ok()


@cut_everywhere
def test_there_is_no_last_one_after_a_prepare_that_failed(delivery: Delivery) -> None:
    """Nor after a reset of the connection; measured on MariaDB 10.11."""
    unknown = error(1243, "Unknown prepared statement handler (4294967295)")
    with logged_in(delivery, INTO_ANY, mariadb=True) as talk:
        passes(talk, prepare(), prepared_as(7))
        resolves(talk, INTO_ANY, MARIADB, "ux_email")
        passes(talk, prepare("SELEC"), error(1064, "You have an error in your SQL syntax", "42000"))
        passes(talk, execute(LAST), unknown)
        passes(talk, prepare(), prepared_as(9))
        passes(talk, command(commands.RESET_CONNECTION), ok())
        passes(talk, execute(LAST), unknown)


@cut_everywhere
def test_the_last_one_behind_a_text_of_the_proxys_that_could_not_be_prepared(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE, mariadb=True) as talk:
        client, backend = talk
        passes(talk, prepare(), prepared_as(7))
        client >> execute(7)
        backend << execute(7)
        backend >> duplicate("a@x", "ux_email")
        backend << rules_prepare(IGNORE, version=MARIADB)
        backend >> error(1142, "UPDATE command denied", "42000")
        client << duplicate("a@x", "ux_email")
        client >> on(commands.STMT_RESET, LAST)
        backend << on(commands.STMT_RESET, 7)
        backend >> ok()
        client << ok()


@cut_everywhere
def test_long_data_for_the_last_one_that_is_kept_back(delivery: Delivery) -> None:
    with logged_in(delivery, ALWAYS, mariadb=True, limits=Limits(statement=60)) as talk:
        client, backend = talk
        passes(talk, prepare(), prepared_as(7))
        client >> long_data(LAST)
        client >> EXECUTE_LONG
        backend << rules_prepare(ALWAYS, version=MARIADB)
        backend >> prepared_as(8)
        backend << long_data(8) + EXECUTE_LONG.replace(b"\x17\7", b"\x17\x08")
        backend >> ok()
        client << ok()
        client >> long_data(LAST)
        client >> long_data(LAST, b"x" * 50)
        backend << long_data(7) + long_data(7, b"x" * 50)


@cut_everywhere
def test_mysql_knows_no_last_one(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        passes(talk, prepare(), prepared_as(7))
        resolves(talk, IGNORE)
        passes(talk, execute(LAST), error(1243, "Unknown prepared statement handler (4294967295)"))
        passes(talk, on(commands.STMT_CLOSE, LAST))
        assert talk.skipped == []


def bulk(number: int, *values: str, types: bytes | None = STRING) -> bytes:
    """Say MariaDB's COM_STMT_BULK_EXECUTE with one string per row."""
    rows = b"".join(b"\0" + bytes((len(value),)) + value.encode() for value in values)
    flags = b"\0\0" if types is None else b"\x80\0" + types
    return on(commands.STMT_BULK_EXECUTE, number, flags + rows)


@pytest.mark.parametrize("when", ["conflict", "always"])
def test_a_bulk_execution(when: str) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        in_force = rule("ignore", f"when: {when}", "affected_rows: insert")
        with logged_in(delivery, in_force, mariadb=True) as talk:
            client, backend = talk
            passes(talk, prepare(), prepared_as(7))
            client >> bulk(7, "a@x", "b@x", "c@x")
            if when == "conflict":
                backend << bulk(7, "a@x", "b@x", "c@x")
                backend >> duplicate("b@x", "ux_email")
            backend << rules_prepare(in_force, version=MARIADB)
            backend >> prepared_as(8)
            backend << bulk(8, "a@x", "b@x", "c@x")
            backend >> ok(2, 4, info=b"Records: 3  Duplicates: 0  Warnings: 0")
            client << ok(3, 4, info=b"Records: 3  Duplicates: 0  Warnings: 0")
            assert talk.outcomes == [("kept", 1)]

    run()


@cut_everywhere
def test_a_bulk_execution_of_one_row(delivery: Delivery) -> None:
    """Its reply has no info string."""
    with logged_in(delivery, IGNORE, mariadb=True) as talk:
        client, backend = talk
        passes(talk, prepare(), prepared_as(7))
        client >> bulk(7, "a@x")
        backend << bulk(7, "a@x")
        backend >> duplicate("a@x", "ux_email")
        backend << rules_prepare(IGNORE, version=MARIADB)
        backend >> prepared_as(8)
        backend << bulk(8, "a@x")
        backend >> ok(0)
        client << ok(0)
        assert talk.outcomes == [("kept", 1)]


# --------------------------------------------------------------------------------------------------------------------
# What rules are not for


@pytest.mark.parametrize("deprecate_eof", [False, True])
def test_a_cursor_stays_as_it_is(deprecate_eof: bool) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        end = payloads.ok_as_eof if deprecate_eof else payloads.eof
        opened = packets(b"\1", DEFINITION, end(payloads.AUTOCOMMIT | payloads.CURSOR_EXISTS))
        rows = packets(b"\0\0\1", end(payloads.AUTOCOMMIT | payloads.CURSOR_EXISTS | payloads.LAST_ROW_SENT))
        with logged_in(delivery, IGNORE, flags=USUAL | (cap.DEPRECATE_EOF if deprecate_eof else 0)) as talk:
            passes(talk, prepare(), prepared_as(7, deprecate_eof=deprecate_eof))
            passes(talk, prepare("SELECT ?"), prepared_as(9, deprecate_eof=deprecate_eof))
            passes(talk, on(commands.STMT_EXECUTE, 9, b"\1\1\0\0\0\0\1" + STRING + b"\1a"), opened)
            passes(talk, on(commands.STMT_FETCH, 9, b"\1\0\0\0"), rows)
            passes(talk, on(commands.STMT_RESET, 9), ok())
            passes(talk, on(commands.STMT_CLOSE, 9))
            assert talk.session.idle

    run()


@cut_everywhere
def test_an_insert_that_cannot_be_prepared(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        failed = error(1146, "Table 'shop.users' doesn't exist", "42S02")
        passes(talk, prepare(), failed)
        passes(talk, execute(7), error(1243, "Unknown prepared statement handler (7)"))
        assert talk.conflicts == []


@cut_everywhere
def test_a_prepared_statement_of_no_rule_is_still_counted(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        passes(talk, prepare("INSERT INTO shops (email) VALUES (?)"), prepared_as(7))
        passes(talk, execute(7), duplicate("a@x", "shops.ux_email"))
        assert talk.outcomes == [("returned", 1)]
        assert talk.conflicts[0].met.table == "shops"
