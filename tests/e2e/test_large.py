"""Large statements, large results, and many commands at once go through as they are."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.raw import EXECUTE, LONG_DATA, PREPARE, QUERY, command
from tests.e2e.running import Proxy, rules_from
from tests.e2e.users import ALICE, USERS, rows, rule, run
from tests.raw import DEPRECATE_EOF, USUAL
from tests.servers.launch import Server

MIB = 1 << 20
DIGITS = "(SELECT 0 d" + "".join(f" UNION ALL SELECT {digit}" for digit in range(1, 10)) + ")"
MANY_ROWS = (
    "SELECT a.d, b.d, c.d, d.d, e.d, 'row' z FROM "
    + ", ".join(f"{DIGITS} {name}" for name in "abcde")
    + " ORDER BY 1, 2, 3, 4, 5"
)


@pytest.fixture
def generous(server: Server) -> Iterator[None]:
    """A server that takes packets of 64 MiB in sessions that begin now."""
    with server.connect() as connection:
        [(before,)] = rows(connection, "SELECT @@max_allowed_packet")
        run(connection, f"SET GLOBAL max_allowed_packet = {64 * MIB}")
        yield
        run(connection, f"SET GLOBAL max_allowed_packet = {before}")


def noise(size: int) -> bytes:
    """Bytes that all differ from place to place, quotes and backslashes among them."""
    block = b"".join(hashlib.sha512(number.to_bytes(4)).digest() for number in range(4096))
    return (block * (size // len(block) + 1))[:size]


def escaped(data: bytes) -> bytes:
    return data.replace(b"\\", b"\\\\").replace(b"'", b"\\'").replace(b"\0", b"\\0")


@pytest.mark.parametrize("ruled", [False, True], ids=["", "ruled"])
def test_insert_of_20_mib(generous: None, proxy: Proxy, database: str, tmp_path: Path, ruled: bool) -> None:
    run(
        proxy.connect_directly(database=database),
        "CREATE TABLE users (email INT PRIMARY KEY, v LONGBLOB) ENGINE=MyISAM",
    )
    if ruled:
        text = rule("large", f"{database}.users", "action: ignore").replace("ux_email", "PRIMARY")
        proxy.use_rules(rules_from(text, tmp_path))
    data = noise(20 * MIB)
    client = proxy.raw(database=database)
    insert = b"INSERT INTO users (email, v) VALUES (1, _binary '" + escaped(data) + b"')"
    [(_, answer)] = client.ask(command(QUERY, insert))
    assert answer[:2] == b"\0\1"
    found = rows(proxy.connect(database=database), "SELECT LENGTH(v), SHA2(v, 256) FROM users")
    assert found == [(20 * MIB, hashlib.sha256(data).hexdigest())]
    [(sequence, error)] = client.ask(command(QUERY, insert))
    assert (sequence, error[:3]) == (2, b"\xff\x26\x04")  # the statement took two packets
    skipped = proxy.counted("keyclash_rewrite_skipped_total")
    assert skipped == ({("too_large", "large"): 1} if ruled else {})


def test_statement_of_a_rule_just_below_its_limit(generous: None, proxy: Proxy, database: str, tmp_path: Path) -> None:
    """The statement is one packet, and the rule's is two."""
    run(
        proxy.connect_directly(database=database),
        "CREATE TABLE users (email INT PRIMARY KEY, v LONGBLOB) ENGINE=MyISAM",
    )
    text = rule("large", f"{database}.users", "action: ignore; affected_rows: insert").replace("ux_email", "PRIMARY")
    proxy.use_rules(rules_from(text, tmp_path))
    start, ends = b"INSERT INTO users (email, v) VALUES (1, '", [b"')"]
    if proxy.server.mariadb:
        ends.append(b"') RETURNING email")
    client = proxy.raw(database=database)
    for end in ends:
        insert = start + b"x" * (16 * MIB - 3 - len(start) - len(end)) + end
        for _ in range(2):
            found = client.ask(command(QUERY, insert))
            assert [sequence for sequence, _ in found] == list(range(1, len(found) + 1))
            assert found[0][1][:2] == b"\0\1" if len(found) == 1 else found[-2][1] == b"\x011"
    assert rows(proxy.connect(database=database), "SELECT COUNT(*), SUM(LENGTH(v)) > 16000000 FROM users") == [(1, 1)]


