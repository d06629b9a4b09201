"""One rule of the YAML file as a frozen value."""

from dataclasses import dataclass
from enum import StrEnum

from proxy.rules.expression import Expression


class Action(StrEnum):
    """What a rule does about a duplicate."""

    OBSERVE = "observe"
    IDEMPOTENT = "idempotent"
    IGNORE = "ignore"
    UPDATE = "update"
    REPLACE = "replace"


class When(StrEnum):
    """Which statement the rule changes: the one after a conflict, or every one in the first place."""

    CONFLICT = "conflict"
    ALWAYS = "always"


class AffectedRows(StrEnum):
    """The number that the client reads: the server's own, or the one a plain INSERT would have given."""

    NATIVE = "native"
    INSERT = "insert"


class Returning(StrEnum):
    """Of which INSERTs with RETURNING a rule may answer with the rows that are there: of one row, or of several too."""

    ONE = "one"
    SEVERAL = "several"


@dataclass(frozen=True, slots=True)
class TablePattern:
    """The tables that a rule is for; `*` stands for any run of characters, no schema for any schema."""

    schema: str | None
    table: str

    def __str__(self) -> str:
        return self.table if self.schema is None else f"{self.schema}.{self.table}"


@dataclass(frozen=True, slots=True)
class Assignment:
    """One line of a rule's `set`: the column and what is written to it."""

    column: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of the YAML file.

    `keys` empty means any unique key. `columns` holds one group of column names per key, in the order of `keys`
    (one group that stands for every key if `keys` is empty); empty means that the file does not name them.
    `compare_except` are columns that `idempotent` does not compare, `compare_json` those that hold JSON documents.
    """

    name: str
    line: int
    table: TablePattern
    action: Action
    keys: tuple[str, ...] = ()
    columns: tuple[tuple[str, ...], ...] = ()
    set: tuple[Assignment, ...] = ()
    return_id: str | None = None
    affected_rows: AffectedRows = AffectedRows.NATIVE
    returning: Returning = Returning.ONE
    when: When = When.CONFLICT
    users: tuple[str, ...] = ()
    dry_run: bool = False
    allow_replace: bool = False
    compare_except: tuple[str, ...] = ()
    compare_json: tuple[str, ...] = ()

    def __hash__(self) -> int:
        """Hash by name, which is unique in a file: rules are looked up for every insert."""
        return hash(self.name)

    @property
    def effective_when(self) -> When:
        """`when` as it is followed.

        A REPLACE takes no guard, so with keys it waits for a conflict on one of them; `observe` sends nothing.
        """
        if self.action is Action.OBSERVE or (self.action is Action.REPLACE and self.keys):
            return When.CONFLICT
        return self.when
