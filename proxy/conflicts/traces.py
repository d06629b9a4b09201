"""The trace that a statement belongs to, where a tracing library has written it into a comment.

Sqlcommenter writes ``/*traceparent='00-<trace id>-<span id>-<flags>'*/`` behind a statement, some write it before
(https://google.github.io/sqlcommenter/spec/, https://www.w3.org/TR/trace-context/).
"""

import re
from typing import Final, NamedTuple

LOOK: Final = 2_048
"""Bytes at either end of a statement in which such a comment is looked for."""

_NAME: Final = b"traceparent="
_TRACEPARENT = re.compile(_NAME + rb"(?:'|%27)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:'|%27)")
_INVALID_VERSION: Final = b"ff"


class Trace(NamedTuple):
    """Where a conflict is to be found among the traces; at: seconds since the epoch."""

    trace_id: str
    span_id: str
    at: float


def trace_of(text: bytes, at: float) -> Trace | None:
    """Find the trace that a statement belongs to; at: when it met its conflict, in seconds since the epoch."""
    if _NAME not in text[:LOOK] and _NAME not in text[-LOOK:]:
        return None
    for comment in _comments(text):
        found = _TRACEPARENT.search(comment)
        if found is not None and found[1] != _INVALID_VERSION and found[2].strip(b"0") and found[3].strip(b"0"):
            return Trace(found[2].decode(), found[3].decode(), at)
    return None


def _comments(text: bytes) -> tuple[bytes, ...]:
    """Give the comments behind a statement and before it."""
    end, start = text[-LOOK:].rstrip(b"; \t\r\n"), text[:LOOK].lstrip()
    behind = end[max(end.rfind(b"/*"), 0) :] if end.endswith(b"*/") else b""
    before = start[: start.find(b"*/") + 1] if start.startswith(b"/*") else b""
    return behind, before
