"""Why a conflict happened, from what the proxy saw.

In this order, the first that is proven is the cause:

    bulk      two rows of the statement itself offer the entry
    sequence  the server made the value up: it is no value of the statement's, in an AUTO_INCREMENT column
    retry     the same bytes were sent before: in this session, or in one that has ended since, or a while ago
    race      the same bytes, or other ones with the same entry, came from another session at about the same time;
              or this session has just looked for the entry with a SELECT and not found it
    existing  the entry was inserted, or was in conflict, a while ago; or nobody was seen to insert it

What is seen in no whole (a prefix of a large statement, another table's key met by a trigger) stays unknown.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from proxy.conflicts.attempt import Attempt
from proxy.conflicts.bucket import TokenBucket
from proxy.conflicts.conflict import Cause, Met
from proxy.conflicts.insertions import Insertions, Recent, Sent, bare, fingerprint
from proxy.conflicts.mentions import mentions, mentions_table, needle_of, offers
from proxy.conflicts.message import ER_DUP_ENTRY, ER_DUP_ENTRY_WITH_KEY_NAME
from proxy.conflicts.offered import (
    LEXING,
    LOOK,
    NOTHING,
    Offered,
    Printed,
    entry_of,
    find_columns,
    read_offered,
    with_values,
)
from proxy.sql.head import head
from proxy.sql.names import fold, same_name
from proxy.sql.split import split
from proxy.sql.statement import Skip
from proxy.wire.binary import read_rows, read_values
from proxy.wire.errors import ProtocolError

CLOSE: Final = 0.25
"""Seconds between two inserts of the same entry that are a race."""
LOCK_WAIT: Final = 0.1
"""Seconds until the server's error from which on the insert has waited for another one's transaction to end."""
TRANSACTION: Final = 10.0
"""Seconds for which a transaction that was waited for may have been open."""
RETRIES: Final = 3
"""How often one statement is taken for a retry; what comes more often is not sent for want of an answer."""
ENTRIES: Final = 16_384
"""How many entries a generation remembers to have been in conflict; two generations live."""
TEXT_RATE: Final = 262_144.0
"""Bytes of statements that are read in a second at most: 20 ms for 64 KiB."""
SEARCH: Final = 1_024
"""Bytes that the search among recent inserts counts for: it takes 50 us, or 300 where some mention the entry."""
EXAMINED: Final = 64
"""Recent inserts that are looked at closely for one conflict."""

_ERRORS: Final = frozenset({ER_DUP_ENTRY, ER_DUP_ENTRY_WITH_KEY_NAME})


class KeyFacts(NamedTuple):
    """What the definition of a table says of one key.

    columns: its columns, None where whole columns do not make it up. auto_increment: the table's AUTO_INCREMENT column.
    listed: the columns that an INSERT without a column list names.
    """

    columns: tuple[str, ...] | None
    auto_increment: str | None
    listed: tuple[str, ...]


Facts = Callable[[str | None, str | None, str], KeyFacts | None]
"""Gives what is known of a key, by its schema, table and name."""


class Verdict(NamedTuple):
    """The cause, the key's columns as far as they are known, and whether the budget allowed to read the statement."""

    cause: Cause
    columns: tuple[str, ...] = ()
    read: bool = True


@dataclass(slots=True)
class _Repeats:
    """How often statements of the same bytes met a conflict on one key, and how many different ones they were."""

    conflicts: int = 0
    statements: int = 0

    @property
    def usual(self) -> bool:
        """Whether the same bytes are sent so often that they are no retries: a counter, a list of known words."""
        return self.conflicts >= 12 and self.statements >= 2 and self.conflicts >= 4 * self.statements


class _Case(NamedTuple):
    """One conflict with all that is looked up for it once.

    same: the last INSERT of the same bytes. entry_key: stands for the entry; 0: none is known. before: when the same
    entry was in conflict first.
    """

    met: Met
    attempt: Attempt
    offered: Offered
    columns: tuple[str, ...]
    facts: KeyFacts | None
    now: float
    same: Sent | None
    entry_key: int
    before: float | None


