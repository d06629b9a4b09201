"""What SQLite lacks of MySQL's expressions: checked integer arithmetic and a collation without case and accents.

SQLite turns an integer that overflows into a float, where MySQL raises 1690; the proxy's guard relies on that error.
"""

from __future__ import annotations

import operator
import re
import unicodedata
from collections.abc import Callable

from proxy.demo.errors import ServerError

Number = int | float
Value = Number | str | bytes | None

_OPERATORS: dict[str, Callable[[Number, Number], Number]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
_SIGNED = range(-(2**63), 2**63)
_UNSIGNED = range(2**64)
_NUMBER = re.compile(r"\s*([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)")


def number(value: str | bytes | Number) -> Number:
    """Read the number that MySQL sees in a value: the longest numeric prefix of a text, 0 if there is none."""
    if isinstance(value, int | float):
        return value
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    match = _NUMBER.match(text)
    if match is None:
        return 0
    return int(match[1]) if match[1].lstrip("+-").isdigit() else float(match[1])


def arithmetic(sign: str, left: Value, right: Value, text: str) -> Value:
    """Compute `left sign right` as MySQL does.

    Args:
        sign: one of + - *.
        left: the operand on the left; integers above 2^63 - 1 come as digits, for SQLite has none.
        right: the operand on the right.
        text: the expression as MySQL would print it.

    Returns:
        NULL if an operand is NULL; digits in place of an integer above 2^63 - 1.

    Raises:
        ServerError: 1690 if the result fits no BIGINT. An operand above 2^63 - 1 makes the operation unsigned.
    """
    if left is None or right is None:
        return None
    first, second = number(left), number(right)
    result = _OPERATORS[sign](first, second)
    if isinstance(result, float):
        return result
    unsigned = max(first, second) not in _SIGNED
    if result not in (_UNSIGNED if unsigned else _SIGNED):
        raise ServerError(1690, f"{'BIGINT UNSIGNED' if unsigned else 'BIGINT'} value is out of range in '({text})'")
    return result if result in _SIGNED else str(result)


def collate(left: str, right: str) -> int:
    """Order texts as utf8mb4_0900_ai_ci does for everyday letters: neither case nor accents count, spaces do."""
    first, second = folded(left), folded(right)
    return (first > second) - (first < second)


def folded(text: str) -> str:
    """Strip a text of case and accents."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).casefold()


def charset(value: Value) -> str:
    """Tell a value's character set as CHARSET() does: numbers and NULL have the binary one."""
    return "utf8mb4" if isinstance(value, str) else "binary"
