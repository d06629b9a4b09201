"""Which server answers, and what its grammar can do."""

import re
from dataclasses import dataclass
from functools import lru_cache

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
# Older clients read "5.5.5-" as the version; MariaDB 10 puts it before its own (MDEV-4088).
_MARIADB_PREFIX = re.compile(r"5\.5\.5-(?=\d)")
_WORD = re.compile(r"[a-z]+")
# Words in version strings of MySQL itself and of its builds by Linux distributions and clouds. Any other word may be
# a server that only speaks the protocol (TiDB, Vitess, ...) and knows no row alias.
_GENUINE = frozenset(
    {
        *("aurora", "aws", "azure", "cloud", "cluster", "commercial", "community", "deb", "debug", "el", "enterprise"),
        *("fc", "google", "gpl", "log", "mysql", "percona", "rds", "u", "ubuntu"),
    }
)
_ROW_ALIAS_SINCE = (8, 0, 20)


@dataclass(frozen=True, slots=True)
class Dialect:
    """The grammar of one server.

    Args:
        mariadb: the server is MariaDB.
        version: major, minor, patch; (0, 0, 0) when the server's string holds none.
        row_alias: `VALUES (...) AS new` is understood: genuine MySQL from 8.0.20 on (WL#6312).
    """

    mariadb: bool
    version: tuple[int, int, int]
    row_alias: bool

    @classmethod
    @lru_cache(maxsize=16)  # the servers behind one proxy are few, and each session asks
    def parse(cls, server_version: str) -> "Dialect":
        """Read the version string of a server's greeting, e.g. `9.7.4-2` or `5.5.5-10.11.19-MariaDB-0+deb12u1`."""
        text = server_version.lower()
        rest, prefixes = _MARIADB_PREFIX.subn("", text, count=1)
        mariadb = prefixes > 0 or "mariadb" in text
        found = _VERSION.match(rest)
        if found is None:
            return cls(mariadb, (0, 0, 0), False)
        version = (int(found[1]), int(found[2]), int(found[3] or 0))
        genuine = not mariadb and _GENUINE.issuperset(_WORD.findall(rest, found.end()))
        return cls(mariadb, version, genuine and version >= _ROW_ALIAS_SINCE)
