"""The query behind INSERT ... SELECT: where it ends, and which names a clause behind it would see.

A query is not parsed, only split into tokens; that is enough to know its end, as it goes on to that of the statement.
"""

from dataclasses import dataclass, field

from proxy.sql.cursor import Cursor
from proxy.sql.names import fold, unquote
from proxy.sql.patterns import GAP, WORD_END, compiled
from proxy.sql.reason import Reason, UnprovenError

# What mysqldump and old applications write behind SELECT. Executed or not, it does not change the rows.
_SELECT_OPTION = compiled(
    GAP + rb"/\*M?!(?:[0-9]{5,6}+)?+[\t-\r\x20]*+(?:SQL_NO_CACHE|SQL_CACHE|STRAIGHT_JOIN)[\t-\r\x20]*+\*/"
)
_DUPLICATE = compiled(GAP + rb"DUPLICATE" + WORD_END)
_GAP = compiled(GAP)
# Words behind which a parenthesis opens a part of the query itself, not a subquery that hides its tables.
_OPERAND = frozenset({b"", b"(", b"UNION", b"EXCEPT", b"INTERSECT", b"MINUS", b"ALL", b"DISTINCT"})
_QUERY = compiled(GAP + rb"(?:SELECT|WITH|TABLE|VALUES)" + WORD_END)
_JOINS = frozenset({b"JOIN", b"STRAIGHT_JOIN"})
# Words behind which a query is no longer in its FROM clause.
_BEHIND_FROM = frozenset(
    {
        *(b"EXCEPT", b"FETCH", b"GROUP", b"HAVING", b"INTERSECT", b"LIMIT", b"LOCK", b"MINUS", b"ORDER", b"SELECT"),
        *(b"UNION", b"WHERE", b"WINDOW"),
    }
)

# What cannot stand at the end: a clause behind it would be taken for what is missing, or what is missing was cut off.
_UNFINISHED = frozenset(
    {
        *(b"", b"!", b"%", b"&", b"+", b",", b"-", b".", b"/", b"<", b"=", b">", b"^", b"|", b"~"),
        *(b"ALL", b"AND", b"AS", b"BETWEEN", b"BY", b"CASE", b"DISTINCT", b"ELSE", b"EXCEPT", b"FOR", b"FROM"),
        *(b"GROUP", b"HAVING", b"IN", b"INTERSECT", b"JOIN", b"LIKE", b"LIMIT", b"NOT", b"ON", b"OR", b"ORDER"),
        *(b"RETURNING", b"SELECT", b"SET", b"STRAIGHT_JOIN", b"TABLE", b"THEN", b"UNION", b"USING", b"VALUES"),
        *(b"WHEN", b"WHERE", b"WITH"),
    }
)


@dataclass(frozen=True, slots=True)
class Query:
    """A query up to its end.

    Args:
        end: right after its last token.
        names: the parts of all names from its first FROM on that are not in a subquery, folded: the tables that an
            ON DUPLICATE KEY UPDATE behind the query sees are among them.
        open_join: its last clause is a FROM with a JOIN, so that an ON behind it would be read as the join's.
    """

    end: int
    names: frozenset[str]
    open_join: bool


@dataclass(slots=True)
class _Reading:
    """What is known between two tokens.

    Args:
        last: what was read last: a word in upper case, a mark, or the last byte of others; empty at the beginning.
        hidden: how many of the open parentheses are in the outermost subquery, that one included; 0 outside.
        depth: how many parentheses are open.
    """

    last: bytes = b""
    hidden: int = 0
    depth: int = 0
    from_seen: bool = False
    in_from: bool = False
    joined: bool = False
    names: set[str] = field(default_factory=set)


def read_query(cursor: Cursor) -> Query:
    """Read a query up to the end of the statement, a `;` or RETURNING, and leave the cursor right after its last token.

    Raises:
        UnprovenError: it has a clause of its own about duplicates, something in it is not understood, or it ends inside
            parentheses.
    """
    reading = _Reading()
    _read(cursor, reading)
    return Query(cursor.at, frozenset(reading.names), reading.in_from and reading.joined)


