"""Passwords between a side with TLS and one without, with real RSA."""

import pytest

from proxy.config import BackendTlsMode, ClientTlsMode
from proxy.wire import commands
from proxy.wire.rsa import RsaKey, encrypt_password
from tests.session.conversation import RSA, USUAL, Delivery, Talk, conversation, cut_everywhere
from tests.session.packets import command, error, login, ok, packets, query, split_packets, ssl_request
from tests.wire import packets as payloads
from tests.wire.captured import MYSQL_GREETING, MYSQL_NONCE

SERVER = RsaKey.generate()
RESPONSE = login("alice", flags=USUAL, plugin=b"caching_sha2_password", auth=b"s" * 32)
NONCE = b"another nonce of 20b"
TO_SHA256 = b"\xfesha256_password\0" + NONCE + b"\0"
TO_CACHING_SHA2 = b"\xfecaching_sha2_password\0" + NONCE + b"\0"
FULL = b"\1\4"


def begun(talk: Talk, *, tls: str) -> None:
    """Let the client's response arrive, with TLS on one side alone."""
    client, backend = talk
    backend >> packets(MYSQL_GREETING, sequence=0)
    client.said.clear()
    if tls == "client":
        client >> packets(ssl_request(RESPONSE))
        talk.session.client_tls_started()
        client >> packets(RESPONSE, sequence=2)
        backend << packets(RESPONSE)
    else:
        client >> packets(RESPONSE)
        talk.session.backend_tls_started()
        assert len(split_packets(bytes(backend.said))) == 2
        backend.said.clear()


# --------------------------------------------------------------------------------------------------------------------
# Client without TLS, backend with it: packets to the client are numbered from 2, those to the backend from 3


@cut_everywhere
def test_a_password_is_decrypted_for_a_backend_with_tls(delivery: Delivery) -> None:
    with conversation(delivery, backend_tls=BackendTlsMode.REQUIRED) as talk:
        client, backend = talk
        begun(talk, tls="backend")
        backend >> packets(FULL, sequence=3)
        client << packets(FULL, sequence=2)
        client >> packets(b"\2", sequence=3)
        assert backend.hears_nothing  # the server would take the request for a wrong password
        client << packets(b"\1" + RSA.public_pem, sequence=4)
        client >> packets(encrypt_password(b"secret\0", MYSQL_NONCE, RSA.public_pem), sequence=5)
        backend << packets(b"secret\0", sequence=4)
        backend >> ok(sequence=5)
        client << ok(sequence=6)
        assert talk.wires.asked[-1] == "login done"


@cut_everywhere
def test_a_client_that_has_the_key_skips_the_request(delivery: Delivery) -> None:
    with conversation(delivery, backend_tls=BackendTlsMode.REQUIRED) as talk:
        client, backend = talk
        begun(talk, tls="backend")
        backend >> packets(FULL, sequence=3)
        client << packets(FULL, sequence=2)
        client >> packets(encrypt_password(b"secret\0", MYSQL_NONCE, RSA.public_pem), sequence=3)
        backend << packets(b"secret\0", sequence=4)
        backend >> error(1045, "Access denied", "28000", sequence=5)
        client << error(1045, "Access denied", "28000", sequence=4)
        assert talk.session.result == "login_refused"


@cut_everywhere
def test_the_fast_path_needs_no_password(delivery: Delivery) -> None:
    with conversation(delivery, backend_tls=BackendTlsMode.REQUIRED) as talk:
        client, backend = talk
        begun(talk, tls="backend")
        backend >> packets(b"\1\3", payloads.ok(), sequence=3)
        client << packets(b"\1\3", payloads.ok(), sequence=2)


