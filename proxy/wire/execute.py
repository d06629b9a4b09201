"""COM_STMT_EXECUTE, COM_STMT_BULK_EXECUTE and COM_STMT_SEND_LONG_DATA: which statement, and which parameters.

Layout of EXECUTE: 0x17, statement id (4), flags (1), iterations (4); where there are parameters, or query attributes
(flag 0x08): [their number in all (length-encoded), with QUERY_ATTRIBUTES], null bitmap, new-params-bound (1), and only
if that is 1 per parameter its type (2) [and name, with QUERY_ATTRIBUTES]; then the values.

Layout of MariaDB's BULK_EXECUTE: 0xFA, statement id (4), flags (2), only with flag 0x80 per parameter its type (2),
then the values.

A statement remembers the types that were sent last. Another statement that is to run with the same parameters has never
been told them, so they are put in.

Sources: MySQL Internals, "COM_STMT_EXECUTE"; MariaDB, "COM_STMT_BULK_EXECUTE".
"""

from dataclasses import dataclass

from proxy.wire import commands
from proxy.wire.errors import ProtocolError
from proxy.wire.lenenc import read_bytes, read_int

_PARAMETER_COUNT_AVAILABLE = 0x08
_BULK_TYPES = 0x80
_PARAMETERS_AT = 10  # offset of what follows EXECUTE's iterations
_BULK_PARAMETERS_AT = 7
_TYPE_SIZE = 2
_ONE_BYTE = 0xFB  # a length-encoded integer below this is one byte


@dataclass(frozen=True, slots=True)
class Execution:
    """The parts of an EXECUTE or BULK_EXECUTE that matter for running it on another statement.

    Args:
        payload: the whole command.
        types: the parameters' types as sent; None where the statement is to remember them.
        types_at: where they are, or would have to be put in.
        parameters: how many of them there are, query attributes included.
    """

    payload: bytes
    types: bytes | None
    types_at: int
    parameters: int

    def on(self, statement: int, types: bytes) -> bytes:
        """Return the command that runs another statement with the same parameters.

        Args:
            statement: the other statement's id.
            types: what to put in where this command leaves the types out.
        """
        body = self.payload[:1] + statement.to_bytes(4, "little") + self.payload[5:]
        if self.types is not None or not types:
            return body
        if self.payload[0] == commands.STMT_BULK_EXECUTE:
            flags = int.from_bytes(body[5:7], "little") | _BULK_TYPES
            return body[:5] + flags.to_bytes(2, "little") + types + body[self.types_at :]
        return body[: self.types_at - 1] + b"\x01" + types + body[self.types_at :]


def cut(payload: bytes, parameters: int, *, query_attributes: bool) -> tuple[bytes, bytes] | None:
    """Cut the values out of an EXECUTE or BULK_EXECUTE: null bitmap and values, and the types apart.

    An execution that is repeated has its types the first time and mostly not later on: its values are the same.

    Args:
        payload: the whole command.
        parameters: how many the statement has.
        query_attributes: whether the session negotiated CLIENT_QUERY_ATTRIBUTES.

    Returns:
        The values, and two bytes for each parameter's type, b"" where they are not sent. None where the command is cut,
        or query attributes stand among the parameters.
    """
    if payload[0] == commands.STMT_BULK_EXECUTE:
        typed = payload[5] & _BULK_TYPES if len(payload) > _BULK_PARAMETERS_AT else 0
        end = _BULK_PARAMETERS_AT + (_TYPE_SIZE * parameters if typed else 0)
        return payload[end:], payload[_BULK_PARAMETERS_AT:end]
    if len(payload) < _PARAMETERS_AT:
        return None
    at, type_size = _PARAMETERS_AT, _TYPE_SIZE
    if query_attributes and (parameters or payload[5] & _PARAMETER_COUNT_AVAILABLE):
        if payload[at : at + 1] != bytes((parameters & 0xFF,)) or parameters >= _ONE_BYTE:
            return None
        at += 1
        type_size += 1  # and a name, which is empty
    if not parameters:
        return b"", b""
    bound_at = at + (parameters + 7) // 8
    bound = payload[bound_at : bound_at + 1]
    if not bound:
        return None
    end = bound_at + 1 + (type_size * parameters if bound == b"\x01" else 0)
    types = payload[bound_at + 1 : end]
    if type_size > _TYPE_SIZE:
        types = bytes(byte for number, byte in enumerate(types) if number % type_size < _TYPE_SIZE)
    return payload[at:bound_at] + payload[end:], types


def statement_of(payload: bytes) -> int:
    """Return the statement id of a command on a prepared statement: the 4 bytes behind its first."""
    return int.from_bytes(payload[1:5], "little")


def with_statement(payload: bytes, statement: int) -> bytes:
    """Return a command on a prepared statement for another statement id."""
    return payload[:1] + statement.to_bytes(4, "little") + payload[5:]


def parse_execution(payload: bytes, parameters: int, *, query_attributes: bool) -> Execution:
    """Find the parameter types of an EXECUTE or BULK_EXECUTE.

    Args:
        payload: the whole command.
        parameters: how many the statement has.
        query_attributes: whether the session negotiated CLIENT_QUERY_ATTRIBUTES.

    Raises:
        ProtocolError: it is cut or malformed.
    """
    if payload[0] == commands.STMT_BULK_EXECUTE:
        return _parse_bulk(payload, parameters)
    if len(payload) < _PARAMETERS_AT:
        raise ProtocolError("COM_STMT_EXECUTE is cut")
    at = _PARAMETERS_AT
    if query_attributes and (parameters or payload[5] & _PARAMETER_COUNT_AVAILABLE):
        parameters, at = read_int(payload, at)
    if not parameters:
        return Execution(payload, b"", at, 0)
    types_at = at + (parameters + 7) // 8 + 1
    if len(payload) < types_at:
        raise ProtocolError("COM_STMT_EXECUTE is cut")
    if payload[types_at - 1] != 1:
        return Execution(payload, None, types_at, parameters)
    end = types_at
    for _ in range(parameters):
        end += _TYPE_SIZE
        if query_attributes:
            _, end = read_bytes(payload, end)
    if end > len(payload):
        raise ProtocolError("COM_STMT_EXECUTE is cut")
    return Execution(payload, payload[types_at:end], types_at, parameters)


def _parse_bulk(payload: bytes, parameters: int) -> Execution:
    if len(payload) < _BULK_PARAMETERS_AT:
        raise ProtocolError("COM_STMT_BULK_EXECUTE is cut")
    if not int.from_bytes(payload[5:7], "little") & _BULK_TYPES:
        return Execution(payload, None, _BULK_PARAMETERS_AT, parameters)
    end = _BULK_PARAMETERS_AT + _TYPE_SIZE * parameters
    if end > len(payload):
        raise ProtocolError("COM_STMT_BULK_EXECUTE is cut")
    return Execution(payload, payload[_BULK_PARAMETERS_AT:end], _BULK_PARAMETERS_AT, parameters)
