"""The known traps of turning an INSERT into something else, by their numbers: those that a session may fall into.

tests/rules/test_traps_on_servers.py has those of the statements themselves; the numbers are the same.
"""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import struct
import threading
from pathlib import Path

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.constants import CLIENT
from pymysql.cursors import Cursor

from proxy.config import Limits
from tests import raw
from tests.e2e.raw import EXECUTE, LONG_DATA, PREPARE, QUERY, RawClient, command
from tests.e2e.running import Proxy, in_front_of, proxied, rules_from
from tests.e2e.users import ALICE, USERS, rows, rule, run
from tests.matrix.play import execution
from tests.servers.accounts import AccountMaker

IGNORE = "action: ignore"
UPDATE = "action: update; set: {name: new.name, logins: old.logins + 1}"
WHENS = ("conflict", "always")
AGAIN = "INSERT INTO users (email, name) VALUES ('alice@example.com', 'Ally')"


@pytest.fixture
def users(proxy: Proxy, database: str) -> str:
    run(proxy.connect_directly(database=database), USERS, ALICE)
    return database


def use(proxy: Proxy, users: str, folder: Path, more: str, *, key: bool = True) -> None:
    proxy.use_rules(rules_from(rule("r", f"{users}.users", more, key=key), folder))


def error_of(connection: Connection[Cursor], text: str) -> int:
    """Run a statement; give its error's number, 0 if there is none."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(text)
        except pymysql.MySQLError as error:
            return int(error.args[0])
    return 0


def outcomes(proxy: Proxy, **labels: str) -> dict[str, int]:
    names = ("schema", "table", "key", "statement", "rule")
    counted = proxy.counted("keyclash_conflicts_total")
    found: dict[str, int] = {}
    for values, count in counted.items():
        told = dict(zip(("key", "outcome", "rule", "schema", "statement", "table"), values, strict=True))
        if all(told[name] == labels[name] for name in names if name in labels):
            found[told["outcome"]] = found.get(told["outcome"], 0) + count
    return found


def prepare(client: RawClient, text: str) -> bytes:
    """Prepare a statement; give its id."""
    payload = client.ask(command(PREPARE, text.encode()))[0][1]
    assert payload[0] == 0, payload
    return payload[1:5]


def run_prepared(client: RawClient, number: bytes, *values: str) -> bytes:
    return client.ask(command(EXECUTE, number + execution([*values])))[-1][1]


@pytest.mark.parametrize("when", WHENS)
def test_trap_01_a_procedures_insert_is_counted_and_left_alone(
    proxy: Proxy, users: str, tmp_path: Path, when: str
) -> None:
    use(proxy, users, tmp_path, f"{IGNORE}; when: {when}")
    connection = proxy.connect(database=users)
    run(connection, f"CREATE PROCEDURE p() {ALICE}", "SET @t = 1", f'PREPARE s FROM "{ALICE}"')
    assert [error_of(connection, text) for text in ("CALL p()", "EXECUTE s")] == [1062, 1062]
    assert outcomes(proxy) == {"returned": 2}


@pytest.mark.parametrize("when", WHENS)
def test_trap_05_each_statement_of_a_text_by_itself(proxy: Proxy, users: str, tmp_path: Path, when: str) -> None:
    use(proxy, users, tmp_path, f"{UPDATE}; when: {when}")
    connection = proxy.connect(database=users, client_flag=CLIENT.MULTI_STATEMENTS)
    with connection.cursor() as cursor:
        counts = [cursor.execute(f"SELECT 1; {AGAIN}; DO 1; {ALICE}; UPDATE users SET logins = logins + 10")]
        while cursor.nextset():
            counts.append(cursor.rowcount)
    assert counts == [1, 2, 0, 2, 1]
    assert rows(connection) == [(1, "alice@example.com", "Alice", 13)]


def test_trap_06_a_prepared_statement_keeps_its_rules(proxy: Proxy, users: str, tmp_path: Path) -> None:
    client = proxy.raw(database=users)
    text = "INSERT INTO users (email, name) VALUES (?, ?)"
    values = ("alice@example.com", "Ally")
    without = prepare(client, text)
    use(proxy, users, tmp_path, IGNORE)
    ignoring = prepare(client, text)
    use(proxy, users, tmp_path, UPDATE)
    updating = prepare(client, text)
    for number, wanted in ((without, b"\xff\x26"), (ignoring, b"\0\0"), (updating, b"\0\x02"), (ignoring, b"\0\0")):
        assert run_prepared(client, number, *values)[:2] == wanted
    assert rows(proxy.connect(database=users)) == [(1, "alice@example.com", "Ally", 2)]


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("tail", [";", "; ", ";;", "; -- x", " -- x", "# x", "/* x */;"])
def test_trap_09_a_semicolon_makes_no_second_statement(
    proxy: Proxy, users: str, tmp_path: Path, when: str, tail: str
) -> None:
    use(proxy, users, tmp_path, f"{UPDATE}; when: {when}")
    client, direct = (door(raw.USUAL, database=users) for door in (proxy.raw, proxy.raw_directly))
    new = "INSERT INTO users (email, name) VALUES ('b@x', 'Bob')"
    plain = direct.query(new.replace("b@x", "c@x").replace("Bob", "Cid") + tail)
    assert [payload[0] for _, payload in client.query(new + tail)] == [payload[0] for _, payload in plain]
    assert client.query(AGAIN + tail)[0][1][:2] == b"\0\x02"
    assert len(rows(proxy.connect(database=users))) == 3


@pytest.mark.parametrize("when", WHENS)
def test_trap_10_the_rules_own_statement_meets_a_duplicate(proxy: Proxy, users: str, tmp_path: Path, when: str) -> None:
    run(proxy.connect_directly(database=users), "INSERT INTO users (email, name) VALUES ('bob@x', 'Bob')")
    before = rows(proxy.connect_directly(database=users))
    use(proxy, users, tmp_path, f"action: update; set: {{name: new.name}}; when: {when}")
    connection = proxy.connect(database=users)
    assert error_of(connection, AGAIN.replace("Ally", "Bob")) == 1062
    assert rows(connection) == before


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("key", [True, False], ids=["key", "any key"])
def test_trap_14_a_duplicate_in_a_trigger_is_not_the_rules(
    proxy: Proxy, users: str, tmp_path: Path, when: str, key: bool
) -> None:
    direct = proxy.connect_directly(database=users)
    run(
        direct,
        "CREATE TABLE log (what INT UNIQUE)",
        "INSERT INTO log VALUES (1)",
        "CREATE TRIGGER b BEFORE INSERT ON users FOR EACH ROW INSERT INTO log VALUES (1)",
    )
    use(proxy, users, tmp_path, f"{UPDATE}; when: {when}", key=key)
    connection = proxy.connect(database=users)
    for text in (AGAIN, "INSERT INTO users (email, name) VALUES ('b@x', 'Bob')"):
        assert error_of(connection, text) == 1062
    assert rows(connection) == [(1, "alice@example.com", "Alice", 1)]
    assert set(outcomes(proxy)) <= {"returned", "failed"}


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize(
    ("action", "missing"), [(IGNORE, "UPDATE"), ("action: replace; allow_replace: true", "DELETE")]
)
def test_trap_15_a_missing_privilege_gives_the_error_that_was_there_without_the_rule(
    proxy: Proxy, users: str, tmp_path: Path, make_account: AccountMaker, when: str, action: str, missing: str
) -> None:
    account = make_account(grants=f"INSERT, SELECT ON {users}.*")
    use(proxy, users, tmp_path, f"{action}; when: {when}")
    connection = proxy.connect(user=account.user, password=account.password, database=users)
    assert error_of(connection, AGAIN) == 1062
    assert error_of(connection, "INSERT INTO users (email, name) VALUES ('b@x', 'Bob')") == 0
    assert outcomes(proxy) == {"failed": 1}
    assert missing in {"UPDATE", "DELETE"}
    assert sum(proxy.counted("keyclash_mysql_errors_total", code="1142").values()) >= 1


@pytest.mark.parametrize("when", WHENS)
def test_trap_16_a_deadlock_in_a_transaction_is_the_clients(
    proxy: Proxy, users: str, tmp_path: Path, when: str
) -> None:
    use(proxy, users, tmp_path, f"{UPDATE}; when: {when}")
    one, two = (proxy.connect(database=users, autocommit=False) for _ in range(2))
    text = "INSERT INTO users (email, name) VALUES ('{0}@x', '{0}')"
    run(one, text.format("p"))
    run(two, text.format("q"))
    errors: list[int] = []
    waiting = threading.Thread(target=lambda: errors.append(error_of(one, text.format("q"))))
    waiting.start()
    errors.append(error_of(two, text.format("p")))
    waiting.join(60)
    assert errors.count(1213) == 1, errors
    assert sum(proxy.counted("keyclash_rule_deadlocks_total", rule="r").values()) == 1
    results = {values[1] for values in proxy.counted("keyclash_rewrites_total", rule="r")}
    assert "retried" not in results


@pytest.mark.parametrize("when", WHENS)
def test_trap_19_long_data_goes_to_both_statements(proxy: Proxy, users: str, tmp_path: Path, when: str) -> None:
    use(proxy, users, tmp_path, f"{UPDATE}; when: {when}")
    client = proxy.raw(database=users)
    number = prepare(client, "INSERT INTO users (email, name) VALUES (?, ?)")
    long = [command(LONG_DATA, number + struct.pack("<H", 1) + part) for part in (b"Al", b"ly")]
    sent = number + b"\0\1\0\0\0" + b"\0\1\xfe\0\xfe\0" + b"\x11alice@example.com"
    assert client.ask(*long, command(EXECUTE, sent))[0][1][:2] == b"\0\x02"
    assert rows(proxy.connect(database=users)) == [(1, "alice@example.com", "Ally", 2)]


@pytest.mark.parametrize("when", WHENS)
def test_trap_19_more_of_it_than_is_kept_gives_the_error(proxy: Proxy, users: str, tmp_path: Path, when: str) -> None:
    with proxied(in_front_of(proxy.server, limits=Limits(statement=1024)), proxy.server) as small:
        use(small, users, tmp_path, f"{UPDATE}; when: {when}")
        client = small.raw(database=users)
        number = prepare(client, "INSERT INTO users (email, name) VALUES (?, LEFT(?, 9))")
        long = command(LONG_DATA, number + struct.pack("<H", 1) + b"x" * 2048)
        sent = number + b"\0\1\0\0\0" + b"\0\1\xfe\0\xfe\0" + b"\x11alice@example.com"
        assert client.ask(long, command(EXECUTE, sent))[0][1][:3] == b"\xff\x26\x04"
        assert small.counted("keyclash_rewrite_skipped_total", rule="r") == {("long_data",): 1}


@pytest.mark.parametrize("when", WHENS)
def test_trap_20_commands_behind_a_conflict_wait_their_turn(
    proxy: Proxy, users: str, tmp_path: Path, when: str
) -> None:
    use(proxy, users, tmp_path, f"{UPDATE}; when: {when}")
    client = proxy.raw(database=users)
    texts = (AGAIN, "SELECT name FROM users", ALICE, "SELECT name FROM users", "DO 1")
    payloads = [payload for _, payload in client.ask(*(command(QUERY, text.encode()) for text in texts))]
    assert [payload for payload in payloads if payload.endswith((b"Alice", b"Ally"))] == [b"\4Ally", b"\5Alice"]
    assert [payload[:2] for payload in payloads if payload[0] == 0] == [b"\0\2", b"\0\2", b"\0\0"]


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize(
    ("more", "wanted"), [("affected_rows: native", [2, 0]), ("affected_rows: insert", [1, 1])], ids=["native", "insert"]
)
def test_trap_21_affected_rows(
    proxy: Proxy, users: str, tmp_path: Path, when: str, more: str, wanted: list[int]
) -> None:
    use(proxy, users, tmp_path, f"action: update; set: {{name: new.name}}; when: {when}; {more}")
    with proxy.connect(database=users) as connection, connection.cursor() as cursor:
        assert [cursor.execute(AGAIN) for _ in range(2)] == wanted
        assert cursor.execute("INSERT INTO users (email, name) VALUES ('b@x', 'Bob')") == 1


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("language", ["en_US", "de_DE", "ja_JP"])
def test_trap_22_the_digits_of_the_info_string_are_not_localised(
    proxy: Proxy, users: str, tmp_path: Path, when: str, language: str
) -> None:
    use(proxy, users, tmp_path, f"{UPDATE}; when: {when}; affected_rows: insert")
    with proxy.connect(database=users) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET lc_messages = '{language}'")
        values = "('b@x', 'Bob'), ('alice@example.com', 'Ally'), ('c@x', 'Cid')"
        assert cursor.execute(f"INSERT INTO users (email, name) VALUES {values}") == 3
    assert outcomes(proxy) == {"updated": 1}


@pytest.mark.parametrize("when", WHENS)
def test_trap_23_found_rows_leave_the_outcome_unknown(proxy: Proxy, users: str, tmp_path: Path, when: str) -> None:
    use(proxy, users, tmp_path, f"{IGNORE}; when: {when}")
    with proxy.connect(database=users, client_flag=CLIENT.FOUND_ROWS) as connection, connection.cursor() as cursor:
        assert cursor.execute(AGAIN) == 1
    assert outcomes(proxy) == ({"unknown": 1} if when == "conflict" else {})  # it may have been inserted, too


def test_trap_24_the_number_decides_and_not_the_state(proxy: Proxy, users: str, tmp_path: Path) -> None:
    use(proxy, users, tmp_path, UPDATE, key=False)
    connection = proxy.connect(database=users)
    run(connection, "ALTER TABLE users ADD owner INT, ADD FOREIGN KEY (owner) REFERENCES users (id)")
    for text, number in (
        ("INSERT INTO users (email, name) VALUES ('b@x', NULL)", 1048),
        ("INSERT INTO users (email, name, owner) VALUES ('b@x', 'Bob', 99)", 1452),
    ):
        with pytest.raises(pymysql.MySQLError) as caught:
            run(connection, text)
        assert caught.value.args[0] == number  # SQLSTATE 23000, as 1062 has it
    assert outcomes(proxy) == {}


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("language", ["en_US", "ja_JP", "hu_HU"])
def test_trap_25_keys_with_quotes_and_messages_in_any_language(
    proxy: Proxy, database: str, tmp_path: Path, when: str, language: str
) -> None:
    direct = proxy.connect_directly(database=database)
    run(direct, "CREATE TABLE `t.x'y` (a VARCHAR(90), v INT, UNIQUE `k.'q\"z` (a))")
    key = """table: "`t.x'y`", key: "k.'q\\"z", columns: [a]"""
    proxy.use_rules(rules_from(f"rules: [{{name: r, {key}, action: ignore, when: {when}}}]", tmp_path))
    connection = proxy.connect(database=database)
    run(connection, f"SET lc_messages = '{language}'")
    for value in ("O''Brien'' for key ''x", "a\nb", "x" * 90, ""):
        for _ in range(2):
            assert error_of(connection, f"INSERT INTO `t.x'y` (a) VALUES ('{value}')") == 0, value
    assert outcomes(proxy, table="t.x'y", key="k.'q\"z", schema=database) == {"kept": 4}