@cut_everywhere
def test_the_nonce_is_that_of_the_switch(delivery: Delivery) -> None:
    with conversation(delivery, backend_tls=BackendTlsMode.REQUIRED) as talk:
        client, backend = talk
        begun(talk, tls="backend")
        backend >> packets(TO_CACHING_SHA2, sequence=3)
        client << packets(TO_CACHING_SHA2, sequence=2)
        client >> packets(b"s" * 32, sequence=3)
        backend << packets(b"s" * 32, sequence=4)
        backend >> packets(FULL, sequence=5)
        client << packets(FULL, sequence=4)
        client >> packets(encrypt_password(b"secret\0", NONCE, RSA.public_pem), sequence=5)
        backend << packets(b"secret\0", sequence=6)


@cut_everywhere
def test_sha256_password_asks_by_another_byte(delivery: Delivery) -> None:
    with conversation(delivery, backend_tls=BackendTlsMode.REQUIRED) as talk:
        client, backend = talk
        begun(talk, tls="backend")
        backend >> packets(TO_SHA256, sequence=3)
        client << packets(TO_SHA256, sequence=2)
        client >> packets(b"\1", sequence=3)
        client << packets(b"\1" + RSA.public_pem, sequence=4)
        client >> packets(encrypt_password(b"secret\0", NONCE, RSA.public_pem), sequence=5)
        backend << packets(b"secret\0", sequence=4)


def test_a_password_that_is_encrypted_for_another_key() -> None:
    with conversation(Delivery(), backend_tls=BackendTlsMode.REQUIRED) as talk:
        client, backend = talk
        begun(talk, tls="backend")
        backend >> packets(FULL, sequence=3)
        client << packets(FULL, sequence=2)
        client >> packets(encrypt_password(b"secret\0", MYSQL_NONCE, SERVER.public_pem), sequence=3)
        client << error(1043, "Bad handshake", "08S01", sequence=4)
        assert talk.session.result == "malformed"
        assert backend.hears_nothing


# --------------------------------------------------------------------------------------------------------------------
# Client with TLS, backend without it: packets to the client are numbered from 3, those to the backend from 2


@cut_everywhere
def test_a_password_is_encrypted_for_a_backend_without_tls(delivery: Delivery) -> None:
    with conversation(delivery, client_tls=ClientTlsMode.REQUIRED) as talk:
        client, backend = talk
        begun(talk, tls="client")
        backend >> packets(FULL, sequence=2)
        client << packets(FULL, sequence=3)
        client >> packets(b"secret\0", sequence=4)
        backend << packets(b"\2", sequence=3)
        backend >> packets(b"\1" + SERVER.public_pem, sequence=4)
        assert client.hears_nothing
        ((sequence, encrypted),) = split_packets(bytes(backend.said))
        backend.said.clear()
        assert sequence == 5
        assert SERVER.decrypt_password(encrypted, MYSQL_NONCE) == b"secret\0"
        backend >> ok(sequence=6)
        client << ok(sequence=5)


@cut_everywhere
def test_a_pinned_key_is_not_asked_for(delivery: Delivery) -> None:
    with conversation(delivery, client_tls=ClientTlsMode.REQUIRED, backend_public_key=SERVER.public_pem) as talk:
        client, backend = talk
        begun(talk, tls="client")
        backend >> packets(FULL, sequence=2)
        client << packets(FULL, sequence=3)
        client >> packets(b"secret\0", sequence=4)
        ((sequence, encrypted),) = split_packets(bytes(backend.said))
        backend.said.clear()
        assert sequence == 3
        assert SERVER.decrypt_password(encrypted, MYSQL_NONCE) == b"secret\0"
        backend >> ok(sequence=4)
        client << ok(sequence=5)


@cut_everywhere
def test_sha256_password_of_a_client_with_tls(delivery: Delivery) -> None:
    with conversation(delivery, client_tls=ClientTlsMode.REQUIRED) as talk:
        client, backend = talk
        begun(talk, tls="client")
        backend >> packets(TO_SHA256, sequence=2)
        client << packets(TO_SHA256, sequence=3)
        client >> packets(b"secret\0", sequence=4)
        backend << packets(b"\1", sequence=3)
        backend >> packets(b"\1" + SERVER.public_pem, sequence=4)
        ((sequence, encrypted),) = split_packets(bytes(backend.said))
        backend.said.clear()
        assert (sequence, SERVER.decrypt_password(encrypted, NONCE)) == (5, b"secret\0")


