import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sql.names import fold, quote, same_name, unquote
from tests.sql.texts import insert_of


@pytest.mark.parametrize(
    ("name", "written"),
    [("a", b"`a`"), ("a`b", b"`a``b`"), ("`", b"````"), ("é", b"`\xc3\xa9`"), ("\udce9", b"`\xe9`")],
)
def test_quote(name: str, written: bytes) -> None:
    assert quote(name) == written
    assert unquote(written) == name


@pytest.mark.parametrize(
    ("written", "name"),
    [(b"a", "a"), (b'"a""b"', 'a"b'), (b'"a``b"', "a``b"), (b'`a""b`', 'a""b'), (b"\xe9", "\udce9")],
)
def test_unquote(written: bytes, name: str) -> None:
    assert unquote(written) == name


@given(st.binary(min_size=1, max_size=20).filter(lambda name: b"\x00" not in name))
def test_any_bytes_survive(name: bytes) -> None:
    meant = name.decode("utf-8", "surrogateescape")
    assert unquote(quote(meant)) == meant
    assert insert_of(b"INSERT INTO " + quote(meant) + b" VALUES (1)").table == meant


def test_letter_case_does_not_matter() -> None:
    assert same_name("Email", "eMAIL")
    assert same_name("GRÖSSE", "größe".replace("ß", "ss"))
    assert not same_name("a", "b")
    assert not same_name("größe", "grösse")
    assert fold("A") == fold("a")
