"""What log lines are made of.

A line is made in half the time that structlog's own processors take, one after the other.
"""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from json.encoder import encode_basestring_ascii
from math import isfinite

from structlog.contextvars import merge_contextvars
from structlog.processors import format_exc_info
from structlog.typing import EventDict, WrappedLogger


def json_line(logger: WrappedLogger, level: str, fields: EventDict) -> str:
    """Make a line of fields: the whole chain of processors for our own lines."""
    merge_contextvars(logger, level, fields)
    if "exc_info" in fields:
        # As text: structured tracebacks hold the local variables, passwords and values among them.
        format_exc_info(logger, level, fields)
    stamp(logger, level, fields)
    said = "".join([f'"{name}": {_value(value)}, ' for name, value in fields.items()])
    return f'{{{said}"level": "{level}", "logger": "{logger.name}"}}'


def stamp(_logger: WrappedLogger, _level: str, fields: EventDict) -> EventDict:
    """Say when what is told happened, which is now, or some seconds since the epoch: in UTC, to the microsecond."""
    at = fields.get("timestamp")
    seconds = at if isinstance(at, float) else time.time()
    whole = int(seconds)
    fields["timestamp"] = f"{_to_the_second(whole)}.{int((seconds - whole) * 1e6):06d}Z"
    return fields


def as_json(fields: Mapping[str, object], default: Callable[[object], object]) -> str:
    """Write an object; default: gives something else for what JSON has no form for."""
    return _encoder(default).encode(fields)


def _value(value: object) -> str:
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if type(value) is int or (type(value) is float and isfinite(value)):
        return repr(value)
    return _encoder(repr).encode(value)


@lru_cache(maxsize=1)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@cache
def _encoder(default: Callable[[object], object]) -> json.JSONEncoder:
    """Make an encoder, which `json.dumps` would for every line."""
    return json.JSONEncoder(default=default)