@pytest.mark.parametrize("empty", [b"", b"\0"])
def test_an_empty_password_needs_no_key(empty: bytes) -> None:
    with conversation(Delivery(), client_tls=ClientTlsMode.REQUIRED) as talk:
        client, backend = talk
        begun(talk, tls="client")
        backend >> packets(FULL, sequence=2)
        client << packets(FULL, sequence=3)
        client >> packets(empty, sequence=4)
        backend << packets(empty, sequence=3)


def test_a_backend_that_denies_instead_of_sending_its_key() -> None:
    with conversation(Delivery(), client_tls=ClientTlsMode.REQUIRED) as talk:
        client, backend = talk
        begun(talk, tls="client")
        backend >> packets(FULL, sequence=2)
        client << packets(FULL, sequence=3)
        client >> packets(b"secret\0", sequence=4)
        backend << packets(b"\2", sequence=3)
        backend >> error(1045, "Access denied", "28000", sequence=4)
        client << error(1045, "Access denied", "28000", sequence=5)


def test_a_key_that_is_none_ends_the_session() -> None:
    with conversation(Delivery(), client_tls=ClientTlsMode.REQUIRED) as talk:
        client, backend = talk
        begun(talk, tls="client")
        backend >> packets(FULL, sequence=2)
        client << packets(FULL, sequence=3)
        client >> packets(b"secret\0", sequence=4)
        backend << packets(b"\2", sequence=3)
        backend >> packets(b"\1no key", sequence=4)
        client << error(1043, "Bad handshake", "08S01", sequence=5)
        assert talk.session.result == "malformed"
        assert b"secret" not in bytes(backend.said)
        assert "secret" not in talk.session.reason


@cut_everywhere
def test_a_second_factor_has_its_own_nonce(delivery: Delivery) -> None:
    with conversation(delivery, backend_tls=BackendTlsMode.REQUIRED) as talk:
        client, backend = talk
        begun(talk, tls="backend")
        factor = b"\2caching_sha2_password\0" + NONCE + b"\0"
        backend >> packets(factor, sequence=3)
        client << packets(factor, sequence=2)
        client >> packets(b"s" * 32, sequence=3)
        backend << packets(b"s" * 32, sequence=4)
        backend >> packets(FULL, sequence=5)
        client << packets(FULL, sequence=4)
        client >> packets(encrypt_password(b"second\0", NONCE, RSA.public_pem), sequence=5)
        backend << packets(b"second\0", sequence=6)


# --------------------------------------------------------------------------------------------------------------------
# COM_CHANGE_USER


@cut_everywhere
def test_a_change_of_user_between_unlike_sides(delivery: Delivery) -> None:
    change = command(commands.CHANGE_USER, b"carol\0\0\0\x2d\0caching_sha2_password\0")
    with conversation(delivery, backend_tls=BackendTlsMode.REQUIRED) as talk:
        client, backend = talk
        begun(talk, tls="backend")
        backend >> packets(b"\1\3", payloads.ok(), sequence=3)
        client << packets(b"\1\3", payloads.ok(), sequence=2)
        client >> change
        backend << change
        backend >> packets(TO_CACHING_SHA2, sequence=1)
        client << packets(TO_CACHING_SHA2, sequence=1)
        client >> packets(b"s" * 32, sequence=2)
        backend << packets(b"s" * 32, sequence=2)
        backend >> packets(FULL, sequence=3)
        client << packets(FULL, sequence=3)
        client >> packets(b"\2", sequence=4)
        client << packets(b"\1" + RSA.public_pem, sequence=5)
        client >> packets(encrypt_password(b"secret\0", NONCE, RSA.public_pem), sequence=6)
        backend << packets(b"secret\0", sequence=4)
        backend >> ok(sequence=5)
        client << ok(sequence=7)
        assert talk.session.user == "carol"
        client >> query("DO 1")
        backend << query("DO 1")
        backend >> ok()
        client << ok()


