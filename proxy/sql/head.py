"""A cheap look at the start of a statement."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Head:
    """What a statement does and to which table, as far as its first bytes tell.

    Args:
        verb: one of `VERBS`, else "other".
        schema: the schema written before the table's name.
        table: the table of INSERT, REPLACE, UPDATE and LOAD DATA; else None.
    """

    verb: str
    schema: str | None
    table: str | None


def head(text: bytes) -> Head:
    """Look at the first bytes of a statement."""
    return Head("other", None, None)
