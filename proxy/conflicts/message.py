"""The text of a duplicate-key error: which value, which table, which key.

A value holds whatever a client sent, quotes and all, and neither server escapes it. So a text is taken apart with the
servers' own templates: what stands before the value is matched from the left, what stands after it from the right, and
a value that imitates the text around it deceives nobody. A text that fits no template, or was cut, tells nothing.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from proxy.conflicts import templates
from proxy.conflicts.labels import printable

ER_DUP_KEY = 1022
ER_DUP_ENTRY = 1062
ER_DUP_ENTRY_AUTOINCREMENT_CASE = 1569
ER_DUP_ENTRY_WITH_KEY_NAME = 1586
ER_FOREIGN_DUPLICATE_KEY_WITH_CHILD_INFO = 1761
ER_FOREIGN_DUPLICATE_KEY_WITHOUT_CHILD_INFO = 1762
ER_DUP_UNKNOWN_IN_INDEX = 1859

UNKNOWN = "unknown"
"""The key of a message that does not tell it."""

MAX_TEXT = 2048
"""A server's text has at most 512 bytes (MYSQL_ERRMSG_SIZE); what is far longer is not a server's."""

CHARSETS = (
    "utf_8",
    "cp1252",
    "iso8859_2",
    "cp1250",
    "iso8859_7",
    "cp1251",
    "koi8_r",
    "koi8_u",
    "cp866",
    "iso8859_9",
    "iso8859_13",
    "cp1257",
    "cp850",
    "cp852",
    "mac_roman",
    "mac_latin2",
    "hp_roman8",
    "cp932",
    "euc_jp",
    "euc_kr",
    "gb18030",
    "gb2312",
    "big5",
    "iso8859_8",
    "cp1256",
    "tis_620",
    "ascii",
)
"""The charsets that character_set_results may have, in Python's words, the commonest first.

Left out are keybcs2, swe7 and geostd8, which Python does not know, and those of two and four bytes: both servers cut
the text at its first NUL then, which leaves nothing to read.
"""

ESCAPE, SJIS_ESCAPE = b"\\", b"\x81\x5f"
"""What stands before the hexadecimal number of a character that the charset lacks; MariaDB's sjis has no backslash."""


class Duplicate(NamedTuple):
    r"""What a duplicate-key error tells; all text is valid Unicode, bytes that are not UTF-8 stand as `\xNN`.

    entry: the value in conflict as the server printed it (cut, escaped, parts joined by "-"), or None.
    table: the table's name, or None where the server does not tell. key: the index's name, or UNKNOWN.
    """

    entry: str | None
    table: str | None
    key: str


NOTHING = Duplicate(None, None, UNKNOWN)


class Layout(NamedTuple):
    """The fields of a kind of text in their order, and the text in every language."""

    fields: tuple[str, ...]
    texts: tuple[str, ...]


_WITH_KEY = (
    Layout(("entry", "key"), templates.DUP_ENTRY),
    Layout(("entry", "key"), templates.AUTO_INCREMENT),
)
_LAYOUTS: dict[int, tuple[Layout, ...]] = {
    ER_DUP_KEY: (Layout(("table",), templates.DUP_KEY),),
    ER_DUP_ENTRY: _WITH_KEY,
    ER_DUP_ENTRY_AUTOINCREMENT_CASE: _WITH_KEY,
    ER_DUP_ENTRY_WITH_KEY_NAME: _WITH_KEY,
    ER_FOREIGN_DUPLICATE_KEY_WITH_CHILD_INFO: (
        Layout(("parent", "entry", "table", "key"), templates.FOREIGN_WITH_CHILD),
    ),
    ER_FOREIGN_DUPLICATE_KEY_WITHOUT_CHILD_INFO: (Layout(("parent", "entry"), templates.FOREIGN_WITHOUT_CHILD),),
    ER_DUP_UNKNOWN_IN_INDEX: (Layout(("key",), templates.DUP_UNKNOWN),),
}
_KEYS_WITH_TABLE = frozenset((ER_DUP_ENTRY, ER_DUP_ENTRY_AUTOINCREMENT_CASE, ER_DUP_ENTRY_WITH_KEY_NAME))


def is_duplicate(errno: int) -> bool:
    """Whether the server's error number is 1062 or one of its relatives."""
    return errno in _LAYOUTS