# --------------------------------------------------------------------------------------------------------------------
# Neither side with TLS


def unencrypted(talk: Talk, *, backend_on_socket: bool = False) -> None:
    """Let the client's response arrive, with TLS on neither side."""
    client, backend = talk
    talk.session.backend_connected(secure=backend_on_socket)
    backend >> packets(MYSQL_GREETING, sequence=0)
    client.said.clear()
    client >> packets(RESPONSE)
    backend << packets(RESPONSE)


@cut_everywhere
def test_a_password_for_the_proxys_key_is_encrypted_anew(delivery: Delivery) -> None:
    with conversation(delivery, backend_tls=BackendTlsMode.DISABLED) as talk:
        client, backend = talk
        unencrypted(talk)
        backend >> packets(FULL, sequence=2)
        client << packets(FULL, sequence=2)
        client >> packets(encrypt_password(b"secret\0", MYSQL_NONCE, RSA.public_pem), sequence=3)
        backend << packets(b"\2", sequence=3)
        backend >> packets(b"\1" + SERVER.public_pem, sequence=4)
        assert client.hears_nothing
        ((sequence, encrypted),) = split_packets(bytes(backend.said))
        backend.said.clear()
        assert (sequence, SERVER.decrypt_password(encrypted, MYSQL_NONCE)) == (5, b"secret\0")
        backend >> ok(sequence=6)
        client << ok(sequence=4)


@cut_everywhere
def test_a_password_for_the_backends_key_is_relayed(delivery: Delivery) -> None:
    with conversation(delivery, backend_tls=BackendTlsMode.DISABLED) as talk:
        client, backend = talk
        unencrypted(talk)
        backend >> packets(FULL, sequence=2)
        client << packets(FULL, sequence=2)
        client >> packets(b"\2", sequence=3)
        backend << packets(b"\2", sequence=3)
        backend >> packets(b"\1" + SERVER.public_pem, sequence=4)
        client << packets(b"\1" + SERVER.public_pem, sequence=4)
        encrypted = packets(encrypt_password(b"secret\0", MYSQL_NONCE, SERVER.public_pem), sequence=5)
        client >> encrypted
        backend << encrypted


def test_a_unix_socket_takes_the_password_in_the_clear() -> None:
    with conversation(Delivery(), backend_tls=BackendTlsMode.PREFERRED) as talk:
        client, backend = talk
        unencrypted(talk, backend_on_socket=True)
        backend >> packets(FULL, sequence=2)
        client << packets(FULL, sequence=2)
        client >> packets(encrypt_password(b"secret\0", MYSQL_NONCE, RSA.public_pem), sequence=3)
        backend << packets(b"secret\0", sequence=3)


def test_sha256_password_trusts_no_unix_socket() -> None:
    with conversation(Delivery(), backend_tls=BackendTlsMode.PREFERRED, client_secure=True) as talk:
        client, backend = talk
        unencrypted(talk, backend_on_socket=True)
        backend >> packets(TO_SHA256, sequence=2)
        client << packets(TO_SHA256, sequence=2)
        client >> packets(b"\1", sequence=3)
        backend << packets(b"\1", sequence=3)
    with conversation(Delivery(), backend_tls=BackendTlsMode.REQUIRED, client_secure=True) as talk:
        client, backend = talk
        begun(talk, tls="backend")
        backend >> packets(TO_SHA256, sequence=3)
        client << packets(TO_SHA256, sequence=2)
        client >> packets(b"\1", sequence=3)
        client << packets(b"\1" + RSA.public_pem, sequence=4)
