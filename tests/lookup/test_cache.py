"""The cache of definitions, with a reader and a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from proxy.lookup.cache import FAILED_FOR, MISSING_FOR, TableCache
from proxy.lookup.definition import LookupFailedError
from proxy.rules.table import Absence, Missing, Table
from tests.clock import Clock

TTL = 100.0
NO_TABLE = Missing(Absence.NO_TABLE)
FAILED = Missing(Absence.FAILED)
BUSY = Missing(Absence.BUSY)


def table(name: str, engine: str = "InnoDB") -> Table:
    return Table("s", name, (), (), engine, True, frozenset(), False)


class Reader:
    """Answers what it is told to; while the gate is closed, nothing."""

    def __init__(self) -> None:
        self.answers: dict[str, Table | Missing | LookupFailedError] = {}
        self.asked: list[str] = []
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.reading = 0
        self.closed = False

    async def read(self, schema: str, name: str) -> Table | Missing:
        self.asked.append(name)
        self.reading += 1
        assert self.reading == 1
        found = self.answers.get(name, table(name))
        self.begun.set()
        try:
            await self.gate.wait()
        finally:
            self.reading -= 1
        if isinstance(found, LookupFailedError):
            raise found
        return found

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def cache(reader: Reader, clock: Clock) -> AsyncIterator[TableCache]:
    cache = TableCache(reader, TTL, 60, tables=3, waiting=2, clock=clock)
    yield cache
    await cache.close()
    assert reader.closed


async def at_rest() -> None:
    """Let everything run that does not wait for the test."""
    for _ in range(50):
        await asyncio.sleep(0)


async def settled(cache: TableCache, name: str = "t", schema: str = "s") -> None:
    """Wait until a table is not being looked up."""
    done = asyncio.Event()
    cache.request(schema, name, done.set)
    await done.wait()


async def test_a_table_is_unknown_first_and_known_once_it_is_read(cache: TableCache, reader: Reader) -> None:
    assert cache.peek("s", "t") is None
    await settled(cache)
    assert cache.peek("s", "t") == table("t")
    assert reader.asked == ["t"]


async def test_fetch_waits(cache: TableCache, reader: Reader) -> None:
    reader.answers["none"] = NO_TABLE
    reader.answers["bad"] = LookupFailedError("gone")
    first, second = await asyncio.gather(cache.fetch("s", "t"), cache.fetch("s", "t"))
    assert first == second == table("t")
    assert await cache.fetch("s", "none") is None
    assert await cache.fetch("s", "bad") is None
    assert reader.asked == ["t", "none", "bad"]


async def test_request_calls_once_and_never_from_within(cache: TableCache) -> None:
    calls: list[str] = []
    for note in ("unknown", "same", "known"):
        if note == "known":
            await settled(cache)
        cache.request("s", "t", lambda note=note: calls.append(note))  # type: ignore[misc]
        assert note not in calls
    await settled(cache)
    assert calls == ["unknown", "same", "known"]


async def test_names_differ_by_case(cache: TableCache) -> None:
    assert await cache.fetch("s", "T") == table("T")
    assert await cache.fetch("s", "t") == table("t")


async def test_a_table_in_use_is_read_anew_before_its_time_is_over(
    cache: TableCache, reader: Reader, clock: Clock
) -> None:
    await settled(cache)
    reader.answers["t"] = table("t", "MyISAM")
    clock.now += 0.75 * TTL - 1
    assert cache.peek("s", "t") == table("t")
    assert reader.asked == ["t"]
    clock.now += 1
    assert cache.peek("s", "t") == table("t")
    await at_rest()
    assert cache.peek("s", "t") == table("t", "MyISAM")
    assert reader.asked == ["t", "t"]


async def test_no_definition_is_used_for_longer_than_its_time(cache: TableCache, reader: Reader, clock: Clock) -> None:
    reader.gate.clear()
    cache.peek("s", "t")
    await reader.begun.wait()
    clock.now += 10  # the definition is as old as the question
    reader.gate.set()
    await settled(cache)
    reader.gate.clear()
    clock.now += TTL - 11
    assert cache.peek("s", "t") == table("t")
    clock.now += 1
    assert cache.peek("s", "t") is None


async def test_a_refresh_that_fails_keeps_the_definition_for_its_time(
    cache: TableCache, reader: Reader, clock: Clock
) -> None:
    await settled(cache)
    reader.answers["t"] = LookupFailedError("gone")
    clock.now += 0.9 * TTL
    for expected in (["t", "t"], ["t", "t"], ["t", "t", "t"]):
        assert cache.peek("s", "t") == table("t")
        await at_rest()
        assert reader.asked == expected
        clock.now += FAILED_FOR / 2
    clock.now += 0.1 * TTL
    assert cache.peek("s", "t") is None
    await settled(cache)
    assert cache.peek("s", "t") == FAILED


@pytest.mark.parametrize(
    ("answer", "found", "seconds"),
    [
        (NO_TABLE, NO_TABLE, MISSING_FOR),
        (Missing(Absence.NOT_VISIBLE), Missing(Absence.NOT_VISIBLE), MISSING_FOR),
        (LookupFailedError("gone"), FAILED, FAILED_FOR),
    ],
)
async def test_what_is_missing_is_missing_for_a_short_time(
    cache: TableCache,
    reader: Reader,
    clock: Clock,
    answer: Missing | LookupFailedError,
    found: Missing,
    seconds: float,
) -> None:
    reader.answers["t"] = answer
    await settled(cache)
    del reader.answers["t"]
    clock.now += seconds - 0.1
    assert cache.peek("s", "t") == found
    assert reader.asked == ["t"]
    clock.now += 0.1
    assert await cache.fetch("s", "t") == table("t")


async def test_a_table_that_is_gone_at_its_refresh_is_missing(cache: TableCache, reader: Reader, clock: Clock) -> None:
    await settled(cache)
    reader.answers["t"] = NO_TABLE
    clock.now += 0.9 * TTL
    assert cache.peek("s", "t") == table("t")
    await at_rest()
    assert cache.peek("s", "t") == NO_TABLE


FORGETS: dict[str, Callable[[TableCache], None]] = {
    "the table": lambda cache: cache.forget("s", "t"),
    "in another case": lambda cache: cache.forget("S", "T"),
    "all of the schema": lambda cache: cache.forget("s"),
    "of any schema": lambda cache: cache.forget(table="t"),
    "all": lambda cache: cache.forget(),
}
OTHERS: dict[str, Callable[[TableCache], None]] = {
    "another table": lambda cache: cache.forget("s", "u"),
    "another schema": lambda cache: cache.forget("u"),
    "the table of another schema": lambda cache: cache.forget("u", "t"),
}


@pytest.mark.parametrize("forget", FORGETS.values(), ids=FORGETS)
@pytest.mark.parametrize("answer", [table("t"), NO_TABLE], ids=["known", "missing"])
async def test_forget(
    cache: TableCache, reader: Reader, forget: Callable[[TableCache], None], answer: Table | Missing
) -> None:
    reader.answers["t"] = answer
    await settled(cache)
    reader.answers["t"] = table("t", "MyISAM")
    forget(cache)
    assert cache.peek("s", "t") is None
    await settled(cache)
    assert cache.peek("s", "t") == table("t", "MyISAM")


@pytest.mark.parametrize("forget", OTHERS.values(), ids=OTHERS)
async def test_forget_another(cache: TableCache, forget: Callable[[TableCache], None]) -> None:
    await settled(cache)
    forget(cache)
    assert cache.peek("s", "t") == table("t")


async def test_what_was_being_read_when_it_was_forgotten_is_read_anew(cache: TableCache, reader: Reader) -> None:
    reader.gate.clear()
    fetched = asyncio.create_task(cache.fetch("s", "t"))
    await reader.begun.wait()
    reader.answers["t"] = table("t", "MyISAM")
    cache.forget("s", "t")
    reader.gate.set()
    assert await fetched == table("t", "MyISAM")
    assert cache.peek("s", "t") == table("t", "MyISAM")
    assert reader.asked == ["t", "t"]


async def test_what_was_being_refreshed_when_it_was_forgotten_is_unknown(
    cache: TableCache, reader: Reader, clock: Clock
) -> None:
    await settled(cache)
    clock.now += 0.9 * TTL
    reader.gate.clear()
    reader.begun.clear()
    cache.peek("s", "t")
    await reader.begun.wait()
    reader.answers["t"] = table("t", "MyISAM")
    cache.forget("s", "t")
    assert cache.peek("s", "t") is None
    reader.gate.set()
    await settled(cache)
    assert cache.peek("s", "t") == table("t", "MyISAM")


async def test_those_unused_for_longest_give_way(cache: TableCache, reader: Reader) -> None:
    for name in ("a", "b", "c", "a", "d"):
        await settled(cache, name)
    reader.gate.clear()
    assert [cache.peek("s", name) is None for name in ("a", "c", "d", "b")] == [False, False, False, True]


async def test_invented_names_do_not_drive_out_what_is_known(cache: TableCache, reader: Reader) -> None:
    await settled(cache)
    for number in range(10):
        reader.answers[f"n{number}"] = NO_TABLE
        await settled(cache, f"n{number}")
    reader.gate.clear()
    assert cache.peek("s", "t") == table("t")
    assert cache.peek("s", "n9") == NO_TABLE
    assert cache.peek("s", "n0") is None


async def test_only_so_many_may_wait(cache: TableCache, reader: Reader) -> None:
    reader.gate.clear()
    assert [cache.peek("s", name) for name in ("a", "b", "c")] == [None, None, BUSY]
    assert await cache.fetch("s", "c") is None
    called = asyncio.Event()
    cache.request("s", "c", called.set)
    await called.wait()
    reader.gate.set()
    await settled(cache, "b")
    assert await cache.fetch("s", "c") == table("c")


async def test_a_lookup_that_takes_too_long_has_failed(reader: Reader) -> None:
    cache = TableCache(reader, TTL, 0.01)
    reader.gate.clear()
    with capture_logs() as lines:
        await asyncio.gather(settled(cache, "a"), settled(cache, "b"))
    assert [cache.peek("s", name) for name in ("a", "b")] == [FAILED, FAILED]
    assert reader.asked == ["a"]
    assert [line["error"] for line in lines] == ["no answer within 0.01 s"]
    await cache.close()


async def test_trouble_is_logged_when_it_begins_and_when_it_ends(cache: TableCache, reader: Reader) -> None:
    with capture_logs() as lines:
        for name in ("a", "b"):
            reader.answers[name] = LookupFailedError("1045: Access denied")
            await settled(cache, name)
        await settled(cache, "c")
        await settled(cache, "d")
    assert [(line["log_level"], line.get("error")) for line in lines] == [
        ("warning", "1045: Access denied"),
        ("info", None),
    ]


async def test_warm_looks_up_one_after_the_other_and_tells_what_is_missing(cache: TableCache, reader: Reader) -> None:
    reader.answers["b"] = NO_TABLE
    with capture_logs() as lines:
        cache.warm([("s", "a"), ("s", "b"), ("s", "a"), ("s", "c")])
        await at_rest()
    assert reader.asked == ["a", "b", "c"]
    assert [(line["schema"], line["table"], line["why"]) for line in lines] == [("s", "b", str(NO_TABLE))]


async def test_warm_ends_where_the_server_cannot_be_asked_and_begins_anew(cache: TableCache, reader: Reader) -> None:
    reader.answers["a"] = LookupFailedError("gone")
    cache.warm([("s", "a"), ("s", "b")])
    await at_rest()
    assert reader.asked == ["a"]
    cache.warm([("s", "b")])
    await at_rest()
    assert reader.asked == ["a", "b"]


async def test_close_calls_who_waits(reader: Reader, clock: Clock) -> None:
    cache = TableCache(reader, TTL, 60, clock=clock)
    reader.gate.clear()
    called = asyncio.Event()
    cache.request("s", "read", called.set)
    await reader.begun.wait()
    waiting = asyncio.create_task(cache.fetch("s", "waits"))
    await asyncio.sleep(0)
    cache.request("s", "not begun", lambda: None)
    await cache.close()
    await called.wait()
    assert await waiting is None
    assert reader.closed
