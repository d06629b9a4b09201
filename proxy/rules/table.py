"""The definition of one table, as far as a plan has to know it."""

from dataclasses import dataclass
from enum import StrEnum

from proxy.sql.names import same_name


class Absence(StrEnum):
    """Why there is no definition of a table."""

    NO_TABLE = "no_table"
    """There is no such table, or the lookup's account may not see it."""
    NOT_VISIBLE = "not_visible"
    """The account may see the table but not all of its columns and keys; half a definition is none."""
    FAILED = "failed"
    """The server could not be asked, or did not answer in time."""
    BUSY = "busy"
    """Too many other tables are being looked up."""


_WORDS = {
    Absence.NO_TABLE: "there is no such table, or the lookup's account may not see it",
    Absence.NOT_VISIBLE: "the lookup's account may not see all of the table's columns and keys",
    Absence.FAILED: "the server could not be asked for the table's definition",
    Absence.BUSY: "too many tables are being looked up",
}


@dataclass(frozen=True, slots=True)
class Missing:
    """Stands for the definition of a table that is not to be had just now; `str()` says why, in words for people."""

    why: Absence

    def __str__(self) -> str:
        return _WORDS[self.why]


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    type: the data type's word alone, in lower case: "bigint", "varchar", "json". MariaDB's JSON is a "longtext".
    charset, collation: None for what is no text; binary strings have none either.
    generated: its value is computed (virtual or stored), or it is a row-start or row-end column of MariaDB.
    has_default: an INSERT may leave it out and gets a DEFAULT (constant or expression), or NULL.
    invisible: an INSERT without a column list does not name it.
    """

    name: str
    type: str
    charset: str | None
    collation: str | None
    nullable: bool
    generated: bool
    auto_increment: bool
    has_default: bool
    invisible: bool = False


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One part of a key: a column, the first `prefix` characters (bytes of a binary string) of one, or an expression.

    Exactly one of `column` and `expression` is set (MySQL manual, "Functional Key Parts").
    """

    column: str | None
    prefix: int | None = None
    expression: str | None = None

    @property
    def multi_valued(self) -> bool:
        """Whether one row has several entries here, so that no equality of values tells of a duplicate."""
        return self.expression is not None and self.expression.lower().endswith(" array)")


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """One unique index; an invisible or ignored one is unique all the same.

    without_overlaps: MariaDB's WITHOUT OVERLAPS; its last two parts are the end and the start of a period, and rows
    whose periods overlap are duplicates.
    """

    name: str
    parts: tuple[KeyPart, ...]
    without_overlaps: bool = False

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns whose equality means a duplicate; None where it takes more than whole columns to tell."""
        if self.without_overlaps:
            return None
        names = tuple(part.column for part in self.parts if part.column is not None and part.prefix is None)
        return names if len(names) == len(self.parts) else None


@dataclass(frozen=True, slots=True)
class Table:
    """One table or view; names are spelled as the server does.

    columns: in their order. Those of a view are what the account may see.
    keys: the unique ones, in the server's order, that of SHOW INDEX: the first one that a row meets is the one that the
    error names and whose row ON DUPLICATE KEY UPDATE takes. A view shows none.
    engine: "InnoDB"; None for a view.
    transactional: a statement that fails leaves nothing behind. False for a view, of which it is not known.
    triggers: of "insert", "update", "delete" those for which there are any; None if the account may not see them.
    """

    schema: str
    name: str
    columns: tuple[Column, ...]
    keys: tuple[UniqueKey, ...]
    engine: str | None
    transactional: bool
    triggers: frozenset[str] | None
    view: bool

    def column(self, name: str) -> Column | None:
        """Give the column of a name, in any letter case."""
        return next((column for column in self.columns if same_name(column.name, name)), None)

    def key(self, name: str) -> UniqueKey | None:
        """Give the unique key of a name, in any letter case; None also for an index that is not unique."""
        return next((key for key in self.keys if same_name(key.name, name)), None)

    def key_columns(self, name: str) -> tuple[str, ...] | None:
        """Give the columns of a unique key; None if there is no such key, or whole columns do not make it up."""
        key = self.key(name)
        return None if key is None else key.columns

    @property
    def auto_increment(self) -> Column | None:
        """The AUTO_INCREMENT column."""
        return next((column for column in self.columns if column.auto_increment), None)

    @property
    def listed(self) -> tuple[Column, ...]:
        """The columns that an INSERT without a column list names: all but the invisible ones."""
        return tuple(column for column in self.columns if not column.invisible)
