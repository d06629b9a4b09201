"""What each action makes of a conflict inside an INSERT of several rows.

The numbers were measured on MySQL 9.7 and MariaDB 10.11 and are the same on both.
"""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pymysql.constants.CLIENT import FOUND_ROWS

from tests.e2e.running import Proxy, rules_from
from tests.e2e.users import USERS, Answer, offer, rows, rule, run

UPDATE = "action: update; set: {logins: old.logins + new.logins}"
REPLACE = "action: replace; allow_replace: true"
NAMES = {"a": "Alice", "b": "Bob", "c": "Carol"}


@dataclass(frozen=True)
class Case:
    """One INSERT into a table that holds `a` with the id 1; the session's LAST_INSERT_ID() is 77.

    offered: the rows, by the first letters of their e-mail addresses.
    answer: of `when: always`; the next id is 2.
    after_a_failure: of `when: conflict`; the INSERT that failed has used up an id for each of its rows.
    counts: the conflicts by outcome. table: the rows' logins afterwards; all 1 where none is named.
    """

    rule: str
    offered: str
    answer: Answer
    after_a_failure: Answer
    counts: dict[str, int]
    logins: dict[str, int] = field(default_factory=dict)


KEPT = {"kept": 1}
CASES = {
    "ignore, first": Case("action: ignore", "abc", Answer(2, 2, 2), Answer(2, 5, 5), KEPT),
    "ignore, last": Case("action: ignore", "bca", Answer(2, 2, 2), Answer(2, 5, 5), KEPT),
    "ignore, id": Case("action: ignore; return_id: id", "abc", Answer(2, 2, 2), Answer(2, 5, 5), KEPT),
    "ignore, as an insert": Case(
        "action: ignore; affected_rows: insert", "abc", Answer(3, 2, 2), Answer(3, 5, 5), KEPT
    ),
    "ignore, all": Case("action: ignore", "aa", Answer(0, 0, 77), Answer(0, 0, 77), {"kept": 2}),
    "ignore, all, id": Case("action: ignore; return_id: id", "aa", Answer(0, 1, 1), Answer(0, 1, 1), {"kept": 2}),
    "update": Case(UPDATE, "abc", Answer(4, 2, 2), Answer(4, 5, 5), {"updated": 1}, {"a": 2}),
    "update, all": Case(UPDATE, "aa", Answer(4, 1, 77), Answer(4, 1, 77), {"updated": 2}, {"a": 3}),
    "update, twice the same": Case(UPDATE, "bab", Answer(5, 2, 2), Answer(5, 5, 5), {"updated": 2}, {"a": 2, "b": 2}),
    "idempotent": Case("action: idempotent", "abc", Answer(2, 2, 2), Answer(2, 5, 5), KEPT),
    "replace": Case(REPLACE, "abc", Answer(4, 2, 2), Answer(4, 5, 5), {"replaced": 1}),
}


def insert(offered: str) -> str:
    values = ", ".join(f"('{letter}@example.com', '{NAMES[letter]}')" for letter in offered)
    return f"INSERT INTO users (email, name) VALUES {values}"


@pytest.fixture
def users(proxy: Proxy, database: str) -> str:
    run(proxy.connect_directly(database=database), USERS, insert("a"))
    return database


@pytest.mark.parametrize("found_rows", [False, True], ids=["", "found_rows"])
@pytest.mark.parametrize("when", ["conflict", "always"])
@pytest.mark.parametrize("name", CASES)
def test_several_rows(proxy: Proxy, users: str, tmp_path: Path, name: str, when: str, found_rows: bool) -> None:
    case = CASES[name]
    keyed = case.rule != REPLACE  # with a key it might delete rows that are met on others
    proxy.use_rules(rules_from(rule("signup", f"{users}.users", f"{case.rule}; when: {when}", key=keyed), tmp_path))
    connection = proxy.connect(database=users, client_flag=FOUND_ROWS if found_rows else 0)
    # MySQL's REPLACE waits for a conflict: at the end of a counter it would take another row's place
    fails_first = when == "conflict" or (case.rule == REPLACE and not proxy.server.mariadb)
    answer = case.after_a_failure if fails_first else case.answer
    if found_rows and "affected_rows" not in case.rule:  # a row left as it was counts as well
        answer = Answer(answer.affected_rows + case.counts.get("kept", 0), answer.insert_id, answer.last_insert_id)
    assert offer(connection, insert(case.offered)) == answer
    logins = dict.fromkeys(sorted({"a", *case.offered}), 1) | case.logins
    found = rows(connection, "SELECT LEFT(email, 1), logins FROM users ORDER BY email")
    assert dict(found) == logins
    key = "ux_email" if keyed or fails_first else "unknown"
    labels = {"schema": users, "table": "users", "key": key, "statement": "insert", "rule": "signup"}
    counted = proxy.counted("keyclash_conflicts_total", **labels)
    assert {outcome: count for (outcome,), count in counted.items()} == case.counts
