"""COM_QUERY: where the statement's text begins.

With CLIENT_QUERY_ATTRIBUTES the command carries parameters before the text: parameter count and parameter set count
(length-encoded, the latter always 1), and where there are any: null bitmap, new-params-bound (1), per parameter its
type (2) and name, then the values.
Source: MySQL Internals, "COM_QUERY", and WL#12542.
"""

from proxy.wire.errors import ProtocolError
from proxy.wire.lenenc import read_bytes, read_int

# bytes of a binary value by type; the types that are not here are length-encoded strings
_FIXED_WIDTH = {0x01: 1, 0x02: 2, 0x0D: 2, 0x03: 4, 0x09: 4, 0x04: 4, 0x08: 8, 0x05: 8, 0x06: 0}
_TEMPORAL = frozenset({0x07, 0x0A, 0x0B, 0x0C})  # one byte of length, then as many bytes


def text_offset(payload: bytes, *, query_attributes: bool) -> int:
    """Return the offset of the statement's text in a COM_QUERY payload.

    Args:
        payload: the command, from its first byte 0x03; the text itself may be cut.
        query_attributes: whether the session negotiated CLIENT_QUERY_ATTRIBUTES.

    Raises:
        ProtocolError: the attributes are cut or malformed.
    """
    if not query_attributes:
        return 1
    count, at = read_int(payload, 1)
    _, at = read_int(payload, at)
    if not count:
        return at
    bitmap = payload[at : at + (count + 7) // 8]
    at += len(bitmap) + 1
    types = []
    for _ in range(count):
        types.append(payload[at] if at < len(payload) else -1)
        _, at = read_bytes(payload, at + 2)
    for number, kind in enumerate(types):
        if not bitmap[number // 8] & 1 << number % 8:
            at = _skip_value(payload, at, kind)
    if at > len(payload):
        raise ProtocolError("the query attributes are cut")
    return at


def _skip_value(payload: bytes, at: int, kind: int) -> int:
    width = _FIXED_WIDTH.get(kind)
    if width is not None:
        return at + width
    if kind in _TEMPORAL:
        if at >= len(payload):
            raise ProtocolError("a query attribute is cut")
        return at + 1 + payload[at]
    return read_bytes(payload, at)[1]
