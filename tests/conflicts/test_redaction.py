import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.conflicts.redaction import CUT, LONGEST, LOOK, digest, redact

SECRET = "s3cret"
PIECES = (
    *(
        b" ",
        b"  ",
        b"\t",
        b"\n",
        b"'",
        b'"',
        b"`",
        b"\\",
        b"-",
        b"--",
        b"-- ",
        b"#",
        b"/",
        b"*",
        b"/*",
        b"*/",
        b"/*!",
        b"/*m!",
    ),
    *(
        b"/*+",
        b"N",
        b"x",
        b"_utf8",
        b"_",
        b"@",
        b"$",
        b"0",
        b"1.5e3",
        b".",
        b".5",
        b"NULL",
        b"null",
        b"trueish",
        b"FALSE",
    ),
    *(
        b"insert",
        b"(",
        b")",
        b",",
        b"?",
        b"=",
        b"+",
        b";",
        b"\0",
        b"\x7f",
        b"\x80",
        b"\xa0",
        b"\xc3\xa9",
        b"\xe2\x82",
        b"[",
    ),
)
TOKEN = re.compile(
    rb"(?P<space>[\t-\r\x20]++)"
    rb"|(?P<gone>/\*(?![!+]|M!).*?\*/|/\*\+[^'\"`\\]*?\*/|(?:\#|--(?=[\x00-\x20\x7f]|\Z))[^\n]*+(?:\n|\Z))"
    rb"|(?P<literal>(?:(?:[NXB]|_[0-9A-Z]++[\t-\r\x20]*+)(?=['\"]))?+(?:'(?:[^'\\]|'')*+'(?!')|\"(?:[^\"\\]|\"\")*+\"(?!\"))"
    rb"|[0-9][0-9A-Z_$.]*+|\.[0-9]++[0-9A-Z_]*+|(?:NULL|TRUE|FALSE)(?![0-9A-Z_$\x80-\xff]))"
    rb"|(?P<word>`(?:[^`\\]++|``)++`|@{0,2}+[A-Z_$\x80-\xff][0-9A-Z_$\x80-\xff]*+)"
    rb"|(?P<mark>[(),.=+*%<>!?;:&|^~{}]|-(?!-[\x80-\xff])|/(?!\*))",
    re.IGNORECASE | re.DOTALL,
)


def token_by_token(text: bytes) -> str:
    """Give the sample of a text that is read one token after the other."""
    sample, at, end = "", 0, min(len(text), LOOK)
    while at < end:
        token = TOKEN.match(text, at, end)
        if token is None or token.end() == end < len(text):
            sample += CUT
            break
        at, kind = token.end(), token.lastgroup
        sample += {"space": " ", "gone": " ", "literal": "?"}.get(
            kind or "", token[0].decode("utf-8", "backslashreplace")
        )
    sample = re.sub(r"\s*,\s*", ", ", re.sub(r" +", " ", sample).strip())
    sample = re.sub(r"(?<=[(,=] )[-+]\s*\?|(?<=[(,=])[-+]\s*\?", "?", sample)
    sample = re.sub(r"(\((?:[^()]|\([^()]*\))*\))(?:, ?\1)+", r"\1, " + CUT, sample)
    sample = re.sub(r"\?(?:, \?){15,}", "?, " + CUT, sample)
    return sample if len(sample) <= LONGEST else sample[: LONGEST - 1] + CUT


@pytest.mark.parametrize(
    ("text", "sample"),
    [
        ("INSERT INTO t (a, b) VALUES ('x', 5)", "INSERT INTO t (a, b) VALUES (?, ?)"),
        ("INSERT  INTO\n`t` VALUES (-1.5e3 , 0xAB,x'00', _utf8mb4'z', N'y')", "INSERT INTO `t` VALUES (?, ?, ?, ?, ?)"),
        ("INSERT INTO t VALUES ('O''Brien', \"x\"\"y\")", "INSERT INTO t VALUES (?, ?)"),
        ("INSERT INTO t VALUES (1, NULL), (2, 'x'), (3, NULL)", "INSERT INTO t VALUES (?, ?), …"),
        ("/* a */ INSERT /*+ hint */ INTO t VALUES (1) -- 'x'", "INSERT INTO t VALUES (?)"),
        ("INSERT INTO t SET a = NOW(), b = :b, c = ?", "INSERT INTO t SET a = NOW(), b = :b, c = ?"),
        ("", ""),
    ],
)
def test_samples(text: str, sample: str) -> None:
    assert redact(text.encode()) == sample


@pytest.mark.parametrize(
    "text",
    [
        f"INSERT INTO t VALUES ('{SECRET}')",
        f'INSERT INTO t VALUES ("{SECRET}")',
        f"INSERT INTO t VALUES ('a\\', {SECRET}, 'b')",
        f"INSERT INTO t VALUES ('\\'', '{SECRET}')",
        f"INSERT INTO t VALUES ('unclosed {SECRET}",
        f"INSERT INTO t VALUES (1) /* {SECRET} */",
        f"INSERT INTO t VALUES (1) -- {SECRET}",
        f"INSERT INTO t VALUES (1) # {SECRET}",
        f"INSERT INTO t /*!80000 VALUES ('*/ {SECRET} ') */",
        f"INSERT INTO t VALUES (x'{SECRET.encode().hex()}', 0x{SECRET.encode().hex()})",
        f"INSERT INTO t VALUES ('a' '{SECRET}')",
        f"INSERT INTO t VALUES ('{'x' * 5000}{SECRET}')",
    ],
)
def test_no_value_is_ever_shown(text: str) -> None:
    sample = redact(text.encode())
    assert SECRET not in sample
    assert SECRET.encode().hex() not in sample


@given(st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join))
def test_texts_are_cut_as_if_they_were_read_token_by_token(text: bytes) -> None:
    assert redact(text) == token_by_token(text)


def test_no_three_pieces_are_read_in_another_way() -> None:
    for text in map(b"".join, product(PIECES, repeat=3)):
        assert redact(text) == token_by_token(text)


@pytest.mark.parametrize("tail", PIECES)
def test_the_token_at_the_end_of_what_is_looked_at_is_not_shown(tail: bytes) -> None:
    for size in range(LOOK - len(tail) - 2, LOOK + 2):
        text = b"INSERT INTO t VALUES ".ljust(size, b",") + tail + b" (1)"
        assert redact(text) == token_by_token(text)


def test_samples_are_short() -> None:
    assert len(redact(b"INSERT INTO t VALUES " + b", ".join(b"(a%d)" % number for number in range(999)))) <= LONGEST
    assert redact(b"INSERT INTO t VALUES (" + b"?, " * 500 + b"?)").startswith("INSERT INTO t VALUES (?, …")


def test_bytes_that_are_no_text() -> None:
    assert redact(b"INSERT INTO `\xff` VALUES (1)") == r"INSERT INTO `\xff` VALUES (?)"


def test_a_digest_is_of_the_shape() -> None:
    shapes = [redact(text) for text in (b"INSERT INTO t VALUES (1)", b"insert  into T values ('x')")]
    assert len({digest(sample) for sample in shapes}) == 1
    assert digest("a") != digest("b")
    assert len(digest("")) == 16
