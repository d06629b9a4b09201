"""What an INSERT offered: its columns, and as many of its values as are written out.

Read only after a conflict, to find the cause; nothing is decided on it that reaches the server. A text that reads in
another way under the session's sql_mode may give wrong values here, and then a cause that is not known.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from proxy.sql.cursor import Cursor
from proxy.sql.form import Form
from proxy.sql.lexing import Lexing
from proxy.sql.names import fold, unquote
from proxy.sql.prefix import Prefix, read_prefix
from proxy.sql.reason import UnprovenError

LOOK: Final = 65_536
"""Bytes of a statement that are read."""
MAX_ROWS: Final = 1_000
MAX_COLUMNS: Final = 64

LEXING: Final = Lexing(ansi_quotes=False, no_backslash_escapes=False, charset_safe=True)
"""How statements are taken to be read."""
_SPACE = rb"[\t-\r\x20]"
_WORD_END = rb"(?![0-9A-Za-z_$])"
_STRING = (
    rb"(?P<introducer>[NXBnxb](?=')|_[0-9A-Za-z]++" + _SPACE + rb"*+(?=['\"]))?+"
    rb"(?:'(?P<single>(?:[^'\\]++|\\.|'')*+)'|\"(?P<double>(?:[^\"\\]++|\\.|\"\")*+)\")"
)
_LITERAL = _STRING + (
    rb"|(?P<number>[+\-]?[0-9]++(?:\.[0-9]*+)?+(?:[eE][+\-]?[0-9]++)?+(?![0-9A-Za-z_$.]))"
    rb"|(?P<generated>(?=[NDnd])(?:(?i:NULL)" + _WORD_END + rb"|(?i:DEFAULT)" + _WORD_END + rb"(?!\()))"
)
_COMMENT = rb"/\*.*?(?:\*/|\Z)"  # one that does not close is looked through once
_TOKEN = re.compile(
    _SPACE + rb"*+(?:" + _LITERAL + rb"|(?P<mark>[(),=?])|(?P<comment>" + _COMMENT + rb")"
    rb"|(?P<other>`(?:[^`]++|``)++`|[0-9A-Za-z_$@.\x80-\xff]++|[^'\"`]))",
    re.DOTALL,
)
_GAP = rb"(?:" + _SPACE + rb"++|" + _COMMENT + rb")*+"
# A value that is one token, and the mark that ends it.
_VALUE = re.compile(_GAP + rb"(?:" + _LITERAL + rb"|\?)" + _GAP + rb"(?P<mark>[,)]|\Z)", re.DOTALL)
_ESCAPES: Final = {b"0": b"\0", b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"Z": b"\x1a"}
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)


class Value(NamedTuple):
    """One value of a row.

    text: what is written out, of a string without its quotes; None for NULL, DEFAULT, a parameter or an expression.
    generated: NULL, DEFAULT or 0: in an AUTO_INCREMENT column the server makes up the value.
    parameter: a `?`.
    """

    text: str | None
    generated: bool = False
    parameter: bool = False

    @property
    def expression(self) -> bool:
        """Whether what it comes to is not written out."""
        return self.text is None and not self.generated and not self.parameter


class Offered(NamedTuple):
    """What a statement offers; columns: folded names, None without a column list; whole: all its rows are here."""

    columns: tuple[str, ...] | None
    rows: tuple[tuple[Value, ...], ...]
    whole: bool

    def position(self, column: str) -> int | None:
        """Give the position of a column's values."""
        if self.columns is None:
            return None
        name = fold(column)
        return self.columns.index(name) if name in self.columns else None


_EXPRESSION: Final = Value(None)
_GENERATED: Final = Value(None, generated=True)
_PARAMETER: Final = Value(None, parameter=True)
NOTHING: Final = Offered(None, (), False)


