"""What the server's lexer depends on beyond the text itself."""

from typing import NamedTuple


class Lexing(NamedTuple):
    """How the server splits a statement of one session into tokens.

    None means unknown: then only a text that depends on it is skipped.

    Args:
        ansi_quotes: sql_mode holds ANSI_QUOTES, so that `"..."` is a name and not a string.
        no_backslash_escapes: sql_mode holds NO_BACKSLASH_ESCAPES, so that a backslash in a string is an ordinary byte.
        charset_safe: no character of character_set_client ends in 0x5C (backslash) or 0x60 (backtick).
            False for sjis, cp932, gbk, big5 and gb18030; True for gb2312, euckr, ujis, utf8mb4, latin1 ...
        utf8: character_set_client is utf8mb4 or utf8mb3, so that text of the proxy's own may be spliced in as UTF-8;
            ASCII alone may be in every character set that a client can have.

    See the MySQL manual, "Server SQL Modes" and "Connection Character Sets and Collations".
    """

    ansi_quotes: bool | None = None
    no_backslash_escapes: bool | None = False
    charset_safe: bool | None = None
    utf8: bool | None = None
