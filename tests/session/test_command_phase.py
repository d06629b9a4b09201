"""Commands and their replies, of which no byte changes where no rule has a say."""

import pytest

from proxy.wire import capabilities as cap
from proxy.wire import commands
from tests.session.conversation import USUAL, Delivery, conversation, cut_everywhere, logged_in, rules
from tests.session.packets import command, duplicate, error, ok, packets, query, result
from tests.session.ruled import statement
from tests.wire import packets as payloads
from tests.wire.packets import DEFINITION, prepared, progress

INSERT = "INSERT INTO users (email) VALUES ('a@x')"
IGNORE = rules("- {name: r, table: shop.users, key: ux_email, columns: [email], action: ignore}")


@cut_everywhere
def test_commands_of_no_interest(delivery: Delivery) -> None:
    with logged_in(delivery) as (client, backend):
        for said, answered in (
            (query("SELECT 1, 2"), result((b"1", b"2"))),
            (query("UPDATE t SET a = 1"), ok(3)),
            (query("nonsense"), error(1064, "You have an error", "42000")),
            (query(""), error(1065, "Query was empty", "42000")),
            (query("  SET x = 1"), ok()),
            (query(INSERT), ok(1, 7)),
            (command(commands.INIT_DB, b"stock"), ok()),
            (command(0x0E), ok()),
            (command(0x09), packets(b"Uptime: 85")),
            (command(commands.SET_OPTION, b"\0\0"), packets(payloads.eof())),
            (command(commands.RESET_CONNECTION), ok()),
            (command(commands.FIELD_LIST, b"t\0"), packets(DEFINITION, payloads.eof())),
            (packets(b"", sequence=0), error(1047, "Unknown command", "08S01")),
        ):
            client >> said
            backend << said
            backend >> answered
            client << answered


@cut_everywhere
def test_prepared_statements(delivery: Delivery) -> None:
    with logged_in(delivery) as (client, backend):
        client >> command(commands.STMT_PREPARE, b"SELECT ?, ?")
        backend << command(commands.STMT_PREPARE, b"SELECT ?, ?")
        reply = packets(prepared(2, 2), DEFINITION, DEFINITION, payloads.eof(), DEFINITION, DEFINITION, payloads.eof())
        backend >> reply
        client << reply
        silent = command(commands.STMT_SEND_LONG_DATA, b"\7\0\0\0\0\0abc")
        client >> silent
        backend << silent
        run = command(commands.STMT_EXECUTE, b"\7\0\0\0\0\1\0\0\0\0\1\x08\0\x08\0" + bytes(16))
        client >> run
        backend << run
        backend >> result((b"1", b"2"))
        client << result((b"1", b"2"))
        for said in (command(commands.STMT_CLOSE, b"\7\0\0\0"), query("DO 1")):
            client >> said
            backend << said
        backend >> ok()
        client << ok()


@cut_everywhere
def test_a_cursor(delivery: Delivery) -> None:
    with logged_in(delivery) as (client, backend):
        opened = packets(b"\1", DEFINITION, payloads.eof(2 | payloads.CURSOR_EXISTS))
        rows = packets(b"\0\0\1\0\0\0", payloads.eof(2 | payloads.LAST_ROW_SENT))
        run = command(commands.STMT_EXECUTE, b"\7\0\0\0\1\1\0\0\0")
        fetch = command(commands.STMT_FETCH, b"\7\0\0\0\1\0\0\0")
        for said, answered in ((run, opened), (fetch, rows), (query("DO 1"), ok())):
            client >> said
            backend << said
            backend >> answered
            client << answered


@cut_everywhere
def test_several_commands_in_flight(delivery: Delivery) -> None:
    with logged_in(delivery) as talk:
        client, backend = talk
        said = query("BEGIN") + query("SELECT 1") + query("nonsense") + command(0x0E)
        answered = ok() + result((b"1",)) + error(1064) + ok()
        client >> said
        backend << said
        assert not talk.session.idle
        backend >> answered
        client << answered
        assert talk.session.idle
        assert sum(talk.counters.command_durations.buckets) == 4


