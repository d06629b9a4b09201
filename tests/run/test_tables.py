"""The lookup inside a running proxy."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from proxy.config import Address, BackendTls, BackendTlsMode, ConfigError, Lookup, ProxyConfig
from proxy.conflicts.causes import KeyFacts
from proxy.lookup.cache import TableCache
from proxy.rules.match import RuleSet
from proxy.rules.rule import Action, Rule, TablePattern
from proxy.rules.table import Absence, Missing, Table
from proxy.run.supervisor import serve
from proxy.run.tables import exact_tables, key_facts, told_of_ddl
from tests.advice.evidence import USERS
from tests.servers.accounts import AccountMaker

LOCALHOST = "127.0.0.1"
ANY_PORT = Address(LOCALHOST, 0)


def rules(*tables: tuple[str | None, str]) -> RuleSet:
    return RuleSet(tuple(Rule(f"r{n}", n, TablePattern(*table), Action.IGNORE) for n, table in enumerate(tables)))


def test_only_exact_names_can_be_looked_up_beforehand() -> None:
    named = rules(("shop", "users"), (None, "users"), ("shop", "log_*"), ("tenant*", "users"), ("shop", "users"))
    assert list(exact_tables(named)) == [("shop", "users"), ("shop", "users")]


async def test_without_an_account_there_is_no_lookup() -> None:
    async with serve(ProxyConfig(listen=ANY_PORT, admin=ANY_PORT), RuleSet()) as running:
        assert running.worker.tables is None


async def test_tables_of_rules_are_known_before_they_are_asked_for(
    server: Any, database: str, make_account: AccountMaker, tmp_path: Path
) -> None:
    account = make_account(grants=f"REFERENCES, TRIGGER ON {database}.*")
    (tmp_path / "secret").write_text(account.password)
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {database}.t (a INT, UNIQUE KEY k (a))")
    config = ProxyConfig(
        listen=ANY_PORT,
        admin=ANY_PORT,
        backend=Address(server.host, server.port),
        backend_tls=BackendTls(mode=BackendTlsMode.VERIFY_CA, ca=server.ca),
        lookup=Lookup(user=account.user, password_file=tmp_path / "secret"),
    )
    async with serve(config, rules((database, "t"))) as running:
        tables = running.worker.tables
        assert tables is not None
        known = asyncio.Event()
        await asyncio.sleep(0)
        tables.request(database, "t", known.set)
        await known.wait()
        found = tables.peek(database, "t")
        assert isinstance(found, Table)
        assert found.key_columns("k") == ("a",)
    with server.connect() as connection, connection.cursor() as cursor:
        count = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = %s"
        while cursor.execute(count, (account.user,)) and cursor.fetchone() != (0,):
            """The server ends a connection a moment after it was closed."""


async def test_the_proxy_runs_whether_or_not_the_server_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYCLASH_LOOKUP_PASSWORD", "secret")
    config = ProxyConfig(listen=ANY_PORT, admin=ANY_PORT, backend=Address(LOCALHOST, 1), lookup=Lookup())
    async with serve(config, rules(("s", "t"))) as running:
        assert running.worker.tables is not None
        assert await running.worker.tables.fetch("s", "t") is None


async def test_a_password_that_is_missing(tmp_path: Path) -> None:
    plain = ProxyConfig(listen=ANY_PORT, admin=ANY_PORT)
    with pytest.raises(ConfigError, match=r"missing.*cannot be read"):
        async with serve(replace(plain, lookup=Lookup(password_file=tmp_path / "missing")), RuleSet()):
            pass


async def test_a_password_that_is_missing_ends_the_process(tmp_path: Path) -> None:
    path = tmp_path / "proxy.yaml"
    path.write_text(f"listen: {LOCALHOST}:0\nadmin: {LOCALHOST}:0\nlookup: {{password_file: secret}}\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", "serve", "--config", str(path)), stderr=asyncio.subprocess.PIPE
    )
    _out, err = await process.communicate()
    assert (process.returncode, err.decode()) == (
        2,
        f"{tmp_path / 'secret'}: lookup.password_file: cannot be read: No such file or directory"
        " (expected the password of the lookup's account)\n",
    )


def test_facts_of_keys() -> None:
    def peek(schema: str, table: str) -> Table | Missing | None:
        return USERS if table == "users" else Missing(Absence.NO_TABLE) if table == "gone" else None

    facts = key_facts(peek)
    assert facts("shop", "users", "UX_EMAIL") == KeyFacts(("email",), "id", ("id", "email", "name"))
    assert facts("shop", "users", "ux_none") is None
    assert facts("shop", "gone", "PRIMARY") is None
    assert facts("shop", "other", "PRIMARY") is None
    assert facts(None, "users", "PRIMARY") is None


def test_ddl_is_told_elsewhere_too() -> None:
    class Cache:
        def __init__(self) -> None:
            self.forgotten: list[tuple[str | None, str | None]] = []

        def forget(self, schema: str | None = None, table: str | None = None) -> None:
            self.forgotten.append((schema, table))

        def peek(self, schema: str, table: str) -> Table | Missing | None:
            return USERS

        def request(self, schema: str, table: str, done: Callable[[], None]) -> None:
            done()

    cache, told, done = Cache(), list[tuple[str | None, str | None]](), list[bool]()
    shared = told_of_ddl(cast(TableCache, cache), lambda schema, table: told.append((schema, table)))
    assert shared is not None
    shared.forget("shop", "users")
    shared.forget()
    assert cache.forgotten == told == [("shop", "users"), (None, None)]
    assert shared.peek("shop", "users") is USERS
    shared.request("shop", "users", lambda: done.append(True))
    assert done == [True]
    assert told_of_ddl(None, lambda schema, table: None) is None
