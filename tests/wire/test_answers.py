import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import capabilities as cap
from proxy.wire.answers import (
    TRACK_SCHEMA,
    TRACK_VARIABLE,
    Ok,
    eof_status,
    err,
    info,
    parse_err,
    parse_ok,
    state_changes,
    with_affected_rows,
)
from proxy.wire.errors import ProtocolError
from proxy.wire.lenenc import write_bytes
from tests import raw
from tests.raw import logged_in
from tests.servers.launch import Server
from tests.wire.packets import eof, error, ok

numbers = st.one_of(st.integers(0, 300), st.integers(0, (1 << 64) - 1))
words = st.integers(0, 0xFFFF)
TEXT = b"Records: 2  Duplicates: 1  Warnings: 0"


@given(numbers, numbers, words, words, st.binary(max_size=80))
def test_ok(affected: int, insert_id: int, status: int, warnings: int, text: bytes) -> None:
    payload = ok(affected, insert_id, status, warnings, text)
    found = parse_ok(payload)
    assert (found.affected_rows, found.insert_id) == (affected, insert_id)
    assert (found.status, found.warnings) == (status, warnings)
    assert found.more_results is bool(status & cap.STATUS_MORE_RESULTS)
    assert info(payload, found) == text


@given(numbers, numbers, numbers, st.binary(max_size=20))
def test_another_number_of_affected_rows_changes_nothing_else(old: int, new: int, insert_id: int, rest: bytes) -> None:
    payload = ok(old, insert_id) + rest
    assert with_affected_rows(payload, new) == ok(new, insert_id) + rest
    assert with_affected_rows(with_affected_rows(payload, new), old) == payload


def test_a_cut_ok_is_refused() -> None:
    payload = ok(300, 70000)
    for end in range(1, len(payload)):
        with pytest.raises(ProtocolError):
            parse_ok(payload[:end])


def test_a_cut_info_is_none() -> None:
    payload = ok(info=TEXT)[:-1]
    assert info(payload, parse_ok(payload)) == b""


def test_an_empty_info_in_front_of_state_changes() -> None:
    payload = ok(status=cap.STATUS_SESSION_STATE_CHANGED) + b"\0" + write_bytes(b"\1" + write_bytes(b"\4shop"))
    found = parse_ok(payload)
    assert info(payload, found) == b""
    assert list(state_changes(payload, found)) == [(TRACK_SCHEMA, b"\4shop")]


def test_several_state_changes() -> None:
    variable = b"\x08sql_mode\x0bANSI_QUOTES"
    block = b"\0" + write_bytes(variable) + b"\1" + write_bytes(b"\4shop") + b"\5" + write_bytes(b"\x08T___W___")
    payload = ok(1, 2, cap.STATUS_SESSION_STATE_CHANGED, 0, TEXT) + write_bytes(block)
    found = parse_ok(payload)
    assert info(payload, found) == TEXT
    assert [kind for kind, _ in state_changes(payload, found)] == [TRACK_VARIABLE, TRACK_SCHEMA, 5]
    assert next(state_changes(payload, found)) == (TRACK_VARIABLE, variable)


def test_no_state_changes_without_the_flag() -> None:
    payload = ok(info=TEXT)
    assert list(state_changes(payload, parse_ok(payload))) == []


def test_cut_state_changes_are_refused() -> None:
    payload = ok(status=cap.STATUS_SESSION_STATE_CHANGED, info=TEXT) + write_bytes(b"\1\5\4sh")
    with pytest.raises(ProtocolError):
        list(state_changes(payload, parse_ok(payload)))


def test_eof() -> None:
    assert eof_status(eof(0x4203, 9)) == 0x4203
    assert eof_status(b"\xfe") == 0


def test_err() -> None:
    found = parse_err(error(1062, "Duplicate entry 'a' for key 't.u'", "23000"))
    assert (found.number, found.state) == (1062, "23000")
    assert found.message == b"Duplicate entry 'a' for key 't.u'"


def test_an_error_without_a_state() -> None:
    found = parse_err(b"\xff\x10\x04Too many connections")
    assert (found.number, found.state, found.message) == (1040, "", b"Too many connections")


@pytest.mark.parametrize("payload", [b"\xff", b"\xff\x26"])
def test_a_cut_error_is_refused(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_err(payload)


def test_making_an_error() -> None:
    assert parse_err(err(2003, "HY000", "Can't connect")) == parse_err(error(2003, "Can't connect"))
    assert err(1040, "", "Too many connections") == b"\xff\x10\x04Too many connections"


@pytest.mark.parametrize("tracked", [0, raw.SESSION_TRACK])
def test_what_servers_answer(server: Server, database: str, tracked: int) -> None:
    """The info string is length-encoded, whether or not the session tracks state changes."""
    with logged_in(server, raw.USUAL | tracked) as session:
        session.run(b"\2" + database.encode())
        session.query("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, k INT UNIQUE)")
        (payload,) = session.query("INSERT INTO t (k) VALUES (1), (2)")
        (missed,) = session.query("INSERT INTO t (k) VALUES (1)")
    found = parse_ok(payload)
    assert found == Ok(2, 1, found.status, 0, found.info_offset)
    assert info(payload, found) == b"Records: 2  Duplicates: 0  Warnings: 0"
    assert parse_err(missed).number == 1062
    assert parse_err(missed).state == "23000"


def test_what_servers_tell_of_state_changes(server: Server, database: str) -> None:
    with logged_in(server, raw.USUAL | raw.SESSION_TRACK) as session:
        (names,) = session.query("SET NAMES gbk")
        (schema,) = session.query(f"USE {database}")
    assert (TRACK_VARIABLE, b"\x14character_set_client\3gbk") in list(state_changes(names, parse_ok(names)))
    name = write_bytes(database.encode())
    assert (TRACK_SCHEMA, name) in list(state_changes(schema, parse_ok(schema)))
