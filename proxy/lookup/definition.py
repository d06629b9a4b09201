"""The definition of one table out of the server's answers.

Read from information_schema and checked against SHOW CREATE TABLE, which gives three things that information_schema
does not: whether the account sees everything (it is refused to an account with rights on single columns only, and it
lists all columns and keys), the order of the keys, and WITHOUT OVERLAPS. Read before and after the rest, it also tells
whether all the answers are about one and the same definition.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import pymysql
from pymysql.constants import ER

from proxy.lookup.grants import sees_triggers
from proxy.rules.table import Absence, Column, KeyPart, Missing, Table, UniqueKey
from proxy.sql.dialect import Dialect
from proxy.sql.names import quote

Row = tuple[object, ...]

_ATTEMPTS: Final = 3
_EXPRESSIONS_SINCE: Final = (8, 0, 13)


class LookupFailedError(Exception):
    """A definition could not be read; the message says why, without any secret."""


class Ask(Protocol):
    """Runs one statement and returns all of its rows; raises pymysql.Error."""

    def __call__(self, statement: str, values: Sequence[str] = ()) -> Sequence[Row]:
        """Run it; `values` stand for its placeholders."""


def read_definition(ask: Ask, dialect: Dialect, schema: str, table: str) -> Table | Missing:
    """Read the definition of a table or view.

    schema, table: as a statement names them; the server's lower_case_table_names decides whether their case matters.
    Raises LookupFailedError if it changes faster than it can be read, pymysql.Error and OSError.
    """
    if not (_is_name(schema) and _is_name(table)):
        return Missing(Absence.NO_TABLE)
    try:
        for _ in range(_ATTEMPTS):
            found = _read_once(ask, dialect, schema, table)
            if found is not None:
                return found
    except pymysql.Error as error:
        if error.args[:1] == (ER.TABLEACCESS_DENIED_ERROR,):
            return Missing(Absence.NOT_VISIBLE)
        if error.args[:1] == (ER.NO_SUCH_TABLE,):
            return Missing(Absence.NO_TABLE)
        raise
    raise LookupFailedError("the table's definition changes while it is read")


def _is_name(text: str) -> bool:
    """Tell whether a text can name anything: characters from U+0001 to U+FFFF (MySQL manual, "Schema Object Names").

    Others, and bytes that are no UTF-8, are an error in a comparison with information_schema.
    """
    return bool(text) and all("\0" < character < "\ud800" or "\udfff" < character <= "\uffff" for character in text)


def _read_once(ask: Ask, dialect: Dialect, schema: str, table: str) -> Table | Missing | None:
    """Read a definition; None if it changed meanwhile."""
    found = _find(ask, schema, table)
    if found is None:
        return Missing(Absence.NO_TABLE)
    if found.kind == "VIEW":
        columns = _columns(ask, dialect, found)
        return Table(found.schema, found.name, columns, (), None, False, frozenset(), True)
    created = _created(ask, found)
    columns = _columns(ask, dialect, found)
    keys = _keys(ask, dialect, found)
    triggers = _triggers(ask, found)
    if _created(ask, found) != created:
        return None
    if created.columns != tuple(column.name for column in columns) or created.keys.keys() != keys.keys():
        return Missing(Absence.NOT_VISIBLE)
    ordered = tuple(UniqueKey(name, keys[name], overlaps) for name, overlaps in created.keys.items())
    return Table(found.schema, found.name, columns, ordered, found.engine, found.transactional, triggers, False)


# --------------------------------------------------------------------------------------------------------------------
# The table itself


@dataclass(frozen=True, slots=True)
class _Found:
    schema: str
    name: str
    kind: str
    engine: str | None
    transactional: bool


def _find(ask: Ask, schema: str, table: str) -> _Found | None:
    rows = ask(
        "SELECT t.TABLE_SCHEMA, t.TABLE_NAME, t.TABLE_TYPE, t.ENGINE, e.TRANSACTIONS, @@lower_case_table_names"
        " FROM information_schema.TABLES t LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE"
        " WHERE t.TABLE_SCHEMA = %s AND t.TABLE_NAME = %s",
        (schema, table),
    )
    for own_schema, name, kind, engine, transactions, lower_case in rows:
        # MariaDB compares names in information_schema without regard to case even where case matters.
        if lower_case or (own_schema, name) == (schema, table):
            return _Found(str(own_schema), str(name), str(kind), _text(engine), transactions == "YES")
    return None


@dataclass(frozen=True, slots=True)
class _Created:
    """What SHOW CREATE TABLE says: its text, the columns, and the unique keys; True: one is WITHOUT OVERLAPS."""

    text: str
    columns: tuple[str, ...]
    keys: dict[str, bool]


_COUNTER: Final = re.compile(r" AUTO_INCREMENT=\d+")
_COLUMN_LINE: Final = re.compile(r"^  `((?:[^`]|``)+)` ", re.MULTILINE)
_KEY_LINE: Final = re.compile(r"^  (?:(PRIMARY) KEY|UNIQUE KEY `((?:[^`]|``)+)`) (.*)$", re.MULTILINE)


def _created(ask: Ask, found: _Found) -> _Created:
    name = b"%b.%b" % (quote(found.schema), quote(found.name))
    text = _COUNTER.sub("", str(ask(f"SHOW CREATE TABLE {name.decode()}")[0][1]))
    return _Created(
        text,
        tuple(_name(written) for written in _COLUMN_LINE.findall(text)),
        {_name(primary or written): "WITHOUT OVERLAPS)" in rest for primary, written, rest in _KEY_LINE.findall(text)},
    )


def _name(written: str) -> str:
    return written.replace("``", "`")


# --------------------------------------------------------------------------------------------------------------------
# Its parts


def _columns(ask: Ask, dialect: Dialect, found: _Found) -> tuple[Column, ...]:
    generated = "IS_GENERATED = 'ALWAYS'" if dialect.mariadb else "GENERATION_EXPRESSION <> ''"
    rows = ask(
        "SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_SET_NAME, COLLATION_NAME,"  # noqa: S608
        f" IS_NULLABLE, COLUMN_DEFAULT, EXTRA, {generated} FROM information_schema.COLUMNS"
        " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION",
        (found.schema, found.name),
    )
    return tuple(_column(row) for row in rows)


def _column(row: Row) -> Column:
    name, data_type, charset, collation, nullable, default, extra_text, generated = row
    extra = str(extra_text).lower()
    return Column(
        name=str(name),
        type=str(data_type).lower(),
        charset=_text(charset),
        collation=_text(collation),
        nullable=nullable == "YES",
        generated=bool(generated),
        auto_increment="auto_increment" in extra,
        has_default=not generated and (default is not None or "default_generated" in extra or nullable == "YES"),
        invisible="invisible" in extra,
    )


def _keys(ask: Ask, dialect: Dialect, found: _Found) -> dict[str, tuple[KeyPart, ...]]:
    expression = "EXPRESSION" if not dialect.mariadb and dialect.version >= _EXPRESSIONS_SINCE else "NULL"
    rows = ask(
        f"SELECT INDEX_NAME, COLUMN_NAME, SUB_PART, {expression}"  # noqa: S608
        " FROM information_schema.STATISTICS"
        " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND NON_UNIQUE = 0 ORDER BY INDEX_NAME, SEQ_IN_INDEX",
        (found.schema, found.name),
    )
    keys: dict[str, tuple[KeyPart, ...]] = {}
    for name, column, prefix, text in rows:
        part = KeyPart(_text(column), int(str(prefix)) if prefix else None, None if text is None else _plain(str(text)))
        keys[str(name)] = (*keys.get(str(name), ()), part)
    return keys


def _plain(expression: str) -> str:
    r"""Undo the escapes that MySQL adds to an expression in information_schema (measured on 9.7): \'x\' is 'x'."""
    return re.sub(r"\\(.)", r"\1", expression, flags=re.DOTALL)


def _triggers(ask: Ask, found: _Found) -> frozenset[str] | None:
    grants: Iterable[Row] = ask("SHOW GRANTS")
    if not sees_triggers((str(row[0]) for row in grants), found.schema, found.name):
        return None
    rows = ask(
        "SELECT DISTINCT EVENT_MANIPULATION FROM information_schema.TRIGGERS"
        " WHERE EVENT_OBJECT_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s",
        (found.schema, found.name),
    )
    return frozenset(str(event).lower() for (event,) in rows)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
