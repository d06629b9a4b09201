"""One key explained: its definition, the row in the way, and why the message may look odd."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from proxy.advice.evidence import Evidence
from proxy.rules.rule import Action
from proxy.rules.table import Column, KeyPart, Missing, Table, UniqueKey
from proxy.sql.names import quote, same_name

_CUT_AT: Final = 61
"""Bytes of a value from which on a server may show only its beginning."""


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to know; topic: a word or two to find it by."""

    topic: str
    text: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an action would mean for this key; advisable: nothing that is known speaks against it."""

    action: str
    text: str
    advisable: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """A key explained.

    definition: the index as in SHOW CREATE TABLE, or None. unknown: why there is no definition, "" if there is one.
    select: finds the row that is there, `?` for values that are not shown; None where its columns are not known.
    """

    definition: str | None
    unknown: str
    columns: tuple[str, ...]
    select: str | None
    notes: tuple[Note, ...]
    actions: tuple[Meaning, ...]


def explain(evidence: Evidence, entry: str | None = None) -> Explanation:
    """Explain a key from all that is known of it; entry: a value in conflict that may be shown in the SELECT."""
    key = evidence.key
    return Explanation(
        definition=None if key is None else definition_of(key),
        unknown=_unknown(evidence),
        columns=evidence.columns,
        select=_select(evidence, entry),
        notes=tuple(_notes(evidence)),
        actions=tuple(_actions(evidence)),
    )


def definition_of(key: UniqueKey) -> str:
    """Write an index as SHOW CREATE TABLE does."""
    parts = ", ".join(map(_part, key.parts)) + (" WITHOUT OVERLAPS" if key.without_overlaps else "")
    return f"PRIMARY KEY ({parts})" if key.name.upper() == "PRIMARY" else f"UNIQUE KEY {quoted(key.name)} ({parts})"


def quoted(name: str) -> str:
    """Write a name in backticks, as text."""
    return quote(name).decode("utf-8", "backslashreplace")


def _part(part: KeyPart) -> str:
    if part.column is None:
        return f"({part.expression})"
    return quoted(part.column) + (f"({part.prefix})" if part.prefix else "")


def _unknown(evidence: Evidence) -> str:
    if evidence.key is not None:
        return ""
    if isinstance(evidence.table, Missing):
        return str(evidence.table)
    if evidence.table is None:
        return "the table is not looked up: give the proxy an account (lookup in proxy.yaml), or wait a moment"
    return "the table has no unique key of this name any more, or it is a view"


def _select(evidence: Evidence, entry: str | None) -> str | None:
    key = evidence.key
    if not evidence.is_named:
        return None
    if key is not None and not key.without_overlaps and all(part.multi_valued is False for part in key.parts):
        conditions = [_condition(part) for part in key.parts]
    elif key is None and evidence.columns:
        conditions = [f"{quoted(name)} = ?" for name in evidence.columns]
    else:
        return None
    name = evidence.stats.name
    table = ".".join(quoted(part) for part in (name.schema, name.table) if part)
    where = " AND ".join(conditions)
    if entry is not None and len(conditions) == 1 and len(entry.encode()) < _CUT_AT:
        where = where.replace("?", "'" + entry.replace("\\", "\\\\").replace("'", "''") + "'")
    return f"SELECT * FROM {table} WHERE {where}"  # noqa: S608  # for people to read and to run themselves


def _condition(part: KeyPart) -> str:
    if part.column is None:
        return f"({part.expression}) = ?"
    return f"LEFT({quoted(part.column)}, {part.prefix}) = ?" if part.prefix else f"{quoted(part.column)} = ?"


# --------------------------------------------------------------------------------------------------------------------
# Notes

_BINARY: Final = ("binary", "varbinary", "blob", "tinyblob", "mediumblob", "longblob")


def _notes(evidence: Evidence) -> Iterator[Note]:
    table, key = evidence.definition, evidence.key
    if table is not None and key is not None:
        yield from _of_keys(table, key)
        yield from _of_value(table, key)
        yield from _of_table(table)
    elif len(evidence.columns) > 1:
        yield _COMPOSITE
    yield Note(
        "cut values",
        "MySQL shows the first 64 bytes of the value, MariaDB 61 and three dots: a longer value looks cut off.",
    )


_COMPOSITE: Final = Note(
    "composite key",
    "The key has several columns: the message joins their values with - and does not escape a - within a value.",
)


def _of_keys(table: Table, key: UniqueKey) -> Iterator[Note]:
    others = [other.name for other in table.keys if not same_name(other.name, key.name)]
    if not others:
        yield Note("other keys", "It is the table's only unique key.")
        return
    place = [other.name for other in table.keys].index(key.name)
    earlier = [other.name for other in table.keys[:place]]
    text = f"The table has other unique keys: {', '.join(others)}. A row may meet several at once; the error names only"
    text += " the first in the server's order (PRIMARY, then those without NULL, then the others)"
    text += f", so that on {', '.join(earlier)} there was no conflict." if earlier else ", which this key is."
    yield Note("other keys", text)
    yield Note(
        "binary log",
        "ON DUPLICATE KEY UPDATE on a table with several unique keys is unsafe where binlog_format is STATEMENT"
        " (warning 1592): use ROW or MIXED.",
    )


def _of_value(table: Table, key: UniqueKey) -> Iterator[Note]:
    if len(key.parts) > 1:
        yield _COMPOSITE
    if any(part.prefix for part in key.parts):
        yield Note("prefix", "The key holds only the beginning of a column, and the message shows only that.")
    if any(part.expression for part in key.parts):
        yield Note("expression", "The key holds an expression: the message shows what it comes to.")
    columns = [column for part in key.parts if part.column and (column := table.column(part.column))]
    yield from (note for column in columns for note in _of_column(column))


def _of_column(column: Column) -> Iterator[Note]:
    name = column.name
    if column.nullable:
        yield Note("NULL", f"{name} may be NULL, and rows with NULL there never conflict on this key.")
    if column.generated:
        yield Note("generated", f"{name} is computed: the message shows a value that no statement wrote.")
    if column.auto_increment:
        yield Note(
            "AUTO_INCREMENT",
            f"{name} is numbered by the server. A conflict on a number that no statement wrote means that the counter"
            " is behind the data, or at the end of its type.",
        )
    if column.collation is not None:
        yield from _of_collation(name, column.collation)
    elif column.type in _BINARY:
        yield Note("binary", f"{name} is binary: bytes that are no text are shown as \\xNN.")


def _of_collation(name: str, collation: str) -> Iterator[Note]:
    likes = []
    if "_ci" in collation:
        likes.append("upper and lower case")
    if "_ai" in collation or (collation.endswith("_ci") and "_as" not in collation):
        likes.append("letters with and without accents")
    if "0900" not in collation and "nopad" not in collation and collation != "binary":
        likes.append("values with and without spaces at their end")
    if likes:
        yield Note(
            "collation",
            f"{name} is compared by {collation}, which takes {', and '.join(likes)} for the same: the value in the"
            " message, which is the one offered, may look unlike the one in the table.",
        )


def _of_table(table: Table) -> Iterator[Note]:
    if table.triggers is None:
        yield Note("triggers", "Whether the table has triggers is not visible to the lookup's account (TRIGGER).")
    elif table.triggers:
        yield Note(
            "triggers",
            f"The table has triggers on {', '.join(sorted(table.triggers))}. A BEFORE INSERT trigger may change the"
            " value, and runs for a row that conflicts as well.",
        )
    else:
        yield Note("triggers", "The table has no triggers.")
    if not table.transactional:
        yield Note("engine", f"{table.engine or 'A view'} keeps the rows of a failed statement that came before.")


# --------------------------------------------------------------------------------------------------------------------
# Actions


def _actions(evidence: Evidence) -> Iterator[Meaning]:
    table = evidence.definition
    triggers = (table.triggers or frozenset()) if table else frozenset()
    named = dict.fromkeys(name for insert in evidence.inserts for name in insert.columns or ())
    columns = ", ".join(named) or "all that it names"
    yield Meaning(Action.OBSERVE, "The error goes to the client as now; it is counted under the rule's name.", True)
    yield Meaning(
        Action.IDEMPOTENT,
        f"OK if the row that is there equals the one offered in the INSERT's columns ({columns}); else the error.",
        not evidence.is_volatile,
    )
    also = " UPDATE triggers run although nothing changes." if "update" in triggers else ""
    yield Meaning(
        Action.IGNORE,
        f"OK, and the row that is there stays as it is; what the INSERT offered is dropped.{also}",
        True,
    )
    counted = f", such as adding to {', '.join(evidence.counters)}" if evidence.counters else ""
    yield Meaning(
        Action.UPDATE,
        f"OK, and what the rule sets is written to the row that is there{counted}.",
        bool(counted),
    )
    also = ", DELETE triggers run" if "delete" in triggers else ""
    others = table is not None and len(table.keys) > 1
    also += ", rows met on other unique keys are deleted too" if others else ""
    yield Meaning(
        Action.REPLACE,
        "The row that is there is deleted and the one offered inserted: columns that the INSERT does not name fall back"
        f" to their defaults, foreign keys cascade{also}.",
        False,
    )