def read_offered(text: bytes) -> Offered:
    """Read the rows of INSERT ... VALUES and ... SET; NOTHING for every other statement.

    One row takes 20 us, 64 KiB in 1,000 rows take 20 ms: whoever calls this keeps to a budget.
    """
    text = text[:LOOK]
    cursor = Cursor(text, LEXING)
    try:
        prefix = read_prefix(cursor)
    except (UnprovenError, ValueError):
        return NOTHING
    if prefix.form is Form.SET:
        return _read_set(text, prefix)
    if prefix.form is not Form.VALUES:
        return NOTHING
    columns = None if prefix.columns is None else tuple(map(fold, prefix.columns))
    rows, whole = _read_rows(_Reader(text, prefix.end))
    return Offered(columns, tuple(rows), whole)


def with_values(offered: Offered, sets: Iterable[Sequence[str | None]]) -> Offered:
    """Put the values of a prepared statement's executions in the places of its parameters.

    sets: the values of each execution, in the order of the parameters; None for NULL and DEFAULT.
    """
    rows: list[tuple[Value, ...]] = []
    for values in sets:
        given = iter(values)
        rows += (tuple(_given(given, value) for value in row) for row in offered.rows)
        if len(rows) >= MAX_ROWS:
            return Offered(offered.columns, tuple(rows), False)
    return Offered(offered.columns, tuple(rows), offered.whole)


def _given(values: Iterator[str | None], value: Value) -> Value:
    if not value.parameter:
        return value
    text = next(values, None)
    return _GENERATED if text is None else Value(text, generated=text == "0")


class _Reader:
    """Reads one value after the other, each up to the mark that ends it."""

    __slots__ = ("at", "mark", "text")

    def __init__(self, text: bytes, at: int) -> None:
        self.text = text
        self.at = at
        self.mark = b""

    def next(self) -> re.Match[bytes] | None:
        """Take one token; None at the end, or where a quote does not close."""
        found = _TOKEN.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def value(self) -> Value | None:
        """Take one value and the `,` or `)` behind it, which `mark` is then, b"" at the end; None if there is none."""
        found = _VALUE.match(self.text, self.at)
        if found is None:
            return self._expression()
        self.at = found.end()
        introducer, single, double, number, generated, self.mark = found.groups()
        if number is not None:
            return Value(number.decode(), number == b"0")
        if single is not None:
            return _string(introducer, single, b"'")
        if double is not None:
            return _string(introducer, double, b'"')
        return _PARAMETER if generated is None else _GENERATED

    def _expression(self) -> Value | None:
        """Take what is no value alone."""
        depth, empty = 0, True
        while (token := self.next()) is not None:
            mark = token["mark"]
            if not depth and mark in (b",", b")"):
                self.mark = mark
                return _EXPRESSION
            depth += (mark == b"(") - (mark == b")")
            empty = empty and token["comment"] is not None
        self.mark = b""
        return None if empty or depth else _EXPRESSION


def _string(introducer: bytes | None, body: bytes, quote: bytes) -> Value:
    if introducer is not None and introducer[:1] in b"XxBb":
        return _EXPRESSION
    body = body.replace(quote + quote, quote)
    if b"\\" in body:
        body = _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), body)
    return Value(body.decode("utf-8", "backslashreplace"))


def _read_rows(reader: _Reader) -> tuple[list[tuple[Value, ...]], bool]:
    rows: list[tuple[Value, ...]] = []
    while len(rows) < MAX_ROWS:
        opening = reader.next()
        if opening is None or opening["mark"] != b"(":
            return rows, opening is not None and not rows
        row = _read_row(reader)
        if row is None:
            return rows, False
        rows.append(row)
        following = reader.next()
        if following is None or following["mark"] != b",":
            return rows, len(reader.text) < LOOK
    return rows, False


def _read_row(reader: _Reader) -> tuple[Value, ...] | None:
    row: list[Value] = []
    for _ in range(MAX_COLUMNS + 1):
        value = reader.value()
        if value is None or not reader.mark:
            return None
        row.append(value)
        if reader.mark == b")":
            return tuple(row)
    return None


