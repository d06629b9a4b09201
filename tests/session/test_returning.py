"""MariaDB's INSERT ... RETURNING: its reply has begun by the time it meets a duplicate."""

import pytest

from proxy.config import Limits
from proxy.wire import commands, framing
from tests.session.conversation import Delivery, Talk, cut_everywhere, logged_in
from tests.session.packets import command, duplicate, error, packets, query, refusal, split_packets
from tests.session.ruled import rule, statement
from tests.wire import packets as payloads
from tests.wire.packets import DEFINITION, prepared

IGNORE = rule("ignore")
TEXT = "INSERT INTO users (email) VALUES ('a@x') RETURNING id"
SECOND = query(statement(IGNORE, TEXT, "5.5.5-10.11.18-MariaDB"))
HEAD = packets(b"\1", DEFINITION, payloads.eof())
NEW, THERE = HEAD + packets(b"\x017", payloads.eof(), sequence=4), HEAD + packets(b"\x011", payloads.eof(), sequence=4)
CONFLICT = HEAD + duplicate("a@x", "ux_email", sequence=4)


def begins(talk: Talk, answer: bytes) -> None:
    """Let the client's own statement be answered so."""
    client, backend = talk
    client >> query(TEXT)
    backend << query(TEXT)
    backend >> answer


@cut_everywhere
def test_without_a_duplicate_the_reply_is_the_servers(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE, mariadb=True) as talk:
        begins(talk, NEW)
        talk.client << NEW
        assert talk.session.idle


@cut_everywhere
def test_the_client_hears_only_the_reply_to_the_second_statement(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE, mariadb=True) as talk:
        begins(talk, CONFLICT)
        assert talk.client.hears_nothing
        talk.backend << SECOND
        talk.backend >> THERE
        talk.client << THERE
        assert talk.outcomes == [("unknown", 1)]
        assert talk.session.idle


@cut_everywhere
def test_rows_before_the_duplicate_are_forgotten(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE, mariadb=True) as talk:
        begins(talk, HEAD + packets(b"\x015", b"\x016", sequence=4) + duplicate("a@x", "ux_email", sequence=6))
        talk.backend << SECOND
        talk.backend >> THERE
        talk.client << THERE


def test_a_statement_that_needs_two_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client has sent one packet, so its reply begins with sequence id 1, whatever that of the backend's is."""
    monkeypatch.setattr(framing, "MAX_PAYLOAD", 100)

    @cut_everywhere
    def run(delivery: Delivery) -> None:
        with logged_in(delivery, IGNORE, mariadb=True) as talk:
            begins(talk, CONFLICT)
            first = len(split_packets(bytes(talk.backend.said)))
            assert first > 1
            talk.backend.said.clear()
            rows = (b"\1", DEFINITION, payloads.eof(), b"\x011", payloads.eof())
            talk.backend >> packets(*rows, sequence=first)
            talk.client << packets(*rows)
            begins(talk, NEW)
            talk.client << NEW
            assert talk.session.idle

    run()


@cut_everywhere
def test_the_guard_refuses(delivery: Delivery) -> None:
    with logged_in(delivery, IGNORE, mariadb=True) as talk:
        begins(talk, CONFLICT)
        talk.backend << SECOND
        talk.backend >> HEAD + refusal(sequence=4)
        talk.client << duplicate("a@x", "ux_email")
        assert talk.outcomes == [("refused", 1)]


@cut_everywhere
def test_an_error_that_no_rule_is_for_comes_as_the_server_has_sent_it(delivery: Delivery) -> None:
    other_key = HEAD + duplicate("A", "ux_name", sequence=4)
    for answer in (other_key, HEAD + error(1048, "Column 'email' cannot be null", "23000", sequence=4)):
        with logged_in(delivery, IGNORE, mariadb=True) as talk:
            begins(talk, answer)
            talk.client << answer


@cut_everywhere
def test_more_rows_than_are_kept_back(delivery: Delivery) -> None:
    rows = packets(*[b"\x64" + b"x" * 100] * 3, sequence=4)
    answer = HEAD + rows + duplicate("a@x", "ux_email", sequence=7)
    with logged_in(delivery, IGNORE, mariadb=True, limits=Limits(write_buffer=200)) as talk:
        begins(talk, answer)
        talk.client << answer
        assert talk.skipped == ["returning"]
        assert talk.session.idle
        begins(talk, CONFLICT)
        talk.backend << SECOND
        talk.backend >> THERE
        talk.client << THERE


@cut_everywhere
def test_a_prepared_statement(delivery: Delivery) -> None:
    text = TEXT.replace("'a@x'", "?")
    prepare = command(commands.STMT_PREPARE, text.encode())
    answer = packets(prepared(1, 1), DEFINITION, payloads.eof(), DEFINITION, payloads.eof())
    execute = command(commands.STMT_EXECUTE, b"\7\0\0\0\0\1\0\0\0\0\1\xfe\0\3a@x")
    with logged_in(delivery, IGNORE, mariadb=True) as talk:
        client, backend = talk
        client >> prepare
        backend << prepare
        backend >> answer
        client << answer
        client >> execute
        backend << execute
        backend >> CONFLICT
        second = statement(IGNORE, text, "5.5.5-10.11.18-MariaDB").encode()
        backend << command(commands.STMT_PREPARE, second)
        backend >> answer.replace(b"\0\7\0\0\0", b"\0\x08\0\0\0")
        backend << execute.replace(b"\x17\7", b"\x17\x08")
        row = HEAD + packets(b"\0\0\1\0\0\0", payloads.eof(), sequence=4)
        backend >> row
        client << row
