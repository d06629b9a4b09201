"""From the backend's greeting to its OK."""

from typing import Any

import pytest

from proxy.config import BackendTlsMode, ClientTlsMode, Limits
from proxy.wire import capabilities as cap
from proxy.wire.greeting import parse_greeting
from tests.session.conversation import USUAL, Delivery, Talk, conversation, cut_everywhere
from tests.session.packets import command, error, login, ok, packets, query, result, ssl_request
from tests.wire import packets as payloads
from tests.wire.captured import (
    MARIADB_CLIENT,
    MARIADB_GREETING,
    MYSQL_CLIENT,
    MYSQL_GREETING,
    PYMYSQL,
)

PREFERRED, REQUIRED = ClientTlsMode.PREFERRED, ClientTlsMode.REQUIRED
RESPONSE = login("alice", "shop", flags=USUAL, plugin=b"caching_sha2_password", auth=b"s" * 32)
WITH_TLS = (int.from_bytes(RESPONSE[:4], "little") | cap.SSL).to_bytes(4, "little") + RESPONSE[4:]


def greeted(talk: Talk, *, tls: bool = False, payload: bytes = MYSQL_GREETING) -> None:
    """Let the backend greet, and the client hear a greeting with TLS offered or not."""
    talk.backend >> packets(payload, sequence=0)
    heard = parse_greeting(bytes(talk.client.said[4:]))
    assert bool(heard.capabilities & cap.SSL) is tls
    talk.client.said.clear()


# --------------------------------------------------------------------------------------------------------------------
# Plain on both sides


@cut_everywhere
def test_only_flags_that_the_proxy_cannot_honour_are_cleared(delivery: Delivery) -> None:
    for payload in (MYSQL_GREETING, MARIADB_GREETING):
        with conversation(delivery) as talk:
            talk.backend >> packets(payload, sequence=0)
            heard = bytes(talk.client.said)
            assert heard[:4] == packets(payload, sequence=0)[:4]
            offered, own = parse_greeting(heard[4:]), parse_greeting(payload)
            may_differ = cap.SSL | cap.COMPRESS | cap.ZSTD
            assert offered.capabilities | may_differ == own.capabilities | may_differ
            assert offered.offering(own.capabilities, own.mariadb_capabilities) == payload
            assert talk.session.thread_id == own.thread_id
            talk.client.said.clear()


@pytest.mark.parametrize(
    ("server", "response"),
    [
        (MYSQL_GREETING, MYSQL_CLIENT),
        (MYSQL_GREETING, PYMYSQL),
        (MARIADB_GREETING, MARIADB_CLIENT),
        (MARIADB_GREETING, PYMYSQL),
    ],
)
def test_a_real_login_is_relayed_byte_by_byte(server: bytes, response: bytes) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        with conversation(delivery) as talk:
            client, backend = talk
            greeted(talk, payload=server)
            client >> packets(response)
            backend << packets(response)
            backend >> ok(sequence=2)
            client << ok(sequence=2)
            assert talk.session.user == "alice"
            assert talk.wires.asked == ["login done"]
            assert talk.session.idle

    run()


@cut_everywhere
def test_the_fast_path_of_caching_sha2(delivery: Delivery) -> None:
    with conversation(delivery) as talk:
        client, backend = talk
        greeted(talk)
        client >> packets(RESPONSE)
        backend << packets(RESPONSE)
        backend >> packets(b"\1\3", payloads.ok(), sequence=2)
        client << packets(b"\1\3", payloads.ok(), sequence=2)
        assert talk.wires.asked == ["login done"]


@pytest.mark.parametrize("last", [payloads.ok(), error(1045)[4:]])
def test_what_the_server_says_in_one_go_is_sent_in_one(monkeypatch: pytest.MonkeyPatch, last: bytes) -> None:
    with conversation(Delivery()) as talk:
        client, backend = talk
        greeted(talk)
        client >> packets(RESPONSE)
        backend << packets(RESPONSE)
        sent: list[bytes] = []
        monkeypatch.setattr(talk.wires, "to_client", sent.append)
        backend >> packets(b"\1\3", last, sequence=2)
        assert sent == [packets(b"\1\3", last, sequence=2)]


