"""What a session's statements change about how the next one reads: schema, character set, SQL mode.

Nothing here guesses. What the server tells (status flags, tracked state changes) is taken; a SET, USE or COM_INIT_DB is
read when its form is plain and its reply was OK; after anything else that may have changed a value it is unknown, and a
text whose meaning depends on it is left alone. A CALL changes nothing: both servers restore a routine's SET at its end.
"""

import re
from typing import Final

from proxy.sql.lexing import Lexing
from proxy.wire import capabilities as cap
from proxy.wire.answers import TRACK_SCHEMA, TRACK_VARIABLE
from proxy.wire.lenenc import read_bytes

CHANGING: Final = frozenset({"set", "execute"})
"""The verbs of prepared statements that may change a value when they are run."""

# Character sets in which the second byte of a character may be a backslash (0x5C) or a backtick (0x60).
_UNSAFE_CHARSETS = frozenset({"big5", "cp932", "gb18030", "gbk", "sjis"})
_UNSAFE_COLLATIONS = frozenset({1, 84, 13, 88, 28, 87, 95, 96, 248, 249, 250})
_UTF8_CHARSETS = frozenset({"utf8", "utf8mb3", "utf8mb4"})
_UTF8_COLLATIONS = frozenset({33, 45, 46, 76, 83, *range(192, 216), *range(223, 248), 255})

_SET_NAMES = re.compile(rb"\s*SET\s+NAMES\s+(['\"]?)(\w+)\1(?:\s+COLLATE\s+['\"]?\w+['\"]?)?\s*;?\s*", re.IGNORECASE)
_SET_CHARSET = re.compile(
    rb"\s*SET\s+(?:SESSION\s+|LOCAL\s+|@@(?:SESSION\.|LOCAL\.)?)?character_set_client\s*=\s*(['\"]?)(\w+)\1\s*;?\s*",
    re.IGNORECASE,
)
_SET_SQL_MODE = re.compile(
    rb"\s*SET\s+(?:SESSION\s+|LOCAL\s+|@@(?:SESSION\.|LOCAL\.)?)?sql_mode\s*=\s*(['\"])([\w,\s]*)\1\s*;?\s*",
    re.IGNORECASE,
)
_ABOUT_CHARSET = re.compile(rb"names|char|collation", re.IGNORECASE)
_ABOUT_SQL_MODE = re.compile(rb"sql_mode", re.IGNORECASE)
_USE = re.compile(rb"\s*USE\s+(`(?:[^`]|``)+`|[\w$\x80-\xff]+)\s*;?\s*", re.IGNORECASE)
_MAY_USE = re.compile(rb"\bUSE\b", re.IGNORECASE)
# MariaDB's statements made of statements, outside routines, where nothing is restored at the end.
_COMPOUND = re.compile(rb"\s*(?:\w+\s*:\s*)?(?:BEGIN\s+NOT\s+ATOMIC|IF|LOOP|WHILE|FOR|REPEAT|CASE)\b", re.IGNORECASE)
# Modes that stand for several, ANSI_QUOTES among them.
_ANSI_MODES = frozenset({b"ansi", b"ansi_quotes", b"db2", b"maxdb", b"mssql", b"oracle", b"postgresql"})


