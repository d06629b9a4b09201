"""What a session has set decides how its statements read, and which rules are for them."""

from pathlib import Path

import pytest

from tests.e2e.raw import QUERY, RawClient, command
from tests.e2e.running import Proxy, rules_from
from tests.e2e.users import USERS, rows, rule, run
from tests.servers.accounts import AccountMaker

KEPT = b"\0\0\0"
ERR_1062 = b"\xff\x26\x04"


@pytest.fixture
def users(proxy: Proxy, database: str, tmp_path: Path) -> str:
    """A table `users` and a rule that keeps the row that is there."""
    run(proxy.connect_directly(database=database), USERS)
    proxy.use_rules(rules_from(rule("signup", f"{database}.users", "action: ignore"), tmp_path))
    return database


def say(client: RawClient, text: bytes) -> bytes:
    """Run a statement; return the start of the answer."""
    return client.ask(command(QUERY, text))[-1][1][:3]


def names(proxy: Proxy, schema: str) -> list[bytes]:
    return [bytes.fromhex(name) for (name,) in rows(proxy.connect(database=schema), "SELECT HEX(name) FROM users")]


def test_no_backslash_escapes(proxy: Proxy, users: str) -> None:
    client = proxy.raw(database=users)
    say(client, b"SET sql_mode = 'NO_BACKSLASH_ESCAPES'")
    insert = rb"INSERT INTO users (email, name) VALUES ('a@x', 'back\')"
    assert [say(client, insert)[0], say(client, insert)] == [0, KEPT]
    say(client, b"SET sql_mode = ''")
    insert = rb"INSERT INTO users (email, name) VALUES ('b@x', 'quo\'te')"
    assert [say(client, insert)[0], say(client, insert)] == [0, KEPT]
    assert names(proxy, users) == [b"back\\", b"quo'te"]


def test_ansi_quotes(proxy: Proxy, users: str) -> None:
    """MariaDB tells of the mode with every OK; with MySQL it is not known before the client has set it."""
    client = proxy.raw(database=users)
    text = b"""INSERT INTO users (email, name) VALUES ("a@x", 'x')"""
    assert [say(client, text)[0], say(client, text)] == [0, KEPT if proxy.server.mariadb else ERR_1062]
    skipped = proxy.counted("keyclash_rewrite_skipped_total", rule="signup")
    assert skipped == ({} if proxy.server.mariadb else {("ansi_quotes",): 1})
    say(client, b"SET sql_mode = 'ANSI_QUOTES'")
    assert say(client, b"""INSERT INTO "users" ("email", "name") VALUES ('a@x', 'x"')""") == KEPT
    assert say(client, text)[:1] == b"\xff"  # "a@x" is a column now, and none that is known
    assert names(proxy, users) == [b"x"]


@pytest.mark.parametrize("charset", ["gbk", "sjis", "big5"])
def test_charsets_whose_characters_end_in_a_backslash(proxy: Proxy, users: str, charset: str) -> None:
    """What could be half a character or an escape is left alone, and the server's own error is the answer."""
    client = proxy.raw(database=users)
    say(client, b"SET NAMES " + charset.encode())
    character = {"gbk": b"\xbf\x5c", "sjis": b"\x83\x5c", "big5": b"\xa4\x5c"}[charset]
    insert = b"INSERT INTO users (email, name) VALUES ('a@x', '" + character + b"')"
    assert [say(client, insert)[0], say(client, insert)] == [0, ERR_1062]
    assert names(proxy, users) == [character.decode(charset).encode()]
    assert proxy.counted("keyclash_rewrite_skipped_total", rule="signup") == {("charset",): 1}
    assert say(client, b"INSERT INTO users (email, name) VALUES ('a@x', 'plain')") == KEPT


def test_the_default_schema(proxy: Proxy, users: str) -> None:
    insert = b"INSERT INTO users (email, name) VALUES ('a@x', 'x')"
    qualified = insert.replace(b"users", f"`{users}` . users".encode())
    client = proxy.raw(database="mysql")
    assert [say(client, qualified)[0], say(client, qualified)] == [0, KEPT]
    say(client, f"USE {users}".encode())
    assert say(client, insert) == KEPT


def test_another_schema_has_no_rule(proxy: Proxy, users: str) -> None:
    connection = proxy.connect(database=users)
    run(connection, f"CREATE DATABASE {users}_other")
    try:
        client = proxy.raw(database=f"{users}_other")
        say(client, USERS.encode())
        insert = b"INSERT INTO users (email, name) VALUES ('a@x', 'x')"
        assert [say(client, insert)[0], say(client, insert)] == [0, ERR_1062]
        other = f"{users}_other"
        assert proxy.counted("keyclash_conflicts_total", schema=other, table="users", key="ux_email") == {
            ("returned", "", "insert"): 1
        }
    finally:
        run(connection, f"DROP DATABASE {users}_other")


def test_a_rule_for_some_users(proxy: Proxy, users: str, make_account: AccountMaker, tmp_path: Path) -> None:
    named, other = make_account(), make_account()
    text = rule("signup", f"{users}.users", f"action: ignore; match: {{users: [{named.user}]}}")
    proxy.use_rules(rules_from(text, tmp_path))
    insert = b"INSERT INTO users (email, name) VALUES ('a@x', 'x')"
    assert say(proxy.raw(database=users), insert)[0] == 0
    assert say(proxy.raw(database=users, user=named.user, password=named.password), insert) == KEPT
    assert say(proxy.raw(database=users, user=other.user, password=other.password), insert) == ERR_1062


def test_rules_that_are_exchanged_hold_for_open_sessions(proxy: Proxy, users: str, tmp_path: Path) -> None:
    client = proxy.raw(database=users)
    insert = b"INSERT INTO users (email, name) VALUES ('a@x', 'x')"
    assert [say(client, insert)[0], say(client, insert)] == [0, KEPT]
    proxy.use_rules(rules_from(rule("signup", f"{users}.users", "action: observe"), tmp_path))
    assert say(client, insert) == ERR_1062


def test_a_conflict_inside_a_trigger_is_not_the_rules(proxy: Proxy, users: str) -> None:
    """The trigger's table has a key of the same name: its conflict is an error, and no row is left."""
    run(
        proxy.connect_directly(database=users),
        "CREATE TABLE audit (email VARCHAR(80), UNIQUE KEY ux_email (email))",
        "INSERT INTO audit VALUES ('a@x')",
        "CREATE TRIGGER t AFTER INSERT ON users FOR EACH ROW INSERT INTO audit VALUES (NEW.email)",
    )
    client = proxy.raw(database=users)
    assert say(client, b"INSERT INTO users (email, name) VALUES ('a@x', 'x')") == ERR_1062
    assert names(proxy, users) == []


def test_too_few_privileges_give_the_servers_own_duplicate(
    proxy: Proxy, users: str, make_account: AccountMaker
) -> None:
    """ON DUPLICATE KEY UPDATE needs more privileges than INSERT: without them the client's error is its own."""
    account = make_account(grants=f"INSERT ON {users}.*")
    client = proxy.raw(database=users, user=account.user, password=account.password)
    insert = b"INSERT INTO users (email, name) VALUES ('a@x', 'x')"
    assert [say(client, insert)[0], say(client, insert)] == [0, ERR_1062]
    outcomes = proxy.counted("keyclash_conflicts_total", schema=users, rule="signup", table="users", key="ux_email")
    assert outcomes == {("failed", "insert"): 1}