@cut_everywhere
def test_the_full_path_of_caching_sha2(delivery: Delivery) -> None:
    with conversation(delivery) as talk:
        client, backend = talk
        greeted(talk)
        client >> packets(RESPONSE)
        backend << packets(RESPONSE)
        for from_backend, from_client, sequence in (
            (b"\1\4", b"\2", 2),
            (b"\1-----BEGIN PUBLIC KEY-----", b"e" * 256, 4),
        ):
            backend >> packets(from_backend, sequence=sequence)
            client << packets(from_backend, sequence=sequence)
            client >> packets(from_client, sequence=sequence + 1)
            backend << packets(from_client, sequence=sequence + 1)
        backend >> ok(sequence=6)
        client << ok(sequence=6)


@cut_everywhere
def test_a_switch_to_another_plugin(delivery: Delivery) -> None:
    switch = b"\xfemysql_native_password\0" + b"n" * 20 + b"\0"
    with conversation(delivery) as talk:
        client, backend = talk
        greeted(talk)
        client >> packets(RESPONSE)
        backend << packets(RESPONSE)
        backend >> packets(switch, sequence=2)
        client << packets(switch, sequence=2)
        client >> packets(b"s" * 20, sequence=3)
        backend << packets(b"s" * 20, sequence=3)
        backend >> ok(sequence=4)
        client << ok(sequence=4)


@cut_everywhere
def test_a_conversation_that_the_proxy_does_not_know(delivery: Delivery) -> None:
    """MariaDB's ed25519 and parsec, several factors, an empty packet: all of it is passed on."""
    with conversation(delivery) as talk:
        client, backend = talk
        greeted(talk, payload=MARIADB_GREETING)
        client >> packets(RESPONSE)
        backend << packets(RESPONSE)
        sequence = 2
        for from_backend, from_client in (
            (b"\xfeclient_ed25519\0" + b"n" * 32, b"s" * 64),
            (b"\x02authentication_webauthn_client\0data", b""),
            (b"\xfe", b"old"),
        ):
            backend >> packets(from_backend, sequence=sequence)
            client << packets(from_backend, sequence=sequence)
            client >> packets(from_client, sequence=sequence + 1)
            backend << packets(from_client, sequence=sequence + 1)
            sequence += 2
        backend >> ok(sequence=sequence)
        client << ok(sequence=sequence)


@cut_everywhere
def test_a_wrong_password(delivery: Delivery) -> None:
    with conversation(delivery) as talk:
        client, backend = talk
        greeted(talk)
        client >> packets(RESPONSE)
        backend << packets(RESPONSE)
        backend >> error(1045, "Access denied for user 'alice'@'localhost'", "28000", sequence=2)
        client << error(1045, "Access denied for user 'alice'@'localhost'", "28000", sequence=2)
        assert talk.session.result == "login_refused"
        assert talk.wires.asked == ["close"]


@cut_everywhere
def test_an_error_in_place_of_the_greeting(delivery: Delivery) -> None:
    with conversation(delivery) as talk:
        talk.backend >> packets(b"\xff\x10\x04Too many connections", sequence=0)
        talk.client << packets(b"\xff\x10\x04Too many connections", sequence=0)
        assert talk.session.result == "login_refused"


@cut_everywhere
def test_commands_may_come_right_behind_the_login(delivery: Delivery) -> None:
    with conversation(delivery) as talk:
        client, backend = talk
        greeted(talk)
        client >> packets(RESPONSE)
        backend << packets(RESPONSE)
        backend >> ok(sequence=2)
        client << ok(sequence=2)
        client >> query("SELECT 1") + command(0x0E)
        backend << query("SELECT 1") + command(0x0E)
        backend >> result((b"1",)) + ok()
        client << result((b"1",)) + ok()


@cut_everywhere
def test_a_client_that_speaks_first_waits(delivery: Delivery) -> None:
    with conversation(delivery) as talk:
        talk.client >> packets(RESPONSE)
        assert talk.backend.hears_nothing
        greeted(talk)
        talk.backend << packets(RESPONSE)


# --------------------------------------------------------------------------------------------------------------------
# Limits


