"""A value is planted in statements on a real server, and looked for in all that the proxy tells."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import json
from contextlib import suppress
from pathlib import Path
from urllib.request import Request, urlopen

import pymysql
import pytest
from pymysql.constants.CLIENT import MULTI_STATEMENTS

from proxy.admin.api import ENDPOINTS
from tests.causes.client import Client
from tests.e2e.process import Process, served
from tests.e2e.raw import RawClient
from tests.raw import logged_in
from tests.servers.launch import Server

MARKER = "planted-7d1f"
TABLES = (
    "CREATE TABLE people (id INT PRIMARY KEY AUTO_INCREMENT, email VARCHAR(60), name VARCHAR(60), n INT,"
    " UNIQUE KEY ux_email (email))",
    "CREATE TABLE kept LIKE people",
    "CREATE TABLE same LIKE people",
    "CREATE TABLE counted LIKE people",
)
RULES = """
rules:
  - {name: kept, table: kept, key: ux_email, columns: [email], action: ignore}
  - {name: same, table: same, key: ux_email, columns: [email], action: idempotent}
  - {name: counted, table: counted, key: ux_email, columns: [email], action: update, when: always,
     set: {n: old.n + new.n}}
"""
TEXTS = (
    "INSERT INTO {t} (email, name) VALUES ('{m}', '{m}')",
    "INSERT INTO {t} (email, name) VALUES ('{m}', 'another'), ('b-{m}', '{m}')",
    "INSERT INTO {t} (email, name) VALUES ('twice-{m}', 'x'), ('twice-{m}', 'y') /* {m} */",
    "INSERT INTO {t} SET email = \"{m}\", name = 'it\\'s {m}' -- {m}",
    "/* {m} */ INSERT INTO {t} (email) SELECT '{m}' # {m}",
    "INSERT INTO {t} (email, n) VALUES ('new-{m}', '{m}')",  # 1366, which repeats the value
    "INSERT INTO {t} (email, name) VALUES ('cut-{m}', '{m}{m}{m}{m}{m}{m}{m}')",  # 1406
    "INSERT INTO {t} (email) VALUES ('{m}'",  # 1064, which repeats the text
    "INSERT INTO {t} (email) VALUES ('{m}'); SELECT '{m}'",
    "UPDATE {t} SET email = '{m}' WHERE email <> '{m}'",
    "SELECT * FROM {t} WHERE email = '{m}'",
)


@pytest.mark.parametrize("show_values", [False, True])
def test_no_value_is_told_unless_it_is_to_be_shown(
    server: Server, database: str, tmp_path: Path, show_values: bool
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    password = tmp_path / "password"
    password.write_text(server.password)
    settings = {
        "rules": str(rules),
        "conflicts": {"show_values": show_values},
        "lookup": {"user": server.user, "password_file": str(password)},
        "log": {"level": "debug", "format": "json", "conflicts_per_second": 10_000},
    }
    with served(server, tmp_path, **settings) as process:
        play(process, database)
        told = everything(process)
    told["log"] = "\n".join(map(json.dumps, process.lines()))
    assert told["log"].count('"event": "conflict"') > 20
    assert told["/api/conflicts"].count('"outcome"') > 20
    found = {name for name, text in told.items() if MARKER in text}
    if show_values:
        assert "log" in found
        assert "/api/conflicts" in found
        assert "/metrics" not in found
    else:
        assert found == set()


def play(process: Process, schema: str) -> None:
    """Say the value in every way, and meet conflicts."""
    server = process.as_server
    with server.connect(database=schema, autocommit=True, client_flag=MULTI_STATEMENTS) as connection:
        with connection.cursor() as cursor:
            for table in TABLES:
                cursor.execute(table)
        for name in ("people", "kept", "same", "counted"):
            for text in TEXTS * 2:
                with suppress(pymysql.Error), connection.cursor() as cursor:
                    cursor.execute(text.format(t=name, m=MARKER))
    with logged_in(server) as raw:
        client = Client(RawClient(raw.stream), prepared=True)
        client.run(f"USE {schema}")
        for name in ("people", "kept", "same", "counted"):
            for _ in range(2):
                client.run(f"INSERT INTO {name} (email, name) VALUES (?, ?)", MARKER, f"prepared {MARKER}")
                client.run(f"INSERT INTO {name} (email) VALUES (?), (?)", f"p-{MARKER}", f"p-{MARKER}")
                client.run(f"SELECT id FROM {name} WHERE email = ?", MARKER)


def everything(process: Process) -> dict[str, str]:
    """Read all that the admin address tells."""

    def read(path: str) -> str:
        accept = {"Accept": "application/openmetrics-text; version=1.0.0"} if path == "/metrics" else {}
        with urlopen(Request(f"http://{process.admin}{path}", headers=accept), timeout=30) as response:
            return str(response.read().decode())

    keys = json.loads(read("/api/keys"))["keys"]
    assert {key["table"] for key in keys} >= {"people", "kept", "same"}
    paths = [endpoint.path for endpoint in ENDPOINTS if "{id}" not in endpoint.path]
    paths += [
        endpoint.path.replace("{id}", key["id"]) for endpoint in ENDPOINTS for key in keys if "{id}" in endpoint.path
    ]
    return {path: read(path) for path in (*paths, "/metrics", "/", "/-/healthy")}
