"""The last conflicts one by one, and what they come to for each key.

Conflicts are put down as they come, and entered several at a time, or when somebody looks: what is done in a row finds
itself in the caches.

No value in conflict is entered as it is unless the configuration says so: an entry is a keyed hash, a statement its
sample without values. Everything is bounded: conflicts and keys by number, the rest by sketches.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from proxy.conflicts.conflict import Cause, Conflict, Outcome
from proxy.conflicts.history import History
from proxy.conflicts.labels import OTHER, KeyName, key_name, printable, statement_label
from proxy.conflicts.sketch import SpaceSaving

SIZE: Final = 1_000
"""Conflicts that are kept one by one."""
MAX_KEYS: Final = 1_000
"""Keys that are counted on their own; of more, the one that has been at rest for longest is given up."""
AT_A_TIME: Final = 16
"""Conflicts that are entered at a time."""
TOLD_SOON: Final = 500
MOST_TOLD: Final = 20_000
"""Conflicts that may wait to be told to the journal of another process."""
MAX_SAMPLES: Final = 8
"""Statements of different shapes that are counted for a key."""


class Record(NamedTuple):
    """One conflict as it is shown.

    id: counts up from 1. at: seconds since the epoch. client: the client's address. entry: the value in conflict, as a
    hash unless values are to be shown; None if the server told none. latency: seconds. sample: the statement without
    values; digest: its hash. rows: how many of one statement met the same.
    """

    id: int
    at: float
    thread_id: int
    user: str
    client: str
    name: KeyName
    columns: tuple[str, ...]
    entry: str | None
    statement: str
    digest: str
    sample: str
    outcome: Outcome
    rule: str | None
    cause: Cause
    errno: int
    latency: float | None
    rows: int


class KeyStats:
    """What the conflicts on one key come to.

    Attributes:
        columns: the key's columns, as far as they are known.
        first, last: when the first and the last conflict were, in seconds since the epoch.
        outcomes, causes, rules: how many conflicts there were of each; `rules` by name, "" for none.
        outcome_history, cause_history: how many in each of the last minutes.
        users: the most frequent ones.
        entries: the most frequent ones, as they are shown.
        samples: statements without their values.
    """

    __slots__ = (
        "cause_history", "causes", "columns", "count", "entries", "first", "last", "name", "outcome_history",
        "outcomes", "rules", "samples", "users",
    )  # fmt: skip

    def __init__(self, name: KeyName, at: float) -> None:
        self.name = name
        self.columns: tuple[str, ...] = ()
        self.count = 0
        self.first = at
        self.last = at
        self.outcomes: defaultdict[Outcome, int] = defaultdict(int)
        self.causes: defaultdict[Cause, int] = defaultdict(int)
        self.rules: defaultdict[str, int] = defaultdict(int)
        self.outcome_history: History[Outcome] = History()
        self.cause_history: History[Cause] = History()
        self.users = SpaceSaving(MAX_SAMPLES)
        self.entries = SpaceSaving()
        self.samples = SpaceSaving(MAX_SAMPLES)

    def add(self, record: Record) -> None:
        """Count a conflict."""
        count = record.rows
        self.count += count
        self.last = record.at
        if record.columns:
            self.columns = record.columns
        self.outcomes[record.outcome] += count
        self.causes[record.cause] += count
        self.rules[record.rule or ""] += count
        self.outcome_history.add(record.outcome, record.at, count)
        self.cause_history.add(record.cause, record.at, count)
        self.users.add(record.user, count)
        if record.entry is not None:
            self.entries.add(record.entry, count)
        if record.sample:
            self.samples.add(record.sample, count)

    def absorb(self, other: "KeyStats") -> None:
        """Add the counts of a key that is given up."""
        self.count += other.count
        for outcome, count in other.outcomes.items():
            self.outcomes[outcome] += count
        for cause, count in other.causes.items():
            self.causes[cause] += count


class Told(NamedTuple):
    """One conflict as a journal is told of it; entry: what is shown of the value in conflict."""

    conflict: Conflict
    entry: str | None


class Journal:
    """Keeps the last conflicts, and the counts of the keys that had any of late.

    size: how many conflicts. max_keys: how many keys.
    """

    def __init__(self, size: int = SIZE, max_keys: int = MAX_KEYS) -> None:
        self._new: list[Told] = []
        self._records: deque[Record] = deque(maxlen=size)
        self._max_keys = max(max_keys, 1)
        self._keys: OrderedDict[KeyName, KeyStats] = OrderedDict()
        self._ids: dict[str, KeyName] = {}
        self._others: KeyStats | None = None
        self._total = 0
        self._last_id = 0

    @property
    def total(self) -> int:
        """All conflicts, rows counted each."""
        self._enter()
        return self._total

    @property
    def others(self) -> KeyStats | None:
        """What the keys that were given up come to."""
        self._enter()
        return self._others

    def add(self, conflict: Conflict, entry: str | None) -> None:
        """Keep a conflict; entry: what is shown of the value in conflict."""
        self._new.append(Told(conflict, entry))
        if len(self._new) >= AT_A_TIME:
            self._enter()

    def add_all(self, told: Iterable[Told]) -> None:
        """Keep conflicts that another process has told of."""
        self._new += told
        self._enter()

    def records(self, name: KeyName | None = None) -> Iterator[Record]:
        """Give the conflicts that are kept, the newest first; of one key, or all."""
        self._enter()
        return (record for record in reversed(self._records) if name is None or record.name == name)

    def ranked(self, most: int | None = None) -> list[KeyStats]:
        """Give the keys, the one with most conflicts first; at most so many."""
        self._enter()
        return sorted(self._keys.values(), key=lambda stats: (-stats.count, stats.name))[:most]

    def key(self, key_id: str) -> KeyStats | None:
        """Give a key by its id."""
        self._enter()
        name = self._ids.get(key_id)
        return None if name is None else self._keys.get(name)

    def _enter(self) -> None:
        """Enter the conflicts that were put down."""
        told, self._new = self._new, []
        for conflict, entry in told:
            self._last_id += 1
            self._total += conflict.rows
            record = _record(self._last_id, conflict, entry)
            self._records.append(record)
            self._stats(record).add(record)

    def _stats(self, record: Record) -> KeyStats:
        stats = self._keys.get(record.name)
        if stats is None:
            if len(self._keys) >= self._max_keys:
                self._give_up()
            stats = self._keys[record.name] = KeyStats(record.name, record.at)
            self._ids[record.name.id] = record.name
        self._keys.move_to_end(record.name)
        return stats

    def _give_up(self) -> None:
        name, stats = self._keys.popitem(last=False)
        self._ids.pop(name.id, None)
        if self._others is None:
            self._others = KeyStats(KeyName(OTHER, OTHER, OTHER), stats.first)
        self._others.absorb(stats)


def _record(number: int, conflict: Conflict, entry: str | None) -> Record:
    """Write a conflict as it is shown; entry: what is shown of the value in conflict."""
    met, finding = conflict.met, conflict.finding
    return Record(
        id=number,
        at=conflict.at,
        thread_id=conflict.thread_id,
        user=printable(conflict.user),
        client=conflict.client,
        name=key_name(met.schema, met.table, met.key),
        columns=finding.columns,
        entry=entry,
        statement=statement_label(met.statement),
        digest=finding.digest,
        sample=finding.sample,
        outcome=conflict.outcome,
        rule=conflict.rule,
        cause=finding.cause,
        errno=met.errno,
        latency=conflict.latency,
        rows=conflict.rows,
    )


class Outbox(Journal):
    """Keeps conflicts until they are told to the journal of another process; of too many the oldest are given up.

    full: called when there are so many that they should be told soon.
    """

    def __init__(self, full: Callable[[], None]) -> None:
        super().__init__(size=0)
        self._full = full
        self._told: deque[Told] = deque(maxlen=MOST_TOLD)

    def add(self, conflict: Conflict, entry: str | None) -> None:
        """Keep a conflict; entry: what is shown of the value in conflict."""
        self._told.append(Told(conflict, entry))
        if len(self._told) == TOLD_SOON:
            self._full()

    def take(self) -> list[Told]:
        """Hand them out."""
        told = list(self._told)
        self._told.clear()
        return told
