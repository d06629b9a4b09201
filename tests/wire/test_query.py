import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.errors import ProtocolError
from proxy.wire.lenenc import write_bytes, write_int
from proxy.wire.query import text_offset

TEXT = b"INSERT INTO t VALUES (1)"

# a value of each type that COM_QUERY's attributes may have: type, bytes of the value
VALUES = {
    "tiny": (0x01, b"\1"),
    "short": (0x02, b"\1\2"),
    "long": (0x03, b"\1\2\3\4"),
    "float": (0x04, struct.pack("<f", 1.5)),
    "double": (0x05, struct.pack("<d", 1.5)),
    "null": (0x06, b""),
    "timestamp": (0x07, b"\x07\xea\7\1\2\3\4\5"),
    "longlong": (0x08, bytes(range(8))),
    "int24": (0x09, b"\1\2\3\4"),
    "date": (0x0A, b"\4\xea\7\1\2"),
    "time": (0x0B, b"\x0c" + bytes(12)),
    "datetime": (0x0C, b"\x0b" + bytes(11)),
    "zero datetime": (0x0C, b"\0"),
    "year": (0x0D, b"\xea\7"),
    "varchar": (0x0F, write_bytes(b"abc")),
    "bit": (0x10, write_bytes(b"\5")),
    "json": (0xF5, write_bytes(b"{}")),
    "newdecimal": (0xF6, write_bytes(b"1.50")),
    "enum": (0xF7, write_bytes(b"a")),
    "set": (0xF8, write_bytes(b"a,b")),
    "blob": (0xFC, write_bytes(bytes(300))),
    "var_string": (0xFD, write_bytes(b"")),
    "string": (0xFE, write_bytes(b"traceparent")),
    "geometry": (0xFF, write_bytes(b"\0")),
    "vector": (0xF2, write_bytes(bytes(8))),
}
Attribute = tuple[int, bytes] | None


def command(attributes: list[Attribute]) -> bytes:
    """A COM_QUERY payload in front of its text; None is a NULL."""
    payload = b"\3" + write_int(len(attributes)) + b"\1"
    if not attributes:
        return payload
    nulls = sum(1 << number for number, attribute in enumerate(attributes) if attribute is None)
    payload += nulls.to_bytes((len(attributes) + 7) // 8, "little") + b"\1"
    for number, attribute in enumerate(attributes):
        payload += bytes((attribute[0] if attribute else 0x06, 0)) + write_bytes(b"name%d" % number)
    return payload + b"".join(attribute[1] for attribute in attributes if attribute)


def test_without_the_capability_the_text_follows_the_first_byte() -> None:
    assert text_offset(b"\3" + TEXT, query_attributes=False) == 1


def test_no_attributes() -> None:
    assert text_offset(b"\3\0\1" + TEXT, query_attributes=True) == 3


@pytest.mark.parametrize("name", VALUES)
def test_one_attribute_of_each_type(name: str) -> None:
    before = command([VALUES[name]])
    assert text_offset(before + TEXT, query_attributes=True) == len(before)


@given(st.lists(st.one_of(st.none(), st.sampled_from(list(VALUES.values()))), max_size=20))
def test_any_attributes(attributes: list[Attribute]) -> None:
    before = command(attributes)
    assert text_offset(before + TEXT, query_attributes=True) == len(before)
    assert text_offset(before, query_attributes=True) == len(before)


@given(st.lists(st.one_of(st.none(), st.sampled_from(list(VALUES.values()))), min_size=1, max_size=9), st.data())
def test_cut_attributes_are_refused(attributes: list[Attribute], data: st.DataObject) -> None:
    before = command(attributes)
    with pytest.raises(ProtocolError):
        text_offset(before[: data.draw(st.integers(1, len(before) - 1))], query_attributes=True)


@given(st.binary(max_size=60))
def test_no_bytes_lead_astray(data: bytes) -> None:
    try:
        offset = text_offset(b"\3" + data, query_attributes=True)
    except ProtocolError:
        return
    assert 0 < offset <= len(data) + 1