class Judge:
    """Finds the causes of conflicts.

    insertions: what was sent. clock: seconds, monotonic. facts: what is known of keys. sees_all: whether those are all
    inserts, and not the share of one process among several: then a row that nobody was seen to insert had been there.
    """

    __slots__ = (
        "_clock",
        "_entries",
        "_facts",
        "_insertions",
        "_old_entries",
        "_raced",
        "_repeats",
        "_sees_all",
        "_since",
        "_statements",
        "_text",
    )

    def __init__(self, insertions: Insertions, clock: Callable[[], float], facts: Facts, sees_all: bool = True) -> None:
        self._sees_all = sees_all
        self._insertions = insertions
        self._clock = clock
        self._facts = facts
        self._text = TokenBucket(TEXT_RATE, clock)
        self._since = clock()
        self._entries: dict[int, float] = {}
        self._old_entries: dict[int, float] = {}
        self._raced: dict[int, float] = {}
        self._statements: dict[int, int] = {}
        self._repeats: dict[tuple[str | None, str | None, str], _Repeats] = {}

    def judge(self, met: Met, attempt: Attempt) -> Verdict:
        """Find the cause of the conflict that an attempt has met, and its key's columns."""
        facts = self._facts(met.schema, met.table, met.key)
        columns = facts.columns or () if facts is not None else ()
        if met.errno not in _ERRORS or not _is_own(met, attempt):
            return Verdict(Cause.UNKNOWN, columns)
        readable = self._text.take(min(len(attempt.text) + len(attempt.parameters), LOOK) + SEARCH)
        alone = readable and _is_alone(attempt.text)
        entry, offered = met.entry, NOTHING
        if alone and entry is not None:  # else there is nothing to be found among the values
            offered = _read_attempt(attempt, facts)
            columns = columns or find_columns(offered, entry)
        now = self._clock()
        entry_key = 0 if entry is None else hash((met.schema, met.table, met.key, entry))
        before = self._met_before(entry_key, now)
        same = self._insertions.failed(attempt)
        case = _Case(met, attempt, offered, columns, facts, now, same, entry_key, before)
        cause = self._of_statement(case) or self._of_same(case)
        if cause is None:
            cause = self._of_others(case) if alone else Cause.UNKNOWN
        if cause is Cause.RACE and entry_key:
            self._note_race(case)
        return Verdict(cause, columns, readable)

    # ----------------------------------------------------------------------------------------------------------------
    # bulk, sequence

    def _of_statement(self, case: _Case) -> Cause | None:
        if _is_twice(case):
            return Cause.BULK
        return Cause.SEQUENCE if _is_generated(case) else None

    # ----------------------------------------------------------------------------------------------------------------
    # The same bytes

    def _of_same(self, case: _Case) -> Cause | None:
        earlier = case.same
        if earlier is None:
            return None
        times, repeats = self._count(case)
        if self._is_race_of_same(case, earlier):
            # of two that race for a row that had been there, neither is the other's cause
            return Cause.EXISTING if _was_in_conflict(case) else Cause.RACE
        if repeats.usual:
            return Cause.EXISTING
        return Cause.RETRY if times <= RETRIES else Cause.UNKNOWN

    def _is_race_of_same(self, case: _Case, earlier: Sent) -> bool:
        attempt = case.attempt
        if earlier.session == attempt.session or not self._insertions.is_alive(earlier.session):
            return False
        return attempt.started - earlier.at < CLOSE or case.now - attempt.started >= LOCK_WAIT or _has_looked(case)

    def _count(self, case: _Case) -> tuple[int, _Repeats]:
        """Count a conflict of bytes that were sent before; return how often they met one, and their key's counts."""
        met, attempt = case.met, case.attempt
        if len(self._statements) >= ENTRIES:
            self._statements.clear()
            self._repeats.clear()
        print_ = fingerprint(attempt.text, attempt.parameters, attempt.schema)
        times = self._statements[print_] = self._statements.get(print_, 0) + 1
        repeats = self._repeats.setdefault((met.schema, met.table, met.key), _Repeats())
        repeats.conflicts += 1
        repeats.statements += times == 1
        return times, repeats

    # ----------------------------------------------------------------------------------------------------------------
    # Other statements

    def _of_others(self, case: _Case) -> Cause:
        met, attempt = case.met, case.attempt
        if met.entry is None or met.statement not in ("insert", "replace"):
            return Cause.UNKNOWN
        if _was_in_conflict(case):
            return Cause.EXISTING
        seen = self._sees_all and case.now - self._since > CLOSE
        reach = _reach_of_race(case)
        for other in self._others(case, reach if seen else TRANSACTION):
            if other.session != attempt.session and abs(attempt.started - other.at) < reach:
                return Cause.RACE
            seen = True
        if self._has_raced(case, reach) or _has_looked(case):
            return Cause.RACE
        return Cause.EXISTING if seen and attempt.whole else Cause.UNKNOWN

    def _others(self, case: _Case, reach: float) -> Iterator[Sent]:
        """Find the inserts of the same entry into the same table but for the attempt itself.

        reach: seconds before the attempt; what was sent earlier is left out.
        """
        attempt, entry, text = case.attempt, case.met.entry, bare(case.attempt.text)
        if entry is None:
            return
        since = attempt.started - reach
        for recent in islice(self._insertions.recent(needle_of(entry), since), EXAMINED):
            own = (
                recent.parameters == attempt.parameters
                and recent.schema == attempt.schema
                and bare(recent.text) == text
            )
            late = recent.sent.at < since
            if (
                not (own or late)
                and mentions(recent.text, recent.parameters, entry)
                and self._offers(case, recent, entry)
            ):
                yield recent.sent

    def _offers(self, case: _Case, recent: Recent, entry: str) -> bool:
        schema, table = case.met.schema, case.met.table
        said = head(recent.text)
        if table is None or said.table is None or not same_name(said.table, table):
            return False
        other = said.schema or recent.schema
        if schema is not None and other is not None and not same_name(schema, other):
            return False
        if not self._text.take(len(recent.text)):
            return False
        return offers(_read(recent.text, case.facts), recent.parameters, case.columns, entry)

    # ----------------------------------------------------------------------------------------------------------------
    # Entries that were in conflict

    def _met_before(self, key: int, now: float) -> float | None:
        """Tell when the same entry was in conflict first, as far as is remembered; from now on this one is."""
        if not key:
            return None
        before = self._entries.get(key) or self._old_entries.get(key)
        self._entries[key] = before or now
        if len(self._entries) >= ENTRIES:
            self._old_entries, self._entries = self._entries, {}
        return before

    def _note_race(self, case: _Case) -> None:
        """Remember that there was a race for an entry: of many that have lost it, some find nobody else any more."""
        if len(self._raced) >= ENTRIES:
            self._raced.clear()
        self._raced[case.entry_key] = case.now

    def _has_raced(self, case: _Case, reach: float) -> bool:
        """Tell whether another one has lost a race for the entry at about the same time; reach: seconds."""
        at = self._raced.get(case.entry_key)
        return at is not None and abs(case.attempt.started - at) < reach


