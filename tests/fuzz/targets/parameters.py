"""The parameters of commands: cut and malformed ones are refused, and moved to another statement they stay the same."""

from proxy.wire import commands
from proxy.wire.binary import read_rows, read_values
from proxy.wire.errors import ProtocolError
from proxy.wire.execute import Execution, cut, parse_execution, statement_of, with_statement
from proxy.wire.query import text_offset
from tests.fuzz.target import Target

CODES = (commands.STMT_EXECUTE, commands.STMT_BULK_EXECUTE, commands.QUERY)


def check(data: bytes) -> None:
    """Read a command; the first byte says which and on what terms, the second how many parameters it has."""
    how, count = data[:1] or b"\0", data[1:2] or b"\0"
    code, query_attributes = CODES[how[0] % 3], how[0] & 4 > 0
    parameters = count[0] if how[0] & 8 else count[0] % 8
    payload = bytes((code,)) + data[2:]
    if code == commands.QUERY:
        _check_query(payload, query_attributes=query_attributes)
        return
    _check_values(payload, parameters, query_attributes=query_attributes)
    try:
        execution = parse_execution(payload, parameters, query_attributes=query_attributes)
    except ProtocolError:
        return
    _check_moved(execution, parameters, query_attributes=query_attributes)


def _check_query(payload: bytes, *, query_attributes: bool) -> None:
    try:
        at = text_offset(payload, query_attributes=query_attributes)
    except ProtocolError:
        return
    assert 1 <= at <= len(payload)
    for more in (b"", b"\0", b"SELECT '\xff"):  # the text says nothing about where it begins
        assert text_offset(payload[:at] + more, query_attributes=query_attributes) == at


def _check_values(payload: bytes, parameters: int, *, query_attributes: bool) -> None:
    """Read the values as the search for causes does."""
    found = cut(payload, parameters, query_attributes=query_attributes)
    if found is None:
        return
    values, types = found
    try:
        if payload[0] == commands.STMT_BULK_EXECUTE:
            rows = list(read_rows(values, types))
        else:
            rows = [read_values(values, types)]
    except ProtocolError:
        return
    for row in rows:
        assert len(row) == len(types) // 2
        for value in row:
            assert value is None or value.encode() is not None


def _check_moved(execution: Execution, parameters: int, *, query_attributes: bool) -> None:
    payload, types = execution.payload, execution.types
    assert types is None or payload[execution.types_at : execution.types_at + len(types)] == types
    put_in = (
        b"\x03\0\0" if query_attributes and payload[0] == commands.STMT_EXECUTE else b"\x03\0"
    ) * execution.parameters
    moved = execution.on(0x01020304, put_in)
    assert statement_of(moved) == 0x01020304
    again = parse_execution(moved, parameters, query_attributes=query_attributes)
    assert again.parameters == execution.parameters
    assert again.types == ((put_in or None) if types is None else types)
    values = execution.types_at + len(types or b"")
    assert moved[again.types_at + len(again.types or b"") :] == payload[values:]
    if types is not None:
        assert with_statement(moved, statement_of(payload)) == with_statement(payload, statement_of(payload))


_EXECUTE = b"\1\0\0\0\0\1\0\0\0"
_NUMBERS = b"\x03\0\x08\x80\x05\0" + b"\7\0\0\0" + b"\1" * 8 + b"\0" * 8
_TIMES = b"\x0c\0\x0b\0\xfe\0" + b"\x0b\xe8\7\1\2\3\4\5\6\0\0\0" + b"\x08\1\2\0\0\0\3\4\5" + b"\3abc"

TARGET = Target(
    check,
    seeds=(
        b"\0\3" + _EXECUTE + b"\0\1" + _NUMBERS,
        b"\0\3" + _EXECUTE + b"\0\1" + _TIMES,
        b"\0\3" + _EXECUTE + b"\7\0",
        b"\0\0" + _EXECUTE,
        b"\x0c\x09" + _EXECUTE + b"\x09\0\0\0" + b"\7\0\0\0" * 9,
        b"\4\2" + b"\1\0\0\0\x08\1\0\0\0" + b"\2\0\1\3\0\1a\x08\0\0" + b"\1\0\0\0" + b"\2" * 8,
        b"\1\2" + b"\1\0\0\0\x80\0\x03\0\xfd\0" + b"\0\1\0\0\0\0\1a\1\2",
        b"\1\2" + b"\1\0\0\0\0\0" + b"\0\1\0\0\0\0\1a",
        b"\2\0SELECT 1",
        b"\6\0\0\1SELECT 1",
        b"\6\0\2\1\0\1\x03\0\1a\xfe\0\1b\1\0\0\0\1cSELECT 1",
    ),
    words=(_EXECUTE, b"\0\1\x03\0", b"\x80\0", b"\xfb", b"\xfc\xff\xff", b"\xfe" + b"\xff" * 8, b"\x0c\0", b"\x0b\0"),
    longest=300,
)
