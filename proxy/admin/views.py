"""What the API answers: plain values, made from the counters and the journal when somebody asks."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from proxy.admin.settings import Setting
from proxy.admin.sources import OpenSession, Sources
from proxy.advice.evidence import Evidence
from proxy.advice.explanation import Explanation, explain
from proxy.advice.suggestion import Suggestion, suggest
from proxy.conflicts.history import History
from proxy.conflicts.journal import KeyStats, Record
from proxy.conflicts.labels import KeyName
from proxy.conflicts.metrics import version
from proxy.conflicts.sketch import Hitter
from proxy.rules.rule import Rule
from proxy.rules.table import Missing, Table
from proxy.sql.reason import Reason, explain_reason

_Name = TypeVar("_Name", bound=str)

SHOWN_MINUTES = 60
SHOWN_HITTERS = 8
SHOWN_CONFLICTS = 50


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key and what its conflicts come to; times in seconds since the epoch.

    schema, table: "" where they are not known. per_minute: conflicts in each of the last 60 minutes, the oldest first.
    """

    id: str
    schema: str
    table: str
    key: str
    columns: tuple[str, ...]
    count: int
    first: float
    last: float
    outcomes: dict[str, int]
    causes: dict[str, int]
    rules: dict[str, int]
    per_minute: list[int]


@dataclass(frozen=True, slots=True)
class KeysView:
    """The keys with most conflicts, the first one first.

    at: now. total: all conflicts since the start. others: those on keys that are not listed any more. sessions: how
    many are open.
    """

    at: float
    version: str
    total: int
    others: int
    sessions: int
    keys: list[KeyView]


@dataclass(frozen=True, slots=True)
class ConflictView:
    """One conflict; key_id: the key's `id`. entry: a hash, unless values are to be shown. latency: seconds."""

    id: int
    at: float
    schema: str
    table: str
    key: str
    key_id: str
    columns: tuple[str, ...]
    entry: str | None
    user: str
    client: str
    thread_id: int
    statement: str
    digest: str
    sample: str
    outcome: str
    cause: str
    rule: str | None
    errno: int
    latency: float | None
    count: int


@dataclass(frozen=True, slots=True)
class ConflictsView:
    """The last conflicts, the newest first; show_values: whether entries are the values themselves."""

    show_values: bool
    conflicts: list[ConflictView]


@dataclass(frozen=True, slots=True)
class KeyPage:
    """All about one key.

    minutes: conflicts in each of the last 360 minutes; outcome_minutes, cause_minutes: those of each outcome and cause.
    entries, users, samples: the most frequent ones; a value came at most `count` times, and at least `count - error`.
    """

    key: KeyView
    minutes: list[int]
    outcome_minutes: dict[str, list[int]]
    cause_minutes: dict[str, list[int]]
    entries: list[Hitter]
    users: list[Hitter]
    samples: list[Hitter]
    explanation: Explanation
    suggestion: Suggestion
    show_values: bool
    conflicts: list[ConflictView]


