"""The cache of definitions that a proxy's configuration asks for."""

from collections.abc import Callable, Iterator

from proxy.config import ProxyConfig
from proxy.conflicts.causes import Facts, KeyFacts
from proxy.lookup.cache import Name, TableCache
from proxy.lookup.reader import Reader
from proxy.lookup.source import Source, read_password
from proxy.net.pair import BackendTlsContext
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
