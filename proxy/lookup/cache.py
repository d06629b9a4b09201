"""The definitions that are known, each for a bounded time.

A rule must not act on a definition that DDL has changed:

* DDL that passes through the proxy is followed by `forget`: what is known of the table is dropped at once, and what is
  being read at that moment is thrown away and read anew, for it may be the old definition. Whoever sees DDL calls it
  twice, before the statement goes to the server and after its reply, so that nothing is kept that was read in between.
* DDL that takes another way is not seen. No definition is used for longer than the time to live, counted from the
  moment before it was read. From three quarters of it on a look at it has it read anew meanwhile, so that a table in
  use is never unknown.
* An error that tells of another definition (1054, 1146) is a reason to `forget` as well.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, Protocol

import structlog

from proxy.lookup.definition import LookupFailedError
from proxy.rules.table import Absence, Missing, Table
from proxy.sql.names import same_name

_log = structlog.get_logger(__name__)

TABLES: Final = 1000
"""Definitions that are kept, and as many notes of tables that are missing; those unused for longest give way."""
WAITING: Final = 64
"""Tables that may be waiting to be read."""
MISSING_FOR: Final = 5.0
"""Seconds for which a table that is missing, or not visible, is taken to be."""
FAILED_FOR: Final = 1.0
"""Seconds for which a lookup that failed is not tried again."""
REFRESH_AFTER: Final = 0.75
"""The part of the time to live after which a definition in use is read anew."""

Name = tuple[str, str]
"""A schema and a table, as a statement names them."""


class Reads(Protocol):
    """What reads definitions."""

    async def read(self, schema: str, table: str) -> Table | Missing:
        """Read one; may be cancelled. Raises LookupFailedError."""

    async def close(self) -> None:
        """Leave the server."""


@dataclass(frozen=True, slots=True)
class _Entry:
    found: Table | Missing
    refresh_at: float
    expires_at: float


class _Lookup:
    """One table that is being read, or waits for it."""

    __slots__ = ("callbacks", "outdated", "task")

    def __init__(self) -> None:
        self.callbacks: list[Callable[[], None]] = []
        self.outdated = False
        self.task: asyncio.Task[Table | Missing] | None = None


class TableCache:
    """Gives the definitions of tables. Everything is called on the event loop.

    reader: asked for one table at a time; the cache closes it. ttl: seconds for which a definition is used. timeout:
    seconds until a lookup has failed, its turn included.
    """

    def __init__(
        self,
        reader: Reads,
        ttl: float,
        timeout: float,
        *,
        tables: int = TABLES,
        waiting: int = WAITING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._ttl = ttl
        self._timeout = timeout
        self._most = tables
        self._most_waiting = waiting
        self._clock = clock
        self._known: OrderedDict[Name, _Entry] = OrderedDict()
        # Apart from the known ones: a client that invents names of tables must not drive those out.
        self._missing: OrderedDict[Name, _Entry] = OrderedDict()
        self._lookups: dict[Name, _Lookup] = {}
        self._turn = asyncio.Lock()
        self._warming: asyncio.Task[None] | None = None
        self._trouble = ""

    def peek(self, schema: str, table: str) -> Table | Missing | None:
        """Give what is known of a table; None: nothing yet, and it is being looked up."""
        name = (schema, table)
        entry = self._entry(name)
        if entry is None:
            return None if self._look_up(name) else Missing(Absence.BUSY)
        if self._clock() >= entry.refresh_at:
            self._look_up(name)
        return entry.found

    def request(self, schema: str, table: str, done: Callable[[], None]) -> None:
        """Have `done` called, once and never from within, when a table is known or its lookup has failed.

        That is within the time limit of a lookup. `peek` tells then what was found; None, if it has been forgotten in
        between, is not worth a second wait.
        """
        found = self.peek(schema, table)
        if found is None:
            self._lookups[schema, table].callbacks.append(done)
        else:
            asyncio.get_running_loop().call_soon(done)

    async def fetch(self, schema: str, table: str) -> Table | None:
        """Give the definition of a table, looking it up if need be; None if it is not to be had."""
        found = await self._fetch(schema, table)
        return found if isinstance(found, Table) else None

    def forget(self, schema: str | None = None, table: str | None = None) -> None:
        """Drop what is known of a table, of all in a schema, of one name in any schema, or of all.

        Names are taken in any letter case, as a server may have it.
        """

        def meant(name: Name) -> bool:
            of_schema = schema is None or same_name(name[0], schema)
            return of_schema and (table is None or same_name(name[1], table))

        for entries in (self._known, self._missing):
            for name in [name for name in entries if meant(name)]:
                del entries[name]
        for name, lookup in self._lookups.items():
            lookup.outdated = lookup.outdated or meant(name)

    def warm(self, names: Iterable[Name]) -> None:
        """Look tables up, one after the other, so that they are known when they are first asked for."""
        if self._warming is not None:
            self._warming.cancel()
        self._warming = asyncio.create_task(self._warm(tuple(dict.fromkeys(names))))

    async def close(self) -> None:
        """Give up what is being looked up, whose waiters are called, and leave the server."""
        tasks = [lookup.task for lookup in self._lookups.values()] + [self._warming]
        for task in filter(None, tasks):
            task.cancel()
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)
        await self._reader.close()

    # What is known

    def _entry(self, name: Name) -> _Entry | None:
        for entries in (self._known, self._missing):
            entry = entries.get(name)
            if entry is None:
                continue
            if self._clock() < entry.expires_at:
                entries.move_to_end(name)
                return entry
            del entries[name]
        return None

    def _keep(self, name: Name, found: Table | Missing, asked_at: float) -> None:
        now = self._clock()
        known = self._known.get(name)
        if found == Missing(Absence.FAILED) and known is not None:
            # It stays true until its time is over.
            self._known[name] = replace(known, refresh_at=now + FAILED_FOR)
            return
        self._known.pop(name, None)
        self._missing.pop(name, None)
        if isinstance(found, Table):
            entry = _Entry(found, asked_at + REFRESH_AFTER * self._ttl, asked_at + self._ttl)
            _put(self._known, name, entry, self._most)
        else:
            expires_at = now + (FAILED_FOR if found.why is Absence.FAILED else MISSING_FOR)
            _put(self._missing, name, _Entry(found, expires_at, expires_at), self._most)

    # Looking up

    def _look_up(self, name: Name) -> bool:
        """See to it that a table is being looked up; False if too many are."""
        if name in self._lookups:
            return True
        if len(self._lookups) >= self._most_waiting:
            return False
        lookup = self._lookups[name] = _Lookup()
        lookup.task = asyncio.create_task(self._run(name, lookup))
        lookup.task.add_done_callback(lambda _task: self._end(name))
        return True

    async def _run(self, name: Name, lookup: _Lookup) -> Table | Missing:
        found, asked_at = await self._try(name, lookup)
        self._keep(name, found, asked_at)
        return found

    def _end(self, name: Name) -> None:
        for done in self._lookups.pop(name).callbacks:
            asyncio.get_running_loop().call_soon(done)

    async def _try(self, name: Name, lookup: _Lookup) -> tuple[Table | Missing, float]:
        try:
            async with asyncio.timeout(self._timeout), self._turn:
                while True:
                    asked_at = self._clock()
                    lookup.outdated = False
                    found = await self._reader.read(*name)
                    if not lookup.outdated:
                        self._trouble_is("")
                        return found, asked_at
        except TimeoutError:
            self._trouble_is(f"no answer within {self._timeout:g} s")
        except LookupFailedError as error:
            self._trouble_is(str(error))
        return Missing(Absence.FAILED), self._clock()

    def _trouble_is(self, trouble: str) -> None:
        """Log the first lookup that fails, and the first that does not again."""
        if trouble and not self._trouble:
            _log.warning("tables cannot be looked up; rules that need their definitions do nothing", error=trouble)
        elif self._trouble and not trouble:
            _log.info("tables can be looked up again")
        self._trouble = trouble

    async def _fetch(self, schema: str, table: str) -> Table | Missing:
        found = self.peek(schema, table)
        task = self._lookups[schema, table].task if found is None else None
        if task is not None:
            # Neither ends the other: others may wait for the task, and it may be cancelled.
            await asyncio.wait([task])
            found = None if task.cancelled() else task.result()
        return found or Missing(Absence.FAILED)

    async def _warm(self, names: Iterable[Name]) -> None:
        for schema, table in names:
            found = await self._fetch(schema, table)
            if found == Missing(Absence.FAILED):
                return
            if isinstance(found, Missing):
                _log.warning("a rule's table has no definition", schema=schema, table=table, why=str(found))


def _put(entries: OrderedDict[Name, _Entry], name: Name, entry: _Entry, most: int) -> None:
    entries[name] = entry
    entries.move_to_end(name)
    while len(entries) > most:
        entries.popitem(last=False)
