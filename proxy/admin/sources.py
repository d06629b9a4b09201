"""What the pages and the API are made from; the supervisor hands it over."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from proxy.admin.settings import Setting
from proxy.conflicts.counters import Counters
from proxy.conflicts.journal import Journal
from proxy.rules.match import RuleSet
from proxy.rules.table import Missing, Table

Reload: TypeAlias = Callable[[], Awaitable[tuple[bool, str]]]
"""Reads the files again; tells whether they are in force now, and says it in words."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that is open now; thread_id: the backend's number of the connection, 0 before its greeting."""

    thread_id: int
    user: str
    client: str
    idle: bool


@dataclass(frozen=True, slots=True)
class Sources:
    """Where everything comes from.

    rules: gives those in force. table: gives what is known of a table, by its schema and name; None: nothing yet.
    sessions: gives those that are open now. settings: gives the configuration in force. problems: tells why the last
    attempt to read the files failed, if it did. reload: reads them again. refresh: brings all of this
    up to date before it is told; true: the sessions, too. show_values: values in conflict may be shown.
    clock: seconds since the epoch.
    """

    counters: Counters
    journal: Journal
    rules: Callable[[], RuleSet]
    table: Callable[[str, str], Table | Missing | None]
    sessions: Callable[[], Iterable[OpenSession]]
    settings: Callable[[], tuple[Setting, ...]]
    problems: Callable[[], tuple[str, ...]]
    reload: Reload
    refresh: Callable[[bool], Awaitable[None]]
    show_values: bool
    clock: Callable[[], float]
