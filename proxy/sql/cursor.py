"""A place in a text that moves forward as the text is read."""

import re

from proxy.sql.patterns import Patterns, compiled
from proxy.sql.reason import Reason, UnprovenError

# What may stop the expressions, in the order in which it is looked for; anything else is malformed.
_STOPS = (
    (compiled(rb"/\*M?!"), Reason.VERSIONED_COMMENT),
    (compiled(rb"/\*\+(?=.*?\*/)"), Reason.HINT),
    (compiled(rb"``"), Reason.MALFORMED),
    (compiled(rb"/\*|['`]"), Reason.UNTERMINATED),
    (compiled(rb"--[\x80-\xff]"), Reason.CHARSET),
    (compiled(rb":="), Reason.ASSIGNMENT),
)


class Cursor:
    """Reads one text from its beginning to its end.

    Args:
        text: the statement.
        patterns: the expressions of the session's lexing.
        ansi_quotes: as in `Lexing`.
    """

    __slots__ = ("ansi_quotes", "at", "patterns", "placeholders", "text")

    def __init__(self, text: bytes, patterns: Patterns, ansi_quotes: bool | None) -> None:
        self.text = text
        self.patterns = patterns
        self.ansi_quotes = ansi_quotes
        self.at = 0
        self.placeholders = 0

    def take(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Move behind the pattern if it stands here, else stay."""
        found = pattern.match(self.text, self.at)
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

    def fault(self, at_end: Reason = Reason.MALFORMED) -> UnprovenError:
        """Give the reason that lies in the next byte that no piece of a value explains.

        Args:
            at_end: the reason when there is no such byte.
        """
        self.take(self.patterns.flat)
        if self.at == len(self.text):
            return UnprovenError(at_end)
        if self.text.startswith(b'"', self.at):
            return UnprovenError(Reason.ANSI_QUOTES if self.ansi_quotes is None else Reason.UNTERMINATED)
        for pattern, reason in _STOPS:
            if pattern.match(self.text, self.at):
                return UnprovenError(reason)
        return UnprovenError(Reason.MALFORMED)
