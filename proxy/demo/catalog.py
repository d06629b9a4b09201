"""The tables of the embedded backend: columns and unique keys, read from CREATE TABLE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from proxy.demo.errors import ServerError, unsupported

_INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT", "UTINYINT", "USMALLINT", "UMEDIUMINT", "UINT", "UBIGINT"}
    | {"BOOLEAN", "YEAR"}
)
_REALS = frozenset({"FLOAT", "DOUBLE"})
_BYTES = frozenset({"BINARY", "VARBINARY", "BLOB", "TINYBLOB", "MEDIUMBLOB", "LONGBLOB"})
_DECIMALS = frozenset({"DECIMAL", "UDECIMAL"})


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    `kind` is MySQL's type, `affinity` SQLite's type for it, `binary` true if its text is compared byte by byte,
    `length` the number of characters that fit (None: no limit).
    """

    name: str
    kind: str
    affinity: str
    binary: bool
    length: int | None
    nullable: bool
    auto_increment: bool
    default: exp.Expr | None


@dataclass(frozen=True, slots=True)
class Key:
    """A unique key: its name as in MySQL's 1062, and its columns."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `keys` holds the unique keys in the order in which MySQL checks them."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    keys: tuple[Key, ...]

    @property
    def storage(self) -> str:
        """The name of SQLite's table with the rows."""
        return f"{self.schema}.{self.name}"

    @property
    def offered(self) -> str:
        """The name of SQLite's table that holds the one row that an INSERT offers, converted to the columns' types."""
        return f"{self.storage}+new"

    @property
    def changed(self) -> str:
        """The name of SQLite's table in which one row is changed, assignment by assignment."""
        return f"{self.storage}+old"

    @property
    def auto_increment(self) -> Column | None:
        """The AUTO_INCREMENT column, if there is one."""
        return next((column for column in self.columns if column.auto_increment), None)

    def column(self, name: str) -> Column | None:
        """Find the column of that name, in any case; None if the table has none."""
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)


def read_table(create: exp.Create, schema: str) -> Table:
    """Read the table that a CREATE TABLE statement describes.

    Args:
        create: the parsed statement.
        schema: the schema for a table that is named without one.

    Raises:
        ServerError: 1235 for a type or a clause that the embedded backend does not have.
    """
    body = create.this
    if not isinstance(body, exp.Schema):
        raise unsupported("CREATE TABLE ... LIKE or SELECT")
    primary: tuple[str, ...] = ()
    keys: list[Key] = []
    definitions = [part for part in body.expressions if isinstance(part, exp.ColumnDef)]
    for part in body.expressions:
        if isinstance(part, exp.PrimaryKey):
            primary = _names(part.expressions)
        elif isinstance(part, exp.UniqueColumnConstraint):
            keys.append(_unique(part.this))
        elif not isinstance(part, exp.ColumnDef | exp.IndexColumnConstraint):
            raise unsupported(part.sql("mysql"))
    for definition in definitions:
        kinds = _constraints(definition)
        if exp.PrimaryKeyColumnConstraint in kinds:
            primary = (definition.name,)
        if exp.UniqueColumnConstraint in kinds:
            keys.append(Key(definition.name, (definition.name,)))
    columns = tuple(_column(definition, primary) for definition in definitions)
    table = body.this
    return Table(table.text("db") or schema, table.name, columns, _in_order(primary, keys, columns))


def _in_order(primary: tuple[str, ...], keys: list[Key], columns: tuple[Column, ...]) -> tuple[Key, ...]:
    """MySQL checks PRIMARY first, then the unique keys without NULLs, then the others: SHOW INDEX has that order."""
    nullable = {column.name for column in columns if column.nullable}
    ordered = sorted(keys, key=lambda key: not nullable.isdisjoint(key.columns))
    return (*((Key("PRIMARY", primary),) if primary else ()), *ordered)


def _unique(schema: Any) -> Key:
    if not isinstance(schema, exp.Schema):
        raise unsupported("UNIQUE KEY without columns")
    columns = _names(schema.expressions)
    return Key(schema.name or columns[0], columns)


def _names(expressions: list[exp.Expr]) -> tuple[str, ...]:
    for expression in expressions:
        if not isinstance(expression, exp.Column | exp.Identifier):
            raise unsupported("key over an expression, a prefix or in descending order")
    return tuple(expression.name for expression in expressions)


def _constraints(definition: exp.ColumnDef) -> dict[type[Any], Any]:
    return {type(constraint.kind): constraint.kind for constraint in definition.args.get("constraints") or ()}


_KNOWN_CONSTRAINTS = frozenset(
    {
        exp.NotNullColumnConstraint,
        exp.AutoIncrementColumnConstraint,
        exp.DefaultColumnConstraint,
        exp.PrimaryKeyColumnConstraint,
        exp.UniqueColumnConstraint,
        exp.CommentColumnConstraint,
        exp.CharacterSetColumnConstraint,
        exp.CollateColumnConstraint,
    }
)


def _column(definition: exp.ColumnDef, primary: tuple[str, ...]) -> Column:
    constraints = _constraints(definition)
    for kind, constraint in constraints.items():
        if kind not in _KNOWN_CONSTRAINTS:
            raise unsupported(constraint.sql("mysql"))
    if definition.kind is None:
        raise ServerError(1064, f"Column '{definition.name}' has no type")
    kind = definition.kind.this.name
    not_null = constraints.get(exp.NotNullColumnConstraint)
    nullable = definition.name not in primary and (not_null is None or bool(not_null.args.get("allow_null")))
    default = constraints.get(exp.DefaultColumnConstraint)
    collation = constraints.get(exp.CollateColumnConstraint)
    return Column(
        name=definition.name,
        kind=definition.kind.sql("mysql"),
        affinity=_affinity(kind),
        binary=str(collation.this.name if collation else "").endswith("_bin"),
        length=_length(definition.kind) if _affinity(kind) == "TEXT" else None,
        nullable=nullable,
        auto_increment=exp.AutoIncrementColumnConstraint in constraints,
        default=default.this if default is not None else None,
    )


def _affinity(kind: str) -> str:
    for affinity, kinds in (("INTEGER", _INTEGERS), ("REAL", _REALS), ("BLOB", _BYTES), ("NUMERIC", _DECIMALS)):
        if kind in kinds:
            return affinity
    return "TEXT"


def _length(kind: exp.DataType) -> int | None:
    if kind.this.name not in {"CHAR", "VARCHAR", "NCHAR", "NVARCHAR"} or not kind.expressions:
        return None
    return int(kind.expressions[0].name)