def test_a_login_packet_over_the_limit() -> None:
    with conversation(Delivery(), limits=Limits(login_packet=1000)) as talk:
        greeted(talk)
        talk.client >> b"\xe9\3\0\1"
        talk.client << error(1043, "Bad handshake", "08S01")
        assert talk.session.result == "malformed"
        assert "1000" in talk.session.reason


def test_a_client_that_speaks_before_the_greeting_has_a_limit() -> None:
    with conversation(Delivery(), limits=Limits(login_packet=1000)) as talk:
        for _ in range(3):
            talk.client >> bytes(1000)
        talk.client << packets(b"\xff\x13\4Bad handshake", sequence=0)
        assert talk.session.result == "malformed"


def test_a_cut_login_ends_the_session() -> None:
    with conversation(Delivery()) as talk:
        greeted(talk)
        talk.client >> packets(RESPONSE[:40])
        talk.client << error(1043, "Bad handshake", "08S01", sequence=2)
        assert talk.session.result == "malformed"


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\n", b"\xff\xff\xff\xff", packets(RESPONSE, sequence=2)[:4]])
def test_a_first_packet_out_of_order_is_answered_at_once(start: bytes) -> None:
    with conversation(Delivery()) as talk:
        greeted(talk)
        talk.client >> start[:4]
        talk.client << error(1156, "Got packets out of order", "08S01", sequence=1)
        assert talk.session.result == "malformed"


def test_an_auth_response_out_of_order() -> None:
    with conversation(Delivery()) as talk:
        greeted(talk)
        talk.client >> packets(RESPONSE)
        talk.backend << packets(RESPONSE)
        talk.backend >> packets(b"\x01\x04", sequence=2)
        talk.client << packets(b"\x01\x04", sequence=2)
        talk.client >> packets(b"secret\0", sequence=4)
        talk.client << error(1156, "Got packets out of order", "08S01", sequence=3)
        assert talk.session.result == "malformed"


def test_a_greeting_that_is_none_ends_the_session() -> None:
    with conversation(Delivery()) as talk:
        talk.backend >> packets(b"HTTP/1.1 400 Bad Request", sequence=0)
        reason = b"the backend's greeting is not of protocol version 10"
        talk.client << packets(b"\xff\xd3\7Can't connect to the MySQL server behind the proxy: " + reason, sequence=0)
        assert talk.session.result == "backend_unreachable"
        assert talk.session.reason == reason.decode()


def test_the_login_takes_too_long() -> None:
    with conversation(Delivery()) as talk:
        greeted(talk)
        talk.session.login_timed_out()
        talk.client << error(1159, "Got timeout reading communication packets", "08S01")
        assert talk.session.result == "login_timeout"


def test_the_login_takes_too_long_in_the_middle() -> None:
    with conversation(Delivery()) as talk:
        client, backend = talk
        greeted(talk)
        client >> packets(RESPONSE)
        backend << packets(RESPONSE)
        backend >> packets(b"\1\4", sequence=2)
        client << packets(b"\1\4", sequence=2)
        talk.session.login_timed_out()
        client << error(1159, "Got timeout reading communication packets", "08S01", sequence=3)


def test_the_backend_cannot_be_reached() -> None:
    with conversation(Delivery()) as talk:
        talk.session.backend_unreachable("connection refused")
        text = b"Can't connect to the MySQL server behind the proxy: connection refused"
        talk.client << packets(b"\xff\xd3\x07" + text, sequence=0)
        assert talk.session.result == "backend_unreachable"


@pytest.mark.parametrize("reply", [ok(), b"\x16\3\3"])
@pytest.mark.parametrize("first", [query("SELECT 1"), packets(b"\x1c", sequence=0)])
def test_what_comes_behind_the_login_comes_as_if_the_client_had_waited(first: bytes, reply: bytes) -> None:
    """The client's first command comes before what the backend says to it, or what is none of that."""

    @cut_everywhere
    def run(delivery: Delivery) -> None:
        with conversation(delivery) as talk:
            client, backend = talk
            greeted(talk)
            client >> packets(RESPONSE) + first
            backend << packets(RESPONSE)
            backend >> ok(sequence=2) + reply
            backend << first
            talk.session.backend_lost()
            client << ok(sequence=2) + reply
            assert talk.session.result == "backend_closed"

    run()


