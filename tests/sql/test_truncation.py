"""A statement that was cut is an INSERT only if what is left is a whole one."""

import pytest

from proxy.sql.insert import Insert, recognise
from proxy.sql.lexing import Lexing
from tests.sql.texts import ANSI, KNOWN, NO_ESCAPES, UNKNOWN, insert_of

# Where a cut leaves a whole statement is marked by a caret. Cuts before a ~ are not looked at: the beginnings of a word
# are names of columns.
_VALUES = [
    b"INSERT INTO t VALUES (1)^",
    b"INSERT INTO t VALUES (1)^,(2)^,(3)^",
    b"INSERT INTO t VALUES (1)^ ^,^ (2)^ ^;^ ^".replace(b",^", b","),
    b"INSERT INTO t VALUES ()^",
    b"INSERT INTO `s`.`t` (`a`, `b,c`) VALUES ('it''s', \"it\"\"s\")^, (NOW(), (SELECT MAX(a) FROM u))^;^ ^",
    b"/* a */ INSERT LOW_PRIORITY INTO s . t PARTITION (p0, p1) (a) VALUE (_binary'\\'\\\\')^",
    b"INSERT INTO t (a) VALUES (CASE WHEN 1 THEN ')' ELSE (2) END)^ ^/* x */^ ^;^",
    b"INSERT INTO t (a) VALUES (1)^ ^#^ ^x^",
    b"INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = 2".replace(b"(1) ", b"(1)^ ^"),
    b"INSERT INTO t (a) VALUES (1)^ ^AS new ON DUPLICATE KEY UPDATE a = new.a",
    b"INSERT INTO t (a) VALUES (1)^;^ ^INSERT INTO t (a) VALUES (2)",
    b"INSERT INTO t (a) VALUES (1)^ ^/*! ON DUPLICATE KEY UPDATE a = 2 */",
    b"INSERT INTO t (a) VALUES (1)^ ^RETURNING a^",
    b"INSERT INTO t (a) VALUES (1)^ ^RETURNING (SELECT a)^, `b`^;^",
    b"INSERT INTO t SELECT 1^",
    b"INSERT INTO t TABLE u^",
    b"INSERT INTO t (a) VALUES (?)^,(?)^,(?)^",
    b"INSERT IGNORE INTO t VALUES (1)",
    b"INSERT INTO t SET a = (1)^, b = (f(2))^",
    b"INSERT INTO t SET a = 'x'^ ^+ 'y'^ ^;^",
    b"INSERT INTO t SET a = NOT~ 'x'^ ^IS NOT NULL^",
    b"INSERT INTO t SET a = 'x'^ ^COLLATE u^t^f^8^_^b^i^n^, b = '1'^",
    b"INSERT INTO t SET a = ?^ ^ON DUPLICATE KEY UPDATE a = 2",
    b"INSERT INTO t SET a = _utf8mb4 'x'^",
    b"INSERT INTO t SET a = INTERVAL~ 1 DAY^ ^+ '2020-01-01'^",
    b"INSERT INTO t SET a = CASE~ WHEN 1 THEN 2 END, b = 3",
]


def _cuts(marked: bytes) -> tuple[bytes, int, set[int]]:
    """Return the text without its marks, the first length to look at, and the lengths at which it is whole."""
    first = marked.find(b"~")
    parts = marked.replace(b"~", b"").split(b"^")
    text = b"".join(parts)
    return text, max(first, 0), {sum(map(len, parts[:count])) for count in range(1, len(parts))}


@pytest.mark.parametrize("marked", _VALUES)
def test_every_cut(marked: bytes) -> None:
    text, first, whole = _cuts(marked)
    for end in range(first, len(text) + 1):
        found = recognise(text[:end], KNOWN)
        assert isinstance(found, Insert) is (end in whole), text[:end]


@pytest.mark.parametrize("lexing", [KNOWN, ANSI, NO_ESCAPES, UNKNOWN, Lexing(True, True, False)])
@pytest.mark.parametrize("marked", _VALUES)
def test_every_cut_and_every_lost_byte_is_answered(marked: bytes, lexing: Lexing) -> None:
    text, _, _ = _cuts(marked)
    for place in range(len(text)):
        recognise(text[:place], lexing)
        recognise(text[place:], lexing)
        recognise(text[:place] + text[place + 1 :], lexing)


def test_a_long_text_is_whole_only_at_the_ends_of_its_rows() -> None:
    row = b"(1,'a)',f(2))"
    text = b"INSERT INTO t VALUES " + b",".join([row] * 50)
    whole = {end for end in range(len(text) + 1) if isinstance(recognise(text[:end], KNOWN), Insert)}
    first = len(b"INSERT INTO t VALUES ") + len(row)
    assert whole == {first + count * (len(row) + 1) for count in range(50)}
    assert insert_of(text).rows == 50
