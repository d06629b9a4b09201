"""The lexer of MySQL as regular expressions on bytes.

Each expression jumps over whole literals and comments in C and never gives back what it took (atomic groups and
possessive repeats), so that every text is read in linear time. The sources are `sql/sql_lex.cc` of MySQL and MariaDB
and the MySQL manual: "Literal Values", "Schema Object Names", "Comments".
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from proxy.sql.lexing import Lexing

_FLAGS = re.IGNORECASE | re.DOTALL

_SPACE = rb"[\t-\r\x20]"
# Neither a versioned comment nor a hint. Comments do not nest (only versioned ones do, and those are never skipped).
_COMMENT = rb"(?>/\*(?![!+]|M!)[^\x00]*?\*/)"
# MySQL reads a hint token by token, and a quoted name in it may hold "*/": only hints without quotes are comments.
_HINT = rb"(?>/\*\+[^'\"`\x00]*?\*/)"
# "--" opens a comment only before whitespace, a control character or the end. A NUL would end the statement.
_LINE_COMMENT = rb"(?:\#|--(?=[\x01-\x20\x7f]|\Z))[^\n\x00]*+(?:\n|\Z)"
GAP = rb"(?:" + rb"|".join((_SPACE + rb"++", _COMMENT, _HINT, _LINE_COMMENT)) + rb")*+"
# Where a value should be and none is.
MISSING = GAP + rb"[,)]"
# The gap behind which a clause is not swallowed.
QUIET_GAP = rb"(?:" + _SPACE + rb"++|" + _COMMENT + rb")*+"

NAME_BYTE = rb"[0-9A-Za-z_$\x80-\xff]"
WORD_END = rb"(?!" + NAME_BYTE + rb")"
# "$" may open a dollar-quoted text (MySQL 9); 12, 0x1F, 0b1 and 1e5 are numbers: none of them starts a name here.
_PLAIN_NAME = rb"(?:[A-Za-z_\x80-\xff]|(?!0[bx]|[0-9]++(?:e|" + WORD_END + rb"))[0-9])" + NAME_BYTE + rb"*+"
# Bytes that mean nothing here outside literals. Not among them: ' " ` ( ) , ; # : ? / - \ [ ] and controls.
_PLAIN = rb"[\t-\r\x20!$%&*+.0-9<=>@A-Z^_a-z{|}~\x80-\xff]++"
# A minus that opens no comment: 0xA0 is whitespace in latin1, so "--" before a byte from 0x80 on proves nothing.
MINUS = rb"-(?!-(?:[\x00-\x20\x7f-\xff]|\Z))"
SLASH = rb"/(?!\*)"


@dataclass(frozen=True, slots=True, eq=False)
class Patterns:
    """The expressions that depend on the session's lexing.

    Args:
        string: a string in quotes, without an introducer.
        quoted_name: a name in backticks, or in double quotes where those quote names.
        name: any name.
        piece: a non-empty piece of a value without parentheses, commas, `?` and `;`, comments included.
        flat: as many pieces as there are.
        start: from the beginning of the text to behind the table's name and the gap after it.
        partition: `PARTITION (p0, ...)` and the gap after it.
        column: one column of a list, with the `,` or `)` after it and the gap after that.
        target: one column of SET, with the `=` or `:=` after it and the gap after that.
        step: inside parentheses, everything up to and including the next `(`, `)`, `,` or `?`.
        value: the same where a value begins and must not be missing.
        operand: one operand of an expression after SET: a whole literal, variable or placeholder (`?` is group 1), an
            opening parenthesis (group 1), or a name (group 2) with the opening parenthesis of its call (group 3).
        alias: `AS new` or `AS new (a, b)` and the gap after it.
    """

    string: bytes
    quoted_name: bytes
    name: bytes
    piece: bytes
    flat: re.Pattern[bytes]
    start: re.Pattern[bytes]
    partition: re.Pattern[bytes]
    column: re.Pattern[bytes]
    target: re.Pattern[bytes]
    step: re.Pattern[bytes]
    value: re.Pattern[bytes]
    operand: re.Pattern[bytes]
    alias: re.Pattern[bytes]


def compiled(pattern: bytes) -> re.Pattern[bytes]:
    """Compile an expression with the flags that all of them share: any letter case, a dot is any byte."""
    return re.compile(pattern, _FLAGS)


def keyword(words: bytes) -> bytes:
    """Write the expression for one of some keywords, as a group, and for the gap after it."""
    return rb"(" + words + rb")" + WORD_END + GAP


def patterns_for(lexing: Lexing) -> Patterns:
    """Give the expressions for a session's lexing; there are six sets, and each is compiled once."""
    # where it is not known how backslashes read, there are none
    return _patterns(lexing.ansi_quotes, bool(lexing.no_backslash_escapes))