@cut_everywhere
def test_what_the_backend_says_before_its_time_comes_as_if_it_had_waited(delivery: Delivery) -> None:
    with conversation(delivery) as talk:
        client, backend = talk
        greeted(talk)
        backend >> packets(b"\1\3", sequence=2)
        assert not client.said
        client >> packets(RESPONSE)
        backend << packets(RESPONSE)
        client << packets(b"\1\3", sequence=2)
        client >> packets(b"out of order", sequence=9)
        client << packets(b"\xff\x84\x04#08S01Got packets out of order", sequence=3)
        assert talk.session.result == "malformed"


def test_the_login_s_time_is_over_after_the_login() -> None:
    with conversation(Delivery()) as talk:
        client, backend = talk
        greeted(talk)
        client >> packets(RESPONSE)
        backend << packets(RESPONSE)
        backend >> ok(sequence=2)
        client << ok(sequence=2)
        talk.session.login_timed_out()
        assert not talk.session.closed


# --------------------------------------------------------------------------------------------------------------------
# TLS towards the client


@cut_everywhere
def test_a_client_with_tls(delivery: Delivery) -> None:
    with conversation(delivery, client_tls=PREFERRED) as talk:
        client, backend = talk
        greeted(talk, tls=True)
        client >> packets(ssl_request(RESPONSE))
        assert talk.wires.asked == ["client tls"]
        assert backend.hears_nothing
        talk.session.client_tls_started()
        client >> packets(WITH_TLS, sequence=2)
        backend << packets(RESPONSE)  # without the flag, and numbered for a side without TLS
        backend >> packets(b"\1\3", payloads.ok(), sequence=2)
        client << packets(b"\1\3", payloads.ok(), sequence=3)
        assert not talk.session.closed


@cut_everywhere
def test_a_client_may_do_without_tls_where_it_is_preferred(delivery: Delivery) -> None:
    with conversation(delivery, client_tls=PREFERRED) as talk:
        greeted(talk, tls=True)
        talk.client >> packets(RESPONSE)
        talk.backend << packets(RESPONSE)


@pytest.mark.parametrize("response", [RESPONSE, b"\x85\x24\0\0\0root\0"])
def test_a_client_may_not_do_without_tls_where_it_is_required(response: bytes) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        with conversation(delivery, client_tls=REQUIRED) as talk:
            greeted(talk, tls=True)
            talk.client >> packets(response)
            text = "Connections using insecure transport are prohibited while --require_secure_transport=ON."
            talk.client << error(3159, text, sequence=2)
            assert talk.session.result == "insecure_transport"

    run()


def test_a_socket_needs_no_tls() -> None:
    with conversation(Delivery(), client_tls=REQUIRED, client_secure=True) as talk:
        greeted(talk, tls=True)
        talk.client >> packets(RESPONSE)
        talk.backend << packets(RESPONSE)


def test_an_error_comes_behind_an_ok_that_is_cut() -> None:
    with conversation(Delivery()) as talk:
        greeted(talk)
        talk.client >> packets(RESPONSE)
        talk.backend << packets(RESPONSE)
        talk.backend >> packets(b"\0", sequence=2)
        talk.client << packets(b"\0", sequence=2)
        talk.client << error(1043, "Bad handshake", "08S01", sequence=3)
        assert talk.session.result == "malformed"


def test_a_client_that_asks_for_tls_it_was_not_offered() -> None:
    with conversation(Delivery()) as talk:
        greeted(talk)
        talk.client >> packets(ssl_request(RESPONSE))
        talk.client << error(1043, "Bad handshake", "08S01", sequence=2)
        assert talk.session.result == "malformed"


@cut_everywhere
def test_flags_of_the_response_count_not_those_of_the_ssl_request(delivery: Delivery) -> None:
    """Some drivers send other flags in each."""
    with conversation(delivery, client_tls=PREFERRED) as talk:
        greeted(talk, tls=True)
        poor = (cap.PROTOCOL_41 | cap.SSL | cap.PLUGIN_AUTH).to_bytes(4, "little") + RESPONSE[4:32]
        talk.client >> packets(poor)
        talk.session.client_tls_started()
        talk.client >> packets(WITH_TLS, sequence=2)
        talk.backend << packets(RESPONSE)


