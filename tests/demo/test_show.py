"""The demo's display."""

import io

from rich.console import Console

from proxy.conflicts.conflict import Outcome
from proxy.conflicts.labels import ConflictLabels
from proxy.demo.show import conflict_table, summary


def labels(table: str, key: str, outcome: Outcome, rule: str = "") -> ConflictLabels:
    return ConflictLabels("shop", table, key, "insert", outcome, rule)


CONFLICTS = {
    labels("users", "ux_email", Outcome.KEPT, "signup-email"): 7,
    labels("payments", "ux_reference", Outcome.KEPT, "payment-retry"): 12345,
    labels("payments", "ux_reference", Outcome.REFUSED, "payment-retry"): 2,
    labels("coupons", "ux_code", Outcome.RETURNED): 3,
    labels("coupons", "ux_code", Outcome.FAILED)._replace(schema="", table=""): 1,
}


def text(conflicts: dict[ConflictLabels, int]) -> list[list[str]]:
    console = Console(file=io.StringIO(), width=120)
    console.print(conflict_table(conflicts))
    assert isinstance(console.file, io.StringIO)
    return [line.split() for line in console.file.getvalue().splitlines()]


def test_a_line_per_key_and_a_column_per_outcome() -> None:
    header, _, *lines = text(CONFLICTS)
    assert header == ["unique", "key", "rule", "returned", "kept", "updated", "refused", "failed"]
    assert lines == [
        ["shop.coupons.ux_code", "(none)", "3", "-", "-", "-", "-"],
        ["shop.payments.ux_reference", "payment-retry", "-", "12345", "-", "2", "-"],
        ["shop.users.ux_email", "signup-email", "-", "7", "-", "-", "-"],
        ["ux_code", "(none)", "-", "-", "-", "-", "1"],
    ]


def test_the_columns_are_there_from_the_start() -> None:
    assert text({})[0] == ["unique", "key", "rule", "returned", "kept", "updated"]


def test_what_the_demo_shows_fits_80_columns() -> None:
    table = conflict_table({labels: count for labels, count in CONFLICTS.items() if labels.outcome != Outcome.FAILED})
    assert Console(width=200).measure(table).maximum <= 80


def test_the_summary() -> None:
    assert summary(CONFLICTS, 99999) == (
        "statements: 99999  conflicts: 12358  resolved: 12352  errors for the applications: 6"
    )
