"""When a session could be ended without breaking anything off, and how it is."""

import pytest

from proxy.wire import commands
from tests.session.conversation import Delivery, Talk, cut_everywhere, logged_in
from tests.session.packets import command, error, ok, query, result

AUTOCOMMIT, IN_TRANS, CURSOR, LAST_ROW, MORE = 2, 1, 0x40, 0x80, 8
SHUTDOWN = error(1053, "Server shutdown in progress", "08S01")
QUIT = command(commands.QUIT)


@cut_everywhere
def test_a_transaction_by_its_flags(delivery: Delivery) -> None:
    with logged_in(delivery) as talk:
        for text, answered, at_rest in (
            ("BEGIN", ok(status=AUTOCOMMIT | IN_TRANS), False),
            ("INSERT INTO t VALUES (1)", ok(status=AUTOCOMMIT | IN_TRANS), False),
            ("SELECT 1", result((b"1",), status=AUTOCOMMIT | IN_TRANS), False),
            ("nonsense", error(1064), False),
            ("COMMIT", ok(status=AUTOCOMMIT), True),
        ):
            _ask(talk, text, answered, at_rest)


@cut_everywhere
def test_who_has_taken_leave_has_left_once_all_replies_have_come(delivery: Delivery) -> None:
    with logged_in(delivery) as talk:
        client, backend = talk
        client >> query("SELECT 1") + QUIT
        backend << query("SELECT 1") + QUIT
        assert not talk.session.left
        backend >> result((b"1",))
        client << result((b"1",))
        assert talk.session.left


@cut_everywhere
def test_who_asks_nothing_has_left_with_its_leave(delivery: Delivery) -> None:
    with logged_in(delivery) as talk:
        client, backend = talk
        assert not talk.session.left
        client >> QUIT
        backend << QUIT
        assert talk.session.left


@cut_everywhere
def test_without_autocommit(delivery: Delivery) -> None:
    with logged_in(delivery) as talk:
        for text, answered, at_rest in (
            ("SET autocommit = 0", ok(status=0), True),
            ("SELECT 1 FROM t", result((b"1",), status=IN_TRANS), False),
            ("COMMIT", ok(status=0), True),
            ("INSERT INTO t VALUES (1)", error(1062), False),
            ("ROLLBACK", ok(status=0), True),
        ):
            _ask(talk, text, answered, at_rest)


@pytest.mark.parametrize(
    ("text", "at_rest"),
    [
        ("INSERT INTO t VALUES (1)", True),
        ("SELECT nothing", True),
        ("CREATE TABLE t (id INT)", True),
        ("CALL p()", False),
        ("EXECUTE s", False),
        ("BEGIN NOT ATOMIC START TRANSACTION; SELECT nothing; END", False),
    ],
)
def test_an_error_tells_no_flags(text: str, at_rest: bool) -> None:
    with logged_in(Delivery()) as talk:
        _ask(talk, text, error(1054), at_rest)
        _ask(talk, "DO 1", ok(), at_rest=True)


def test_an_error_behind_another_statement() -> None:
    with logged_in(Delivery()) as talk:
        _ask(talk, "SELECT 1; CALL p()", ok(status=AUTOCOMMIT | MORE) + error(1054, sequence=2), at_rest=False)


def test_a_cursor_that_is_open() -> None:
    with logged_in(Delivery()) as talk:
        _ask(talk, "DO 1", ok(status=AUTOCOMMIT | CURSOR), at_rest=False)
        _ask(talk, "DO 1", ok(status=AUTOCOMMIT | CURSOR | LAST_ROW), at_rest=True)


def test_who_asks_whether_the_connection_is_good() -> None:
    with logged_in(Delivery()) as talk:
        session = talk.session
        assert session.asks_whether_alive(command(commands.PING))
        assert session.asks_whether_alive(command(commands.RESET_CONNECTION))
        assert not session.asks_whether_alive(query("DO 1"))
        assert not session.asks_whether_alive(command(commands.PING) * 2)
        _ask(talk, "BEGIN", ok(status=AUTOCOMMIT | IN_TRANS), at_rest=False)
        assert not session.asks_whether_alive(command(commands.PING))


@pytest.mark.parametrize("tell", [False, True])
def test_the_end_of_a_session_that_waits(tell: bool) -> None:
    with logged_in(Delivery()) as talk:
        client, backend = talk
        talk.session.shut_down(tell)
        client << (SHUTDOWN if tell else b"")
        backend << QUIT
        assert (talk.session.closed, talk.counters.sessions_total) == (True, {"shutdown": 1})


def test_the_end_of_a_session_in_the_middle_of_a_reply() -> None:
    with logged_in(Delivery()) as talk:
        client, backend = talk
        client >> query("SELECT 1")
        backend << query("SELECT 1")
        talk.session.shut_down(tell=True)
        client << b""
        backend << b""
        assert talk.counters.sessions_total == {"shutdown": 1}


def _ask(talk: Talk, text: str, answered: bytes, at_rest: bool) -> None:
    client, backend = talk
    client >> query(text)
    backend << query(text)
    backend >> answered
    client << answered
    assert talk.session.at_rest is at_rest
