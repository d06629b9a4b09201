"""Which rules are for an insert, and which of them is for a conflict.

Rules are asked for every INSERT, so the answer for one table and user is kept: a thousand rules cost one dictionary
look-up. What is kept is bounded, for a client can invent any number of table names.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from functools import lru_cache
from typing import Any, Final

from proxy.rules.rule import Rule, When
from proxy.sql.names import same_name

_REMEMBERED: Final = 4096
_REMEMBERED_USERS: Final = 256

Candidates = Callable[[str | None, str, str], tuple[Rule, ...]]


class Way(Enum):
    """How an insert may go."""

    PLAIN = auto()
    """As it is: no rules are for it."""
    WATCHED = auto()
    """As it is; a rule may answer a conflict with a second statement."""
    READ = auto()
    """A rule may put another text in its place."""


Ways = dict[bytes, Way]
"""The ways of inserts by how their texts begin; who fills it bounds it."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules of one file, in its order; `version` is the start of the text's SHA-256 (12 hexadecimal digits)."""

    rules: tuple[Rule, ...] = ()
    source: str = ""
    version: str = ""
    _candidates: Candidates = field(init=False, repr=False, compare=False)
    _ways: Callable[[str | None, str], Ways] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index = _Index(self.rules)
        object.__setattr__(self, "_candidates", lru_cache(maxsize=_REMEMBERED)(index.find))
        object.__setattr__(self, "_ways", lru_cache(maxsize=_REMEMBERED_USERS)(_no_ways))

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave out what is kept for the next time: another process finds it anew."""
        return RuleSet, (self.rules, self.source, self.version)

    def candidates(self, schema: str | None, table: str, user: str) -> tuple[Rule, ...]:
        """Give the rules for an insert into a table by a user, in the order of the file.

        `schema` None means that the insert names none and the session has none: only rules for any schema fit.
        Schemas and tables are compared without regard to case; users exactly, as MySQL does.
        """
        return self._candidates(schema, table, user)

    def ways(self, schema: str | None, user: str) -> Ways:
        """Give what sessions have noted of a user's inserts with this default schema: for sessions to use and fill."""
        return self._ways(schema, user)


def way_for(candidates: Sequence[Rule]) -> Way:
    """Tell how an insert may go that these rules are for."""
    if not candidates:
        return Way.PLAIN
    return Way.READ if rule_for_insert(candidates) is not None else Way.WATCHED


def rule_for_conflict(candidates: Iterable[Rule], key: str | None) -> Rule | None:
    """Give the first rule for a conflict on `key` (the index's name alone, without its table; None: not known)."""
    for rule in candidates:
        if not rule.keys or (key is not None and any(same_name(own, key) for own in rule.keys)):
            return rule
    return None


def rule_for_insert(candidates: Sequence[Rule]) -> Rule | None:
    """Give the rule whose statement is sent in the first place, or None: the insert is sent as it is.

    That is the first rule with `when: always`, unless a rule before it could claim the same conflict: its statement
    would settle the conflict before that rule is asked.
    """
    for position, rule in enumerate(candidates):
        if rule.effective_when is When.ALWAYS:
            return None if any(_overlap(earlier, rule) for earlier in candidates[:position]) else rule
    return None


def _overlap(first: Rule, second: Rule) -> bool:
    if not first.keys or not second.keys:
        return True
    return bool({key.lower() for key in first.keys} & {key.lower() for key in second.keys})


def _no_ways(_schema: str | None, _user: str) -> Ways:
    return {}


class _Index:
    """Rules by table: exact names in a dictionary, wildcards as compiled expressions."""

    __slots__ = ("_exact", "_rules", "_wild")

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._exact: dict[tuple[str | None, str], list[int]] = {}
        self._wild: list[tuple[re.Pattern[str] | None, re.Pattern[str], int]] = []
        for position, rule in enumerate(rules):
            schema, table = rule.table.schema, rule.table.table
            if "*" in table or "*" in (schema or ""):
                self._wild.append((_compiled(schema), _pattern(table), position))
            else:
                self._exact.setdefault((schema and schema.lower(), table.lower()), []).append(position)

    def find(self, schema: str | None, table: str, user: str) -> tuple[Rule, ...]:
        """Give the rules for a table and a user, in their order."""
        name, home = table.lower(), schema and schema.lower()
        found = set(self._exact.get((None, name), ()))
        if home is not None:
            found.update(self._exact.get((home, name), ()))
        found.update(position for own, pattern, position in self._wild if _fits(own, home) and pattern.fullmatch(name))
        return tuple(rule for rule in map(self._rules.__getitem__, sorted(found)) if _is_for(rule, user))


def _is_for(rule: Rule, user: str) -> bool:
    return not rule.users or user in rule.users


def _fits(pattern: re.Pattern[str] | None, schema: str | None) -> bool:
    return pattern is None or (schema is not None and pattern.fullmatch(schema) is not None)


def _compiled(schema: str | None) -> re.Pattern[str] | None:
    return None if schema in (None, "*") else _pattern(schema or "")


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.lower().split("*"))), re.DOTALL)


class Mismatch(StrEnum):
    """The first thing about an insert that a rule is not for."""

    TABLE = "table"
    SCHEMA = "schema"
    USER = "user"


def mismatch(rule: Rule, schema: str | None, table: str, user: str) -> Mismatch | None:
    """Tell why a rule is no candidate for an insert; None: it is one."""
    if not _pattern(rule.table.table).fullmatch(table.lower()):
        return Mismatch.TABLE
    if not _fits(_compiled(rule.table.schema), schema and schema.lower()):
        return Mismatch.SCHEMA
    return None if _is_for(rule, user) else Mismatch.USER


def shadowed(rules: Sequence[Rule]) -> list[tuple[Rule, Rule]]:
    """Find rules that can never be asked, each with the rule before it that takes everything."""
    found: list[tuple[Rule, Rule]] = []
    firsts: dict[tuple[str, str], list[Rule]] = {}
    for rule in rules:
        table = ((rule.table.schema or "*").lower(), rule.table.table.lower())
        earlier = firsts.setdefault(table, [])
        cover = next((first for first in earlier if _covers(first, rule)), None)
        if cover is not None:
            found.append((rule, cover))
        earlier.append(rule)
    return found


def _covers(first: Rule, second: Rule) -> bool:
    users = not first.users or (bool(second.users) and set(second.users) <= set(first.users))
    first_keys, second_keys = ({key.lower() for key in rule.keys} for rule in (first, second))
    keys = not first_keys or (bool(second_keys) and second_keys <= first_keys)
    return users and keys