# --------------------------------------------------------------------------------------------------------------------
# TLS towards the backend


@pytest.mark.parametrize("mode", ["PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"])
def test_a_backend_with_tls(mode: str) -> None:
    @cut_everywhere
    def run(delivery: Delivery) -> None:
        with conversation(delivery, backend_tls=BackendTlsMode(mode)) as talk:
            client, backend = talk
            greeted(talk)
            client >> packets(RESPONSE)
            backend << packets(ssl_request(RESPONSE))
            assert talk.wires.asked == ["backend tls"]
            assert backend.hears_nothing
            talk.session.backend_tls_started()
            backend << packets(WITH_TLS, sequence=2)
            backend >> packets(b"\1\3", payloads.ok(), sequence=3)
            client << packets(b"\1\3", payloads.ok(), sequence=2)

    run()


@cut_everywhere
def test_tls_on_both_sides(delivery: Delivery) -> None:
    for mode in (BackendTlsMode.REQUIRED, BackendTlsMode.AS_CLIENT):
        with conversation(delivery, client_tls=REQUIRED, backend_tls=mode) as talk:
            client, backend = talk
            greeted(talk, tls=True)
            client >> packets(ssl_request(RESPONSE))
            talk.session.client_tls_started()
            client >> packets(WITH_TLS, sequence=2)
            backend << packets(ssl_request(RESPONSE))
            talk.session.backend_tls_started()
            backend << packets(WITH_TLS, sequence=2)
            backend >> packets(b"\1\4", sequence=3)
            client << packets(b"\1\4", sequence=3)
            client >> packets(b"secret\0", sequence=4)
            backend << packets(b"secret\0", sequence=4)
            backend >> ok(sequence=5)
            client << ok(sequence=5)


@cut_everywhere
def test_as_the_client_means_plain_for_a_plain_client(delivery: Delivery) -> None:
    with conversation(delivery, client_tls=PREFERRED, backend_tls=BackendTlsMode.AS_CLIENT) as talk:
        greeted(talk, tls=True)
        talk.client >> packets(RESPONSE)
        talk.backend << packets(RESPONSE)


def test_what_a_client_says_in_the_clear_is_not_taken_for_what_it_says_by_tls() -> None:
    """Somebody in between could put it there."""
    with conversation(Delivery(), client_tls=PREFERRED) as talk:
        talk.client >> packets(ssl_request(RESPONSE), WITH_TLS)  # before the greeting that it is an answer to
        greeted(talk, tls=True)
        assert talk.wires.asked == ["client tls"]
        talk.session.client_tls_started()
        assert (talk.session.result, "in the clear" in talk.session.reason) == ("malformed", True)
        talk.client << error(1043, "Bad handshake", "08S01", sequence=2)


def test_what_a_backend_says_in_the_clear_is_not_taken_for_what_it_says_by_tls() -> None:
    """Somebody in between could tell the client that it is logged in."""
    with conversation(Delivery(), backend_tls=BackendTlsMode.VERIFY_CA) as talk:
        greeted(talk)
        talk.backend >> ok(sequence=2)
        talk.client >> packets(RESPONSE)
        talk.backend << packets(ssl_request(RESPONSE))
        assert talk.wires.asked == ["backend tls"]
        talk.session.backend_tls_started()
        assert (talk.session.result, "in the clear" in talk.session.reason) == ("malformed", True)
        talk.client << error(1043, "Bad handshake", "08S01", sequence=2)


def test_a_handshake_that_ends_behind_the_session_s_end_leads_to_nothing() -> None:
    for mode, tls in ((PREFERRED, BackendTlsMode.DISABLED), (ClientTlsMode.DISABLED, BackendTlsMode.REQUIRED)):
        with conversation(Delivery(), client_tls=mode, backend_tls=tls) as talk:
            greeted(talk, tls=mode is PREFERRED)
            talk.client >> packets(ssl_request(RESPONSE) if mode is PREFERRED else RESPONSE)
            talk.session.client_lost("gone")
            talk.wires.said_to_backend.clear()
            talk.session.client_tls_started()
            talk.session.backend_tls_started()
            assert talk.client.hears_nothing
            assert talk.backend.hears_nothing