@pytest.mark.parametrize("when", WHENS)
def test_trap_25_load_data_local_skips_and_is_counted(proxy: Proxy, users: str, tmp_path: Path, when: str) -> None:
    file = tmp_path / "users.csv"
    file.write_text("alice@example.com\tAlf\nb@x\tBob\nb@x\tBea\n", encoding="utf-8")
    use(proxy, users, tmp_path, f"{IGNORE}; when: {when}", key=False)
    with proxy.connect_directly() as connection:
        run(connection, "SET GLOBAL local_infile = 1")
    with proxy.connect(database=users, local_infile=True) as connection, connection.cursor() as cursor:
        assert cursor.execute(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE users (email, name)") == 1
    assert outcomes(proxy, statement="load", table="users", schema=users) == {"kept": 2}


def test_trap_25_load_data_local_replaces_where_a_rule_says_so(proxy: Proxy, users: str, tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("alice@example.com\tAlf\nb@x\tBob\n", encoding="utf-8")
    use(proxy, users, tmp_path, "action: replace; allow_replace: true; when: always", key=False)
    with proxy.connect_directly() as connection:
        run(connection, "SET GLOBAL local_infile = 1")
    with proxy.connect(database=users, local_infile=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE users (email, name)")
        cursor.execute("SELECT name FROM users WHERE email = 'alice@example.com'")
        assert cursor.fetchall() == (("Alf",),)
    assert outcomes(proxy, statement="load", table="users", schema=users) == {"replaced": 1}


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize(
    ("collation", "value", "conflicts"),
    [
        ("utf8mb4_general_ci", "ALICE", True),
        ("utf8mb4_general_ci", "\u00e4lice", True),
        ("utf8mb4_general_ci", "alice ", True),
        ("utf8mb4_bin", "ALICE", False),
        ("utf8mb4_bin", "alice ", True),
    ],
)
def test_trap_26_the_collation_decides(
    proxy: Proxy, database: str, tmp_path: Path, when: str, collation: str, value: str, conflicts: bool
) -> None:
    direct = proxy.connect_directly(database=database, charset="utf8mb4")
    run(direct, f"CREATE TABLE users (a VARCHAR(20) COLLATE {collation} UNIQUE)", "INSERT INTO users VALUES ('alice')")
    proxy.use_rules(
        rules_from(f"rules: [{{name: r, table: users, columns: [a], action: ignore, when: {when}}}]", tmp_path)
    )
    connection = proxy.connect(database=database, charset="utf8mb4")
    assert error_of(connection, f"INSERT INTO users (a) VALUES ('{value}')") == 0
    assert len(rows(connection, "SELECT a FROM users")) == (1 if conflicts else 2)
    assert outcomes(proxy) == ({"kept": 1} if conflicts else {})


def test_trap_27_values_are_told_to_nobody(
    proxy: Proxy, users: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    use(proxy, users, tmp_path, IGNORE)
    connection = proxy.connect(database=users)
    for text in (AGAIN, AGAIN.replace("users", "nothing")):
        error_of(connection, text)
    assert outcomes(proxy) == {"kept": 1}
    told = [proxy.fetch(path)[1] for path in ("/metrics", "/api/conflicts", "/api/keys", "/api/sessions")]
    logged = capfd.readouterr()
    for text in (*told, logged.out, logged.err):
        assert "alice" not in text
        assert "Ally" not in text
    assert "72f8f9abf13f" not in told[0], "a hash of an address is no label either"
