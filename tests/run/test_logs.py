import io
import json
import logging
from datetime import UTC, datetime

import pytest
import structlog

from proxy.config import LogFormat, LogLevel
from proxy.run.logs import configure_logging


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_is_one_object_a_line() -> None:
    stream = io.StringIO()
    configure_logging(LogLevel.INFO, LogFormat.JSON, stream)
    structlog.get_logger("keyclash").info("conflict", key="a\nb", thread_id=7)
    [line] = lines(stream)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {"event": "conflict", "key": "a\nb", "thread_id": 7, "level": "info", "logger": "keyclash"}


class Shown:
    def __repr__(self) -> str:
        return 'a "thing"'


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ('quotes " and \\ and\nbreaks', 'quotes " and \\ and\nbreaks'),
        ("é \u2028 \U0001f511 \udc80", "é \u2028 \U0001f511 \udc80"),
        (LogLevel.WARNING, "warning"),
        (1 << 70, 1 << 70),
        (-0.25, -0.25),
        (1e-7, 1e-7),
        (float("-inf"), float("-inf")),
        (True, True),
        (None, None),
        (["a", 1, {"b": 2}], ["a", 1, {"b": 2}]),
        (Shown(), 'a "thing"'),
    ],
)
def test_any_value_may_be_told(value: object, written: object) -> None:
    stream = io.StringIO()
    configure_logging(LogLevel.INFO, LogFormat.JSON, stream)
    structlog.get_logger("keyclash").info("event", value=value)
    [line] = lines(stream)
    assert line["value"] == written
    assert type(line["value"]) is type(written)
    assert stream.getvalue().isascii()


def test_what_is_bound_for_the_whole_process_is_told() -> None:
    stream = io.StringIO()
    configure_logging(LogLevel.INFO, LogFormat.JSON, stream)
    with structlog.contextvars.bound_contextvars(worker=1):
        structlog.get_logger("keyclash").info("one")
        structlog.get_logger("keyclash").info("two", worker=2)
    assert [line["worker"] for line in lines(stream)] == [1, 2]


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.CONSOLE])
@pytest.mark.parametrize(
    ("at", "written"),
    [
        (0.0, "1970-01-01T00:00:00.000000Z"),
        (1782864000.0, "2026-07-01T00:00:00.000000Z"),
        (1782863999.999999, "2026-06-30T23:59:59.999999Z"),
    ],
)
def test_a_line_tells_when_it_happened(log_format: LogFormat, at: float, written: str) -> None:
    stream = io.StringIO()
    configure_logging(LogLevel.INFO, log_format, stream)
    structlog.get_logger("keyclash").info("earlier", timestamp=at)
    assert written in stream.getvalue()


def test_a_line_that_is_written_now_says_so() -> None:
    stream = io.StringIO()
    configure_logging(LogLevel.INFO, LogFormat.JSON, stream)
    before = datetime.now(UTC)
    structlog.get_logger("keyclash").info("now")
    logging.getLogger("library").info("now")
    for line in lines(stream):
        told = datetime.fromisoformat(str(line["timestamp"]))
        assert before.replace(microsecond=0) <= told <= datetime.now(UTC)


def test_libraries_that_use_logging_write_the_same_lines() -> None:
    stream = io.StringIO()
    configure_logging(LogLevel.INFO, LogFormat.JSON, stream)
    logging.getLogger("aiohttp.server").warning("%s went wrong", "it", extra={"peer": "10.0.0.9"})
    [line] = lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("it went wrong", "warning", "aiohttp.server")
    assert line["peer"] == "10.0.0.9"


@pytest.mark.parametrize(
    ("level", "written"),
    [
        (LogLevel.DEBUG, ["debug", "info", "warning", "error"]),
        (LogLevel.INFO, ["info", "warning", "error"]),
        (LogLevel.WARNING, ["warning", "error"]),
        (LogLevel.ERROR, ["error"]),
    ],
)
def test_lines_below_the_level_are_not_written(level: LogLevel, written: list[str]) -> None:
    stream = io.StringIO()
    configure_logging(level, LogFormat.JSON, stream)
    for log in (structlog.get_logger("keyclash"), logging.getLogger("library")):
        for name in ("debug", "info", "warning", "error"):
            getattr(log, name)("event")
    assert [line["level"] for line in lines(stream)] == written * 2


@pytest.mark.parametrize(
    ("log_format", "stream", "is_json"),
    [
        (LogFormat.AUTO, io.StringIO(), True),
        (LogFormat.AUTO, Terminal(), False),
        (LogFormat.JSON, Terminal(), True),
        (LogFormat.CONSOLE, io.StringIO(), False),
    ],
)
def test_the_format_follows_the_stream_unless_told(log_format: LogFormat, stream: io.StringIO, is_json: bool) -> None:
    configure_logging(LogLevel.INFO, log_format, stream)
    structlog.get_logger("keyclash").info("hello")
    assert stream.getvalue().startswith("{") == is_json
    assert "hello" in stream.getvalue()


def test_colours_are_for_terminals() -> None:
    for stream, coloured in ((Terminal(), True), (io.StringIO(), False)):
        configure_logging(LogLevel.INFO, LogFormat.CONSOLE, stream)
        structlog.get_logger("keyclash").info("hello")
        assert ("\x1b[" in stream.getvalue()) == coloured


def test_the_console_gets_no_line_break_or_escape_of_a_client() -> None:
    stream = io.StringIO()
    configure_logging(LogLevel.INFO, LogFormat.CONSOLE, stream)
    structlog.get_logger("keyclash").info("conflict", key="\x1b[31m\nforged line")
    logging.getLogger("library").info("got %s", "\x1b[31m\nforged line\x9b")
    assert "\x1b" not in stream.getvalue()
    assert "\x9b" not in stream.getvalue()
    assert len(stream.getvalue().splitlines()) == 2


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.CONSOLE])
def test_a_traceback_is_written_without_local_variables(log_format: LogFormat) -> None:
    stream = io.StringIO()
    configure_logging(LogLevel.INFO, log_format, stream)
    secret = "".join(["se", "same"])
    try:
        raise ValueError(len(secret))
    except ValueError:
        structlog.get_logger("keyclash").exception("failed")
        logging.getLogger("library").exception("failed")
    assert stream.getvalue().count("ValueError: 6") == 2
    assert "sesame" not in stream.getvalue()


def test_it_may_be_called_again() -> None:
    first, second = io.StringIO(), io.StringIO()
    log = structlog.get_logger("keyclash")
    configure_logging(LogLevel.INFO, LogFormat.JSON, first)
    log.info("one")
    configure_logging(LogLevel.ERROR, LogFormat.JSON, second)
    log.info("two")
    log.error("three")
    assert [line["event"] for line in lines(first)] == ["one"]
    assert [line["event"] for line in lines(second)] == ["three"]
