import pytest

from proxy.conflicts.redaction import LONGEST, digest, redact

SECRET = "s3cret"


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
