"""How one offer of rows is written as an INSERT: the forms of the matrix. A new form is a new line of FORMS."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.matrix.model import Offer, Value

Write = Callable[[Value], str]
"""Writes a value: a literal, or `?`."""


@dataclass(frozen=True)
class Target:
    """The table that an INSERT is for."""

    schema: str
    table: str


@dataclass(frozen=True)
class Form:
    """One way to write an INSERT.

    Args:
        write: writes an offer, with the table's schema and name and a way to write values.
        offers: changes what is offered, where the form says it otherwise.
        rows: how many rows it can take at most.
        mariadb, mysql: which servers know it.
        hint_warnings: how many warnings MySQL adds on its own.
        partitioned: it is for the table with partitions.
        sourced: it reads the rows from a table that holds them, which is named for the number of its columns.
        several: it is sent in the middle of a multi-statement text.
    """

    write: Callable[[Target, Offer, Write], str]
    offers: Callable[[Offer], Offer] = lambda offer: offer
    rows: int = 99
    mariadb: bool = True
    mysql: bool = True
    hint_warnings: int = 0
    partitioned: bool = False
    sourced: bool = False
    several: bool = False


def literal(value: Value) -> str:
    """Write a value into the text."""
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def _columns(offer: Offer, quoted: str = "") -> str:
    return "(" + ", ".join(quoted + column + quoted for column in offer.columns) + ")"


def _rows(offer: Offer, write: Write, row: str = "({})", between: str = ", ") -> str:
    return between.join(row.format(", ".join(map(write, values))) for values in offer.rows)


def _values(
    start: str = "INSERT INTO {t} ", word: str = "VALUES", end: str = "", quoted: str = ""
) -> Callable[[Target, Offer, Write], str]:
    def written(target: Target, offer: Offer, write: Write) -> str:
        table = start.format(s=target.schema, t=target.table)
        return f"{table}{_columns(offer, quoted)} {word} {_rows(offer, write)}{end}"

    return written


def _set(target: Target, offer: Offer, write: Write) -> str:
    pairs = zip(offer.columns, offer.rows[0], strict=True)
    return f"INSERT INTO {target.table} SET " + ", ".join(f"{column} = {write(value)}" for column, value in pairs)


def _unlisted(target: Target, offer: Offer, write: Write) -> str:
    return f"INSERT INTO {target.table} VALUES {_rows(offer, write)}"


def _all_columns(offer: Offer) -> Offer:
    """Offer every column of the table `t`: the id is the server's, and what is left out has its default."""
    columns = ("id", "code", "email", "name", "n")
    rows = tuple(
        tuple(dict(zip(offer.columns, values, strict=True)).get(column, _DEFAULTS[column]) for column in columns)
        for values in offer.rows
    )
    return replace(offer, columns=columns, rows=rows, unnamed=True)


_DEFAULTS: dict[str, Value] = {"id": None, "code": None, "email": None, "name": None, "n": 1}


def _query(text: str) -> Callable[[Target, Offer, Write], str]:
    def written(target: Target, offer: Offer, write: Write) -> str:
        first = ", ".join(
            f"{write(value)} AS {column}" for column, value in zip(offer.columns, offer.rows[0], strict=True)
        )
        rest = replace(offer, rows=offer.rows[1:])
        rows = " UNION ALL ".join(
            [f"SELECT {first}", *([_rows(rest, write, "SELECT {}", " UNION ALL ")] if rest.rows else [])]
        )
        return f"INSERT INTO {target.table} {_columns(offer)} {text.format(rows)}"

    return written


def _table_values(target: Target, offer: Offer, write: Write) -> str:
    return f"INSERT INTO {target.table} {_columns(offer)} VALUES {_rows(offer, write, 'ROW({})')}"


def source_of(offer: Offer) -> str:
    """Name the table that holds the rows of an offer."""
    return f"source{len(offer.columns)}"


def _from_table(text: str) -> Callable[[Target, Offer, Write], str]:
    def written(target: Target, offer: Offer, write: Write) -> str:
        columns = ", ".join(offer.columns)
        return f"INSERT INTO {target.table} {_columns(offer)} " + text.format(columns=columns, source=source_of(offer))

    return written


def _as_query(offer: Offer) -> Offer:
    return replace(offer, query=True, nameless=True)


def _returning(offer: Offer) -> Offer:
    return replace(offer, returning=("id", "email", "n"))


def _nameless(offer: Offer) -> Offer:
    return replace(offer, nameless=True)


def _reversed(offer: Offer) -> Offer:
    return replace(offer, columns=offer.columns[::-1], rows=tuple(values[::-1] for values in offer.rows))


VALUES = "values"

FORMS = {
    VALUES: Form(_values()),
    "value": Form(_values(word="VALUE")),
    "set": Form(_set, rows=1),
    "without into": Form(_values("insert {t} ", "values")),
    "low priority": Form(_values("INSERT LOW_PRIORITY INTO {t} ")),
    "high priority": Form(_values("INSERT HIGH_PRIORITY {t} ")),
    "qualified": Form(_values("INSERT INTO {s} . {t}")),
    "quoted": Form(_values("INSERT INTO `{s}`.`{t}`", quoted="`")),
    "columns in another order": Form(_values(), _reversed),
    "comments": Form(_values("/* a */ -- b\nINSERT /* c 'd */ INTO {t} # e\n", "VALUES /* ( */", " /* f */ -- g")),
    "versioned comments": Form(_values("INSERT /*! */ INTO {t} /*!50000 */ ", "/*M! */ VALUES", " /*!99999 */")),
    "semicolon": Form(_values(end=" ; ")),
    "semicolon and comment": Form(_values(end=";-- trace=1\n")),
    "hint": Form(_values("INSERT /*+ MAX_EXECUTION_TIME(90000) */ INTO {t} "), hint_warnings=1),
    "without columns": Form(_unlisted, _all_columns),
    "partition": Form(_values("INSERT INTO {t} PARTITION (p1) "), partitioned=True),
    "select": Form(_query("{}"), _as_query),
    "select in parentheses": Form(_query("({})"), _as_query, rows=1),
    "select from select": Form(_query("SELECT * FROM ({}) AS q"), _as_query),
    "with": Form(_query("WITH q AS ({}) SELECT * FROM q"), _as_query),
    "select from a table": Form(_from_table("SELECT {columns} FROM {source}"), _as_query, sourced=True),
    "table": Form(_from_table("TABLE {source}"), _as_query, mariadb=False, sourced=True),
    "returning": Form(_values(end=" RETURNING CAST(id AS CHAR), email, CAST(n AS CHAR)"), _returning, mysql=False),
    "rows": Form(_table_values, _nameless, mariadb=False),
    "one of several": Form(_values(), several=True),
    "select, one of several": Form(_query("{}"), _as_query, several=True),
}