@cut_everywhere
def test_a_multi_statement(delivery: Delivery) -> None:
    with logged_in(delivery) as (client, backend):
        client >> query("SELECT 1; DO 1; SELECT 2")
        backend << query("SELECT 1; DO 1; SELECT 2")
        more = 2 | payloads.MORE_RESULTS
        reply = result((b"1",), status=more) + ok(status=more, sequence=6) + result((b"2",), sequence=7)
        backend >> reply
        client << reply
        client >> query("SELECT 3")
        backend << query("SELECT 3")
        backend >> error(1317)
        client << error(1317)


@cut_everywhere
def test_local_infile(delivery: Delivery) -> None:
    with logged_in(delivery) as (client, backend):
        client >> query("LOAD DATA LOCAL INFILE 'x' INTO TABLE t")
        backend << query("LOAD DATA LOCAL INFILE 'x' INTO TABLE t")
        backend >> packets(b"\xfbx")
        client << packets(b"\xfbx")
        # the file may hold what looks like commands
        file = packets(b"\x01", b"\x16" + INSERT.encode(), b"", sequence=2)
        client >> file
        backend << file
        end = packets(progress(b"End bulk insert"), payloads.ok(2, info=b"Records: 2"), sequence=5)
        backend >> end
        client << end
        client >> command(0x0E)
        backend << command(0x0E)
        backend >> ok()
        client << ok()


@cut_everywhere
def test_rows_that_local_infile_skips_are_counted(delivery: Delivery) -> None:
    text = query("LOAD DATA LOCAL INFILE 'x' INTO TABLE t")
    skipped = ok(1, info=b"Records: 3  Deleted: 0  Skipped: 2  Warnings: 2", sequence=4)
    with logged_in(delivery) as talk:
        client, backend = talk
        client >> text
        backend << text
        backend >> packets(b"\xfbx")
        client << packets(b"\xfbx")
        client >> packets(b"1\n1\n1\n", b"", sequence=2)
        backend << packets(b"1\n1\n1\n", b"", sequence=2)
        backend >> skipped
        client << skipped
        (conflict,) = talk.conflicts
        assert (conflict.met.schema, conflict.met.table, conflict.met.statement) == ("shop", "t", "load")
        assert (conflict.outcome, conflict.rows, conflict.rule) == ("kept", 2, None)


@cut_everywhere
def test_local_infile_that_fails(delivery: Delivery) -> None:
    with logged_in(delivery) as talk:
        client, backend = talk
        client >> query("LOAD DATA LOCAL INFILE 'x' INTO TABLE t")
        backend << query("LOAD DATA LOCAL INFILE 'x' INTO TABLE t")
        backend >> packets(b"\xfbx")
        client << packets(b"\xfbx")
        client >> packets(b"", sequence=2)
        backend << packets(b"", sequence=2)
        backend >> error(1366, "Incorrect value", sequence=3)
        client << error(1366, "Incorrect value", sequence=3)
        assert talk.session.idle


# --------------------------------------------------------------------------------------------------------------------
# COM_CHANGE_USER and COM_RESET_CONNECTION


SWITCH = b"\xfecaching_sha2_password\0" + b"n" * 20 + b"\0"
CHANGE = command(commands.CHANGE_USER, b"carol\0\0stock\0\x2d\0caching_sha2_password\0")


@cut_everywhere
def test_change_user(delivery: Delivery) -> None:
    in_force = rules(
        "- {name: r, table: stock.users, key: ux_email, columns: [email], action: ignore, match: {users: [carol]}}"
    )
    with logged_in(delivery, in_force) as talk:
        client, backend = talk
        client >> CHANGE
        backend << CHANGE
        backend >> packets(SWITCH)
        client << packets(SWITCH)
        client >> packets(b"s" * 32, sequence=2)
        backend << packets(b"s" * 32, sequence=2)
        backend >> packets(b"\1\3", payloads.ok(), sequence=3)
        client << packets(b"\1\3", payloads.ok(), sequence=3)
        assert talk.session.user == "carol"
        client >> query(INSERT) + query("SELECT 1")
        backend << query(INSERT)
        assert "hold" in talk.wires.asked  # a rule is for carol in stock
        backend >> ok(1)
        client << ok(1)
        backend << query("SELECT 1")


