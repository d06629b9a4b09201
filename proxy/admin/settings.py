"""The configuration as it is in force, every value with the line that it comes from."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from proxy.config import ConfigError, Loc, ProxyConfig, load_config, read_yaml

DEFAULT: Final = "default"
COMMAND_LINE: Final = "command line"
WAITING: Final = "changed; waits for a restart"


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of the configuration; source: `file:line`, or a word of why it has another value than the file says."""

    key: str
    value: str
    source: str


def settings_of(config: ProxyConfig, file: Path | None, waiting: Container[str] = ()) -> tuple[Setting, ...]:
    """List the values of a configuration; file: what it was read from, if from any.

    waiting: the keys whose values have changed since, and take effect with a restart.
    """
    lines, written = _read(file)
    return tuple(
        Setting(key, _text(value), WAITING if key in waiting else _source(loc, value, file, lines, written))
        for loc, value in _flat(config, ())
        for key in (".".join(loc),)
    )


def _read(file: Path | None) -> tuple[Mapping[Loc, int], dict[Loc, Any]]:
    """Read the file again for its lines and its own values; one that cannot be read any more tells nothing."""
    if file is None:
        return {}, {}
    try:
        return read_yaml(file).lines, dict(_flat(load_config(file), ()))
    except ConfigError:
        return {}, {}


def _source(loc: Loc, value: object, file: Path | None, lines: Mapping[Loc, int], written: dict[Loc, Any]) -> str:
    if loc in written and written[loc] != value:
        return COMMAND_LINE
    if file is not None and loc in lines:
        return f"{file.name}:{lines[loc]}"
    return DEFAULT if value == _DEFAULTS.get(loc) else COMMAND_LINE


def _flat(value: object, loc: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    # An address is one value, and so is whatever has no fields of its own.
    if not is_dataclass(value) or "__pydantic_config__" not in vars(type(value)):
        yield loc, value
        return
    for item in fields(value):
        yield from _flat(getattr(value, item.name), (*loc, item.name.rstrip("_")))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value.value if isinstance(value, Enum) else value)


_DEFAULTS: Final[dict[Loc, Any]] = dict(_flat(ProxyConfig(), ()))
