"""A conflict resolved inside a transaction is a statement of that transaction like any other."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

from pathlib import Path

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from tests.e2e.running import Proxy, rules_from
from tests.e2e.users import ALICE, USERS, rows, rule, run

CLASH = "INSERT INTO users (email, name) VALUES ('alice@example.com', 'Alicia')"
EARLIER = "INSERT INTO users (email, name) VALUES ('earlier@example.com', 'Earlier')"
LATER = "INSERT INTO users (email, name) VALUES ('later@example.com', 'Later')"
ACTIONS = {
    "update": "action: update; set: {name: new.name}",
    "replace": "action: replace; allow_replace: true",
}
BEGIN = {"begin": "BEGIN", "autocommit off": "SET autocommit = 0"}
BEFORE = [("alice@example.com", "Alice")]
BETWEEN = [("alice@example.com", "Alicia"), ("earlier@example.com", "Earlier")]
AFTER = [*BETWEEN, ("later@example.com", "Later")]
IN_TRANSACTION = 0x0001


@pytest.fixture
def users(proxy: Proxy, database: str) -> str:
    run(proxy.connect_directly(database=database), USERS, ALICE)
    return database


def table(connection: Connection[Cursor]) -> list[tuple[str, str]]:
    return [(email, name) for email, name in rows(connection, "SELECT email, name FROM users ORDER BY email")]


@pytest.mark.parametrize("when", ["conflict", "always"])
@pytest.mark.parametrize("begin", BEGIN.values(), ids=list(BEGIN))
@pytest.mark.parametrize("action", ACTIONS.values(), ids=list(ACTIONS))
@pytest.mark.parametrize(("end", "left"), [("COMMIT", AFTER), ("ROLLBACK", BEFORE)])
def test_all_or_nothing(
    proxy: Proxy, users: str, tmp_path: Path, when: str, begin: str, action: str, end: str, left: list[tuple[str, str]]
) -> None:
    proxy.use_rules(rules_from(rule("signup", f"{users}.users", f"{action}; when: {when}"), tmp_path))
    connection, onlooker = proxy.connect(database=users), proxy.connect_directly(database=users)
    run(connection, begin, EARLIER, CLASH)
    assert table(connection) == BETWEEN
    run(connection, LATER)
    assert table(connection) == AFTER
    assert table(onlooker) == BEFORE
    run(connection, end)
    assert table(connection) == table(onlooker) == left


@pytest.mark.parametrize("when", ["conflict", "always"])
def test_a_refused_conflict_leaves_the_transaction_open(proxy: Proxy, users: str, tmp_path: Path, when: str) -> None:
    """The guard's error rolls its own statement back, and nothing else."""
    text = rule("signup", f"{users}.users", f"action: idempotent; when: {when}")
    proxy.use_rules(rules_from(text, tmp_path))
    connection, onlooker = proxy.connect(database=users), proxy.connect_directly(database=users)
    run(connection, "BEGIN", EARLIER)
    with pytest.raises(pymysql.err.IntegrityError, match="1062"):
        run(connection, CLASH)
    run(connection, LATER)
    assert vars(connection)["server_status"] & IN_TRANSACTION
    assert table(onlooker) == BEFORE
    run(connection, "COMMIT")
    assert table(onlooker) == [*BEFORE, ("earlier@example.com", "Earlier"), ("later@example.com", "Later")]
    assert proxy.counted("keyclash_conflicts_total", schema=users, outcome="refused", rule="signup")


@pytest.mark.parametrize("when", ["conflict", "always"])
def test_savepoints(proxy: Proxy, users: str, tmp_path: Path, when: str) -> None:
    text = rule("signup", f"{users}.users", f"{ACTIONS['update']}; when: {when}")
    proxy.use_rules(rules_from(text, tmp_path))
    connection = proxy.connect(database=users)
    run(connection, "BEGIN", EARLIER, "SAVEPOINT s", CLASH, LATER, "ROLLBACK TO s", "COMMIT")
    assert table(connection) == [*BEFORE, ("earlier@example.com", "Earlier")]


def test_a_lock_wait_timeout_reaches_the_client(proxy: Proxy, users: str, tmp_path: Path) -> None:
    """The second statement met a lock: its error may have ended the transaction, so it is what the client must read."""
    text = rule("signup", f"{users}.users", f"{ACTIONS['update']}; when: conflict")
    proxy.use_rules(rules_from(text, tmp_path))
    connection, holder = proxy.connect(database=users), proxy.connect_directly(database=users)
    run(connection, "SET SESSION innodb_lock_wait_timeout = 1", "BEGIN", EARLIER)
    run(holder, "BEGIN", "SELECT * FROM users WHERE id = 1 LOCK IN SHARE MODE")
    with pytest.raises(pymysql.err.OperationalError, match="1205"):
        run(connection, CLASH)
    run(connection, "COMMIT")
    run(holder, "COMMIT")
    assert proxy.counted("keyclash_conflicts_total", schema=users, outcome="failed", rule="signup")
