"""A statement without its values: for people, and to tell statements of one shape from others.

Only words and punctuation outside literals are shown. How a text splits into tokens depends on the session (sql_mode,
charset), so whatever might be read in two ways ends the sample: a value must not be shown because a quote was misread.
"""

import hashlib
import re
from typing import Final

LOOK: Final = 2_048
"""Bytes of a statement that are looked at."""
LONGEST: Final = 400
"""Characters of a sample."""
CUT: Final = "…"

_TOKEN = re.compile(
    rb"(?P<space>[\t-\r\x20]++)"
    rb"|(?P<gone>/\*(?![!+]|M!).*?\*/|/\*\+[^'\"`\\]*?\*/|(?:\#|--(?=[\x00-\x20\x7f]|\Z))[^\n]*+(?:\n|\Z))"
    rb"|(?P<literal>(?:(?:[NXB]|_[0-9A-Z]++[\t-\r\x20]*+)(?=['\"]))?+(?:'(?:[^'\\]|'')*+'(?!')|\"(?:[^\"\\]|\"\")*+\"(?!\"))"
    rb"|[0-9][0-9A-Z_$.]*+|\.[0-9]++[0-9A-Z_]*+)"
    rb"|(?P<word>`(?:[^`\\]++|``)++`|@{0,2}+[A-Z_$\x80-\xff][0-9A-Z_$\x80-\xff]*+)"
    rb"|(?P<mark>[(),.=+*%<>!?;:&|^~{}]|-(?!-[\x80-\xff])|/(?!\*))",
    re.IGNORECASE | re.DOTALL,
)
_CONSTANTS = frozenset({b"NULL", b"TRUE", b"FALSE"})
_SIGNED = re.compile(r"(?<=[(,=] )[-+]\s*\?|(?<=[(,=])[-+]\s*\?")
_ROWS = re.compile(r"(\((?:[^()]|\([^()]*\))*\))(?:, ?\1)+")
_LONG_LIST = re.compile(r"\?(?:, \?){15,}")


def redact(text: bytes) -> str:
    """Write a statement with `?` in the place of every literal, without comments, rows of one shape only once."""
    parts: list[str] = []
    at = 0
    end = min(len(text), LOOK)
    while at < end:
        token = _TOKEN.match(text, at, end)
        if token is None or (token.end() == end < len(text)):
            parts.append(CUT)  # a quote that does not close, a backslash, an odd byte, or the end of what is looked at
            break
        at = token.end()
        parts.append(_shown(token))
    sample = re.sub(r" +", " ", "".join(parts)).strip()
    sample = re.sub(r"\s*,\s*", ", ", sample)
    sample = _ROWS.sub(r"\1, " + CUT, _SIGNED.sub("?", sample))
    sample = _LONG_LIST.sub("?, " + CUT, sample)
    return sample if len(sample) <= LONGEST else sample[: LONGEST - 1] + CUT


def _shown(token: re.Match[bytes]) -> str:
    kind = token.lastgroup
    if kind in ("space", "gone"):
        return " "
    if kind == "literal" or token[0].upper() in _CONSTANTS:
        return "?"
    return token[0].decode("utf-8", "backslashreplace")


def digest(sample: str) -> str:
    """Hash a sample, whatever the letter case of its words: 16 hexadecimal digits."""
    return hashlib.blake2b(sample.lower().encode(), digest_size=8).hexdigest()
