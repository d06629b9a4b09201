"""The text of a duplicate-key error: which value, which table, which key."""

import re
from dataclasses import dataclass

ER_DUP_KEY = 1022
ER_DUP_ENTRY = 1062
ER_DUP_ENTRY_AUTOINCREMENT_CASE = 1569
ER_DUP_ENTRY_WITH_KEY_NAME = 1586
ER_FOREIGN_DUPLICATE_KEY_WITH_CHILD_INFO = 1761
ER_FOREIGN_DUPLICATE_KEY_WITHOUT_CHILD_INFO = 1762
ER_DUP_UNKNOWN_IN_INDEX = 1859

UNKNOWN = "unknown"
"""The key of a message that does not tell it."""

_ENGLISH = re.compile(rb"Duplicate entry '(?s:(.*))' for key '(?s:(.*))'")
_DUPLICATES = frozenset((1022, 1062, 1569, 1586, 1761, 1762, 1859))


@dataclass(frozen=True, slots=True)
class Duplicate:
    r"""What a duplicate-key error tells; all text is valid Unicode, bytes that are not UTF-8 stand as `\xNN`.

    entry: the value in conflict as the server printed it (cut, escaped, parts joined by "-"), or None.
    table: the table's name, or None where the server does not tell. key: the index's name, or UNKNOWN.
    """

    entry: str | None
    table: str | None
    key: str


def is_duplicate(errno: int) -> bool:
    """Whether the server's error number is 1062 or one of its relatives."""
    return errno in _DUPLICATES


def parse(errno: int, message: bytes, mariadb: bool, expected_table: str | None = None) -> Duplicate:
    """Read the text of an ERR packet whose number is a duplicate's.

    message: the text as the server sent it, in any of its languages, in the charset of character_set_results.
    mariadb: whether the server is MariaDB, which does not put the table before the key.
    expected_table: the statement's table, which tells the table from the key where names hold dots.
    """
    match = _ENGLISH.fullmatch(message)
    if match is None:
        return Duplicate(None, None, UNKNOWN)
    entry, key = (part.decode("utf-8", "backslashreplace") for part in match.groups())
    if mariadb or "." not in key:
        return Duplicate(entry, None, key)
    table, _, key = key.partition(".")
    return Duplicate(entry, table, key)
