"""A stretch of a text."""

from typing import NamedTuple


class Span(NamedTuple):
    """The bytes `text[start:end]`."""

    start: int
    end: int
