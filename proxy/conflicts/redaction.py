"""A statement without its values: for people, and to tell statements of one shape from others.

Only words and punctuation outside literals are shown. How a text splits into tokens depends on the session (sql_mode,
charset), so whatever might be read in two ways ends the sample: a value must not be shown because a quote was misread.
"""

import hashlib
import re
from functools import lru_cache
from typing import Final

LOOK: Final = 2_048
"""Bytes of a statement that are looked at."""
LONGEST: Final = 400
"""Characters of a sample."""
CUT: Final = "…"
SHAPES: Final = 256
"""Shapes whose samples, and samples whose digests, are remembered: of 2 KiB each at most, and without values."""

# Letters stand in both cases wherever an alternative begins: what begins otherwise is then passed over at once.
_SPACE = rb"[\t-\r\x20]++"
_NAME_BYTE = rb"[0-9A-Za-z_$\x80-\xff]"
_COMMENT = rb"/\*(?![!+]|[Mm]!).*?\*/|/\*\+[^'\"`\\]*?\*/|(?:\#|--(?=[\x00-\x20\x7f]|\Z))[^\n]*+(?:\n|\Z)"
_STRING = rb"(?:'(?:[^'\\]++|'')*+'(?!')|\"(?:[^\"\\]++|\"\")*+\"(?!\"))"
_INTRODUCER = rb"(?:[NXBnxb]|_[0-9A-Za-z]++[\t-\r\x20]*+)"
_NUMBER = rb"[0-9][0-9A-Za-z_$.]*+|\.[0-9]++[0-9A-Za-z_]*+"
_CONSTANT = rb"(?=[NTFntf])(?i:NULL|TRUE|FALSE)(?!" + _NAME_BYTE + rb")"
_LITERAL = rb"|".join((_STRING, _NUMBER, _INTRODUCER + _STRING, _CONSTANT))
_NAME = rb"[A-Za-z_$\x80-\xff]" + _NAME_BYTE + rb"*+"
_WORD = rb"|".join((_NAME, rb"`(?:[^`\\]++|``)++`", rb"@{1,2}+" + _NAME))
_MARK = rb"(),=+*%<>!?;:&|^~{}"
_UNREAD: Final = b"\\"
"""Stands for what is not read; nothing that is shown holds a backslash."""


def _any_of(*kinds: bytes) -> bytes:
    """Match one of them; what is of several kinds is of the first."""
    return rb"(?:" + rb"|".join(kinds) + rb")"


def _between(gap: bytes, token: bytes) -> re.Pattern[bytes]:
    """Give as its group what stands before, between and behind gaps, in a text of nothing but these and tokens."""
    return re.compile(rb"(?:\A|" + gap + rb")(" + token + rb"*)", re.DOTALL)


# All is done in C: with a step in Python for each token a statement of three values took 1,700 instructions more.
_TOKENS = re.compile(
    rb"("
    + _any_of(_SPACE, rb"[" + _MARK + rb"]", _COMMENT, _LITERAL, _WORD, rb"\.", rb"-(?!-[\x80-\xff])", rb"/(?!\*)")
    + rb")+",
    re.DOTALL,
)
_BETWEEN_COMMENTS = _between(
    _any_of(rb"[\t-\r]++", _COMMENT),
    _any_of(rb"[\x20\\" + _MARK + rb"]++", _LITERAL, _WORD, rb"\.", rb"-(?!-(?:[\x00-\x20\x7f]|\Z))", rb"/(?!\*)"),
)
_BETWEEN_LITERALS = _between(
    _any_of(_LITERAL),
    _any_of(
        rb"[\x20/\\\-" + _MARK + rb"]++",
        rb"(?!" + _any_of(_INTRODUCER + rb"['\"]", _CONSTANT) + rb")" + _any_of(_WORD),
        rb"\.(?![0-9])",
    ),
)

_SPACES = re.compile(r" +")
_COMMA = re.compile(r"\s*,\s*")
_SIGNED = re.compile(r"(?<=[(,=] )[-+]\s*\?|(?<=[(,=])[-+]\s*\?")
_ROWS = re.compile(r"(\((?:[^()]|\([^()]*\))*\))(?:, ?\1)+")
_LONG_LIST = re.compile(r"\?(?:, \?){15,}")


def redact(text: bytes) -> str:
    """Write a statement with `?` in the place of every literal, without comments, rows of one shape only once."""
    pieces = _BETWEEN_COMMENTS.findall(_readable(text))
    return _sample(b" ".join([b"?".join(_BETWEEN_LITERALS.findall(piece)) for piece in pieces]))


def _readable(text: bytes) -> bytes:
    """Give a text up to what may be read in two ways: a quote that does not close, a backslash, an odd byte."""
    found = _TOKENS.match(text, 0, LOOK)
    end = found.end() if found is not None else 0
    if end == len(text):
        return text
    if found is not None and end == LOOK:  # the last token may go on
        end = found.start(1)
    return text[:end] + _UNREAD


@lru_cache(SHAPES)
def _sample(shape: bytes) -> str:
    """Tidy up a statement that is without values and comments."""
    sample = shape.replace(_UNREAD, CUT.encode()).decode("utf-8", "backslashreplace")
    sample = _COMMA.sub(", ", _SPACES.sub(" ", sample).strip())
    sample = _ROWS.sub(r"\1, " + CUT, _SIGNED.sub("?", sample))
    sample = _LONG_LIST.sub("?, " + CUT, sample)
    return sample if len(sample) <= LONGEST else sample[: LONGEST - 1] + CUT


@lru_cache(SHAPES)
def digest(sample: str) -> str:
    """Hash a sample, whatever the letter case of its words: 16 hexadecimal digits."""
    return hashlib.blake2b(sample.lower().encode(), digest_size=8).hexdigest()
