"""Where log lines go and what they look like, those of libraries that log through `logging` among them."""

import logging
from typing import Protocol

import structlog
from structlog.typing import EventDict, Processor

from proxy.config import LogFormat, LogLevel

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
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_common(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_console(stream.isatty()) if console else _json()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_common(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def change_level(level: LogLevel) -> None:
    """Write lines of at least another level from now on."""
    root = logging.getLogger()
    if root.level != (wanted := logging.getLevelNamesMapping()[level.upper()]):
        root.setLevel(wanted)


def _common() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _json() -> list[Processor]:
    # As text: structured tracebacks hold the local variables, passwords and values among them.
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


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
