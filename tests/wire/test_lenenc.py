import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.errors import ProtocolError
from proxy.wire.lenenc import read_bytes, read_int, read_nul, write_bytes, write_int

EDGES = [0, 1, 250, 251, 252, 255, 256, 65535, 65536, (1 << 24) - 1, 1 << 24, (1 << 64) - 1]


@given(st.one_of(st.sampled_from(EDGES), st.integers(0, (1 << 64) - 1)), st.binary(max_size=5), st.binary(max_size=5))
def test_an_integer_comes_back(value: int, before: bytes, behind: bytes) -> None:
    written = write_int(value)
    assert read_int(before + written + behind, len(before)) == (value, len(before) + len(written))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (250, "fa"),
        (251, "fcfb00"),
        (65535, "fcffff"),
        (65536, "fd000001"),
        ((1 << 24) - 1, "fdffffff"),
        (1 << 24, "fe0000000100000000"),
        ((1 << 64) - 1, "feffffffffffffffff"),
    ],
)
def test_each_width(value: int, written: str) -> None:
    assert write_int(value).hex() == written


@given(st.sampled_from(EDGES))
def test_a_cut_integer_is_refused(value: int) -> None:
    written = write_int(value)
    for end in range(len(written)):
        with pytest.raises(ProtocolError):
            read_int(written[:end], 0)


@pytest.mark.parametrize("first", [b"\xfb", b"\xff"])
def test_what_begins_no_integer(first: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_int(first + bytes(8), 0)


@given(st.binary(max_size=300), st.binary(max_size=5))
def test_a_string_comes_back(value: bytes, behind: bytes) -> None:
    written = write_bytes(value)
    assert read_bytes(written + behind, 0) == (value, len(written))


@given(st.binary(max_size=300))
def test_a_cut_string_is_refused(value: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_bytes(write_bytes(value)[:-1], 0)


def test_a_string_up_to_its_nul() -> None:
    assert read_nul(b"xab\0cd\0", 1) == (b"ab", 4)
    assert read_nul(b"\0", 0) == (b"", 1)
    with pytest.raises(ProtocolError):
        read_nul(b"a\0bc", 2)
