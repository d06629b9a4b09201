"""Eight clients race on overlapping keys: every row is what a serial history allows, and every client was told so.

RACE_SECONDS says how long each action is raced on each server; its time is shared out among the kinds of race.
"""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.running import Proxy, rules_from
from tests.e2e.users import rows, run
from tests.matrix.model import Failure
from tests.races.race import DEADLOCK, DUPLICATE, KEYS, Insert, Told, race

SECONDS = float(os.environ.get("RACE_SECONDS", "2"))
TABLE = (
    "CREATE TABLE counts (id INT PRIMARY KEY AUTO_INCREMENT, k INT NOT NULL, value VARCHAR(40) NOT NULL,"
    " n INT NOT NULL, UNIQUE KEY ux_k (k))"
)
KINDS = [(when, transactions) for when in ("conflict", "always") for transactions in (False, True)]
each_kind = pytest.mark.parametrize(
    ("when", "transactions"), KINDS, ids=[f"{when}, {'transactions' if many else 'autocommit'}" for when, many in KINDS]
)


@dataclass(frozen=True)
class There:
    """The row of a key."""

    id: int
    value: str
    n: int


@dataclass
class Race:
    """A race that is over."""

    told: Told
    table: dict[int, There]
    deadlocks: int


def raced(proxy: Proxy, database: str, folder: Path, rule: str, when: str, transactions: bool) -> Race:
    run(proxy.connect_directly(database=database), TABLE)
    lines = [f"table: {database}.counts", "key: ux_k", "columns: [k]", f"when: {when}", *rule.split(";")]
    proxy.use_rules(rules_from("rules:\n  - name: race\n    " + "\n    ".join(map(str.strip, lines)) + "\n", folder))

    def write(key: int, value: str, number: int) -> str:
        return f"INSERT INTO counts (k, value, n) VALUES ({key}, '{value}', {number})"

    if "idempotent" in rule:  # only two values for each key, so that many are the same

        def write(key: int, value: str, number: int) -> str:
            return f"INSERT INTO counts (k, value, n) VALUES ({key}, 'same', {number % 2})"

    told = race(proxy, database, write, SECONDS / len(KINDS), transactions=transactions)
    found = rows(proxy.connect_directly(database=database), "SELECT k, id, value, n FROM counts")
    table = {key: There(*row) for key, *row in found}
    assert len(table) == len(found)
    counted = sum(proxy.counted("keyclash_rule_deadlocks_total", rule="race").values())
    check_errors(told, transactions, counted)
    assert len(told.held) > KEYS
    assert {one.key for one in told.held} <= set(table), "an OK for a row that is not there"
    return Race(told, table, counted)


def check_errors(told: Told, transactions: bool, counted: int) -> None:
    """A deadlock is the only error that may come up, in transactions only, and the rule's counter has seen them all."""
    numbers = Counter(one.reply.number for one in told.failed if isinstance(one.reply, Failure))
    assert set(numbers) <= {DEADLOCK, DUPLICATE}, numbers
    if transactions:
        assert counted == numbers[DEADLOCK] == told.rolled_back
    else:
        assert numbers[DEADLOCK] == 0


@each_kind
def test_update_adds_up(proxy: Proxy, database: str, tmp_path: Path, when: str, transactions: bool) -> None:
    done = raced(proxy, database, tmp_path, "action: update; set: {n: old.n + new.n}", when, transactions)
    assert done.told.errors(DUPLICATE) == []
    sums = Counter[int]()
    for one in done.told.held:
        sums[one.key] += one.number
    assert {key: row.n for key, row in done.table.items()} == dict(sums)


@each_kind
def test_ignore_keeps_the_first(proxy: Proxy, database: str, tmp_path: Path, when: str, transactions: bool) -> None:
    done = raced(proxy, database, tmp_path, "action: ignore; return_id: id", when, transactions)
    assert done.told.errors(DUPLICATE) == []
    assert_one_writer(done)
    assert all(one.answer.insert_id == done.table[one.key].id for one in done.told.held)


@each_kind
def test_idempotent_is_ok_for_the_same(
    proxy: Proxy, database: str, tmp_path: Path, when: str, transactions: bool
) -> None:
    done = raced(proxy, database, tmp_path, "action: idempotent; return_id: id", when, transactions)
    assert all(one.number % 2 == done.table[one.key].n for one in done.told.held)
    assert all(one.answer.insert_id == done.table[one.key].id for one in done.told.held)
    if not transactions:  # in one, the row that was different may have been rolled back since
        assert all(one.number % 2 != done.table[one.key].n for one in done.told.errors(DUPLICATE))


@each_kind
def test_replace_leaves_one_of_the_last(
    proxy: Proxy, database: str, tmp_path: Path, when: str, transactions: bool
) -> None:
    done = raced(proxy, database, tmp_path, "action: replace; allow_replace: true", when, transactions)
    assert done.told.errors(DUPLICATE) == []
    for key, row in done.table.items():
        inserts = done.told.of_key(key)
        (writer,) = [one for one in inserts if one.value == row.value]
        assert writer.answer.insert_id == row.id
        if not transactions:  # no other began after it had ended
            assert all(one.began < writer.ended for one in inserts)
    if not transactions:
        affected = Counter(one.answer.affected_rows for one in done.told.held)
        assert affected[1] == len(done.table)
        assert set(affected) <= {1, 2}


def assert_one_writer(done: Race) -> None:
    """One client was told that it has inserted the row, and it is its row; the others that nothing was changed."""
    for key, row in done.table.items():
        inserts: list[Insert] = done.told.of_key(key)
        writers = [one for one in inserts if one.answer.affected_rows == 1]
        assert [one.value for one in writers] == [row.value]
        assert {one.answer.affected_rows for one in inserts} <= {0, 1}
