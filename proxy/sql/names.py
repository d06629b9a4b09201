"""Names of schemas, tables, columns and keys: as written, as meant, and compared."""


def quote(name: str) -> bytes:
    """Write a name so that it is a name in every sql_mode: in backticks, those inside doubled.

    Args:
        name: the name as meant, bytes that are not UTF-8 as surrogate escapes.
    """
    return b"`" + name.encode("utf-8", "surrogateescape").replace(b"`", b"``") + b"`"


def unquote(written: bytes) -> str:
    """Read a name as written: plain, or in backticks or double quotes with doubled ones inside.

    The bytes are read as UTF-8; others become surrogate escapes, so that `quote` gives the very same bytes.
    """
    mark = written[:1]
    if mark in (b"`", b'"'):
        written = written[1:-1].replace(mark + mark, mark)
    return written.decode("utf-8", "surrogateescape")


def is_text(name: str) -> bool:
    """Tell whether a name's bytes are UTF-8, so that it holds no surrogate escapes."""
    return not any("\udc80" <= character <= "\udcff" for character in name)


def fold(name: str) -> str:
    """Return the form under which names that MySQL takes for the same column or key are equal."""
    return name.lower()


def same_name(one: str, other: str) -> bool:
    """Tell whether two names mean the same column or key; their letter case never matters (manual, 11.2.3)."""
    return one == other or fold(one) == fold(other)
