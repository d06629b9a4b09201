"""MySQL's arithmetic and collation, as SQLite is taught them."""

import pytest

from proxy.demo.errors import ServerError
from proxy.demo.functions import arithmetic, charset, collate, number


@pytest.mark.parametrize(
    ("value", "expected"),
    [("12", 12), (" -3x", -3), ("1.5e2z", 150.0), ("x", 0), ("", 0), (b"7", 7), (7, 7), (0.5, 0.5)],
)
def test_the_number_in_a_value(value: str | bytes | float, expected: float) -> None:
    assert number(value) == expected


@pytest.mark.parametrize(
    ("sign", "left", "right", "expected"),
    [
        ("+", 2, 3, 5),
        ("-", 2, 3, -1),
        ("*", "4", 2, 8),
        ("+", 0.5, 1, 1.5),
        ("+", None, 1, None),
        ("-", 1, None, None),
        ("+", 2**63 - 1, 0, 2**63 - 1),
        ("+", str(2**63), 1, str(2**63 + 1)),
        ("-", str(2**64 - 1), 2**63 - 1, str(2**63)),
    ],
)
def test_arithmetic(sign: str, left: int, right: int, expected: object) -> None:
    assert arithmetic(sign, left, right, "") == expected


@pytest.mark.parametrize(
    ("sign", "left", "right", "kind"),
    [
        ("+", "18446744073709551615", 7001062, "BIGINT UNSIGNED"),
        ("+", 2**63 - 1, 1, "BIGINT"),
        ("-", -(2**63), 1, "BIGINT"),
        ("-", 1, "18446744073709551615", "BIGINT UNSIGNED"),
    ],
)
def test_what_fits_no_bigint_is_an_error(sign: str, left: int, right: int, kind: str) -> None:
    with pytest.raises(ServerError) as caught:
        arithmetic(sign, left, right, "a ? b")
    assert (caught.value.code, caught.value.sqlstate) == (1690, "22003")
    assert caught.value.message == f"{kind} value is out of range in '(a ? b)'"


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [("a", "A", 0), ("Ärger", "arger", 0), ("a", "a ", -1), ("b", "a", 1), ("ß", "ss", 0)],
)
def test_neither_case_nor_accents_count(left: str, right: str, order: int) -> None:
    assert collate(left, right) == order


def test_the_charset_of_a_value() -> None:
    assert [charset(value) for value in ("x", 1, None, b"x")] == ["utf8mb4", "binary", "binary", "binary"]
