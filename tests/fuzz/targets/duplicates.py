"""The text of duplicate-key errors: any text is read, and one of the servers' own tells what was put into it."""

from proxy.conflicts import templates
from proxy.conflicts.message import CHARSETS, ER_DUP_ENTRY, MAX_TEXT, UNKNOWN, Duplicate, is_duplicate, parse
from tests.fuzz.target import Target, joined, parts

ERRORS = (1062, 1022, 1569, 1586, 1761, 1762, 1859)
PLACE = "%s"


def check(data: bytes) -> None:
    """Read a text; the first two bytes say of which error, server and table, and whether it goes into a template."""
    how, number, data = data[:1] or b"\0", data[1:2] or b"\0", data[2:]
    errno, mariadb = ERRORS[how[0] % len(ERRORS)], how[0] & 0x40 > 0
    expected = (None, "users", "a.b", "ux\udcff")[how[0] >> 4 & 3]
    assert is_duplicate(errno)
    _check_text(parse(errno, data, mariadb, expected))
    if how[0] & 0x80:
        _check_template(number[0], data, mariadb=mariadb)


def _check_text(found: Duplicate) -> None:
    for text in (found.entry, found.table, found.key):
        assert text is None or text.encode() is not None
    assert found.key
    assert found.table != ""


def _check_template(number: int, data: bytes, *, mariadb: bool) -> None:
    """Put an entry, which may hold anything, and a key into one of the servers' texts."""
    entry, key = parts(data, 2)
    text = templates.DUP_ENTRY[number % len(templates.DUP_ENTRY)]
    charset = CHARSETS[number // len(templates.DUP_ENTRY) % len(CHARSETS)]
    try:
        before, between, behind = (part.encode(charset) for part in text.split(PLACE))
    except UnicodeEncodeError:
        return
    message = before + entry + between + key + behind
    if len(message) > MAX_TEXT or not key.isalnum() or not key.isascii():
        return
    found = parse(ER_DUP_ENTRY, message, mariadb=True)
    assert found.key == key.decode()
    assert found.entry == entry.decode("utf-8", "backslashreplace")
    assert found.table is None
    if not mariadb:
        split = parse(ER_DUP_ENTRY, before + entry + between + b"users." + key + behind, mariadb=False)
        assert (split.table, split.key) == ("users", key.decode())


TARGET = Target(
    check,
    seeds=(
        b"\0\0Duplicate entry 'a@x' for key 'users.ux_email'",
        b"\x40\0Duplicate entry 'a@x' for key 'ux_email'",
        b"\x10\0Duplicate entry '' for key 'users.*UNKNOWN*'",
        b"\1\0" + b"Can't write; duplicate key in table 'users'",
        b"\4\0" + templates.FOREIGN_WITH_CHILD[0].replace(PLACE, "a'b").encode(),
        b"\5\0" + templates.FOREIGN_WITHOUT_CHILD[3].replace(PLACE, "a-b").encode(),
        b"\6\0" + templates.DUP_UNKNOWN[10].replace(PLACE, "k").encode(),
        b"\0\0" + templates.DUP_ENTRY[11].replace(PLACE, "x").encode("koi8_r", "ignore"),
        *(b"\x80" + bytes((number,)) + joined(b"' for key 'a", b"ux") for number in range(0, 256, 17)),
    ),
    words=(b"Duplicate entry '", b"' for key '", b"users.", b".PRIMARY", b"*UNKNOWN*", UNKNOWN.encode(), b"\\306F"),
    longest=300,
)