def test_what_is_known_of_one_users_inserts_is_not_for_the_next() -> None:
    always = "columns: [email], action: ignore, when: always"
    in_force = rules(f"- {{name: r, table: users, {always}, match: {{users: [carol]}}}}")
    change = command(commands.CHANGE_USER, b"carol\0\0shop\0\x2d\0caching_sha2_password\0")
    with logged_in(Delivery(), in_force) as talk:
        client, backend = talk
        for _ in range(2):
            client >> query(INSERT)
            backend << query(INSERT)
            backend >> ok(1)
            client << ok(1)
        client >> change
        backend << change
        backend >> ok()
        client << ok()
        client >> query(INSERT)
        backend << query(statement(in_force, INSERT))


@cut_everywhere
def test_a_change_of_user_that_is_denied(delivery: Delivery) -> None:
    with logged_in(delivery) as talk:
        client, backend = talk
        client >> CHANGE
        backend << CHANGE
        backend >> error(1045, "Access denied", "28000")
        client << error(1045, "Access denied", "28000")
        assert talk.session.user == "app_rw"
        client >> command(0x0E)
        backend << command(0x0E)
        backend >> ok()
        client << ok()


@pytest.mark.parametrize("body", [b"", b"carol", b"carol\0", b"carol\0\x14short"])
def test_a_change_of_user_that_is_cut_is_for_the_server_to_refuse(body: bytes) -> None:
    with logged_in(Delivery()) as talk:
        client, backend = talk
        cut = command(commands.CHANGE_USER, body)
        client >> cut
        backend << cut
        backend >> error(1047, "Unknown command", "08S01")
        client << error(1047, "Unknown command", "08S01")
        assert talk.session.user == "app_rw"


def test_a_change_of_user_that_is_cut_and_taken_makes_nobody() -> None:
    with logged_in(Delivery()) as talk:
        client, backend = talk
        client >> command(commands.CHANGE_USER, b"carol")
        backend << command(commands.CHANGE_USER, b"carol")
        backend >> ok()
        client << ok()
        assert talk.session.user == ""


def test_a_change_of_user_over_the_limit() -> None:
    with logged_in(Delivery()) as talk:
        talk.client >> b"\0\0\x20\0\x11"
        assert talk.session.result == "malformed"


# --------------------------------------------------------------------------------------------------------------------
# What is not followed


@pytest.mark.parametrize("code", [0x12, 0x1E, 0x20, 0x55])
def test_replication_and_unknown_commands_are_relayed_from_then_on(code: int) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        with logged_in(delivery, IGNORE) as (client, backend):
            stream = packets(b"\0event", b"", b"\xfe\xff\x00", sequence=1)
            client >> command(code, b"\4\0\0\0") + query(INSERT)
            backend << command(code, b"\4\0\0\0") + query(INSERT)
            backend >> stream * 3
            client << stream * 3
            client >> b"\1\2\3"
            backend << b"\1\2\3"

    run()


def test_a_relay_begins_in_the_middle_of_a_reply() -> None:
    with logged_in(Delivery()) as (client, backend):
        client >> query("SELECT 1")
        backend << query("SELECT 1")
        reply = result((b"1",))
        backend >> reply[:7]
        client >> command(0x12)
        backend << command(0x12)
        client << reply[:7]
        backend >> reply[7:]
        client << reply[7:]


@cut_everywhere
def test_an_error_that_comes_unasked(delivery: Delivery) -> None:
    with logged_in(delivery) as (client, backend):
        backend >> error(4031, "The client was disconnected by the server because of inactivity.", sequence=0)
        client << error(4031, "The client was disconnected by the server because of inactivity.", sequence=0)


def test_an_error_that_comes_unasked_under_a_command() -> None:
    with logged_in(Delivery()) as (client, backend):
        client >> query("SELECT SLEEP(9)")
        backend << query("SELECT SLEEP(9)")
        backend >> error(1927, "Connection was killed", "70100")
        client << error(1927, "Connection was killed", "70100")


