"""Parameters of COM_STMT_EXECUTE and MariaDB's COM_STMT_BULK_EXECUTE."""

import pytest

from proxy.wire.errors import ProtocolError
from proxy.wire.execute import cut, parse_execution, statement_of, with_statement
from tests import raw
from tests.raw import logged_in
from tests.servers.launch import Server

START = b"\x17\7\0\0\0\0\1\0\0\0"
LONGLONG, STRING = b"\x08\0", b"\xfe\0"
VALUES = bytes(8) + b"\3abc"
SENT = START + b"\0\1" + LONGLONG + STRING + VALUES
REMEMBERED = START + b"\0\0" + VALUES
NAMED = START + b"\2\0\1" + LONGLONG + b"\0" + STRING + b"\1n" + VALUES


def test_which_statement() -> None:
    assert statement_of(SENT) == 7
    assert with_statement(SENT, 0x01020304) == b"\x17\4\3\2\1" + SENT[5:]


def test_types_that_are_sent() -> None:
    execution = parse_execution(SENT, 2, query_attributes=False)
    assert execution.types == LONGLONG + STRING
    assert execution.on(9, b"other") == with_statement(SENT, 9)


def test_types_that_are_to_be_remembered() -> None:
    execution = parse_execution(REMEMBERED, 2, query_attributes=False)
    assert execution.types is None
    assert execution.on(9, LONGLONG + STRING) == with_statement(SENT, 9)
    assert execution.on(9, b"") == with_statement(REMEMBERED, 9)


def test_no_parameters() -> None:
    execution = parse_execution(START, 0, query_attributes=False)
    assert execution.types == b""
    assert execution.on(9, b"") == with_statement(START, 9)


def test_named_types() -> None:
    execution = parse_execution(NAMED, 2, query_attributes=True)
    assert execution.types == LONGLONG + b"\0" + STRING + b"\1n"
    remembered = START + b"\2\0\0" + VALUES
    again = parse_execution(remembered, 2, query_attributes=True)
    assert again.types is None
    assert again.on(7, execution.types or b"") == NAMED


def test_attributes_of_a_statement_without_parameters() -> None:
    with_count = START[:5] + b"\x08" + START[6:] + b"\1\0\1" + STRING + b"\1n" + b"\1v"
    execution = parse_execution(with_count, 0, query_attributes=True)
    assert (execution.types, execution.parameters) == (STRING + b"\1n", 1)
    assert parse_execution(START, 0, query_attributes=True).types == b""


def test_values_are_the_same_with_types_and_without() -> None:
    assert cut(SENT, 2, query_attributes=False) == (b"\0" + VALUES, LONGLONG + STRING)
    assert cut(REMEMBERED, 2, query_attributes=False) == (b"\0" + VALUES, b"")


def test_values_behind_their_number_and_empty_names() -> None:
    sent = START + b"\2\0\1" + LONGLONG + b"\0" + STRING + b"\0" + VALUES
    assert cut(sent, 2, query_attributes=True) == (b"\0" + VALUES, LONGLONG + STRING)
    assert cut(START + b"\2\0\0" + VALUES, 2, query_attributes=True) == (b"\0" + VALUES, b"")


def test_values_of_a_bulk() -> None:
    values = b"\0" + bytes(8) + b"\0\1a"
    typed = b"\xfa\7\0\0\0\x80\0" + LONGLONG + STRING + values
    assert cut(typed, 2, query_attributes=False) == (values, LONGLONG + STRING)
    assert cut(b"\xfa\7\0\0\0\0\0" + values, 2, query_attributes=False) == (values, b"")


def test_no_values() -> None:
    assert cut(START, 0, query_attributes=False) == (b"", b"")
    assert cut(START, 0, query_attributes=True) == (b"", b"")


@pytest.mark.parametrize(
    "payload", [START + b"\3\0\1", START + b"\2", START[:5], START], ids=["attributes", "no bitmap", "cut", "nothing"]
)
def test_values_that_cannot_be_told(payload: bytes) -> None:
    assert cut(payload, 2, query_attributes=True) is None


def test_more_parameters_than_one_byte_of_nulls_holds() -> None:
    payload = START + b"\0\0\1" + LONGLONG * 9 + bytes(72)
    assert parse_execution(payload, 9, query_attributes=False).types == LONGLONG * 9


@pytest.mark.parametrize("payload", [SENT, NAMED])
def test_what_is_cut_is_refused(payload: bytes) -> None:
    named = payload is NAMED
    types_end = len(payload) - len(VALUES)
    for end in range(1, types_end):
        with pytest.raises(ProtocolError):
            parse_execution(payload[:end], 2, query_attributes=named)


def test_bulk() -> None:
    types = LONGLONG + STRING
    rows = b"\0" + bytes(8) + b"\0\3abc"
    sent = b"\xfa\7\0\0\0\x80\0" + types + rows
    remembered = b"\xfa\7\0\0\0\0\0" + rows
    execution = parse_execution(sent, 2, query_attributes=False)
    assert execution.types == types
    assert execution.on(9, b"other") == with_statement(sent, 9)
    again = parse_execution(remembered, 2, query_attributes=False)
    assert again.types is None
    assert again.on(9, types) == with_statement(sent, 9)
    for payload in (sent[:6], sent[:10]):
        with pytest.raises(ProtocolError):
            parse_execution(payload, 2, query_attributes=False)


@pytest.mark.parametrize(
    ("server", "named"), [("mysql", False), ("mysql", True), ("mariadb", False)], indirect=["server"]
)
def test_a_server_takes_the_types_that_were_put_in(server: Server, named: bool) -> None:
    with logged_in(server, raw.USUAL | (raw.QUERY_ATTRIBUTES if named else 0)) as session:
        first, second = (session.prepare("SELECT ?, ?") for _ in range(2))
        values = (5).to_bytes(8, "little") + b"\3abc"
        count = b"\2" if named else b""
        types = LONGLONG + (b"\0" if named else b"") + STRING + (b"\0" if named else b"")
        flags = b"\0\1\0\0\0"
        told = b"\x17" + first.to_bytes(4, "little") + flags + count + b"\0\1" + types + values
        bare = b"\x17" + first.to_bytes(4, "little") + flags + count + b"\0\0" + values
        expected = session.run(told)
        assert session.run(bare)[-2] == expected[-2]
        found = parse_execution(bare, 2, query_attributes=named)
        sent = parse_execution(told, 2, query_attributes=named)
        assert found.types is None
        assert session.run(found.on(second, sent.types or b""))[-2] == expected[-2]
