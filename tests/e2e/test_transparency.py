"""Whatever a client says, without a rule it gets the bytes that the server itself would give."""

import struct
from pathlib import Path

import pytest

from tests.e2e import raw
from tests.e2e.raw import Packet, RawClient, command, framed
from tests.e2e.running import Proxy, rules_from
from tests.e2e.users import rule, run
from tests.raw import DEPRECATE_EOF, FOUND_ROWS, MARIADB_BULK, OPTIONAL_METADATA, QUERY_ATTRIBUTES, SESSION_TRACK, USUAL

TERMS = [
    USUAL,
    USUAL | DEPRECATE_EOF,
    USUAL | SESSION_TRACK,
    USUAL | DEPRECATE_EOF | SESSION_TRACK | FOUND_ROWS,
]
CURSOR_READ_ONLY = 1
TABLE = (
    "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v VARBINARY(300), w MEDIUMTEXT, UNIQUE KEY v (v))",
    "INSERT INTO t (v, w) VALUES ('a', NULL), ('b', ''), (0xFF00FE, REPEAT('w', 70000))",
    """CREATE PROCEDURE p(n INT) BEGIN
        SELECT n; SELECT * FROM t; INSERT INTO t (v) VALUES (n); SELECT 'last'; END""",
    """CREATE PROCEDURE failing() BEGIN
        SELECT 'first'; INSERT INTO t (v) VALUES ('a'); SELECT 'never'; END""",
)
STATEMENTS = [
    "SELECT 1, NULL, '', 'x'",
    "SELECT * FROM t",
    "SELECT * FROM t WHERE id < 0",
    "SELECT REPEAT('y', 300), REPEAT('z', 70000), 1",
    "DO 1",
    "",
    "nonsense",
    "INSERT INTO t (v) VALUES ('c'), ('d')",
    "INSERT INTO t (v) VALUES ('a')",
    "INSERT INTO t (v) VALUES ('e'), ('a'), ('f')",
    "INSERT IGNORE INTO t (v) VALUES ('a'), ('g')",
    "INSERT INTO t (v) VALUES ('a') ON DUPLICATE KEY UPDATE w = 'changed'",
    "REPLACE INTO t (v) VALUES ('b')",
    "INSERT INTO t (v) SELECT v FROM t WHERE id = 1",
    "UPDATE t SET v = 'a' WHERE v = 'c'",
    "UPDATE t SET w = 'a' WHERE v = 'a'",
    "SELECT 1; SELECT 2; DO 3; SELECT * FROM t",
    "SELECT 1; INSERT INTO t (v) VALUES ('a'); SELECT 2",
    "INSERT INTO t (v) VALUES ('h'); INSERT INTO t (v) VALUES ('h')",
    "CALL p(7)",
    "CALL p(7)",
    "CALL failing()",
    "SET @a = 1, NAMES latin1",
    "SET NAMES utf8mb4",
    "SET autocommit = 0",
    "SELECT LAST_INSERT_ID(), @a",
    "COMMIT",
    "SET autocommit = 1",
    "BEGIN",
    "INSERT INTO t (v) VALUES ('i')",
    "ROLLBACK",
    "SET sql_mode = 'ANSI_QUOTES'",
    'SELECT "v" FROM t LIMIT 1',
    "SELECT 'x' + 1; SHOW WARNINGS",
    "USE mysql",
    "SELECT DATABASE()",
    "EXPLAIN SELECT * FROM t",
    "PREPARE s FROM 'SELECT ?'",
    "EXECUTE s USING @a",
    "DEALLOCATE PREPARE s",
]


@pytest.fixture
def schemas(proxy: Proxy, database: str) -> str:
    run(proxy.connect_directly(database=database), *TABLE)
    return database


def again(proxy: Proxy, database: str) -> None:
    run(proxy.connect_directly(database=database), "DROP TABLE t", "DROP PROCEDURE p", "DROP PROCEDURE failing", *TABLE)


def both(proxy: Proxy, database: str, *terms: int) -> tuple[RawClient, RawClient]:
    return proxy.raw(*terms, database=database), proxy.raw_directly(*terms, database=database)


@pytest.mark.parametrize("ruled", [False, True], ids=["", "ruled"])
@pytest.mark.parametrize("terms", TERMS, ids=["", "deprecate_eof", "session_track", "all"])
def test_statements(proxy: Proxy, schemas: str, tmp_path: Path, terms: int, ruled: bool) -> None:
    """Rules for another table change nothing, nor does one that only observes."""
    if ruled:
        text = rule("observe", f"{schemas}.t", "action: observe").replace("[email]", "[v]").replace("ux_email", "v")
        proxy.use_rules(rules_from(text, tmp_path))
    through, direct = both(proxy, schemas, terms)
    found = [through.query(statement) for statement in STATEMENTS]
    again(proxy, schemas)
    for statement, packets in zip(STATEMENTS, found, strict=True):
        assert packets == direct.query(statement), statement


