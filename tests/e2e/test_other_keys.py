"""A conflict on a key that the rule does not name: the server's own error, and the table as it was."""

from pathlib import Path

import pytest

from tests.e2e.raw import QUERY, command
from tests.e2e.running import Proxy, rules_from
from tests.e2e.users import USERS, rows, rule, run

ERR_1062 = b"\xff\x26\x04"
ACTIONS = {
    "ignore": "action: ignore",
    "ignore, id": "action: ignore; return_id: id; affected_rows: insert",
    "update": "action: update; set: {logins: old.logins + new.logins}",
    "idempotent": "action: idempotent",
}
REPLACE = "action: replace; allow_replace: true"
PRESENT = [(1, "alice@example.com", "Alice", 1), (2, "bob@example.com", "Bob", 1)]

# Offered rows: e-mail address and name. The rule's key is that of the e-mail address; the name has a key, too.
OTHER_KEY = "('erin@example.com', 'Alice')"
OWN_KEY = "('alice@example.com', 'Alice')"
PRIMARY_KEY = "INSERT INTO users (id, email, name) VALUES (2, 'carol@example.com', 'Carol')"
NEW = "('carol@example.com', 'Carol')"

OFFERS = {
    "other key": f"INSERT INTO users (email, name) VALUES {OTHER_KEY}",
    "primary key": PRIMARY_KEY,
    "new, other key": f"INSERT INTO users (email, name) VALUES {NEW}, {OTHER_KEY}",
    "other key, own key": f"INSERT INTO users (email, name) VALUES {OTHER_KEY}, {OWN_KEY}",
}
LATER_ROW = {
    "own key, other key": f"INSERT INTO users (email, name) VALUES {OWN_KEY}, {OTHER_KEY}",
    "own key, new, other key": f"INSERT INTO users (email, name) VALUES {OWN_KEY}, {NEW}, ('dave@x', 'Bob')",
}


@pytest.fixture
def users(proxy: Proxy, database: str) -> str:
    insert = "INSERT INTO users (email, name) VALUES ('alice@example.com', 'Alice'), ('bob@example.com', 'Bob')"
    run(proxy.connect_directly(database=database), USERS, insert)
    return database


def check(proxy: Proxy, schema: str, insert: str) -> None:
    """Run an INSERT through the proxy and without it: the error is the same, and the table is as it was."""
    through, direct = proxy.raw(database=schema), proxy.raw_directly(database=schema)
    error = through.ask_bytes(command(QUERY, insert.encode()))
    assert error[4:7] == ERR_1062
    assert error == direct.ask_bytes(command(QUERY, insert.encode()))
    assert rows(proxy.connect_directly(database=schema)) == PRESENT


def outcomes(proxy: Proxy, schema: str) -> dict[tuple[str, ...], int]:
    return proxy.counted("keyclash_conflicts_total", schema=schema, table="users", statement="insert")


@pytest.mark.parametrize("when", ["conflict", "always"])
@pytest.mark.parametrize("action", [*ACTIONS.values(), REPLACE], ids=[*ACTIONS, "replace"])
@pytest.mark.parametrize("offer", OFFERS)
def test_the_first_conflict_is_on_another_key(
    proxy: Proxy, users: str, tmp_path: Path, offer: str, action: str, when: str
) -> None:
    proxy.use_rules(rules_from(rule("signup", f"{users}.users", f"{action}; when: {when}"), tmp_path))
    check(proxy, users, OFFERS[offer])
    assert outcomes(proxy, users) == {("PRIMARY" if "primary" in offer else "ux_name", "returned", ""): 1}


@pytest.mark.parametrize("when", ["conflict", "always"])
@pytest.mark.parametrize("action", ACTIONS.values(), ids=list(ACTIONS))
@pytest.mark.parametrize("offer", LATER_ROW)
def test_a_later_conflict_is_on_another_key(
    proxy: Proxy, users: str, tmp_path: Path, offer: str, action: str, when: str
) -> None:
    proxy.use_rules(rules_from(rule("signup", f"{users}.users", f"{action}; when: {when}"), tmp_path))
    check(proxy, users, LATER_ROW[offer])
    assert outcomes(proxy, users) == {("ux_email", "refused", "signup"): 1}


@pytest.mark.parametrize("when", ["conflict", "always"])
@pytest.mark.parametrize("offer", LATER_ROW)
def test_several_rows_are_not_replaced_by_key(proxy: Proxy, users: str, tmp_path: Path, offer: str, when: str) -> None:
    text = rule("signup", f"{users}.users", f"{REPLACE}; when: {when}")
    proxy.use_rules(rules_from(text, tmp_path))
    check(proxy, users, LATER_ROW[offer])
    assert outcomes(proxy, users) == {("ux_email", "returned", "signup"): 1}


@pytest.mark.parametrize("when", ["conflict", "always"])
def test_an_update_that_meets_another_key(proxy: Proxy, users: str, tmp_path: Path, when: str) -> None:
    action = f"action: update; set: {{name: new.name}}; when: {when}"
    proxy.use_rules(rules_from(rule("signup", f"{users}.users", action), tmp_path))
    client = proxy.raw(database=users)
    [(sequence, error)] = client.query("INSERT INTO users (email, name) VALUES ('alice@example.com', 'Bob')")
    assert (sequence, error[:3]) == (1, ERR_1062)
    assert b"'Bob' for key" in error
    assert rows(proxy.connect_directly(database=users)) == PRESENT


def test_keys_of_two_columns_and_two_keys(proxy: Proxy, database: str, tmp_path: Path) -> None:
    run(
        proxy.connect_directly(database=database),
        "CREATE TABLE t (a INT, b INT, c INT, d INT, v INT, UNIQUE ab (a, b), UNIQUE c (c), UNIQUE d (d))",
        "INSERT INTO t VALUES (1, 1, 1, 1, 0)",
    )
    text = """\
rules:
  - name: two
    table: t
    key: [ab, c]
    columns: [[a, b], [c]]
    action: update
    set: {v: old.v + 1}
    when: always
"""
    proxy.use_rules(rules_from(text, tmp_path))
    connection = proxy.connect(database=database)
    run(connection, "INSERT INTO t (a, b, c, d) VALUES (1, 1, 2, 2)")  # on ab
    run(connection, "INSERT INTO t (a, b, c, d) VALUES (1, 2, 1, 2)")  # on c
    run(connection, "INSERT INTO t (a, b, c, d) VALUES (1, NULL, NULL, 2)")  # on none
    assert rows(connection, "SELECT v FROM t ORDER BY v") == [(None,), (2,)]
    check_only_d = command(QUERY, b"INSERT INTO t (a, b, c, d) VALUES (1, NULL, NULL, 1)")
    assert proxy.raw(database=database).ask_bytes(check_only_d)[4:7] == ERR_1062
    assert rows(connection, "SELECT v FROM t ORDER BY v") == [(None,), (2,)]
