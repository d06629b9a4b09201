"""A multi-statement text through the proxy gives what its statements give one by one, and reads as one reply.

What a single statement gives under a rule is tested elsewhere; here it is the expected value.
"""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from proxy.wire import capabilities as cap
from tests import raw
from tests.e2e.raw import QUERY, SET_OPTION, RawClient, command, framed, split
from tests.e2e.running import Proxy, rules_from
from tests.e2e.users import USERS, rows, rule, run

ACTIONS = {
    "observe": "action: observe",
    "ignore": "action: ignore; return_id: id",
    "update": "action: update; set: {logins: old.logins + new.logins}; affected_rows: insert",
    "idempotent": "action: idempotent",
    "replace": "action: replace; allow_replace: true",
}
A = "INSERT INTO users (email, name) VALUES ('a@x', 'Ann')"
CHANGED = "INSERT INTO users (email, name) VALUES ('a@x', 'Alf')"
B = "INSERT INTO users SET email = 'b@x', name = 'Bob'"
NEW = "INSERT INTO users (email, name, logins) VALUES ('d@x', 'Dan', 4), ('e@x', 'Eve', 5)"
MIXED = "INSERT INTO users (email, name) VALUES ('f@x', 'Fay'), ('b@x', 'Bob'), ('g@x', 'Gus')"
OTHER_KEY = "INSERT INTO users (email, name) VALUES ('c@x', 'Ann')"
ALL = "SELECT CAST(id AS CHAR), email, name, CAST(logins AS CHAR) FROM users ORDER BY id"
MANY = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) SELECT i FROM n"
TEXTS = {
    "conflicts": [A, B],
    "among others": ["SET @a = 1", NEW, A, "UPDATE users SET logins = logins + 1 WHERE email = 'a@x'", B, ALL],
    "several rows": [MIXED, "SELECT LAST_INSERT_ID()", A, "SELECT LAST_INSERT_ID()"],
    "a transaction": ["BEGIN", CHANGED, NEW, B, "COMMIT", ALL],
    "rolled back": ["START TRANSACTION", A, B, "ROLLBACK", ALL],
    "another key": [A, ALL, OTHER_KEY, B],
    "another key first": [OTHER_KEY, A],
    "an error": [A, "INSERT INTO users (email) VALUES (1, 2)", B],
    "other tables": ["INSERT INTO plain VALUES (1)", A, "INSERT INTO plain VALUES (1)", B],
    "many rows": [MANY, A, MANY, B, MANY],
    "comments": ["/* one; */ SELECT 1", f"-- a;\n{A} # b;\n", f"{B} -- c"],
    "many": [A, B, CHANGED, ALL] * 30,
}


@pytest.fixture
def users(proxy: Proxy, database: str) -> str:
    run(proxy.connect_directly(database=database), USERS, "CREATE TABLE plain (a INT PRIMARY KEY)")
    return database


@pytest.fixture
def look(proxy: Proxy, users: str) -> Connection[Cursor]:
    return proxy.connect_directly(database=users)


def begin(look: Connection[Cursor]) -> None:
    """Put the tables into their first state."""
    there = "INSERT INTO users (id, email, name) VALUES (1, 'a@x', 'Ann'), (2, 'b@x', 'Bob')"
    run(look, "DELETE FROM users", "ALTER TABLE users AUTO_INCREMENT = 1", "DELETE FROM plain", there)


def one_by_one(client: RawClient, statements: list[str]) -> Iterator[bytes]:
    for statement in statements:
        payloads = [payload for _, payload in client.query(statement)]
        yield from payloads
        if payloads[-1][0] == 0xFF:
            break


def without_more(payload: bytes) -> bytes:
    """Clear MORE_RESULTS in an OK (of small numbers) or EOF; the rows here begin otherwise."""
    at = {0x00: 3, 0xFE: 3}.get(payload[0])
    if at is None or (payload[0] == 0xFE and len(payload) > 9):
        return payload
    return payload[:at] + bytes((payload[at] & ~cap.STATUS_MORE_RESULTS,)) + payload[at + 1 :]


def counted(proxy: Proxy) -> list[Counter[object]]:
    counters = proxy.counters
    return [Counter(found) for found in (counters.conflicts, counters.rewrites, counters.skipped)]


@pytest.mark.parametrize(("when", "deprecate_eof"), [("conflict", False), ("conflict", True), ("always", True)])
@pytest.mark.parametrize("action", ACTIONS)
def test_as_one_by_one(
    proxy: Proxy, users: str, look: Connection[Cursor], tmp_path: Path, action: str, when: str, deprecate_eof: bool
) -> None:
    more = f"{ACTIONS[action]}; when: {when}"
    proxy.use_rules(rules_from(rule("signup", f"{users}.users", more, key=action != "replace"), tmp_path))
    client = proxy.raw(raw.USUAL | (cap.DEPRECATE_EOF if deprecate_eof else 0), database=users)
    for name, statements in TEXTS.items():
        begin(look)
        before = counted(proxy)
        wanted = [without_more(payload) for payload in one_by_one(client, statements)]
        state, between = rows(look), counted(proxy)
        client.query("ROLLBACK")
        begin(look)
        found = client.query(";".join(statements))
        assert [without_more(payload) for _, payload in found] == wanted, name
        assert [number for number, _ in found] == [number & 0xFF for number in range(1, len(found) + 1)], name
        assert rows(look) == state, name
        grown = [now - then for now, then in zip(counted(proxy), between, strict=True)]
        assert grown == [now - then for now, then in zip(between, before, strict=True)], name
        client.query("ROLLBACK")


