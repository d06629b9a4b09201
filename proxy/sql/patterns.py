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
# A versioned comment with nothing in it means nothing, executed or not; five or six digits are its version.
_EMPTY_COMMENT = rb"(?>/\*M?!(?:[0-9]{5,6}+)?+[\t-\r\x20]*+\*/)"
# MySQL reads a hint token by token, and a quoted name in it may hold "*/": only hints without quotes are comments.
_HINT = rb"(?>/\*\+[^'\"`\x00]*?\*/)"
# "--" opens a comment only before whitespace, a control character or the end. A NUL would end the statement.
_LINE_COMMENT = rb"(?:\#|--(?=[\x01-\x20\x7f]|\Z))[^\n\x00]*+(?:\n|\Z)"
_WHOLE_LINE_COMMENT = rb"(?:\#|--(?=[\x01-\x20\x7f]))[^\n\x00]*+\n"
_CLOSED_GAPS = rb"|".join((_SPACE + rb"++", _COMMENT, _HINT, _EMPTY_COMMENT))
GAP = rb"(?:" + _CLOSED_GAPS + rb"|" + _LINE_COMMENT + rb")*+"
# As much of a gap as does not depend on where the text ends.
WHOLE_GAP = rb"(?:" + _CLOSED_GAPS + rb"|" + _WHOLE_LINE_COMMENT + rb")*+"
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
        whole: as many pieces as there are that are whole in themselves, so that the text may be cut anywhere behind a
            byte that is neither `-` nor `/`: a line comment needs its newline.
        chunk: the same without strings and comments, but with parentheses, commas, `?` and `;`.
        value: the same where a value begins and must not be missing.
        operand: one operand of an expression after SET: a whole literal, variable or placeholder (`?` is group 1), an
            opening parenthesis (group 1), or a name (group 2) with the opening parenthesis of its call (group 3).
        alias: `AS new` or `AS new (a, b)` and the gap after it.
        token: what a query goes on with, behind a gap: literals and operators, as many as there are (group 1), the up
            to three parts of a name or one keyword (groups 2 to 4), or one of `(`, `)`, `?` and `;` (group 5).
        load: `LOAD DATA ... INFILE 'x'` (group 1: LOAD, 2: LOCAL, 3: the file's name), IGNORE or REPLACE (group 4), and
            `INTO TABLE` up to and including the table's name in one or two parts (groups 5 and 6), which must not seem
            to go on.
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
    whole: re.Pattern[bytes]
    chunk: re.Pattern[bytes]
    value: re.Pattern[bytes]
    operand: re.Pattern[bytes]
    alias: re.Pattern[bytes]
    token: re.Pattern[bytes]
    load: re.Pattern[bytes]


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


def warm_up() -> None:
    """Compile the expressions for every lexing, some 60 ms in all, before a session has to wait for them."""
    for ansi_quotes in (None, False, True):
        for no_backslash_escapes in (False, True):
            _patterns(ansi_quotes, no_backslash_escapes)


@lru_cache(maxsize=6)
def _patterns(ansi_quotes: bool | None, no_backslash_escapes: bool) -> Patterns:
    string, quoted_name = _quoted(ansi_quotes, no_backslash_escapes)
    name = rb"(?:" + _PLAIN_NAME + rb"|" + quoted_name + rb")"
    closed = rb"|".join((_PLAIN, string, quoted_name, MINUS, SLASH, _COMMENT, _HINT, _EMPTY_COMMENT))
    piece = rb"(?:" + closed + rb"|" + _LINE_COMMENT + rb")"
    whole = rb"(?:" + closed + rb"|" + _WHOLE_LINE_COMMENT + rb")"
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
        whole=compiled(whole + rb"*+"),
        chunk=compiled(
            rb"(?:" + rb"|".join((_PLAIN, quoted_name, MINUS, SLASH, _HINT, _EMPTY_COMMENT, rb"[(),;?]++")) + rb")*+"
        ),
        value=compiled(rb"(?!" + MISSING + rb")" + piece + rb"*+([(),?])"),
        operand=compiled(_operand(string, quoted_name, name)),
        alias=compiled(rb"AS" + WORD_END + GAP + name + GAP + rb"(?:" + names + rb")?+"),
        token=compiled(_token(string, quoted_name, name)),
        load=compiled(_load(string, name)),
    )


def _token(string: bytes, quoted_name: bytes, name: bytes) -> bytes:
    number = rb"(?:0[xb][0-9a-f]++|[0-9]++(?:\.[0-9]*+)?+(?:e[+\-]?+[0-9]++)?+)" + WORD_END
    operator = rb"[!%&*+.<=>^|~{},]"
    unit = rb"(?:" + rb"|".join((string, number, _variable(string, quoted_name), operator, MINUS, SLASH)) + rb")"
    dotted = rb"(?:" + GAP + rb"\." + GAP + rb"(" + name + rb"|\*))?+"
    return GAP + rb"(?:(" + unit + rb"(?:" + GAP + unit + rb")*+)|(" + name + rb")" + dotted + dotted + rb"|([()?;]))"


def _load(string: bytes, name: bytes) -> bytes:
    return (
        GAP
        + keyword(rb"LOAD")
        + rb"(?:DATA|XML)" + WORD_END + GAP
        + rb"(?:(?:LOW_PRIORITY|CONCURRENT)" + WORD_END + GAP + rb")?+"
        + rb"(?:" + keyword(rb"LOCAL") + rb")?+"
        + rb"INFILE" + WORD_END + GAP
        + rb"(" + string + rb")" + GAP
        + rb"(?:" + keyword(rb"IGNORE|REPLACE") + rb")?+"
        + rb"INTO" + WORD_END + GAP + rb"TABLE" + WORD_END + GAP
        + rb"(" + name + rb")(?:" + GAP + rb"\." + GAP + rb"(" + name + rb"))?+(?!" + GAP + rb"[.*])"
    )  # fmt: skip


def _variable(string: bytes, quoted_name: bytes) -> bytes:
    return rb"@{1,2}+(?:" + string + rb"|" + quoted_name + rb"|(?:" + NAME_BYTE + rb"|\.)++)"


def _operand(string: bytes, quoted_name: bytes, name: bytes) -> bytes:
    introducer = rb"(?:_[0-9a-z]++" + GAP + rb")?+"
    temporal = rb"(?:DATE|TIME|TIMESTAMP)" + GAP
    strings = string + rb"(?:" + GAP + string + rb")*+"
    number = rb"\.?[0-9][.0-9A-Z_]*+(?![$\x80-\xff])"
    path = name + rb"(?:" + GAP + rb"\." + GAP + name + rb"){0,2}+"
    return rb"|".join(
        (
            introducer + rb"(?:[NBX]?+" + strings + rb"|" + number + rb")",
            temporal + string,
            _variable(string, quoted_name),
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