def test_result_of_30_mib(generous: None, proxy: Proxy) -> None:
    query = command(QUERY, f"SELECT REPEAT('0123456789abcdef', {30 * MIB // 16})".encode())
    through, direct = proxy.raw().ask_bytes(query), proxy.raw_directly().ask_bytes(query)
    assert len(through) > 30 * MIB
    assert through == direct


@pytest.mark.parametrize("terms", [USUAL, USUAL | DEPRECATE_EOF], ids=["", "deprecate_eof"])
def test_result_of_100_000_rows(proxy: Proxy, terms: int) -> None:
    query = command(QUERY, MANY_ROWS.encode())
    through, direct = proxy.raw(terms).ask_bytes(query), proxy.raw_directly(terms).ask_bytes(query)
    assert through.count(b"\x03row") == 100_000
    assert through == direct


def test_long_data_of_20_mib(generous: None, proxy: Proxy, database: str) -> None:
    run(proxy.connect_directly(database=database), "CREATE TABLE t (v LONGBLOB) ENGINE=MyISAM")
    client = proxy.raw(database=database)
    answer = client.ask(command(PREPARE, b"INSERT INTO t VALUES (?)"))[0][1]
    statement = answer[1:5]
    data = noise(20 * MIB)
    parts = [data[at : at + 3 * MIB] for at in range(0, len(data), 3 * MIB)]
    sent = [command(LONG_DATA, statement + b"\0\0" + part) for part in parts]
    [(_, answer)] = client.ask(*sent, command(EXECUTE, statement + b"\0\1\0\0\0\0\1\xfc\0"))
    assert answer[:2] == b"\0\1"
    assert rows(proxy.connect(database=database), "SELECT SHA2(v, 256) FROM t") == [(hashlib.sha256(data).hexdigest(),)]


def test_commands_that_do_not_wait(proxy: Proxy, database: str) -> None:
    """Three hundred commands in one go: the replies are those that the server gives, in the same order."""
    through, direct = proxy.raw(database=database), proxy.raw_directly(database=database)
    run(proxy.connect(database=database), USERS)
    replies = []
    for client in through, direct:
        commands = [
            command(QUERY, text.encode())
            for number in range(100)
            for text in (f"SELECT {number}", f"INSERT INTO users (email, name) VALUES ({number}, {number})", "nonsense")
        ]
        replies.append(client.ask_bytes(*commands))
        run(proxy.connect(database=database), "TRUNCATE users")
    assert replies[0] == replies[1]


@pytest.mark.parametrize("when", ["conflict", "always"])
def test_conflicts_of_commands_that_do_not_wait(proxy: Proxy, database: str, tmp_path: Path, when: str) -> None:
    """Each conflict is resolved before the next command is looked at."""
    run(proxy.connect_directly(database=database), USERS, ALICE)
    action = f"action: update; set: {{logins: old.logins + new.logins}}; return_id: id; when: {when}"
    proxy.use_rules(rules_from(rule("signup", f"{database}.users", action), tmp_path))
    client = proxy.raw(database=database)
    clash, look = command(QUERY, ALICE.encode()), command(QUERY, b"SELECT logins FROM users")
    packets = client.ask(*([clash, look] * 50))
    assert [payload[:3] for _, payload in packets if payload[:1] == b"\0"] == [b"\0\2\1"] * 50
    seen = [payload[1:] for _, payload in packets if payload[:1] in (b"\1", b"\2") and payload[1:].isdigit()]
    assert seen == [str(number).encode() for number in range(2, 52)]


@pytest.mark.parametrize("first", [0, 1], ids=["conflict", "new"])
def test_load_data_local(proxy: Proxy, database: str, tmp_path: Path, first: int) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("".join(f"{number},{'x' * 50}\n" for number in range(first, 40_000)))
    run(
        proxy.connect_directly(database=database),
        "CREATE TABLE t (id INT PRIMARY KEY, v TEXT)",
        "INSERT INTO t VALUES (0, '')",
    )
    connection = proxy.connect(database=database, local_infile=True)
    with connection.cursor() as cursor:
        loaded = cursor.execute(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE t FIELDS TERMINATED BY ','")
    assert loaded == 39_999
    assert rows(connection, "SELECT COUNT(*), SUM(LENGTH(v)) FROM t") == [(40_000, 39_999 * 50)]
