"""All that is known of one key, and what can be read from its statements."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from proxy.conflicts.conflict import Cause
from proxy.conflicts.journal import KeyStats, Record
from proxy.conflicts.message import UNKNOWN
from proxy.conflicts.redaction import CUT
from proxy.rules.table import Column, Missing, Table, UniqueKey
from proxy.sql.insert import Insert, Skip, recognise
from proxy.sql.lexing import Lexing
from proxy.sql.names import fold, same_name

_LEXING: Final = Lexing(ansi_quotes=False, no_backslash_escapes=False, charset_safe=True)
_COUNTER: Final = re.compile(r"(?:^|_)(?:counts?|counters?|hits?|views?|visits?|clicks?|uses|times|downloads)(?:$|_)")
_NUMERIC: Final = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double"})
_VOLATILE: Final = re.compile(r"\b(?:now|sysdate|current_timestamp|utc_timestamp|curdate|curtime|uuid|rand)\b", re.I)
_OFTEN: Final = 3


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a key.

    stats: what its conflicts come to. records: those that are kept, the newest first. table: its table's definition;
    Missing says why there is none, None: it is not looked up, or not yet.
    """

    stats: KeyStats
    records: tuple[Record, ...] = ()
    table: Table | Missing | None = None

    @property
    def definition(self) -> Table | None:
        """The table's definition, if it is known."""
        return self.table if isinstance(self.table, Table) else None

    @property
    def is_named(self) -> bool:
        """Whether both the table and the key are known by name."""
        return bool(self.stats.name.table) and self.stats.name.key not in ("", UNKNOWN)

    @property
    def key(self) -> UniqueKey | None:
        """The key's definition, if it is known."""
        return self.definition.key(self.stats.name.key) if self.definition else None

    @property
    def columns(self) -> tuple[str, ...]:
        """The key's columns: as defined, or as the statements tell; () where neither does."""
        if self.key is not None:
            return self.key.columns or ()
        return self.stats.columns

    @property
    def inserts(self) -> tuple[Insert, ...]:
        """The statements that met conflicts, without their values, as far as they read as inserts."""
        found = (_read(hitter.value) for hitter in self.stats.samples.top(4))
        return tuple(insert for insert in found if isinstance(insert, Insert))

    @property
    def counters(self) -> tuple[str, ...]:
        """The columns that the statements name and that look like counters, where the same entries come often."""
        top = self.stats.entries.top(1)
        if not top or top[0].count - top[0].error < _OFTEN:
            return ()
        named = dict.fromkeys(name for insert in self.inserts for name in insert.columns or ())
        key = {fold(name) for name in self.columns}
        return tuple(name for name in named if fold(name) not in key and self._is_counter(name))

    @property
    def is_volatile(self) -> bool:
        """Whether a statement writes what is another value every time, such as NOW()."""
        return any(_VOLATILE.search(hitter.value) for hitter in self.stats.samples.top(4))

    @property
    def auto_increment(self) -> Column | None:
        """The AUTO_INCREMENT column, if the definition is known and the statements leave the column out."""
        column = self.definition.auto_increment if self.definition else None
        if column is None or any(same_name(column.name, name) for name in self._named()):
            return None
        return column

    def share(self, cause: Cause) -> float:
        """Give the part of the conflicts that have a cause, 0 to 1."""
        return self.stats.causes.get(cause, 0) / max(self.stats.count, 1)

    def _named(self) -> Iterator[str]:
        return (name for insert in self.inserts for name in insert.columns or ())

    def _is_counter(self, name: str) -> bool:
        column = self.definition.column(name) if self.definition else None
        return _COUNTER.search(fold(name)) is not None and (column is None or column.type in _NUMERIC)


@lru_cache(maxsize=1024)
def _read(sample: str) -> Insert | Skip:
    return recognise(sample.removesuffix(f", {CUT}").encode(), _LEXING)