def without_tls() -> bytes:
    own = parse_greeting(MYSQL_GREETING)
    return own.offering(own.capabilities & ~cap.SSL, 0)


@cut_everywhere
def test_a_backend_that_has_no_tls_but_should(delivery: Delivery) -> None:
    with conversation(delivery, backend_tls=BackendTlsMode.REQUIRED) as talk:
        greeted(talk, payload=without_tls())
        talk.client >> packets(RESPONSE)
        text = "SSL connection error: the backend does not offer TLS, which the proxy requires"
        talk.client << error(2026, text, sequence=2)
        assert talk.session.result == "backend_unreachable"


@cut_everywhere
def test_a_backend_that_has_no_tls_and_need_not(delivery: Delivery) -> None:
    with conversation(delivery, backend_tls=BackendTlsMode.PREFERRED) as talk:
        greeted(talk, payload=without_tls())
        talk.client >> packets(RESPONSE)
        talk.backend << packets(RESPONSE)


def test_a_backend_whose_tls_fails() -> None:
    with conversation(Delivery(), backend_tls=BackendTlsMode.VERIFY_CA) as talk:
        greeted(talk)
        talk.client >> packets(RESPONSE)
        talk.backend << packets(ssl_request(RESPONSE))
        talk.session.backend_unreachable("certificate verify failed")
        text = "Can't connect to the MySQL server behind the proxy: certificate verify failed"
        talk.client << error(2003, text, sequence=2)


# --------------------------------------------------------------------------------------------------------------------
# What is handed over


@cut_everywhere
def test_passthrough(delivery: Delivery) -> None:
    with conversation(delivery, client_tls=ClientTlsMode.PASSTHROUGH) as talk:
        client, backend = talk
        greeted(talk, tls=True)
        hello = b"\x16\x03\x01\x02\x00client hello"
        client >> packets(ssl_request(RESPONSE)) + hello
        backend << packets(ssl_request(RESPONSE)) + hello
        backend >> b"\x16\x03\x03server hello"
        client << b"\x16\x03\x03server hello"
        assert not talk.session.idle
        talk.session.client_lost()
        assert talk.session.result == "passthrough"


@cut_everywhere
def test_passthrough_of_a_plain_client_is_seen(delivery: Delivery) -> None:
    with conversation(delivery, client_tls=ClientTlsMode.PASSTHROUGH) as talk:
        greeted(talk, tls=True)
        talk.client >> packets(RESPONSE)
        talk.backend << packets(RESPONSE)
        talk.backend >> ok(sequence=2)
        talk.client << ok(sequence=2)
        assert talk.session.user == "alice"


@cut_everywhere
def test_the_protocol_of_mysql_4_0_is_relayed(delivery: Delivery) -> None:
    with conversation(delivery) as talk:
        client, backend = talk
        greeted(talk)
        old = packets(b"\x85\x24\0\0\0root\0")
        client >> old + b"\1"
        backend << old + b"\1"
        backend >> error(1251, "Client does not support authentication protocol", "08004", sequence=2)
        client << error(1251, "Client does not support authentication protocol", "08004", sequence=2)


def test_the_protocol_of_mysql_4_0_is_not_sent_in_the_clear_where_tls_is_due() -> None:
    with conversation(Delivery(), backend_tls=BackendTlsMode.REQUIRED) as talk:
        greeted(talk)
        talk.client >> packets(b"\x85\x24\0\0\0root\0")
        assert b"Client does not support authentication protocol" in bytes(talk.client.said)
        talk.client.said.clear()
        assert talk.session.result == "malformed"


# --------------------------------------------------------------------------------------------------------------------
# Who is gone


@pytest.mark.parametrize(("side", "expected"), [("client", "client_closed"), ("backend", "backend_closed")])
def test_one_side_goes_away(side: str, expected: str) -> None:
    with conversation(Delivery()) as talk:
        greeted(talk)
        lost: Any = getattr(talk.session, f"{side}_lost")
        lost("reset")
        lost("reset")
        assert talk.session.result == expected
        assert talk.wires.asked == ["close"]
        assert talk.counters.sessions_total == {expected: 1}