class Variables:
    """The state of one session, as far as it is known.

    Args:
        mariadb: the server is MariaDB, whose status flags tell ANSI_QUOTES.
        schema: the default schema; None: there is none, or it is not known.
        collation: the collation id of the login.
        status: the status flags of the server's answer.

    Attributes:
        schema: see above; `use` changes it.
        temporary: the session may have tables of its own, which no look-up finds.
        version: grows whenever a value may have changed, so that a text that was read earlier may mean another thing.
    """

    __slots__ = (
        "_ansi_quotes",
        "_charset_safe",
        "_mariadb",
        "_no_backslash_escapes",
        "_utf8",
        "schema",
        "temporary",
        "version",
    )

    def __init__(self, mariadb: bool, schema: str | None, collation: int, status: int) -> None:
        self._mariadb = mariadb
        self.temporary = False
        self.version = 0
        self.begin(schema, collation, status)

    def begin(self, schema: str | None, collation: int, status: int) -> None:
        """Begin anew, after a login with this default schema and collation that was answered with these flags."""
        self._ansi_quotes: bool | None = None
        self._no_backslash_escapes: bool | None = None
        self._charset_safe: bool | None = collation not in _UNSAFE_COLLATIONS
        self._utf8: bool | None = collation in _UTF8_COLLATIONS
        self.use(schema)
        self._adopt(status)

    def use(self, schema: str | None) -> None:
        """Go on with another default schema; None: there is none, or it is not known."""
        self.schema = schema
        self.version += 1

    def lexing(self) -> Lexing:
        """Tell how the server reads the next statement."""
        return Lexing(
            ansi_quotes=self._ansi_quotes,
            no_backslash_escapes=self._no_backslash_escapes,
            charset_safe=self._charset_safe,
            utf8=self._utf8,
        )

    def succeeded(self, verb: str, text: bytes, status: int) -> None:
        """Take note of a statement that the server has answered with OK and these status flags."""
        if verb == "set":
            self._set(text, status)
        elif verb == "use":
            match = _USE.fullmatch(text)
            self.use(_unquoted(match[1]) if match else None)
        elif verb == "execute":
            self.forget()

    def forget(self) -> None:
        """Know nothing any more of what only statements tell."""
        self._ansi_quotes = None
        self._no_backslash_escapes = None
        self._charset_safe = self._utf8 = None
        self.version += 1

    def tracked(self, kind: int, data: bytes) -> None:
        """Take note of a state change that the server tells.

        Raises:
            ProtocolError: it is cut.
        """
        if kind == TRACK_SCHEMA:
            self.use(_text(read_bytes(data, 0)[0]) or None)
        elif kind == TRACK_VARIABLE:
            name, at = read_bytes(data, 0)
            value = read_bytes(data, at)[0]
            if name == b"character_set_client":
                self._note_charset(value)
                self.version += 1
            elif name == b"sql_mode":
                self._ansi_quotes = _has_ansi_quotes(value)
                self.version += 1

    def _set(self, text: bytes, status: int) -> None:
        if _ABOUT_CHARSET.search(text):
            match = _SET_NAMES.fullmatch(text) or _SET_CHARSET.fullmatch(text)
            self._note_charset(match[2] if match else b"default")
            self.version += 1
        if _ABOUT_SQL_MODE.search(text):
            match = _SET_SQL_MODE.fullmatch(text)
            self._ansi_quotes = _has_ansi_quotes(match[2]) if match else None
            self._adopt(status)
            self.version += 1

    def _note_charset(self, charset: bytes) -> None:
        name = charset.decode("latin-1").lower()
        known = name != "default"  # which is whatever the server has been told
        self._charset_safe = name not in _UNSAFE_CHARSETS if known else None
        self._utf8 = name in _UTF8_CHARSETS if known else None

    def _adopt(self, status: int) -> None:
        """Take over what status flags tell of the SQL mode.

        Only those of a login or of a SET are taken: a routine that sets the mode leaves wrong flags behind, though
        the server restores the mode when the routine ends (seen on MySQL 9.7 and MariaDB 10.11).
        """
        self._no_backslash_escapes = bool(status & cap.STATUS_NO_BACKSLASH_ESCAPES)
        if self._mariadb:
            self._ansi_quotes = bool(status & cap.STATUS_ANSI_QUOTES)


def is_compound(text: bytes) -> bool:
    """Tell whether a text is a compound statement of MariaDB's, which may hold a SET."""
    return _COMPOUND.match(text) is not None


def may_use(text: bytes) -> bool:
    """Tell whether a text may hold a USE anywhere."""
    return _MAY_USE.search(text) is not None


def _has_ansi_quotes(modes: bytes) -> bool:
    return not _ANSI_MODES.isdisjoint(mode.strip().lower() for mode in modes.split(b","))


def _unquoted(name: bytes) -> str:
    return _text(name[1:-1].replace(b"``", b"`") if name[:1] == b"`" else name)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
