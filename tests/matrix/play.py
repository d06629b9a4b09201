"""Plays a case of the matrix on a real server behind a proxy."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import socket
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from pymysql.connections import Connection
from pymysql.constants.CLIENT import MULTI_STATEMENTS
from pymysql.cursors import Cursor

from proxy.rules.match import RuleSet
from tests import raw
from tests.e2e.raw import CLOSE, EXECUTE, PREPARE, QUERY, RawClient, command
from tests.e2e.running import Proxy, rules_from
from tests.matrix.cases import SEED_OF, Case
from tests.matrix.forms import Target, literal, source_of
from tests.matrix.model import Answer, Failure, Returned, Rule, Table, Value

TABLES = (
    "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, code INT, email VARCHAR(40), name VARCHAR(40),"
    " n INT NOT NULL DEFAULT 1, UNIQUE KEY ux_code (code), UNIQUE KEY ux_email (email), UNIQUE KEY ux_name (name))",
    "CREATE TABLE p (region INT, email VARCHAR(40), name VARCHAR(40), n INT NOT NULL DEFAULT 1,"
    " UNIQUE KEY ux_email (region, email), UNIQUE KEY ux_name (region, name))"
    " PARTITION BY LIST (region) (PARTITION p1 VALUES IN (1), PARTITION p2 VALUES IN (2))",
    "CREATE TABLE earlier (k INT)",
    "CREATE TABLE source3 (code INT, email VARCHAR(40), name VARCHAR(40))",
    "CREATE TABLE source4 (code INT, email VARCHAR(40), name VARCHAR(40), n INT)",
)
IN_TRANSACTION = 0x0001
PRESET = 77
Rows = list[tuple[str | None, ...]]
Counted = TypeVar("Counted")


@dataclass(frozen=True)
class Seen:
    """All that a case shows: what the client read, LAST_INSERT_ID(), the rows inside the transaction and after it."""

    reply: Answer | Returned | Failure
    last_insert_id: int
    in_transaction: bool | None
    rows_within: Rows
    rows_after: Rows
    earlier: int
    results: list[str]
    outcomes: dict[str, int]


class Player:
    """Plays cases on one server.

    Args:
        proxy: stands before it.
        schema: holds TABLES.
    """

    def __init__(self, proxy: Proxy, schema: str) -> None:
        self.proxy = proxy
        self.schema = schema
        self.direct: Connection[Cursor] = proxy.connect_directly(database=schema, client_flag=MULTI_STATEMENTS)
        with self.direct.cursor() as cursor:
            for statement in TABLES:
                cursor.execute(statement)
        self.clients = {
            (found_rows, several): self._client(found_rows, several)
            for found_rows in (False, True)
            for several in (False, True)
        }

    def _client(self, found_rows: bool, several: bool) -> RawClient:
        terms = raw.USUAL & ~raw.MULTI_STATEMENTS | (raw.FOUND_ROWS if found_rows else 0)
        terms |= raw.MULTI_STATEMENTS if several else 0
        client = self.proxy.raw(terms, database=self.schema)
        # a CLOSE has no reply: what follows it would wait for its acknowledgement
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def next_id(self, case: Case) -> int:
        """Put the table into its first state; return the id that it will give next."""
        name, columns = case.table.name, ", ".join(case.table.columns)
        seed = ", ".join(f"({', '.join(map(literal, row.values()))})" for row in SEED_OF[name])
        with self.direct.cursor() as cursor:
            if case.form.sourced:
                source = source_of(case.offer)
                rows = ", ".join(f"({', '.join(map(literal, values))})" for values in case.offer.rows)
                cursor.execute(f"DELETE FROM {source}; INSERT INTO {source} VALUES {rows}")
                cursor.nextset()
            cursor.execute(
                f"DELETE FROM {name}; INSERT INTO {name} ({columns}) VALUES {seed}; DELETE FROM earlier;"
                f" INSERT INTO t (code) VALUES (-1)"
            )
            while cursor.nextset():
                pass
            found = cursor.lastrowid
            cursor.execute("DELETE FROM t WHERE code = -1")
        return found + 1

    def play(self, case: Case) -> Seen:
        """Play a case whose table is in its first state."""
        client = self.clients[case.found_rows, case.form.several]
        counters = self.proxy.running.counters
        before, conflicts_before = dict(counters.rewrites), dict(counters.conflicts)
        ask(client, f"DO LAST_INSERT_ID({PRESET})")
        if case.transaction != "autocommit":
            ask(client, "BEGIN")
            ask(client, "INSERT INTO earlier VALUES (1)")
        reply, status = self._run(client, case)
        [(last_insert_id,)] = select(client, "SELECT LAST_INSERT_ID()")
        rows_within = select(client, rows_of(case.table))
        # a conflict is counted when its answer is on its way, and before anything else is done
        results = [key[3] for key, count in _grown(before, counters.rewrites).items() for _ in range(count)]
        conflicts = _grown(conflicts_before, counters.conflicts).items()
        if case.transaction != "autocommit":
            ask(client, case.transaction.upper())
        return Seen(
            reply,
            int(last_insert_id or 0),
            None if status is None else bool(status & IN_TRANSACTION),
            rows_within,
            self._rows(rows_of(case.table)),
            len(self._rows("SELECT * FROM earlier")),
            results,
            {labels.outcome.value: count for labels, count in conflicts},
        )

    def _run(self, client: RawClient, case: Case) -> tuple[Answer | Returned | Failure, int | None]:
        values: list[Value] = []

        def placeholder(value: Value) -> str:
            values.append(value)
            return "?"

        target = Target(self.schema, case.table.name)
        text = case.form.write(target, case.offer, placeholder if case.prepared else literal)
        if case.form.several:
            return ask_between(client, text)
        if not case.prepared:
            return read_replies(client, ask(client, text), binary=False)
        prepared = ask(client, text, PREPARE)
        assert prepared[0] == 0, (text, prepared)
        for count in struct.unpack_from("<HH", prepared, 5):  # definitions of columns and parameters, each with EOF
            for _ in range(count + bool(count)):
                client.packet()
        number = prepared[1:5]
        client.send(command(EXECUTE, number + execution(values)))
        found = read_replies(client, client.packet()[1], binary=True)
        client.send(command(CLOSE, number))
        return found

    def _rows(self, query: str) -> Rows:
        with self.direct.cursor() as cursor:
            cursor.execute(query)
            return [tuple(None if value is None else str(value) for value in row) for row in cursor.fetchall()]


def _grown(before: dict[Counted, int], after: dict[Counted, int]) -> dict[Counted, int]:
    return {key: count - before.get(key, 0) for key, count in after.items() if count != before.get(key, 0)}


def rows_of(table: Table) -> str:
    """Write the query of all rows, in a fixed order."""
    columns = ", ".join(table.columns)
    return f"SELECT {columns} FROM {table.name} ORDER BY {columns}"


def ask(client: RawClient, text: str, code: int = QUERY) -> bytes:
    """Send a text and return the first packet of its reply."""
    client.send(command(code, text.encode()))
    return client.packet()[1]


def ask_between(client: RawClient, text: str) -> tuple[Answer | Returned | Failure, int | None]:
    """Send a text between two others in one command; return the reply to it."""
    assert ask(client, f"DO 1; {text}; DO 2")[0] == 0
    reply, status = read_replies(client, client.packet()[1], binary=False)
    if status is not None:  # nothing has failed
        number, payload = client.packet()
        assert (number, payload[0]) == (3, 0)
    return reply, status


def select(client: RawClient, text: str) -> Rows:
    """Return the rows of a query in a session without DEPRECATE_EOF."""
    columns = ask(client, text)[0]
    for _ in range(columns + 1):
        client.packet()
    rows: Rows = []
    while (payload := client.packet()[1])[0] != 0xFE:
        rows.append(tuple(texts(payload)))
    return rows


def texts(payload: bytes) -> list[str | None]:
    """Read the short values of a row."""
    found: list[str | None] = []
    at = 0
    while at < len(payload):
        if payload[at] == 0xFB:
            found.append(None)
            at += 1
        else:
            end = at + 1 + payload[at]
            found.append(payload[at + 1 : end].decode())
            at = end
    return found


def execution(values: list[Value]) -> bytes:
    """Write what follows the statement's id in COM_STMT_EXECUTE: no cursor, one iteration, the parameters."""
    nulls = bytearray((len(values) + 7) // 8)
    types, sent = b"", b""
    for number, value in enumerate(values):
        if value is None:
            nulls[number // 8] |= 1 << number % 8
            types += b"\x06\0"
        elif isinstance(value, int):
            types += b"\x08\0"
            sent += struct.pack("<q", value)
        else:
            types += b"\xfe\0"
            sent += bytes((len(value.encode()),)) + value.encode()
    start = b"\0\1\0\0\0"
    return start + bytes(nulls) + b"\1" + types + sent if values else start


def read_replies(client: RawClient, first: bytes, *, binary: bool) -> tuple[Answer | Returned | Failure, int | None]:
    """Read a reply to its end, of which the first packet is there; rows hold text only."""
    if first[0] in (0x00, 0xFF):
        return read_reply(first)
    for _ in range(first[0] + 1):
        client.packet()
    rows = []
    while (payload := client.packet()[1])[0] not in (0xFE, 0xFF):
        rows.append(tuple(texts(payload[1 + (first[0] + 9) // 8 :] if binary else payload)))
    return (Returned(tuple(rows)), payload[3]) if payload[0] == 0xFE else read_reply(payload)


def read_reply(payload: bytes) -> tuple[Answer | Failure, int | None]:
    """Read an OK with small numbers, or an ERR; return it and the OK's status flags."""
    if payload[0] == 0xFF:
        number = int.from_bytes(payload[1:3], "little")
        key = payload.rstrip(b"'").rpartition(b"'")[2].rpartition(b".")[2].decode() if number == 1062 else ""
        return Failure(key or payload[9:].decode(), number), None
    affected_rows, at = _integer(payload, 1)
    insert_id, at = _integer(payload, at)
    status, warnings = struct.unpack_from("<HH", payload, at)
    return Answer(affected_rows, insert_id, payload[at + 5 :].decode(), warnings), status


def _integer(payload: bytes, at: int) -> tuple[int, int]:
    if payload[at] < 0xFB:
        return payload[at], at + 1
    size = {0xFC: 2, 0xFD: 3}[payload[at]]
    return int.from_bytes(payload[at + 1 : at + 1 + size], "little"), at + 1 + size


def _written(rule: Rule, table: str) -> str:
    lines = ["name: r", f"table: {table}", f"action: {rule.action}", f"when: {'always' if rule.always else 'conflict'}"]
    if rule.keys:
        lines.append(f"key: [{', '.join(rule.keys)}]")
    if rule.columns:
        lines.append(f"columns: [{', '.join('[' + ', '.join(group) + ']' for group in rule.columns)}]")
    if rule.set:
        lines.append(f"set: {{{', '.join(f'{column}: {expression}' for column, expression in rule.set)}}}")
    if rule.return_id:
        lines.append(f"return_id: {rule.return_id}")
    lines += ["affected_rows: insert"] * rule.as_insert + ["dry_run: true"] * rule.dry_run
    lines += ["allow_replace: true"] * (rule.action == "replace")
    return "rules:\n  - " + "\n    ".join(lines) + "\n"


def loaded(case: Case, folder: Path) -> RuleSet:
    """Read a case's rule from the YAML that says it."""
    return _loaded(case.rule, case.table.name, folder)


@cache
def _loaded(rule: Rule, table: str, folder: Path) -> RuleSet:
    return rules_from(_written(rule, table), folder)
