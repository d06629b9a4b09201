"""Reads the expressions of a rule's `set`, once, when the file is read.

sqlglot only judges an expression and tells where its columns stand. The text that reaches the server is the user's own.
It takes a sixth of the time in which a proxy starts, so it is loaded where a file has an expression, and in no worker.
"""

from collections.abc import Sequence
from typing import Final

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.errors import SqlglotError

from proxy.config import in_yaml
from proxy.rules.expression import Expression, New, Old, Part


class ExpressionError(ValueError):
    """An expression that a rule cannot use; the text says what was found and what was expected."""


def parse(source: str) -> Expression:
    """Check one scalar SQL expression over `new.column` and `old.column`, and cut it at its columns.

    Raises ExpressionError for anything that could mean something else on another server, in another sql_mode or
    charset, and for anything that ON DUPLICATE KEY UPDATE cannot hold.
    """
    try:
        tokens = sqlglot.tokenize(source, read="mysql")
        _check_tokens(source, tokens)
        tree = sqlglot.parse_one(f"SELECT (\n{source}\n)", read="mysql")
    except SqlglotError:
        raise ExpressionError(f"{in_yaml(source)} does not read as SQL (expected one scalar expression)") from None
    _check_tree(source, tree)
    parts = _cut(source, tokens)
    columns = sum(1 for _ in tree.find_all(exp.Column))
    if columns != sum(1 for part in parts if not isinstance(part, bytes)):
        raise ExpressionError(
            f"{in_yaml(source)} is not understood (expected columns written as new.column and old.column)"
        )
    return Expression(source, parts)


_BANNED_TOKENS: Final = {
    TokenType.SEMICOLON: "a ';' (expected one expression)",
    TokenType.VALUES: "VALUES() (expected new.column)",
    TokenType.HINT: "a comment (expected none: it could swallow what follows it)",
    TokenType.DPIPE: "'||', which is OR or CONCAT depending on sql_mode (expected OR or CONCAT())",
    TokenType.ARROW: "'->', which not every server knows (expected JSON_EXTRACT())",
    TokenType.DARROW: "'->>', which not every server knows (expected JSON_UNQUOTE(JSON_EXTRACT()))",
}


def _check_tokens(source: str, tokens: Sequence[Token]) -> None:
    if not tokens:
        raise ExpressionError(f"{in_yaml(source)} is empty (expected an SQL expression such as new.name)")
    if "\\" in source:
        raise ExpressionError(
            f"{in_yaml(source)} has a backslash, whose meaning depends on sql_mode (expected none: use CHAR(92))"
        )
    depth = 0
    for token in tokens:
        _check_token(source, token)
        depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
        if depth < 0:
            break
    if depth:
        raise ExpressionError(f"{in_yaml(source)} has parentheses that do not pair (expected one expression)")


def _check_token(source: str, token: Token) -> None:
    if token.comments:
        raise ExpressionError(f"{in_yaml(source)} has {_BANNED_TOKENS[TokenType.HINT]}")
    if token.token_type in _BANNED_TOKENS:
        raise ExpressionError(f"{in_yaml(source)} has {_BANNED_TOKENS[token.token_type]}")
    if token.token_type is TokenType.STRING and source[token.start] == '"':
        raise ExpressionError(
            f"{in_yaml(source)} has text in double quotes, a name under ANSI_QUOTES (expected single quotes)"
        )


_BANNED_NODES: Final[tuple[tuple[type[exp.Expr] | tuple[type[exp.Expr], ...], str], ...]] = (
    ((exp.Query, exp.Subquery), "a subquery (expected a scalar expression over the two rows)"),
    (exp.Placeholder, "a placeholder (expected a value: the number of '?' must not change)"),
    ((exp.Parameter, exp.SessionParameter), "a variable (expected only columns, functions and literals)"),
    (exp.AggFunc, "an aggregate function (expected a scalar expression over the two rows)"),
    (exp.Window, "a window function (expected a scalar expression over the two rows)"),
    (exp.PropertyEQ, "an assignment (expected an expression)"),
    (exp.Alias, "an alias (expected an expression)"),
    (exp.Star, "a '*' for columns (expected new.column or old.column)"),
    (exp.Tuple, "several values (expected one)"),
)


def _check_tree(source: str, tree: exp.Expr) -> None:
    inner = tree.expressions[0]
    if isinstance(inner, exp.Tuple):
        raise ExpressionError(f"{in_yaml(source)} is several expressions (expected one)")
    for node in inner.walk():
        for kind, what in _BANNED_NODES:
            if isinstance(node, kind) and not _is_list(node):
                raise ExpressionError(f"{in_yaml(source)} has {what}")
        if isinstance(node, exp.Column):
            _check_column(source, node)


def _is_list(node: exp.Expr) -> bool:
    """Tell whether a tuple is the row of a comparison, such as (new.a, new.b) = (1, 2)."""
    return isinstance(node, exp.Tuple) and isinstance(node.parent, exp.Predicate)


def _check_column(source: str, column: exp.Column) -> None:
    name, table = column.name, column.table
    expected = f"expected new.{name} for the row offered or old.{name} for the row there"
    if not table:
        raise ExpressionError(f"{in_yaml(source)} names the column '{name}' bare ({expected})")
    if table.lower() not in ("new", "old") or column.db:
        written = ".".join(part.name for part in column.parts)
        raise ExpressionError(f"{in_yaml(source)} names '{written}' ({expected})")


def _cut(source: str, tokens: Sequence[Token]) -> tuple[Part, ...]:
    parts: list[Part] = []
    done = index = 0
    while index < len(tokens):
        first = tokens[index]
        if first.text.lower() in ("new", "old") and _dotted(tokens, index):
            last = tokens[index + 2]
            parts += [
                _text(source, done, first.start),
                New(last.text) if first.text.lower() == "new" else Old(last.text),
            ]
            done = last.end + 1
            index += 3
        else:
            index += 1
    parts.append(_text(source, done, len(source)))
    return tuple(part for part in parts if part != b"")


def _dotted(tokens: Sequence[Token], index: int) -> bool:
    return index + 2 < len(tokens) and tokens[index + 1].token_type is TokenType.DOT


def _text(source: str, start: int, end: int) -> bytes:
    """Take a stretch without columns; what is not ASCII would mean other characters in another charset."""
    text = source[start:end]
    if not text.isascii():
        raise ExpressionError(
            f"{in_yaml(source)} has text outside ASCII, read in the client's charset (expected x'...')"
        )
    return text.encode("ascii")