@dataclass(frozen=True, slots=True)
class SkipView:
    """How often a rule left an INSERT alone, and why in a word and in words."""

    reason: str
    words: str
    count: int


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule and what it did; source: `file:line`. rewrites: its statements by their results."""

    name: str
    source: str
    table: str
    keys: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    action: str
    when: str
    dry_run: bool
    tripped: bool
    conflicts: dict[str, int]
    rewrites: dict[str, int]
    skips: list[SkipView]


@dataclass(frozen=True, slots=True)
class RulesView:
    """The rules in force.

    reloaded: whether the last attempt to read the files succeeded; problems: why it did not, as `file:line: ...`.
    """

    source: str
    version: str
    loaded_at: float
    reloaded: bool
    problems: tuple[str, ...]
    rules: list[RuleView]


@dataclass(frozen=True, slots=True)
class SessionsView:
    """The sessions that are open, and how those that are not have ended."""

    open: int
    ended: dict[str, int]
    sessions: list[OpenSession]


@dataclass(frozen=True, slots=True)
class ConfigView:
    """The configuration in force."""

    settings: list[Setting]


@dataclass(frozen=True, slots=True)
class KeySuggestion:
    """What is suggested for a key."""

    id: str
    schema: str
    table: str
    key: str
    count: int
    suggestion: Suggestion


@dataclass(frozen=True, slots=True)
class SuggestionsView:
    """Suggestions for the keys with most conflicts, the first one first; file: the rules as one rules file."""

    file: str
    suggestions: list[KeySuggestion]


# --------------------------------------------------------------------------------------------------------------------
# Making them


def keys_view(sources: Sources, limit: int) -> KeysView:
    """Tell of the keys, at most so many."""
    journal, now = sources.journal, sources.clock()
    return KeysView(
        at=now,
        version=version(),
        total=journal.total,
        others=0 if journal.others is None else journal.others.count,
        sessions=sources.counters.sessions,
        keys=[_key(stats, now) for stats in journal.ranked(limit)],
    )


def key_page(sources: Sources, key_id: str) -> KeyPage | None:
    """Tell all of one key; None if there is no such key."""
    stats = sources.journal.key(key_id)
    if stats is None:
        return None
    now = sources.clock()
    evidence = _evidence(sources, stats, sources.journal.records(stats.name))
    entry = next((record.entry for record in evidence.records if record.entry is not None), None)
    return KeyPage(
        key=_key(stats, now),
        minutes=stats.outcome_history.total(now),
        outcome_minutes=_minutes(stats.outcome_history, now),
        cause_minutes=_minutes(stats.cause_history, now),
        entries=list(stats.entries.top(SHOWN_HITTERS)),
        users=list(stats.users.top(SHOWN_HITTERS)),
        samples=list(stats.samples.top(SHOWN_HITTERS)),
        explanation=explain(evidence, entry if sources.show_values else None),
        suggestion=suggest(evidence, sources.rules()),
        show_values=sources.show_values,
        conflicts=[_conflict(record) for record in evidence.records[:SHOWN_CONFLICTS]],
    )


def conflicts_view(sources: Sources, key_id: str | None, after: int, limit: int) -> ConflictsView:
    """Tell of the last conflicts: of one key or all, only those with a greater id than `after`, at most `limit`."""
    stats = None if key_id is None else sources.journal.key(key_id)
    found: Iterable[Record] = ()
    if key_id is None or stats is not None:
        found = sources.journal.records(None if stats is None else stats.name)
    views: list[ConflictView] = []
    for record in found:
        if record.id <= after or len(views) >= limit:
            break
        views.append(_conflict(record))
    return ConflictsView(sources.show_values, views)


def rules_view(sources: Sources) -> RulesView:
    """Tell of the rules and what they did."""
    counters, rules = sources.counters, sources.rules()
    return RulesView(
        source=rules.source,
        version=rules.version,
        loaded_at=counters.last_reload_at,
        reloaded=counters.last_reload_successful,
        problems=sources.problems(),
        rules=[_rule(sources, rule, rules.source) for rule in rules.rules],
    )


def sessions_view(sources: Sources) -> SessionsView:
    """Tell of the sessions."""
    counters = sources.counters
    return SessionsView(counters.sessions, dict(counters.sessions_total), list(sources.sessions()))


def config_view(sources: Sources) -> ConfigView:
    """Tell the configuration."""
    return ConfigView(list(sources.settings()))


def suggestions_view(sources: Sources, limit: int) -> SuggestionsView:
    """Suggest rules for the keys with most conflicts, at most so many."""
    rules, records = sources.rules(), defaultdict[KeyName, list[Record]](list)
    for record in sources.journal.records():
        records[record.name].append(record)
    found = [
        KeySuggestion(
            stats.name.id, *stats.name, stats.count, suggest(_evidence(sources, stats, records[stats.name]), rules)
        )
        for stats in sources.journal.ranked(limit)
    ]
    texts = [each.suggestion.rule for each in found if each.suggestion.rule is not None]
    return SuggestionsView("rules:\n" + "\n".join(texts) if texts else "rules: []\n", found)


def _evidence(sources: Sources, stats: KeyStats, records: Iterable[Record]) -> Evidence:
    return Evidence(stats, tuple(records), _table(sources, stats.name))


def _table(sources: Sources, name: KeyName) -> Table | Missing | None:
    return sources.table(name.schema, name.table) if name.schema and name.table else None


def _key(stats: KeyStats, now: float) -> KeyView:
    return KeyView(
        id=stats.name.id,
        schema=stats.name.schema,
        table=stats.name.table,
        key=stats.name.key,
        columns=stats.columns,
        count=stats.count,
        first=stats.first,
        last=stats.last,
        outcomes=_ranked(stats.outcomes),
        causes=_ranked(stats.causes),
        rules=_ranked(stats.rules),
        per_minute=stats.outcome_history.total(now, SHOWN_MINUTES),
    )


def _ranked(counts: Mapping[_Name, int]) -> dict[str, int]:
    return {str(name): count for name, count in sorted(counts.items(), key=lambda item: -item[1])}


def _minutes(history: History[_Name], now: float) -> dict[str, list[int]]:
    return {str(name): counts for name, counts in history.last(now).items()}


def _conflict(record: Record) -> ConflictView:
    return ConflictView(
        id=record.id,
        at=record.at,
        schema=record.name.schema,
        table=record.name.table,
        key=record.name.key,
        key_id=record.name.id,
        columns=record.columns,
        entry=record.entry,
        user=record.user,
        client=record.client,
        thread_id=record.thread_id,
        statement=record.statement,
        digest=record.digest,
        sample=record.sample,
        outcome=record.outcome,
        cause=record.cause,
        rule=record.rule,
        errno=record.errno,
        latency=record.latency,
        count=record.rows,
    )


def _rule(sources: Sources, rule: Rule, source: str) -> RuleView:
    counters = sources.counters
    conflicts: dict[str, int] = {}
    for labels, count in counters.conflicts.items():
        if labels.rule == rule.name:
            conflicts[labels.outcome] = conflicts.get(labels.outcome, 0) + count
    rewrites: dict[str, int] = {}
    for (name, _when, _protocol, result), count in counters.rewrites.items():
        if name == rule.name:
            rewrites[result] = rewrites.get(result, 0) + count
    skips = [_skip(reason, count) for (name, reason), count in counters.skipped.items() if name == rule.name]
    return RuleView(
        name=rule.name,
        source=f"{source}:{rule.line}",
        table=str(rule.table),
        keys=rule.keys,
        columns=rule.columns,
        action=rule.action,
        when=rule.effective_when,
        dry_run=rule.dry_run,
        tripped=bool(counters.tripped.get(rule.name)),
        conflicts=_ranked(conflicts),
        rewrites=_ranked(rewrites),
        skips=sorted(skips, key=lambda skip: -skip.count),
    )


def _skip(reason: str, count: int) -> SkipView:
    return SkipView(reason, explain_reason(Reason(reason)), count)