def _read_set(text: bytes, prefix: Prefix) -> Offered:
    reader = _Reader(text, prefix.end)
    columns: list[str] = []
    values: list[Value] = []
    while len(columns) < MAX_COLUMNS:
        name = _read_target(reader)
        value = reader.value() if name is not None else None
        if name is None or value is None:
            return NOTHING
        columns.append(name)
        values.append(value)
        if reader.mark != b",":
            return Offered(tuple(columns), (tuple(values),), len(text) < LOOK)
    return NOTHING


def _read_target(reader: _Reader) -> str | None:
    """Read `column =`, or `table.column =`, of which the last part counts."""
    name = None
    while (token := reader.next()) is not None:
        if token["mark"] == b"=":
            return name
        if token["other"] is not None and token["other"] != b".":
            written = token["other"].rstrip(b":")
            name = fold(unquote(written if written.startswith(b"`") else written.rpartition(b".")[2])) or name
    return None


# --------------------------------------------------------------------------------------------------------------------
# Values and entries

CUT_AT: Final = 60
"""An entry of so many bytes or more may have been cut by the server: MySQL shows 64, MariaDB 61 and `...`."""
_MAX_PARTS: Final = 4


class Printed:
    """An entry, to be compared with values. entry: as the server printed it.

    Whether two values are the same to the server is a matter of the column's collation, which is not known here: letter
    case and spaces at the end are passed over.
    """

    __slots__ = ("_beginning", "_number", "_text")

    def __init__(self, entry: str) -> None:
        self._text = entry.rstrip().casefold()
        self._beginning = self._text.removesuffix("...") if len(entry.encode()) >= CUT_AT else None
        self._number = _number(self._text)

    def shows(self, value: str) -> bool:
        """Tell whether a value may be what the server has printed so."""
        text = value.rstrip().casefold()
        if text == self._text:
            return True
        if self._beginning is not None and text.startswith(self._beginning):
            return True
        return self._number is not None and self._number == _number(text)


def _number(text: str) -> float | None:
    try:
        return float(text) if text[-1:].isdigit() and len(text) < 20 else None
    except ValueError:
        return None


def find_columns(offered: Offered, entry: str) -> tuple[str, ...]:
    """Find the columns whose values make up an entry in some row; () if none do, or several choices would.

    A composite key's entry is its parts with `-` between them, which the parts may hold as well.
    """
    columns = offered.columns
    if columns is None:
        return ()
    printed = Printed(entry)
    for row in offered.rows:
        if len(row) != len(columns):
            return ()
        named = zip(columns, row, strict=True)
        alone = [name for name, value in named if value.text is not None and printed.shows(value.text)]
        if alone:
            return (alone[0],) if len(alone) == 1 else ()
        if "-" in entry:
            written = tuple((name, value.text) for name, value in zip(columns, row, strict=True) if value.text)
            several = list(_joined(written, entry, _MAX_PARTS))
            if several:
                return several[0] if len(several) == 1 else ()
    return ()


def _joined(values: tuple[tuple[str, str], ...], entry: str, parts: int) -> Iterator[tuple[str, ...]]:
    """Give the ways to write an entry as values joined by `-`."""
    for position, (name, value) in enumerate(values):
        others = values[:position] + values[position + 1 :]
        if value.casefold() == entry.casefold():
            yield (name,)
        elif parts > 1 and entry.casefold().startswith(value.casefold() + "-"):
            for rest in _joined(others, entry[len(value) + 1 :], parts - 1):
                yield (name, *rest)


def entry_of(offered: Offered, row: Sequence[Value], columns: Sequence[str]) -> tuple[str, ...] | None:
    """Give a row's values in some columns in a form to compare; None if one of them is not written out."""
    found: list[str] = []
    for column in columns:
        index = offered.position(column)
        value = row[index].text if index is not None and index < len(row) else None
        if value is None:
            return None
        number = _number(value)
        found.append(value.rstrip().casefold() if number is None else repr(number))
    return tuple(found)