def test_returning(proxy: Proxy, users: str, look: Connection[Cursor], tmp_path: Path) -> None:
    if not proxy.server.mariadb:
        client = proxy.raw(raw.USUAL, database=users)
        assert client.query(f"DO 1; {A} RETURNING id")[-1][1][1:3] == (1064).to_bytes(2, "little")
        return
    proxy.use_rules(rules_from(rule("signup", f"{users}.users", "action: ignore"), tmp_path))
    client = proxy.raw(raw.USUAL, database=users)
    statements = ["DO 1", f"{A} RETURNING CAST(id AS CHAR)", f"{OTHER_KEY} RETURNING email"]
    begin(look)
    wanted = [without_more(payload) for payload in one_by_one(client, statements)]
    begin(look)
    found = client.query(";".join(statements))
    assert [without_more(payload) for _, payload in found] == wanted
    assert [number for number, _ in found] == list(range(1, len(found) + 1))


def test_commands_sent_behind_it_wait_their_turn(
    proxy: Proxy, users: str, look: Connection[Cursor], tmp_path: Path
) -> None:
    proxy.use_rules(rules_from(rule("signup", f"{users}.users", "action: ignore; when: always"), tmp_path))
    client = proxy.raw(raw.USUAL, database=users)
    begin(look)
    asked = [command(QUERY, text.encode()) for text in (f"{A};{B}", "SELECT COUNT(*) FROM users", f"{B};DO 1")]
    numbers = [number for number, _ in client.ask(*asked)]
    assert numbers == [1, 2, *range(1, 6), 1, 2]


def test_only_where_the_server_takes_them(proxy: Proxy, users: str, look: Connection[Cursor], tmp_path: Path) -> None:
    proxy.use_rules(rules_from(rule("signup", f"{users}.users", "action: ignore; when: always"), tmp_path))
    client = proxy.raw(raw.USUAL & ~cap.MULTI_STATEMENTS, database=users)
    direct = proxy.raw_directly(raw.USUAL & ~cap.MULTI_STATEMENTS, database=users)
    begin(look)
    assert client.query(f"DO 1;{A}") == direct.query(f"DO 1;{A}")
    for option, wanted in ((b"\0\0", 2), (b"\1\0", 1), (b"\0\0", 2)):
        client.ask(command(SET_OPTION, option))
        found = client.query(f"{A};DO 1")
        assert len(found) == wanted
        assert (found[-1][1][0] == 0) is (wanted == 2)
    client.ask(command(0x1F))  # COM_RESET_CONNECTION leaves the option alone
    client.query(f"USE {users}")
    assert len(client.query(f"{A};DO 1")) == 2


def test_a_text_whose_statements_cannot_be_told_apart(
    proxy: Proxy, users: str, look: Connection[Cursor], tmp_path: Path
) -> None:
    proxy.use_rules(rules_from(rule("signup", f"{users}.users", "action: ignore; when: always"), tmp_path))
    client, direct = proxy.raw(raw.USUAL, database=users), proxy.raw_directly(raw.USUAL, database=users)
    for text in (f"SET NAMES latin1; {A}", f"{NEW}; SET sql_mode = 'ANSI_QUOTES'; {A}", f"USE {users}; {A}"):
        begin(look)
        wanted = direct.query(text)
        begin(look)
        assert client.query(text) == wanted, text
        client.query("SET sql_mode = ''")
        direct.query("SET sql_mode = ''")
    assert proxy.counted("keyclash_rewrite_skipped_total", rule="signup") == {("multi_statement",): 3}


def test_a_large_text(proxy: Proxy, users: str, look: Connection[Cursor], tmp_path: Path) -> None:
    proxy.use_rules(rules_from(rule("signup", f"{users}.users", "action: ignore"), tmp_path))
    client = proxy.raw(raw.USUAL, database=users)
    begin(look)
    number = (128 << 10) // (len(A) + 1)
    found = split(client.ask_bytes(framed(bytes((QUERY,)) + ";".join([A] * number).encode())))
    assert [payload[0] for _, payload in found] == [0] * number


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "compressed"])
def test_by_the_servers_own_client(
    proxy: Proxy, users: str, look: Connection[Cursor], tmp_path: Path, compress: bool
) -> None:
    proxy.use_rules(rules_from(rule("signup", f"{users}.users", ACTIONS["update"]), tmp_path))
    begin(look)
    text = f"delimiter //\nSELECT 1;{A};SELECT 2;{B};SELECT 3//"
    done = proxy.run_cli(text, *["--compress"] * compress, tls=False, database=users)
    assert (done.returncode, done.stdout) == (0, "1\n2\n3\n"), done.stderr
    assert [row[3] for row in rows(look)] == [2, 2]