def read_tokens(cursor: Cursor, last: bytes) -> None:
    """Read tokens up to the end of the statement, a `;` or RETURNING, and leave the cursor right after the last one.

    Args:
        cursor: the place.
        last: the token before it.

    Raises:
        UnprovenError: as `read_query`.
    """
    _read(cursor, _Reading(last))


def _read(cursor: Cursor, reading: _Reading) -> None:
    while True:
        if reading.last == b"SELECT":
            cursor.take(_SELECT_OPTION)
        found = cursor.patterns.token.match(cursor.text, cursor.at)
        if found is None:
            _check_end(cursor, reading)
            return
        run, *name, mark = found.groups()
        if mark == b";" or _is_returning(reading, name):
            _check_closed(reading)
            return
        cursor.at = found.end()
        if run is not None:
            reading.last = run[-1:]
        elif mark is not None:
            _mark(cursor, reading, mark)
        else:
            _name(cursor, reading, name)


def _check_end(cursor: Cursor, reading: _Reading) -> None:
    """Refuse what no token explains, if it is not the end of the text."""
    behind = _GAP.match(cursor.text, cursor.at)
    if behind is None or behind.end() < len(cursor.text):
        raise cursor.fault()
    _check_closed(reading)


def _check_closed(reading: _Reading) -> None:
    if reading.depth:
        raise UnprovenError(Reason.UNTERMINATED)
    if reading.last in _UNFINISHED:
        raise UnprovenError(Reason.MALFORMED)


def _is_returning(reading: _Reading, name: list[bytes | None]) -> bool:
    word, second, _ = name
    return word is not None and second is None and not reading.depth and word.upper() == b"RETURNING"


def _mark(cursor: Cursor, reading: _Reading, mark: bytes) -> None:
    if mark == b"?":
        cursor.placeholders += 1
    elif mark == b"(":
        reading.depth += 1
        if reading.hidden or _opens_subquery(cursor, reading):
            reading.hidden += 1
    else:
        reading.depth -= 1
        reading.hidden = max(reading.hidden - 1, 0)
        if reading.depth < 0:
            raise UnprovenError(Reason.MALFORMED)
    reading.last = mark


def _opens_subquery(cursor: Cursor, reading: _Reading) -> bool:
    return reading.last not in _OPERAND and _QUERY.match(cursor.text, cursor.at) is not None


def _name(cursor: Cursor, reading: _Reading, name: list[bytes | None]) -> None:
    first, second, _ = name
    if first is None:
        return
    # Behind a dot even a reserved word is a name.
    plain = second is None and not first.startswith((b"`", b'"')) and reading.last != b"."
    word = first.upper() if plain else b"`"
    if not first.isascii():
        cursor.name(first)
    if word == b"INTO":
        raise UnprovenError(Reason.MALFORMED)  # SELECT ... INTO has no place here
    if reading.from_seen and not reading.hidden:
        reading.names.update(fold(unquote(part)) for part in name if part is not None)
    if not reading.hidden and word in (b"FROM", b"TABLE"):
        reading.from_seen = True
    if not reading.depth:
        _clause(cursor, reading, word)
    reading.last = word


def _clause(cursor: Cursor, reading: _Reading, word: bytes) -> None:
    """Follow the clauses of the outermost query."""
    if word == b"ON" and _DUPLICATE.match(cursor.text, cursor.at):
        raise UnprovenError(Reason.ON_DUPLICATE)
    if word == b"FROM":
        reading.in_from, reading.joined = True, False
    elif word in _JOINS:
        reading.joined = reading.in_from
    elif word in _BEHIND_FROM or (reading.last == b"FOR" and word in (b"UPDATE", b"SHARE")):
        reading.in_from = False