def parse(errno: int, message: bytes, mariadb: bool, expected_table: str | None = None) -> Duplicate:
    """Read the text of an ERR packet whose number is_duplicate.

    message: the text as the server sent it, in any of its languages, in the charset of character_set_results.
    mariadb: whether the server is MariaDB, which does not put the table before the key; MySQL does from 8.0.19 on.
    expected_table: the statement's table, which tells the table from the key where names hold dots.
    """
    fields = _fields(errno, message) if len(message) <= MAX_TEXT else None
    if fields is None:
        return NOTHING
    table, key = fields.get("table"), fields.get("key", UNKNOWN)
    if not mariadb and errno in _KEYS_WITH_TABLE:
        table, key = split_key(key, expected_table)
    # "*UNKNOWN*" is MySQL's word for a key that the storage engine did not tell (print_keydup_error).
    return Duplicate(fields.get("entry"), table or None, UNKNOWN if key in ("", "*UNKNOWN*") else key)


def split_key(key: str, expected_table: str | None) -> tuple[str | None, str]:
    """Split MySQL's `table.key` into the table, None if there is none, and the key.

    Nothing quotes the names and either may hold dots: the expected table is tried first, then the first dot is taken,
    as index names hold dots (migration tools put the schema into them) more often than table names do.
    """
    if expected_table is not None:
        expected = printable(expected_table)
        end = len(expected)
        if key[end : end + 1] == "." and key[:end].lower() == expected.lower():
            return key[:end], key[end + 1 :]
    if key.endswith(".PRIMARY"):
        table, _, key = key.rpartition(".")
        return table or None, key
    table, _, rest = key.partition(".")
    return (table, rest) if table and rest else (None, key)


def warm_up() -> None:
    """Make the templates of the usual error, some 50 ms in all, before a session has to wait for them."""
    _templates(ER_DUP_ENTRY)


class _Template(NamedTuple):
    """A text in one language and charset.

    start, end: what stands before and behind all fields. before, behind: what stands between them, as it is looked for
    from the left up to the value, and then from the right. fields: in the order in which they are found so.
    """

    start: bytes
    end: bytes
    before: tuple[bytes, ...]
    behind: tuple[bytes, ...]
    fields: tuple[str, ...]


@functools.cache
def _templates(errno: int) -> tuple[_Template, ...]:
    """Return every template of an error in every charset, without repetitions."""
    return tuple(dict.fromkeys(_encoded(errno)))


def _encoded(errno: int) -> Iterator[_Template]:
    for charset, escape in (*((charset, ESCAPE) for charset in CHARSETS), ("shift_jis", SJIS_ESCAPE)):
        for layout in _LAYOUTS[errno]:
            for text in layout.texts:
                yield _template(layout.fields, [_escaped(part, charset, escape) for part in text.split("%s")])


def _template(fields: tuple[str, ...], parts: Sequence[bytes]) -> _Template:
    start, *between, end = parts
    value = fields.index("entry") if "entry" in fields else 0
    found = (*fields[:value], *reversed(fields[value + 1 :]), fields[value])
    return _Template(start, end, tuple(between[:value]), tuple(reversed(between[value:])), found)


def _escaped(text: str, charset: str, escape: bytes) -> bytes:
    r"""Encode a text as a server does: what the charset lacks becomes `\306F` (convert_error_message)."""
    return b"".join(char.encode(charset, "ignore") or escape + b"%04X" % ord(char) for char in text)


def _fields(errno: int, message: bytes) -> dict[str, str] | None:
    for template in _templates(errno):
        if message.startswith(template.start) and message.endswith(template.end):
            found = _split(message[len(template.start) : len(message) - len(template.end)], template)
            if found is not None:
                return dict(
                    zip(template.fields, [field.decode("utf-8", "backslashreplace") for field in found], strict=True)
                )
    return None


def _split(body: bytes, template: _Template) -> list[bytes] | None:
    """Give the fields in the order of the template's; None if something that stands between them is missing."""
    found = []
    for separator in template.before:
        field, mark, body = body.partition(separator)
        if not mark:
            return None
        found.append(field)
    for separator in template.behind:
        body, mark, field = body.rpartition(separator)
        if not mark:
            return None
        found.append(field)
    found.append(body)
    return found
