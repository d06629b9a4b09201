"""An AUTO_INCREMENT counter at its end: no rule takes the row with the last id for the one that was offered."""

from pathlib import Path

import pymysql
import pytest

from tests.e2e.running import Proxy, rules_from
from tests.e2e.users import rows, run

TABLE = """CREATE TABLE users (
    id TINYINT PRIMARY KEY AUTO_INCREMENT,
    email VARCHAR(80) NOT NULL UNIQUE,
    logins INT NOT NULL DEFAULT 1
)"""
LAST = (127, "last@x", 1)
FIRST = (1, "first@x", 1)
AT_END = {"mysql": 1062, "mariadb": 167}
RULES = {
    "ignore": "action: ignore",
    "ignore, id": "action: ignore, return_id: id",
    "update": "action: update, set: {logins: old.logins + new.logins}",
    "idempotent": "action: idempotent",
    "replace": "action: replace, allow_replace: true",
    "by columns": "action: ignore, columns: [email]",
    "by the id": "action: ignore, key: PRIMARY, columns: [id]",
    "by columns, the id": "action: update, columns: [id], set: {logins: old.logins + 1}",
}
ONE = "INSERT INTO users (email) VALUES ('new@x')"
SEVERAL = "INSERT INTO users (email, logins) VALUES ('new@x', 5), ('newer@x', 5)"


@pytest.fixture
def users(proxy: Proxy, database: str) -> str:
    there = f"INSERT INTO users VALUES {FIRST}, {LAST}"
    run(proxy.connect_directly(database=database), TABLE, there)
    return database


@pytest.mark.parametrize("when", ["conflict", "always"])
@pytest.mark.parametrize("rule", RULES)
def test_the_error_is_the_clients(proxy: Proxy, users: str, tmp_path: Path, rule: str, when: str) -> None:
    proxy.use_rules(rules_from(f"rules: [{{name: r, table: users, {RULES[rule]}, when: {when}}}]", tmp_path))
    with proxy.connect(database=users) as connection, connection.cursor() as cursor:
        for text in (ONE, SEVERAL, "INSERT INTO users SET email = 'new@x'", "INSERT INTO users (email) SELECT 'new@x'"):
            with pytest.raises(pymysql.MySQLError) as caught:
                cursor.execute(text)
            assert caught.value.args[0] == AT_END[proxy.server.name], text
        assert rows(connection) == [FIRST, LAST]


@pytest.mark.parametrize("when", ["conflict", "always"])
@pytest.mark.parametrize("rule", ["ignore", "update", "replace", "by columns"])
def test_a_duplicate_is_still_one(proxy: Proxy, users: str, tmp_path: Path, rule: str, when: str) -> None:
    proxy.use_rules(rules_from(f"rules: [{{name: r, table: users, {RULES[rule]}, when: {when}}}]", tmp_path))
    with proxy.connect(database=users) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO users (id, email) VALUES (1, 'first@x')")
        assert rows(connection, "SELECT COUNT(*) FROM users") == [(2,)]
        assert rows(connection, "SELECT logins FROM users WHERE id = 1") == [(2 if rule == "update" else 1,)]