def test_statements_in_one_go(proxy: Proxy, schemas: str) -> None:
    through, direct = both(proxy, schemas)
    commands = [command(raw.QUERY, statement.encode()) for statement in STATEMENTS]
    found = through.ask_bytes(*commands)
    again(proxy, schemas)
    assert found == direct.ask_bytes(*commands)


def test_statements_byte_by_byte(proxy: Proxy, schemas: str) -> None:
    through, direct = both(proxy, schemas)
    text = b"INSERT INTO t (v) VALUES ('a')"
    for byte in command(raw.QUERY, text):
        through.send(bytes((byte,)))
    assert through.ask() == direct.ask(command(raw.QUERY, text))


COMMANDS = {
    "ping": command(raw.PING),
    "field list": command(raw.FIELD_LIST, b"t\0"),
    "multi-statements off": command(raw.SET_OPTION, b"\1\0"),
    "debug": command(raw.DEBUG),
    "reset connection": command(raw.RESET_CONNECTION),
    "unknown database": command(raw.INIT_DB, b"nowhere"),
    "database": command(raw.INIT_DB, b"mysql"),
    "unknown statement": command(raw.EXECUTE, b"\x63\0\0\0\0\1\0\0\0"),
    "sleep": command(0),
    "refresh": command(7, b"\1"),
    "process info": command(10),
    "time": command(15),
    "process kill": command(12, b"\xff\xff\xff\x7f"),
    "create database": command(5, b"no/such\0name"),
    "drop database": command(6, b"nowhere"),
    "register replica": command(21, b"\1\0\0\0"),
    "table dump": command(19, b"\5mysql\4user"),
    "daemon": command(29),
    "multi-statements as nobody knows them": command(raw.SET_OPTION, b"\7\0"),
    "empty": framed(b""),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_other_commands(proxy: Proxy, schemas: str, name: str) -> None:
    through, direct = both(proxy, schemas)
    if name == "process info":
        assert len(through.ask(COMMANDS[name])) >= 1
    else:
        assert through.ask(COMMANDS[name]) == direct.ask(COMMANDS[name])
    assert through.query("SELECT 1") == direct.query("SELECT 1")


def test_statistics(proxy: Proxy) -> None:
    [(sequence, text)] = proxy.raw().ask(command(raw.STATISTICS))
    assert sequence == 1
    assert text.startswith(b"Uptime: ")


# --------------------------------------------------------------------------------------------------------------------
# Prepared statements


def prepare(client: RawClient, text: str) -> tuple[bytes, list[Packet]]:
    """Prepare a statement; return its id and the reply, without the id: MariaDB counts them for all sessions."""
    (sequence, answer), *definitions = client.ask(command(raw.PREPARE, text.encode()))
    return answer[1:5], [(sequence, answer[:1] + answer[5:]), *definitions]


def execute(statement: bytes, values: bytes = b"", flags: int = 0) -> bytes:
    return command(raw.EXECUTE, statement + bytes((flags,)) + b"\1\0\0\0" + values)


def texts(*values: bytes) -> bytes:
    """Bind values as strings."""
    types = b"\xfd\0" * len(values)
    return b"\0" * ((len(values) + 7) // 8) + b"\1" + types + b"".join(bytes((len(v),)) + v for v in values)


def converse(client: RawClient) -> list[list[Packet]]:
    """Use prepared statements in every way."""
    texts_of_all_kinds = ("SELECT 1", "SELECT id FROM t WHERE id > ? OR v = ?", "DO 1", "nonsense")
    said = [prepare(client, text)[1] for text in texts_of_all_kinds]
    select, _ = prepare(client, "SELECT id, v, w FROM t WHERE id > ? OR v = ? ORDER BY id")
    insert, _ = prepare(client, "INSERT INTO t (v) VALUES (?)")
    call, _ = prepare(client, "CALL p(?)")
    said += [
        client.ask(execute(select, texts(b"0", b"x"))),
        client.ask(execute(select, texts(b"99", b"x"))),
        client.ask(execute(insert, texts(b"z"))),
        client.ask(execute(insert, texts(b"z"))),
        client.ask(execute(insert, texts(b"a")), execute(insert, texts(b"y")), execute(insert, texts(b"y"))),
        client.ask(execute(call, texts(b"5"))),
        client.ask(command(raw.LONG_DATA, insert + b"\0\0long "), command(raw.LONG_DATA, insert + b"\0\0data")),
        client.ask(execute(insert, b"\0\1\xfc\0")),
        client.ask(command(raw.RESET, insert), command(raw.RESET, b"\x99\0\0\0")),
        client.ask(execute(select, texts(b"0", b"x"), CURSOR_READ_ONLY)),
        client.ask(fetch(select, 1)),
        client.ask(fetch(select, 2)),
        client.ask(fetch(select, 100)),
        without_id(select, client.ask(fetch(select, 1))),
        client.ask(execute(select, texts(b"99", b"x"), CURSOR_READ_ONLY), fetch(select, 1)),
        client.ask(execute(select, texts(b"0", b"x"), CURSOR_READ_ONLY), fetch(select, 2), command(raw.RESET, select)),
        client.ask(command(raw.CLOSE, select), command(raw.CLOSE, insert), command(raw.PING)),
        without_id(select, client.ask(execute(select, texts(b"0", b"x")))),
    ]
    return said


def without_id(statement: bytes, packets: list[Packet]) -> list[Packet]:
    number = b"(%d)" % int.from_bytes(statement, "little")
    return [(sequence, payload.replace(number, b"(number)")) for sequence, payload in packets]


def fetch(statement: bytes, count: int) -> bytes:
    return command(raw.FETCH, statement + struct.pack("<I", count))


@pytest.mark.parametrize("terms", TERMS, ids=["", "deprecate_eof", "session_track", "all"])
def test_prepared_statements(proxy: Proxy, schemas: str, terms: int) -> None:
    through, direct = both(proxy, schemas, terms)
    found = converse(through)
    again(proxy, schemas)
    assert found == converse(direct)
    labels = {"schema": schemas, "table": "t", "key": "v", "statement": "insert"}
    assert proxy.counted("keyclash_conflicts_total", **labels) == {("returned", ""): 3}


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
@pytest.mark.parametrize("terms", TERMS[:2], ids=["", "deprecate_eof"])
def test_mariadb_bulk_and_the_last_statement(proxy: Proxy, schemas: str, terms: int) -> None:
    through, direct = both(proxy, schemas, terms, MARIADB_BULK)
    found = []
    for client in through, direct:
        insert, _ = prepare(client, "INSERT INTO t (v) VALUES (?)")
        bulk = command(raw.BULK_EXECUTE, insert + b"\x80\0" + b"\xfd\0" + b"\0\x01j" + b"\0\x01k" + b"\0\x01j")
        good = command(raw.BULK_EXECUTE, insert + b"\x80\0" + b"\xfd\0" + b"\0\x01l" + b"\0\x01m")
        _, prepared = prepare(client, "SELECT ?")
        last = execute(b"\xff\xff\xff\xff", texts(b"v"))
        found.append([client.ask(bulk), client.ask(good), prepared, client.ask(last)])
        again(proxy, schemas)
    assert found[0] == found[1]


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
def test_query_attributes(proxy: Proxy, schemas: str, tmp_path: Path) -> None:
    """A statement's attributes come before its text; a rule's statement keeps them."""
    text = rule("ignore", f"{schemas}.t", "action: ignore; affected_rows: insert")
    terms = USUAL | QUERY_ATTRIBUTES | DEPRECATE_EOF
    through, direct = both(proxy, schemas, terms)
    attribute = b"\1\1" + b"\0\1" + b"\xfe\0\5trace" + b"\4abcd"
    clash = command(raw.QUERY, attribute + b"INSERT INTO t (v) VALUES ('a')")
    plain = command(raw.QUERY, b"\0\1" + b"SELECT 1")
    assert through.ask(clash, plain) == direct.ask(clash, plain)
    proxy.use_rules(rules_from(text.replace("[email]", "[v]").replace("ux_email", "v"), tmp_path))
    [(_, answer)] = through.ask(clash)
    assert answer[:2] == b"\0\1"
    assert proxy.counted("keyclash_conflicts_total", schema=schemas, outcome="kept", rule="ignore")


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
def test_results_without_metadata(proxy: Proxy, schemas: str) -> None:
    through, direct = both(proxy, schemas, USUAL | OPTIONAL_METADATA | DEPRECATE_EOF)
    for statement in ("SELECT * FROM t", "SET resultset_metadata = NONE", "SELECT * FROM t", "CALL p(1)"):
        found = through.query(statement)
        again(proxy, schemas)
        assert found == direct.query(statement)
        again(proxy, schemas)
