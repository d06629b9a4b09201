"""MySQL's expressions, written for SQLite.

sqlglot does most of it; what is added here: arithmetic that overflows as MySQL's does, VALUES(column), the default
schema, and names of tables that hold their schema.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlglot import ErrorLevel, exp
from sqlglot.dialects.sqlite import SQLite

from proxy.demo.catalog import Table
from proxy.demo.errors import ServerError, unknown_column

COLLATION = "without_case_and_accents"
ARITHMETIC = "mysql_arithmetic"
OFFERED = "+offered"  # the name of the offered row in SQLite's statements; no MySQL statement can mean it


class Store(SQLite):
    """SQLite with names in backticks: a name in double quotes that SQLite does not know would become a text."""

    class Tokenizer(SQLite.Tokenizer):
        """What quotes a name."""

        IDENTIFIERS: ClassVar = ["`"]


_SIGNS: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Scope:
    """What the names in an expression mean.

    Args:
        table: the table that the statement is about.
        known_as: the name by which the statement calls the row that is there; a bare column means it too.
        alias: the row alias of an INSERT (`AS new`), None without one.
        offered: maps the names valid behind the alias, in lower case, to the table's columns.
    """

    table: Table
    known_as: str
    alias: str | None
    offered: dict[str, str]


def write(expression: exp.Expr, scope: Scope | None = None) -> str:
    """Write SQLite's text for one MySQL expression.

    Args:
        expression: MySQL's expression; it is left as it was.
        scope: what its columns mean; None: whatever SQLite makes of the names.

    Raises:
        ServerError: 1054 for a column that the row alias does not expose.
    """
    root = exp.Paren(this=expression.copy())
    for node in reversed(list(root.walk(bfs=True))):
        replacement = _replacement(node, scope)
        if replacement is not node:
            node.replace(replacement)
    return str(root.sql(Store, identify=True, unsupported_level=ErrorLevel.IGNORE))


def write_select(select: exp.Expr, find_table: Callable[[exp.Table], Table]) -> str:
    """Write SQLite's text for a whole SELECT; its tables are looked up with `find_table`."""
    tree = select.copy()
    tree.set("locks", None)
    for table in list(tree.find_all(exp.Table)):
        found = find_table(table)
        alias = table.alias or table.name
        table.replace(exp.alias_(exp.table_(found.storage, quoted=True), alias, quoted=True, table=True))
    return write(tree)[1:-1]


def _replacement(node: exp.Expr, scope: Scope | None) -> exp.Expr:
    writer = _WRITERS.get(type(node))
    return node if writer is None else writer(node, scope)


def _arithmetic(node: Any, scope: Scope | None) -> exp.Expr:
    sign = _SIGNS[type(node)]
    left, right = node.left, node.right
    text = f"{_shown(left)} {sign} {_shown(right)}"
    arguments = [exp.Literal.string(sign), left, right, exp.Literal.string(text)]
    return exp.Anonymous(this=ARITHMETIC, expressions=arguments)


def _shown(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous) and node.name == ARITHMETIC:
        return f"({node.expressions[3].name})"
    return node.name if isinstance(node, exp.Literal) else node.sql("mysql")


def _literal(node: Any, scope: Scope | None) -> exp.Expr:
    if node.is_int and int(node.name) > _LARGEST:
        return exp.Literal.string(node.name)
    return node  # type: ignore[no-any-return]


def _column(node: Any, scope: Scope | None) -> exp.Expr:
    node.set("db", None)
    if scope is None or not isinstance(node.this, exp.Identifier):
        return node  # type: ignore[no-any-return]
    table = node.table  # the names of tables and aliases are case-sensitive, those of columns are not
    there = scope.table.column(node.name) if table in {"", scope.known_as} else None
    offered = scope.offered.get(node.name.lower()) if scope.alias and table in {"", scope.alias} else None
    if there is not None and offered is not None:
        raise ServerError(1052, f"Column '{node.name}' in field list is ambiguous")
    if offered is not None:
        return exp.column(offered, table=OFFERED, quoted=True)
    if there is None:
        raise unknown_column(f"{node.table}.{node.name}" if table else node.name)
    return exp.column(there.name, table=scope.known_as, quoted=True)


def _function(node: Any, scope: Scope | None) -> exp.Expr:
    name = node.name.upper()
    if name == "VALUES" and scope is not None:
        if scope.table.column(node.expressions[0].name) is None:
            raise unknown_column(node.expressions[0].name)
        return exp.column(node.expressions[0].name, table=OFFERED, quoted=True)
    if name in {"NOW", "LOCALTIME", "LOCALTIMESTAMP"}:
        return exp.CurrentTimestamp()
    return node  # type: ignore[no-any-return]


def _cast(node: Any, scope: Scope | None) -> exp.Expr:
    return node.this if node.to.this == exp.DataType.Type.CHARACTER_SET else node  # type: ignore[no-any-return]


def _collate(node: Any, scope: Scope | None) -> exp.Expr:
    name = "BINARY" if node.expression.name.lower().endswith("bin") else COLLATION
    return exp.Collate(this=node.this, expression=exp.to_identifier(name))


def _introducer(node: Any, scope: Scope | None) -> exp.Expr:
    if node.name.lower() == "_binary":
        return exp.cast(node.expression, exp.DataType.Type.BINARY)
    return node.expression  # type: ignore[no-any-return]


_WRITERS: dict[type[exp.Expr], Callable[[Any, Scope | None], exp.Expr]] = {
    exp.Add: _arithmetic,
    exp.Sub: _arithmetic,
    exp.Mul: _arithmetic,
    exp.Literal: _literal,
    exp.Column: _column,
    exp.Anonymous: _function,
    exp.Cast: _cast,
    exp.Collate: _collate,
    exp.Introducer: _introducer,
}
