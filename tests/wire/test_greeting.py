import pytest

from proxy.wire import capabilities as cap
from proxy.wire.errors import ProtocolError
from proxy.wire.greeting import parse_greeting
from tests.raw import logged_in
from tests.servers.launch import Server
from tests.wire.captured import MARIADB_GREETING, MYSQL_GREETING, MYSQL_NONCE


def test_mysql() -> None:
    greeting = parse_greeting(MYSQL_GREETING)
    assert greeting.version == "9.7.4-2"
    assert greeting.thread_id == 13
    assert greeting.nonce == MYSQL_NONCE
    assert greeting.capabilities == 0xDFFFFFFF
    assert greeting.mariadb_capabilities == 0
    assert greeting.status == cap.STATUS_AUTOCOMMIT
    assert greeting.plugin == "caching_sha2_password"


def test_mariadb() -> None:
    greeting = parse_greeting(MARIADB_GREETING)
    assert greeting.version == "5.5.5-10.11.18-MariaDB-0+deb12u1"
    assert greeting.thread_id == 8
    assert greeting.nonce == b"Th2\\Z0|F'.Q,))2_ir}B"
    assert greeting.capabilities == 0x81FFFFFE
    assert greeting.mariadb_capabilities == 0x1D
    assert greeting.plugin == "mysql_native_password"


@pytest.mark.parametrize("payload", [MYSQL_GREETING, MARIADB_GREETING])
def test_offering_the_same_changes_no_byte(payload: bytes) -> None:
    greeting = parse_greeting(payload)
    assert greeting.offering(greeting.capabilities, greeting.mariadb_capabilities) == payload


@pytest.mark.parametrize("payload", [MYSQL_GREETING, MARIADB_GREETING])
def test_offering_less_changes_the_flags_alone(payload: bytes) -> None:
    greeting = parse_greeting(payload)
    fewer = greeting.capabilities & ~(cap.SSL | cap.COMPRESS | cap.ZSTD)
    offered = greeting.offering(fewer, 0)
    found = parse_greeting(offered)
    assert len(offered) == len(payload)
    assert found.capabilities == fewer
    assert found.mariadb_capabilities == 0
    assert found.offering(greeting.capabilities, greeting.mariadb_capabilities) == payload


def test_the_reserved_bytes_of_mysql_are_not_mariadb_s() -> None:
    offered = parse_greeting(MYSQL_GREETING).offering(0xFFFFFFFF, 0xFFFFFFFF)
    assert parse_greeting(offered).offering(0xDFFFFFFF, 0) == MYSQL_GREETING


def test_without_a_plugin_s_name() -> None:
    greeting = parse_greeting(MYSQL_GREETING)
    bare = greeting.offering(greeting.capabilities & ~cap.PLUGIN_AUTH, 0)
    assert parse_greeting(bare).plugin == ""
    assert parse_greeting(bare).nonce == MYSQL_NONCE


def test_a_plugin_s_name_without_its_nul() -> None:
    assert parse_greeting(MYSQL_GREETING[:-1]).plugin == "caching_sha2_password"


def test_a_cut_greeting_is_refused() -> None:
    fixed = MYSQL_GREETING.index(0) + 1 + 31
    for end in range(fixed):
        with pytest.raises(ProtocolError):
            parse_greeting(MYSQL_GREETING[:end])
    for end in range(fixed, len(MYSQL_GREETING)):
        parse_greeting(MYSQL_GREETING[:end])


@pytest.mark.parametrize("version", [0, 9, 11, 0xFF])
def test_another_version_of_the_protocol_is_refused(version: int) -> None:
    with pytest.raises(ProtocolError):
        parse_greeting(bytes((version,)) + MYSQL_GREETING[1:])


def test_a_running_server(server: Server) -> None:
    with logged_in(server) as session:
        greeting = parse_greeting(session.greeting)
        reply = session.query("SELECT CONNECTION_ID(), VERSION()")
    row = reply[4]
    number = str(greeting.thread_id).encode()
    assert row[1 : 1 + row[0]] == number
    assert greeting.version.removeprefix("5.5.5-").encode() in row
    assert len(greeting.nonce) == 20
    assert bool(greeting.mariadb_capabilities) is server.mariadb
