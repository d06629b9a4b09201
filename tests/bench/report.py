"""The results for people: one table, and the goals."""

from collections.abc import Sequence

from rich.table import Table

from tests.bench.goals import Goal
from tests.bench.peers import Kind
from tests.bench.results import Results

_COLUMNS = {
    "qps": "QPS",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "cpu_us": "CPU µs",
    "memory_kib": "KiB",
}


def results_table(results: Results) -> Table:
    """Lay all medians out, with their ratios to the best of the other proxies."""
    table = Table(title="Medians (and ratios to the best other proxy). CPU is the proxy's, for one query", expand=False)
    table.add_column("workload")
    table.add_column("through")
    for heading in _COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for workload, peers in results.rounds.items():
        for row, peer in enumerate(peers):
            cells = [_cell(results, workload, peer, figure) for figure in _COLUMNS]
            style = "bold" if results.kinds[peer] is Kind.OWN else ""
            table.add_row("" if row else workload, peer, *cells, style=style, end_section=row == len(peers) - 1)
    return table


def goals_table(goals: Sequence[Goal]) -> Table:
    """Lay the goals out."""
    table = Table(title=f"{sum(goal.met for goal in goals)} of {len(goals)} goals reached", expand=False)
    table.add_column("goal")
    table.add_column("is", justify="right")
    table.add_column("at most", justify="right")
    table.add_column("")
    for goal in goals:
        table.add_row(goal.name, f"{goal.value:.2f}", f"{goal.bound:g}", "" if goal.met else "missed")
    return table


def _cell(results: Results, workload: str, peer: str, figure: str) -> str:
    value = results.median(workload, peer, figure)
    if value is None:
        return ""
    ratio = results.ratio(workload, peer, figure)
    return f"{_short(value)}{'' if ratio is None else f' ({ratio:.2f})'}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"
