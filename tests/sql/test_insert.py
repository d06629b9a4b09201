import pytest

from proxy.sql.insert import Insert, recognise
from proxy.sql.lexing import Lexing

KNOWN = Lexing(ansi_quotes=False, no_backslash_escapes=False, charset_safe=True)


@pytest.mark.parametrize("text", [b"INSERT INTO t (a) VALUES (1)", b"insert t set a = 1"])
def test_recognises_the_plain_forms(text: bytes) -> None:
    insert = recognise(text, KNOWN)
    assert isinstance(insert, Insert)
    assert (insert.table, insert.columns, insert.rows) == ("t", ("a",), 1)
