import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import capabilities as cap
from proxy.wire.errors import ProtocolError
from proxy.wire.lenenc import write_bytes
from proxy.wire.login import (
    is_ssl_request,
    parse_change_user,
    parse_login,
    speaks_protocol_41,
    ssl_request,
    with_capabilities,
)
from tests.wire.captured import CACHING_SHA2_RESPONSE, MARIADB_CLIENT, MYSQL_CLIENT, MYSQL_SSL_REQUEST, PYMYSQL

CLIENTS = {"mysql": MYSQL_CLIENT, "mariadb": MARIADB_CLIENT, "pymysql": PYMYSQL}
BASE = cap.LONG_PASSWORD | cap.PROTOCOL_41 | cap.SECURE_CONNECTION


def response(flags: int, rest: bytes) -> bytes:
    return flags.to_bytes(4, "little") + b"\0\0\0\1\x2d" + bytes(23) + rest


def test_the_mysql_client() -> None:
    login = parse_login(MYSQL_CLIENT)
    assert login.user == "alice"
    assert login.database == "shop"
    assert login.plugin == "caching_sha2_password"
    assert login.auth_response == CACHING_SHA2_RESPONSE
    assert login.charset == 8
    assert login.capabilities == 0x19BFA28D
    assert login.mariadb_capabilities == 0


def test_the_mariadb_client() -> None:
    login = parse_login(MARIADB_CLIENT)
    assert (login.user, login.database, login.plugin) == ("alice", "shop", "mysql_native_password")
    assert len(login.auth_response) == 20
    assert login.capabilities == 0x00BFA28C
    assert login.mariadb_capabilities == 0x1D


def test_pymysql_without_a_schema() -> None:
    login = parse_login(PYMYSQL)
    assert (login.user, login.database, login.plugin) == ("alice", None, "caching_sha2_password")
    assert login.auth_response == CACHING_SHA2_RESPONSE
    assert login.charset == 45


@pytest.mark.parametrize("payload", CLIENTS.values(), ids=CLIENTS)
def test_the_same_capabilities_change_no_byte(payload: bytes) -> None:
    login = parse_login(payload)
    assert with_capabilities(payload, login.capabilities, login.mariadb_capabilities) == payload


@pytest.mark.parametrize("payload", CLIENTS.values(), ids=CLIENTS)
def test_other_capabilities_change_nothing_else(payload: bytes) -> None:
    login = parse_login(payload)
    fewer = login.capabilities & ~cap.MULTI_STATEMENTS
    assert parse_login(with_capabilities(payload, fewer, login.mariadb_capabilities)) == login._replace(
        capabilities=fewer
    )


def test_mariadb_s_own_capabilities_can_be_cleared() -> None:
    login = parse_login(MARIADB_CLIENT)
    cleared = with_capabilities(MARIADB_CLIENT, login.capabilities, 0)
    assert parse_login(cleared) == login._replace(mariadb_capabilities=0)
    assert cleared[:28] + MARIADB_CLIENT[28:32] + cleared[32:] == MARIADB_CLIENT


def test_ssl_request() -> None:
    assert is_ssl_request(MYSQL_SSL_REQUEST)
    assert ssl_request(MYSQL_CLIENT) == MYSQL_SSL_REQUEST
    for payload in CLIENTS.values():
        assert not is_ssl_request(payload)
        assert is_ssl_request(ssl_request(payload))
    assert not is_ssl_request(MYSQL_CLIENT[:32])
    assert not is_ssl_request(b"")


def test_the_protocol_s_version() -> None:
    assert speaks_protocol_41(MYSQL_CLIENT)
    assert speaks_protocol_41(MYSQL_SSL_REQUEST)
    assert not speaks_protocol_41(b"\x85\x24\0\0\0root\0")  # a HandshakeResponse320
    assert not speaks_protocol_41(b"")


def test_an_auth_response_without_a_length() -> None:
    login = parse_login(response(cap.LONG_PASSWORD | cap.PROTOCOL_41, b"bob\0scramble\0"))
    assert (login.user, login.auth_response) == ("bob", b"scramble")


def test_a_long_auth_response() -> None:
    token = bytes(range(256)) * 4
    flags = BASE | cap.PLUGIN_AUTH_LENENC | cap.PLUGIN_AUTH
    login = parse_login(response(flags, b"bob\0" + write_bytes(token) + b"authentication_openid\0"))
    assert login.auth_response == token
    assert login.plugin == "authentication_openid"


@pytest.mark.parametrize("rest", [b"bob\0\0", b"bob\0\0\0", b"\0\0"])
def test_no_schema_and_no_plugin(rest: bytes) -> None:
    login = parse_login(response(BASE | cap.CONNECT_WITH_DB | cap.PLUGIN_AUTH, rest))
    assert login.database is None
    assert login.plugin == ""


def test_the_last_string_may_lack_its_nul() -> None:
    flags = BASE | cap.CONNECT_WITH_DB | cap.PLUGIN_AUTH
    assert parse_login(response(flags, b"bob\0\0shop\0mysql_native_password")).plugin == "mysql_native_password"
    assert parse_login(response(BASE | cap.CONNECT_WITH_DB, b"bob\0\0shop")).database == "shop"


def test_names_that_are_not_utf_8_survive() -> None:
    login = parse_login(response(BASE | cap.CONNECT_WITH_DB, b"b\xf6b\0\0sh\xf6p\0"))
    assert login.user.encode("utf-8", "surrogateescape") == b"b\xf6b"
    assert (login.database or "").encode("utf-8", "surrogateescape") == b"sh\xf6p"


@pytest.mark.parametrize("rest", [b"", b"bob", b"bob\0", b"bob\0\5abc"])
def test_a_cut_login_is_refused(rest: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_login(response(BASE, rest))


@given(st.binary(max_size=120))
def test_no_bytes_lead_astray(data: bytes) -> None:
    try:
        parse_login(data)
    except ProtocolError:
        return
    assert len(data) > 32


# --------------------------------------------------------------------------------------------------------------------
# COM_CHANGE_USER


LOGIN = parse_login(MYSQL_CLIENT)


def test_change_user() -> None:
    payload = b"\x11carol\0\x03abcstock\0\x21\0mysql_native_password\0" + write_bytes(b"\1k\1v")
    login = parse_change_user(payload, LOGIN)
    assert (login.user, login.database, login.plugin) == ("carol", "stock", "mysql_native_password")
    assert login.auth_response == b"abc"
    assert login.charset == 0x21
    assert login.capabilities == LOGIN.capabilities


@pytest.mark.parametrize("payload", [b"\x11carol\0\0\0", b"\x11carol\0\0\0\x08\0", b"\x11carol\0\0\0\x08\0\0"])
def test_change_user_may_end_early(payload: bytes) -> None:
    login = parse_change_user(payload, LOGIN)
    assert (login.user, login.database, login.plugin, login.charset) == ("carol", None, "", 8)


@pytest.mark.parametrize("payload", [b"\x11", b"\x11carol", b"\x11carol\0", b"\x11carol\0\0", b"\x11carol\0\x09ab"])
def test_a_cut_change_user_is_refused(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_change_user(payload, LOGIN)
