"""Keys with conflicts, for tests to vary."""

from typing import Any

from proxy.advice.evidence import Evidence
from proxy.conflicts.conflict import Cause
from proxy.conflicts.journal import Journal
from proxy.rules.table import Column, KeyPart, Missing, Table, UniqueKey
from tests.conflicts.conflicts import conflict

SAMPLE = "INSERT INTO users (email, name) VALUES (?, ?)"


def column(name: str, kind: str = "varchar", **changes: Any) -> Column:
    usual: dict[str, Any] = {
        "charset": "utf8mb4" if kind == "varchar" else None,
        "collation": "utf8mb4_0900_ai_ci" if kind == "varchar" else None,
        "nullable": False,
        "generated": False,
        "auto_increment": False,
        "has_default": False,
    }
    return Column(name=name, type=kind, **usual | changes)


def unique(name: str, *columns: str) -> UniqueKey:
    return UniqueKey(name, tuple(KeyPart(each) for each in columns))


USERS = Table(
    schema="shop",
    name="users",
    columns=(column("id", "bigint", auto_increment=True), column("email"), column("name")),
    keys=(unique("PRIMARY", "id"), unique("ux_email", "email")),
    engine="InnoDB",
    transactional=True,
    triggers=frozenset(),
    view=False,
)


def evidence(
    cause: Cause = Cause.RETRY, number: int = 20, table: Table | Missing | None = None, **changes: Any
) -> Evidence:
    """Make a key that was in conflict so often, for one cause."""
    journal = Journal()
    usual: dict[str, Any] = {"sample": SAMPLE, "columns": ("email",)}
    entry = changes.pop("shown", None)
    for count in range(number):
        journal.add(conflict(cause=cause, **usual | changes), entry or f"hash {count}")
    (stats,) = journal.ranked()
    return Evidence(stats, tuple(journal.records()), table)
