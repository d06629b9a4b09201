"""The assignments behind SET: their columns, and where the last value ends.

No parenthesis closes a value here, so it must be proven to be whole: operands and operators in turn. CASE, IN, BETWEEN
and the like are taken in parentheses only.
"""

from proxy.sql.cursor import Cursor
from proxy.sql.names import fold
from proxy.sql.patterns import GAP, MINUS, SLASH, WORD_END, compiled
from proxy.sql.reason import Reason, UnprovenError
from proxy.sql.rows import read_to_close

_PREFIXES = compiled(rb"(?:" + GAP + rb"(?:[+!~]|" + MINUS + rb"|(?:NOT|BINARY)" + WORD_END + rb"))*+" + GAP)
_OPERATOR = compiled(
    GAP
    + rb"(?:<=>|<<|>>|<=|>=|<>|!=|\|\||&&|->>?+|[+*%|&^<>=]|"
    + rb"(?:AND|OR|XOR|DIV|MOD|LIKE|RLIKE|REGEXP|COLLATE)" + WORD_END + rb"|" + MINUS + rb"|" + SLASH + rb")"
)  # fmt: skip
_IS = compiled(
    GAP + rb"IS" + WORD_END + GAP + rb"(?:NOT" + WORD_END + GAP + rb")?+(?:NULL|TRUE|FALSE|UNKNOWN)" + WORD_END
)
_INTERVAL = compiled(rb"INTERVAL" + WORD_END + GAP + rb"(?!\()-?" + GAP)
_UNIT = compiled(
    GAP
    + rb"(?:MICROSECOND|SECOND|MINUTE|HOUR|DAY|WEEK|MONTH|QUARTER|YEAR|SECOND_MICROSECOND|MINUTE_MICROSECOND"
    + rb"|MINUTE_SECOND|HOUR_MICROSECOND|HOUR_SECOND|HOUR_MINUTE|DAY_MICROSECOND|DAY_SECOND|DAY_MINUTE|DAY_HOUR"
    + rb"|YEAR_MONTH)"
    + WORD_END
)
_COMMA = compiled(GAP + rb"," + GAP)
# Words that carry an expression on in ways that are not followed here.
_MORE = compiled(GAP + rb"(?:IN|BETWEEN|NOT|IS|ESCAPE|MEMBER|SOUNDS|AT)" + WORD_END)
# Reserved words that begin, join or follow an expression: alone they are not a value (manual, "Keywords").
_NOT_A_VALUE = frozenset(
    {
        *(b"ALL", b"AND", b"AS", b"ASC", b"BETWEEN", b"BINARY", b"BY", b"CASE", b"COLLATE", b"CONVERT", b"DELETE"),
        *(b"DESC", b"DISTINCT", b"DIV", b"ELSE", b"EXISTS", b"FOR", b"FROM", b"GROUP", b"HAVING", b"IF", b"IN"),
        *(b"INSERT", b"INTERVAL", b"INTO", b"IS", b"KEY", b"LEFT", b"LIKE", b"LIMIT", b"MATCH", b"MOD", b"NOT", b"ON"),
        *(b"OR", b"ORDER", b"REGEXP", b"REPEAT", b"REPLACE", b"RETURNING", b"RIGHT", b"RLIKE", b"SELECT", b"SET"),
        *(b"TABLE", b"THEN", b"UNION", b"UPDATE", b"USING", b"VALUES", b"WHEN", b"WHERE", b"WITH", b"XOR"),
    }
)


def read_assignments(cursor: Cursor) -> tuple[str, ...]:
    """Read `a = 1, b = 2` and leave the cursor behind the last value.

    Returns:
        The columns, unquoted; of `t.a` the last part.

    Raises:
        UnprovenError: a column is named twice, a column or a value is not understood, or the text ends too soon.
    """
    columns = [_read_assignment(cursor)]
    while cursor.take(_COMMA):
        columns.append(_read_assignment(cursor))
    if cursor.take(_MORE):
        raise UnprovenError(Reason.EXPRESSION)
    if len(set(map(fold, columns))) != len(columns):
        raise UnprovenError(Reason.MALFORMED)  # error 1110
    return tuple(columns)


def _read_assignment(cursor: Cursor) -> str:
    column = cursor.expect(cursor.patterns.target)[1]
    _read_operand(cursor)
    cursor.take(_IS)
    while cursor.take(_OPERATOR):
        _read_operand(cursor)
        cursor.take(_IS)
    return cursor.name(column)


def _read_operand(cursor: Cursor) -> None:
    cursor.expect(_PREFIXES)
    interval = cursor.take(_INTERVAL)
    found = cursor.expect(cursor.patterns.operand)
    mark, name, call = found.groups()
    if mark == b"?":
        cursor.placeholders += 1
    elif mark or call:
        read_to_close(cursor)
    elif name:
        _check_value(cursor, name)
    if interval and not cursor.take(_UNIT):
        raise UnprovenError(Reason.EXPRESSION)


def _check_value(cursor: Cursor, name: bytes) -> None:
    """Refuse a word that is not a column or a constant."""
    cursor.name(name)
    # A lone `_utf8mb4` is an introducer without its string.
    if name.upper() in _NOT_A_VALUE or name.startswith(b"_"):
        raise UnprovenError(Reason.EXPRESSION)
