"""Where log lines go and what they look like, those of libraries that log through `logging` among them."""

import logging
from functools import cache, partial
from typing import Protocol

import structlog
from structlog.typing import EventDict, Processor

from proxy.config import LogFormat, LogLevel
from proxy.run.log_lines import as_json, json_line, stamp

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


class Stream(Protocol):
    """What log lines are written to."""

    def write(self, text: str, /) -> object:
        """Take text."""

    def flush(self) -> None:
        """Pass on what was taken."""

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""


def configure_logging(level: LogLevel, log_format: LogFormat, stream: Stream) -> None:
    """Send all log lines of at least a level to a stream, one line each; may be called again to change its mind.

    log_format: AUTO is CONSOLE on a terminal and JSON elsewhere.
    """
    console = log_format is LogFormat.CONSOLE or (log_format is LogFormat.AUTO and stream.isatty())
    rendering = _console(stream.isatty()) if console else _json()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_common(), structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.getLogger().handlers[:] = [handler]
    # Lines of our own take the short way: by `logging` each would cost three times as much.
    structlog.configure(
        processors=[*_common(), *rendering] if console else [json_line],
        logger_factory=cache(partial(_Lines, stream)),  # else each line would have one made
        cache_logger_on_first_use=False,
    )
    change_level(level)


def change_level(level: LogLevel) -> None:
    """Write lines of at least another level from now on."""
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.getLogger().setLevel(number)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(number))


class _Lines:
    """What structlog hands rendered lines to; name: of the logger."""

    __slots__ = ("_write", "name")

    def __init__(self, stream: Stream, name: str) -> None:
        self._write = stream.write
        self.name = name

    def msg(self, line: str) -> None:
        try:
            self._write(f"{line}\n")
        except OSError:  # nobody reads any more: the proxy goes on
            return

    debug = info = warning = error = msg


def _common() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        stamp,
    ]


def _json() -> list[Processor]:
    # As text: structured tracebacks hold the local variables, passwords and values among them.
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(as_json)]


def _console(colors: bool) -> list[Processor]:
    # Neither in the event nor in a field may a client's line breaks or escape sequences reach the terminal.
    return [
        _escape_event,
        structlog.dev.ConsoleRenderer(
            colors=colors,
            repr_native_str=True,
            # The default one prints local variables, passwords and values among them.
            exception_formatter=structlog.dev.plain_traceback,
        ),
    ]


def _escape_event(logger: object, method: str, event_dict: EventDict) -> EventDict:
    event_dict["event"] = str(event_dict["event"]).translate(_CONTROLS)
    return event_dict