# --------------------------------------------------------------------------------------------------------------------
# 16 MiB


def test_a_command_of_16_mib_is_passed_on_without_being_gathered() -> None:
    with logged_in(Delivery(), IGNORE) as talk:
        client, backend = talk
        largest = 0xFFFFFF
        start = b"\xff\xff\xff\0\x03INSERT INTO users (email) VALUES ('"
        client >> start + bytes(2000)
        backend << start + bytes(2000)
        left = largest + 4 - len(start) - 2000
        while left:
            piece = bytes(min(left, 1 << 20))
            client >> piece
            backend << piece
            left -= len(piece)
        end = packets(b"\x01')", sequence=1)
        client >> end + command(0x0E)
        backend << end + command(0x0E)
        backend >> duplicate("", "users.ux_email", sequence=2) + ok()
        client << duplicate("", "users.ux_email", sequence=2) + ok()
        assert talk.skipped == ["too_large"]
        assert talk.outcomes == [("returned", 1)]


# --------------------------------------------------------------------------------------------------------------------
# An INSERT that a rule is for has the backend to itself


@cut_everywhere
def test_an_insert_waits_for_the_replies_before_it(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        client >> query("BEGIN") + query(INSERT) + query("COMMIT")
        backend << query("BEGIN")
        assert backend.hears_nothing
        backend >> ok(status=3)
        client << ok(status=3)
        backend << query(INSERT)
        assert backend.hears_nothing
        backend >> ok(1, 7, status=3)
        client << ok(1, 7, status=3)
        backend << query("COMMIT")
        backend >> ok()
        client << ok()
        assert talk.wires.asked.count("hold") >= 1
        assert talk.wires.asked[-1] == "release"
        assert talk.session.idle


@cut_everywhere
def test_what_is_sent_behind_an_insert_waits_for_the_second_statement(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as (client, backend):
        client >> query(INSERT)
        backend << query(INSERT)
        client >> query("SELECT 1")
        backend >> duplicate("a@x", "users.ux_email")
        assert client.hears_nothing
        second = bytes(backend.said)
        assert b"ON DUPLICATE KEY UPDATE" in second
        assert b"SELECT 1" not in second
        backend << second
        backend >> ok()
        client << ok()
        backend << query("SELECT 1")
        backend >> result((b"1",))
        client << result((b"1",))


@cut_everywhere
def test_the_schema_is_that_of_the_time_when_the_insert_runs(delivery: Delivery) -> None:
    """USE is still in flight when the INSERT is sent behind it."""
    with logged_in(delivery, IGNORE, schema="other") as (client, backend):
        client >> command(commands.INIT_DB, b"shop") + query(INSERT)
        backend << command(commands.INIT_DB, b"shop")
        backend >> ok()
        client << ok()
        backend << query(INSERT)
        backend >> duplicate("a@x", "users.ux_email")
        second = bytes(backend.said)
        assert b"ON DUPLICATE KEY UPDATE" in second
        backend << second
        backend >> ok()
        client << ok()


@cut_everywhere
def test_query_attributes_stay(delivery: Delivery) -> None:
    attributes = b"\1\1\0\1\xfe\0\5trace\3abc"
    said = packets(b"\x03" + attributes + INSERT.encode(), sequence=0)
    with logged_in(delivery, IGNORE, flags=USUAL | cap.QUERY_ATTRIBUTES) as (client, backend):
        client >> said
        backend << said
        backend >> duplicate("a@x", "users.ux_email")
        second = bytes(backend.said)
        assert second[4:].startswith(b"\x03" + attributes + INSERT.encode())
        assert b"ON DUPLICATE KEY UPDATE" in second
        backend << second
        backend >> ok()
        client << ok()


@cut_everywhere
def test_commands_are_counted(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE) as talk:
        client, backend = talk
        client >> query(INSERT) + command(commands.QUIT)
        backend << query(INSERT)
        backend >> ok(1)
        client << ok(1)
        backend << command(commands.QUIT)
        assert talk.counters.commands[commands.QUERY] == 1
        assert talk.counters.commands[commands.QUIT] == 1
        talk.session.backend_lost()
        assert talk.session.result == "quit"
        assert talk.counters.sessions_total == {"quit": 1}


@cut_everywhere
def test_who_leaves_at_once_is_counted_as_any_other(delivery: Delivery) -> None:
    with logged_in(delivery) as talk:
        client, backend = talk
        assert talk.session.at_rest
        client >> command(commands.QUIT)
        backend << command(commands.QUIT)
        assert talk.counters.commands[commands.QUIT] == 1
        account = talk.session.account()
        assert (account["user"], account["commands"], account["conflicts"]) == ("app_rw", 1, 0)
        talk.session.backend_lost()
        assert talk.session.result == "quit"


@cut_everywhere
def test_leave_is_taken_in_the_middle_of_a_reply(delivery: Delivery) -> None:
    select = query("SELECT 1 FROM t")
    with logged_in(delivery) as talk:
        client, backend = talk
        client >> select
        client >> command(commands.QUIT)
        backend << select + command(commands.QUIT)
        assert not talk.session.answered
        backend >> ok()
        client << ok()
        assert talk.session.answered
        assert talk.session.account()["commands"] == 2
        talk.session.backend_lost()
        assert talk.session.result == "quit"


def test_what_comes_behind_a_leave_is_passed_on() -> None:
    with logged_in(Delivery()) as talk:
        client, backend = talk
        client >> command(commands.QUIT)
        client >> command(commands.QUIT)
        client >> query(INSERT)
        backend << command(commands.QUIT) * 2 + query(INSERT)
        assert talk.session.account()["commands"] == 3
        assert talk.counters.commands[commands.QUIT] == 2


def test_the_server_s_own_word_is_passed_on_to_who_asked_nothing() -> None:
    with logged_in(Delivery()) as talk:
        _, backend = talk
        ended = error(4031, "The client was disconnected by the server because of inactivity.", sequence=0)
        backend >> ended
        talk.client << ended
        talk.session.backend_lost()
        assert talk.session.result == "backend_closed"


def test_what_cannot_be_followed_is_passed_on_unseen() -> None:
    with logged_in(Delivery()) as talk:
        client, backend = talk
        backend >> ok()  # it answers no command
        client << ok()
        client >> query(INSERT)
        backend << query(INSERT)
        backend >> b"\xff"
        client << b"\xff"
        assert talk.session.account()["commands"] == 0  # of what is not followed nothing is counted
        assert not talk.session.closed
        assert talk.wires.asked == []
        talk.session.client_lost()
        assert talk.session.result == "untracked"
        assert talk.session.reason == "the backend sent a packet that answers no command"


def test_a_client_that_waits_is_read_again_once_the_replies_cannot_be_followed() -> None:
    with logged_in(Delivery(), IGNORE) as talk:
        client, backend = talk
        client >> query("SELECT 1") + query(INSERT)
        backend << query("SELECT 1")
        assert talk.wires.asked == ["hold"]
        backend >> packets(b"", sequence=1)
        client << packets(b"", sequence=1)
        backend << query(INSERT)
        assert talk.wires.asked == ["hold", "release"]


def test_what_cannot_be_followed_ends_the_session_while_a_rules_statement_is_under_way() -> None:
    with logged_in(Delivery(), IGNORE) as talk:
        client, backend = talk
        client >> query(INSERT)
        backend << query(INSERT)
        backend >> duplicate("a@x", "users.ux_email")
        backend.said.clear()
        backend >> packets(b"", sequence=1)
        assert talk.session.closed
        assert talk.session.result == "malformed"
        client << b""


def test_nothing_is_taken_after_the_end() -> None:
    with conversation(Delivery()) as talk:
        talk.session.backend_lost("gone")
        talk.session.client_lost()
        talk.client >> b"abc"
        talk.backend >> b"abc"
        assert (talk.session.result, talk.session.reason) == ("backend_closed", "gone")
        assert talk.counters.sessions_total == {"backend_closed": 1}
        assert talk.counters.sessions == 0
