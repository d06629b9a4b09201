"""Values of COM_STMT_EXECUTE, by the layouts of the manual."""

import struct

import pytest

from proxy.wire.binary import read_rows, read_values
from proxy.wire.errors import ProtocolError

TINY, SHORT, LONG, LONGLONG, FLOAT, DOUBLE = b"\1\0", b"\2\0", b"\3\0", b"\x08\0", b"\4\0", b"\5\0"
NULL, DATETIME, DATE, TIME, STRING, BLOB = b"\6\0", b"\x0c\0", b"\x0a\0", b"\x0b\0", b"\xfe\0", b"\xfc\0"
UNSIGNED = b"\x08\x80"


@pytest.mark.parametrize(
    ("kind", "sent", "value"),
    [
        (TINY, b"\xff", "-1"),
        (SHORT, b"\1\1", "257"),
        (LONG, struct.pack("<i", -70_000), "-70000"),
        (LONGLONG, struct.pack("<q", -1), "-1"),
        (UNSIGNED, bytes((0xFF,)) * 8, "18446744073709551615"),
        (FLOAT, struct.pack("<f", 1.5), "1.5"),
        (DOUBLE, struct.pack("<d", 0.1), "0.1"),
        (NULL, b"", None),
        (DATETIME, b"\0", "0000-00-00"),
        (DATE, b"\4\xea\7\x0b\x19", "2026-11-25"),
        (DATETIME, b"\7\xea\7\x0b\x19\1\2\3", "2026-11-25 01:02:03"),
        (DATETIME, b"\x0b\xea\7\x0b\x19\1\2\3\x3f\x42\x0f\0", "2026-11-25 01:02:03.999999"),
        (TIME, b"\0", "00:00:00"),
        (TIME, b"\x08\1\1\0\0\0\2\3\4", "-26:03:04"),
        (STRING, b"\5a\xc3\xa4\xe4x", "a\u00e4\\xe4x"),
        (BLOB, b"\xfc\3\0abc", "abc"),
    ],
)
def test_one_value(kind: bytes, sent: bytes, value: str | None) -> None:
    assert read_values(b"\0" + sent + b"\1x", kind + STRING) == (value, "x")


def test_nulls_are_told_by_the_bitmap() -> None:
    assert read_values(b"\2" + b"\1a" + b"\1b", STRING * 3) == ("a", None, "b")


def test_rows_of_a_bulk() -> None:
    sent = b"\0" + struct.pack("<q", 7) + b"\0\1a" + b"\1" + b"\0\1b" + b"\2\3"
    assert list(read_rows(sent, LONGLONG + STRING)) == [("7", "a"), (None, "b"), (None, None)]
    assert list(read_rows(sent, b"")) == []


@pytest.mark.parametrize("kind", [TINY, LONG, DOUBLE, DATETIME, TIME, STRING])
def test_values_that_are_cut(kind: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_values(b"\0", kind)
