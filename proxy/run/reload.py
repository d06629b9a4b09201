"""Reading the files again while the proxy runs: all of it takes effect, or nothing does."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Final

import structlog

from proxy.config import ConfigError, Problem, ProxyConfig, load_config
from proxy.conflicts.counters import Counters
from proxy.rules.match import RuleSet
from proxy.rules.model import load_rules
from proxy.run.policy import Loaded, StartError
from proxy.run.watch import Look, look

_log = structlog.get_logger(__name__)

AT_START: Final = (
    "listen",
    "backend",
    "admin",
    "admin_token_file",
    "socket_mode",
    "workers",
    "take_over",
    "backend_proxy_protocol",
    "backend_tls",
    "log.format",
    "log.conflicts_per_second",
    "conflicts",
    "lookup",
)
"""Settings, or sections of them, that are read at the start only: a change of them waits for a restart."""


def _as_written(config: ProxyConfig) -> ProxyConfig:
    return config


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the configuration comes from; above: puts what the command line says above what the file says."""

    file: Path | None = None
    above: Callable[[ProxyConfig], ProxyConfig] = _as_written

    def read(self) -> Loaded:
        """Read the configuration and the rules that it names. Raises ConfigError."""
        seen = self.look(None)
        config = self.above(load_config(self.file) if self.file else ProxyConfig())
        seen += self.look(config)[len(seen) :]
        return Loaded(config, load_rules(config.rules) if config.rules else RuleSet(), seen)

    def look(self, config: ProxyConfig | None) -> Look:
        """Look at the files whose change is a reason to read all again: the proxy's own, and those that it names."""
        files = [self.file]
        if config is not None:
            tls = config.client_tls
            files += [config.rules, tls.cert, tls.key, tls.rsa_key]
        return look(file for file in files if file is not None)


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What became of an attempt: problems if it failed; else the rules, and which changes wait for a restart."""

    problems: tuple[Problem, ...] = ()
    rules: RuleSet = RuleSet()  # noqa: RUF009  # a frozen value
    restart: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.problems:
            return "\n".join(map(str, self.problems))
        number = len(self.rules.rules)
        text = f"{number} {'rule' if number == 1 else 'rules'}, version {self.rules.version or 'none'}"
        return text + "".join(f"\n{name}: changed; waits for a restart" for name in self.restart)


class Reloader:
    """Reads the files when it is told to, one attempt at a time.

    origin: gives them. running: what is in force. use: puts other files in force, and is told which settings wait for a
    restart; or it raises StartError and changes nothing. counters: are told of each attempt. clock: seconds since the
    epoch.

    Attributes:
        running: what is in force.
        look: at the files, just before the last attempt.
        problems: why the last attempt failed; empty if it did not.
    """

    def __init__(
        self,
        origin: Origin,
        running: Loaded,
        use: Callable[[Loaded, tuple[str, ...]], Awaitable[None]],
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self.running = running
        self.look = running.look
        self.problems: tuple[Problem, ...] = ()
        self._origin = origin
        self._use = use
        self._counters = counters
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    async def reload(self, why: str) -> Reloaded:
        """Read the files and put them in force, or tell every mistake and leave all as it is. why: for the log."""
        async with self._one_at_a_time:
            self.look = await asyncio.to_thread(look, [file for file, _ in self.look])
            try:
                # Not on the event loop: a thousand rules take a while.
                loaded = await asyncio.to_thread(self._origin.read)
                config, restart = in_force(self.running.config, loaded.config)
                usable = replace(loaded, config=config)
                await self._use(usable, restart)
            except (ConfigError, StartError) as error:
                return self._failed(why, error)
            self.running = usable
            self.look = loaded.look
            self.problems = ()
            self._counters.reload_succeeded(self._clock())
            version = loaded.rules.version or None
            _log.info("reloaded", why=why, rules=len(loaded.rules.rules), version=version)
            if restart:
                _log.warning("settings wait for a restart", settings=", ".join(restart))
            return Reloaded((), loaded.rules, restart)

    def _failed(self, why: str, error: ConfigError | StartError) -> Reloaded:
        own = str(self._origin.file or "")
        self.problems = error.problems if isinstance(error, ConfigError) else (Problem(own, 0, "", str(error)),)
        self._counters.reload_failed()
        for problem in self.problems:
            _log.error("reload failed", why=why, problem=str(problem))
        return Reloaded(self.problems)


def in_force(running: ProxyConfig, wanted: ProxyConfig) -> tuple[ProxyConfig, tuple[str, ...]]:
    """Give the configuration as far as it can change at run time, and the names of the settings that cannot."""
    result, waiting = wanted, []
    for name in AT_START:
        before = _get(running, name)
        if before != (after := _get(wanted, name)):
            result = _put(result, name, before)
            waiting += list(_differences(name, before, after))
    return result, tuple(waiting)


def _get(config: ProxyConfig, name: str) -> Any:
    value: Any = config
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _put(section: Any, name: str, value: Any) -> Any:
    first, _, rest = name.partition(".")
    return replace(section, **{first: _put(getattr(section, first), rest, value) if rest else value})


def _differences(name: str, before: Any, after: Any) -> Iterator[str]:
    """Name the settings that differ: those of a section one by one."""
    if type(before) is not type(after) or not (is_dataclass(before) and "__pydantic_config__" in vars(type(before))):
        yield name
        return
    for field in fields(before):
        one, other = getattr(before, field.name), getattr(after, field.name)
        if one != other:
            yield from _differences(f"{name}.{field.name}", one, other)
