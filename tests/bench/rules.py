"""The rules of the measured proxies, and the tables that they are for."""

from dataclasses import dataclass
from itertools import product
from typing import Final

ACTIONS: Final = {
    "idempotent": "",
    "ignore": "",
    "update": "\n    set: {c: new.c, n: old.n + 1}",
    "replace": "\n    allow_replace: true",
}
"""The actions that resolve conflicts, and what their rules must say besides."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A table whose conflicts are resolved."""

    table: str
    action: str
    when: str


RESOLVED: Final = tuple(
    Resolved(f"{action}_{when}", action, when) for action, when in product(ACTIONS, ("conflict", "always"))
)
BULK: Final = Resolved("bulk_ruled", "ignore", "conflict")


def rules(count: int) -> str:
    """Write a rules file: from a hundred rules on with those for the tables above, else for tables that nobody uses."""
    resolved = [_resolving(each) for each in (*RESOLVED, BULK)] if count >= 100 else []
    return "\n".join(["rules:" if count else "rules: []", *resolved, *map(_other, range(count - len(resolved)))]) + "\n"


def _resolving(resolved: Resolved) -> str:
    return f"""\
  - name: {resolved.table.replace("_", "-")}
    table: bench.{resolved.table}
    key: ux_k
    columns: [k]
    action: {resolved.action}
    when: {resolved.when}{ACTIONS[resolved.action]}"""


def _other(number: int) -> str:
    """Write one of many: every fiftieth is for a pattern of tables."""
    table = f"shop.log_{number}_*" if number % 50 == 0 else f"shop.table_{number}"
    return f"""\
  - name: other-{number}
    table: {table}
    columns: [email]
    action: ignore"""