def _reach_of_race(case: _Case) -> float:
    """Tell how many seconds apart two inserts of the same entry are sent at most that are a race."""
    return TRANSACTION if case.now - case.attempt.started >= LOCK_WAIT else CLOSE


def _was_in_conflict(case: _Case) -> bool:
    """Tell whether the same entry was in conflict a while before this statement was sent."""
    return case.before is not None and case.attempt.started - case.before > CLOSE


def _is_alone(text: bytes) -> bool:
    """Tell whether a text holds one statement; of several nothing tells which one met the conflict."""
    if b";" not in text:
        return True
    found = split(text, LEXING)
    return not isinstance(found, Skip) and len(found) == 1


def _read(text: bytes, facts: KeyFacts | None) -> Offered:
    offered = read_offered(text)
    if offered.columns is None and facts is not None and offered.rows:
        return Offered(tuple(map(fold, facts.listed)), offered.rows, offered.whole)
    return offered


def _read_attempt(attempt: Attempt, facts: KeyFacts | None) -> Offered:
    offered = _read(attempt.text, facts)
    if not attempt.types or not offered.rows:
        return offered
    try:
        if attempt.bulk:
            return with_values(offered, read_rows(attempt.parameters, attempt.types))
        return with_values(offered, (read_values(attempt.parameters, attempt.types),))
    except ProtocolError:
        return offered


def _is_own(met: Met, attempt: Attempt) -> bool:
    """Tell whether the conflict is on the statement's own table, and not on one that a trigger writes to."""
    return attempt.table is not None and met.table is not None and same_name(attempt.table, met.table)


def _is_twice(case: _Case) -> bool:
    """Tell whether two rows of the statement offer the same entry, and it is the one in conflict."""
    entry = case.met.entry
    if len(case.offered.rows) < 2 or not case.columns or entry is None:
        return False
    seen: set[tuple[str, ...]] = set()
    for row in case.offered.rows:
        values = entry_of(case.offered, row, case.columns)
        if values is None:
            continue
        if values in seen and _is_entry(case, row, entry):
            return True
        seen.add(values)
    return False


def _is_entry(case: _Case, row: tuple[object, ...], entry: str) -> bool:
    written = []
    for column in case.columns:
        index = case.offered.position(column)
        value = row[index] if index is not None else None
        written.append(getattr(value, "text", None) or "")
    return Printed(entry).shows("-".join(written))


def _is_generated(case: _Case) -> bool:
    """Tell whether the server made up the value in conflict."""
    entry, facts, offered = case.met.entry, case.facts, case.offered
    if entry is None or not entry.isdigit() or not offered.rows:
        return False
    if facts is not None:
        column = facts.auto_increment
        if column is None or facts.columns is None or [fold(name) for name in facts.columns] != [fold(column)]:
            return False
        index = offered.position(column)
        if offered.columns is None:
            return False
        return index is None or any(row[index].generated for row in offered.rows if index < len(row))
    return case.met.key == "PRIMARY" and offered.whole and not _may_be_written(case, entry)


def _may_be_written(case: _Case, entry: str) -> bool:
    """Tell whether a value of the statement may be the entry."""
    if case.offered.columns is None:
        return True
    printed, values = Printed(entry), [value for row in case.offered.rows for value in row]
    if any(value.expression or (value.text is not None and printed.shows(value.text)) for value in values):
        return True
    hidden = any(value.parameter for value in values)
    parameters = case.attempt.parameters
    return hidden and (not parameters or mentions(b"", parameters, entry))


def _has_looked(case: _Case) -> bool:
    """Tell whether the session has just looked for the entry with a SELECT on the table."""
    entry, table = case.met.entry, case.met.table
    if entry is None or table is None:
        return False
    return any(mentions_table(payload, table) and mentions(payload, payload, entry) for payload in case.attempt.before)
