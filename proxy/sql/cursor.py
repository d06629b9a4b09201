"""A place in a text that moves forward as the text is read."""

import re

from proxy.sql.lexing import Lexing
from proxy.sql.names import is_text, unquote
from proxy.sql.patterns import compiled, patterns_for
from proxy.sql.reason import Reason, UnprovenError

# What may stop the expressions, in the order in which it is looked for; anything else is malformed.
_STOPS = (
    (compiled(rb"/\*M?!"), Reason.VERSIONED_COMMENT),
    (compiled(rb"/\*\+(?=.*?\*/)"), Reason.HINT),
    (compiled(rb"``(?!`)"), Reason.MALFORMED),
    (compiled(rb"/\*|['`]"), Reason.UNTERMINATED),
    (compiled(rb"--[\x80-\xff]"), Reason.CHARSET),
    (compiled(rb":="), Reason.ASSIGNMENT),
)


class Cursor:
    """Reads one text from its beginning to its end.

    Args:
        text: the statement.
        lexing: how the session's server splits it into tokens.

    Attributes:
        at: the offset that it stands at.
        end: the offset that it sees the text up to; what is behind is not there for it.
        placeholders: how many `?` were read.
    """

    __slots__ = ("at", "end", "lexing", "patterns", "placeholders", "text")

    def __init__(self, text: bytes, lexing: Lexing) -> None:
        self.text = text
        self.lexing = lexing
        self.patterns = patterns_for(lexing)
        self.at = 0
        self.end = len(text)
        self.placeholders = 0

    def take(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Move behind the pattern if it stands here, else stay."""
        found = pattern.match(self.text, self.at, self.end)
        if found is not None:
            self.at = found.end()
        return found

    def expect(self, pattern: re.Pattern[bytes]) -> re.Match[bytes]:
        """Move behind the pattern, which must stand here.

        Raises:
            UnprovenError: it does not.
        """
        found = self.take(pattern)
        if found is None:
            raise self.fault()
        return found

    def name(self, written: bytes) -> str:
        """Read a name as written.

        Raises:
            UnprovenError: it stands without quotes, and where it ends depends on the character set: 0xA0 is whitespace
                in latin1, and a byte may be half of a character in sjis.
        """
        name = unquote(written)
        quoted = written.startswith((b"`", b'"'))
        if not (written.isascii() or quoted) and not (self.lexing.charset_safe and is_text(name)):
            raise UnprovenError(Reason.CHARSET)
        return name

    def fault(self, at_end: Reason = Reason.MALFORMED) -> UnprovenError:
        """Give the reason that lies in the next byte that no piece of a value explains.

        Args:
            at_end: the reason when there is no such byte.
        """
        self.take(self.patterns.flat)
        return self.fault_here(at_end)

    def fault_here(self, at_end: Reason = Reason.MALFORMED) -> UnprovenError:
        """Give the reason that lies in the very next byte.

        Args:
            at_end: the reason when there is none.
        """
        if self.at == len(self.text):
            return UnprovenError(at_end)
        if self.text.startswith(b'"', self.at):
            return UnprovenError(Reason.ANSI_QUOTES if self.lexing.ansi_quotes is None else Reason.UNTERMINATED)
        for pattern, reason in _STOPS:
            if pattern.match(self.text, self.at):
                return UnprovenError(reason)
        return UnprovenError(Reason.MALFORMED)
