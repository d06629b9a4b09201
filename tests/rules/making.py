"""Rules, inserts and plans in few words, for the tests of the rules."""

from collections.abc import Mapping
from typing import Any

from proxy.rules.expression_parser import parse
from proxy.rules.plan import Plan, plan
from proxy.rules.rule import Action, Assignment, Rule, TablePattern
from proxy.sql.dialect import Dialect
from proxy.sql.insert import Insert, Skip, recognise
from proxy.sql.lexing import Lexing

MYSQL = Dialect.parse("9.7.4")
OLD_MYSQL = Dialect.parse("8.0.19")
MARIADB = Dialect.parse("5.5.5-10.11.18-MariaDB-0+deb12u1")

PLAIN = Lexing(ansi_quotes=False, no_backslash_escapes=False, charset_safe=True, utf8=True)


def rule(action: str = "ignore", set: Mapping[str, str] | None = None, **others: Any) -> Rule:  # noqa: A002  # the YAML's word
    """Make a rule; `key` and `columns` as in YAML for one key, `keys` and `groups` for several."""
    table = TablePattern(others.pop("schema", None), others.pop("table", "t"))
    keys = others.pop("keys", ())
    if "key" in others:
        keys = (others.pop("key"),)
    groups = others.pop("groups", ())
    if "columns" in others:
        groups = (tuple(others.pop("columns")),)
    lines = tuple(Assignment(column, parse(source)) for column, source in (set or {}).items())
    name, line = others.pop("name", "r"), others.pop("line", 1)
    return Rule(name, line, table, Action(action), keys=keys, columns=groups, set=lines, **others)


def insert(text: str | bytes, lexing: Lexing = PLAIN) -> Insert:
    """Recognise a statement that is an insert."""
    found = recognise(text.encode() if isinstance(text, str) else text, lexing)
    assert isinstance(found, Insert), found
    return found


def planned(text: str | bytes, own: Rule, dialect: Dialect = MYSQL, lexing: Lexing = PLAIN) -> Plan:
    """Plan a statement that has a plan."""
    found = plan(insert(text, lexing), own, dialect)
    assert isinstance(found, Plan), found
    return found


def skipped(text: str | bytes, own: Rule, dialect: Dialect = MYSQL, lexing: Lexing = PLAIN) -> str:
    """Give the reason of a statement that has no plan."""
    found = plan(insert(text, lexing), own, dialect)
    assert isinstance(found, Skip), found
    return found.reason
