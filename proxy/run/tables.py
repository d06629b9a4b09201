"""The cache of definitions that a proxy's configuration asks for."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from proxy.config import ProxyConfig
from proxy.conflicts.causes import Facts, KeyFacts
from proxy.lookup.cache import Name, TableCache
from proxy.lookup.reader import Reader
from proxy.lookup.source import Source, read_password
from proxy.net.settings import BackendTlsContext
from proxy.rules.match import RuleSet
from proxy.rules.table import Missing, Table


def table_cache(config: ProxyConfig, tls: BackendTlsContext | None, public_key: bytes | None) -> TableCache | None:
    """Make the cache; None if the configuration names no account to read definitions with.

    tls: how sessions encrypt towards the backend. public_key: the backend's RSA key (PEM), None if it is to be asked.
    Raises ConfigError if the account has no password.
    """
    lookup = config.lookup
    if lookup is None:
        return None
    source = Source(
        backends=config.backends,
        user=lookup.user,
        password=read_password(lookup),
        timeout=lookup.timeout,
        tls_mode=config.backend_tls.mode,
        tls=tls.context if tls else None,
        server_name=tls.server_name if tls else None,
        client_certificate=config.backend_tls.cert is not None,
        server_public_key=public_key,
        proxy_protocol=config.backend_proxy_protocol,
    )
    return TableCache(Reader(source), lookup.ttl, lookup.timeout)


def key_facts(peek: Callable[[str, str], Table | Missing | None]) -> Facts:
    """Make what tells the finder of causes about keys; peek: gives what is known of a table."""

    def facts(schema: str | None, table: str | None, key: str) -> KeyFacts | None:
        found = peek(schema, table) if schema and table else None
        if not isinstance(found, Table) or found.key(key) is None:
            return None
        column = found.auto_increment
        listed = tuple(each.name for each in found.listed)
        return KeyFacts(found.key_columns(key), None if column is None else column.name, listed)

    return facts


def exact_tables(rules: RuleSet) -> Iterator[Name]:
    """Give the tables that rules name with their schema and without wildcards."""
    for rule in rules.rules:
        schema, table = rule.table.schema, rule.table.table
        if schema is not None and "*" not in schema + table:
            yield schema, table


Forgets: TypeAlias = Callable[[str | None, str | None], None]
"""Is told that definitions are to be looked up anew: of a table, all of a schema, or all."""


class SharedTables:
    """A cache of definitions that tells of the DDL that its sessions see; the sessions' own view of it."""

    __slots__ = ("_cache", "_told")

    def __init__(self, cache: TableCache, told: Forgets) -> None:
        self._cache = cache
        self._told = told

    def peek(self, schema: str, table: str) -> Table | Missing | None:
        """Give a definition, or why there is none; None: not known yet."""
        return self._cache.peek(schema, table)

    def request(self, schema: str, table: str, done: Callable[[], None]) -> None:
        """Have a definition read; `done` is called once it is known, or known to be missing."""
        self._cache.request(schema, table, done)

    def forget(self, schema: str | None = None, table: str | None = None) -> None:
        """Drop what is known, here and elsewhere."""
        self._cache.forget(schema, table)
        self._told(schema, table)


def told_of_ddl(cache: TableCache | None, told: Forgets) -> SharedTables | None:
    """Have DDL told elsewhere; without a cache there is nothing to forget."""
    return None if cache is None else SharedTables(cache, told)