@lru_cache(maxsize=6)
def _patterns(ansi_quotes: bool | None, no_backslash_escapes: bool) -> Patterns:
    string, quoted_name = _quoted(ansi_quotes, no_backslash_escapes)
    name = rb"(?:" + _PLAIN_NAME + rb"|" + quoted_name + rb")"
    piece = rb"(?:" + rb"|".join((_PLAIN, string, quoted_name, MINUS, SLASH, _COMMENT, _HINT, _LINE_COMMENT)) + rb")"
    names = rb"\(" + GAP + name + GAP + rb"(?:," + GAP + name + GAP + rb")*+\)" + GAP
    dotted = rb"(?:" + name + GAP + rb"\." + GAP + rb"){0,2}+(" + name + rb")" + GAP
    start = (
        GAP
        + keyword(rb"INSERT")
        + rb"(?:" + keyword(rb"LOW_PRIORITY|HIGH_PRIORITY|DELAYED") + rb")?+"
        + rb"(?:" + keyword(rb"IGNORE") + rb")?+"
        + rb"(?:" + keyword(rb"INTO") + rb")?+"
        + rb"(" + name + rb")(?:" + GAP + rb"\." + GAP + rb"(" + name + rb"))?+" + GAP
    )  # fmt: skip
    return Patterns(
        string=string,
        quoted_name=quoted_name,
        name=name,
        piece=piece,
        flat=compiled(piece + rb"*+"),
        start=compiled(start),
        partition=compiled(rb"PARTITION" + WORD_END + GAP + names),
        column=compiled(dotted + rb"([,)])" + GAP),
        target=compiled(dotted + rb":?=" + GAP),
        step=compiled(piece + rb"*+([(),?])"),
        value=compiled(rb"(?!" + MISSING + rb")" + piece + rb"*+([(),?])"),
        operand=compiled(_operand(string, quoted_name, name)),
        alias=compiled(rb"AS" + WORD_END + GAP + name + GAP + rb"(?:" + names + rb")?+"),
    )


def _operand(string: bytes, quoted_name: bytes, name: bytes) -> bytes:
    introducer = rb"(?:_[0-9a-z]++" + GAP + rb")?+"
    temporal = rb"(?:DATE|TIME|TIMESTAMP)" + GAP
    strings = string + rb"(?:" + GAP + string + rb")*+"
    number = rb"\.?[0-9][.0-9A-Z_]*+(?![$\x80-\xff])"
    variable = rb"@{1,2}+(?:" + string + rb"|" + quoted_name + rb"|(?:" + NAME_BYTE + rb"|\.)++)"
    path = name + rb"(?:" + GAP + rb"\." + GAP + name + rb"){0,2}+"
    return rb"|".join(
        (
            introducer + rb"(?:[NBX]?+" + strings + rb"|" + number + rb")",
            temporal + string,
            variable,
            rb"([?(])",
            rb"(" + path + rb")(?:" + GAP + rb"(\())?+",
        )
    )


def _quoted(ansi_quotes: bool | None, no_backslash_escapes: bool) -> tuple[bytes, bytes]:
    """Write the expressions of strings and of quoted names."""
    string, name = _string(b"'", no_backslash_escapes), _quoted_name(b"`")
    if ansi_quotes is None:
        return string, name
    if ansi_quotes:
        return string, rb"(?:" + name + rb"|" + _quoted_name(b'"') + rb")"
    return rb"(?:" + string + rb"|" + _string(b'"', no_backslash_escapes) + rb")", name


def _string(mark: bytes, no_backslash_escapes: bool) -> bytes:
    if no_backslash_escapes:
        return rb"M[^M]*+(?:MM[^M]*+)*+M".replace(b"M", mark)
    return rb"M[^M\\]*+(?:(?:\\.|MM)[^M\\]*+)*+M".replace(b"M", mark)


def _quoted_name(mark: bytes) -> bytes:
    # A NUL ends the statement even inside a quoted name.
    return rb"M(?:[^M\x00]++|MM)++M".replace(b"M", mark)
