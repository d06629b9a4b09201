"""Length-encoded integers and strings, and strings that end in NUL.

The first byte tells the size: below 0xFB it is the value itself, 0xFC/0xFD/0xFE announce 2/3/8 bytes little-endian,
0xFB is NULL and 0xFF never begins one.
Source: MySQL Internals, "Protocol::LengthEncodedInteger" and "Protocol::LengthEncodedString".
"""

from proxy.wire.errors import ProtocolError

_WIDTH = {0xFC: 2, 0xFD: 3, 0xFE: 8}


def read_int(data: bytes, offset: int) -> tuple[int, int]:
    """Read a length-encoded integer.

    Args:
        data: the bytes it lies in.
        offset: where its first byte is.

    Returns:
        The value, and the offset behind it.

    Raises:
        ProtocolError: the integer is cut, or begins with 0xFB or 0xFF.
    """
    if offset >= len(data):
        raise ProtocolError("a length-encoded integer is missing")
    first = data[offset]
    if first < 0xFB:
        return first, offset + 1
    width = _WIDTH.get(first)
    end = offset + 1 + (width or 0)
    if width is None or end > len(data):
        raise ProtocolError("a length-encoded integer is malformed")
    return int.from_bytes(data[offset + 1 : end], "little"), end


def write_int(value: int) -> bytes:
    """Encode a non-negative integer below 2**64 as a length-encoded integer of 1, 3, 4 or 9 bytes."""
    if value < 0xFB:
        return bytes((value,))
    if value < 1 << 16:
        return b"\xfc" + value.to_bytes(2, "little")
    if value < 1 << 24:
        return b"\xfd" + value.to_bytes(3, "little")
    return b"\xfe" + value.to_bytes(8, "little")


def read_bytes(data: bytes, offset: int) -> tuple[bytes, int]:
    """Read a length-encoded string; return it and the offset behind it.

    Raises:
        ProtocolError: the string is cut or its length malformed.
    """
    length, start = read_int(data, offset)
    end = start + length
    if end > len(data):
        raise ProtocolError("a length-encoded string is cut")
    return data[start:end], end


def write_bytes(value: bytes) -> bytes:
    """Encode a length-encoded string."""
    return write_int(len(value)) + value


def read_nul(data: bytes, offset: int) -> tuple[bytes, int]:
    """Read a string that ends in NUL; return it without the NUL, and the offset behind the NUL.

    Raises:
        ProtocolError: there is no NUL.
    """
    end = data.find(b"\0", offset)
    if end < 0:
        raise ProtocolError("a string lacks its terminating NUL")
    return data[offset:end], end + 1
