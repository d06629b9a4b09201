"""The demo's display: conflicts per unique key, and what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from rich import box
from rich.table import Table

from proxy.conflicts.conflict import Outcome
from proxy.conflicts.labels import ConflictLabels

SHOWN: Final = (Outcome.RETURNED, Outcome.KEPT, Outcome.UPDATED)
"""The outcomes that have a column from the start; others get theirs when they occur."""

_ERRORS: Final = frozenset({Outcome.RETURNED, Outcome.REFUSED, Outcome.FAILED})


def conflict_table(conflicts: Mapping[ConflictLabels, int]) -> Table:
    """Lay out conflicts: one line per unique key, one column per outcome.

    Args:
        conflicts: how many there were, as `Counters` has them.
    """
    outcomes = _columns(labels.outcome for labels in conflicts)
    # Narrow, so that four outcomes fit a terminal of 80 columns.
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("unique key", no_wrap=True)
    table.add_column("rule", no_wrap=True)
    for outcome in outcomes:
        table.add_column(outcome.value, justify="right")
    for key, counts in sorted(_lines(conflicts).items()):
        table.add_row(*key, *(str(counts[outcome] or "-") for outcome in outcomes))
    return table


def summary(conflicts: Mapping[ConflictLabels, int], commands: int) -> str:
    """Say in one line how many conflicts there were and how many of them the applications noticed.

    Args:
        conflicts: how many there were, as `Counters` has them.
        commands: how many statements the applications sent.
    """
    total = sum(conflicts.values())
    errors = sum(count for labels, count in conflicts.items() if labels.outcome in _ERRORS)
    return (
        f"statements: {commands}  conflicts: {total}  resolved: {total - errors}  errors for the applications: {errors}"
    )


def _columns(seen: Iterable[Outcome]) -> list[Outcome]:
    found = {*SHOWN, *seen}
    return [outcome for outcome in Outcome if outcome in found]


def _lines(conflicts: Mapping[ConflictLabels, int]) -> dict[tuple[str, str], Counter[Outcome]]:
    # A key has one rule here; conflicts that no rule was in charge of stand on a line of their own.
    lines: dict[tuple[str, str], Counter[Outcome]] = {}
    for labels, count in conflicts.items():
        key = ".".join(part for part in (labels.schema, labels.table, labels.key) if part)
        lines.setdefault((key, labels.rule or "(none)"), Counter())[labels.outcome] += count
    return lines
