"""What the account may see, from SHOW GRANTS.

Without the TRIGGER privilege a server shows no triggers, as if there were none; to know the difference the grants are
read. A wildcard in a schema's name is `_` or `%`, escaped by a backslash (MySQL manual, "GRANT Statement").
"""

import re
from collections.abc import Iterable
from typing import Final

_GRANT: Final = re.compile(
    r"(?P<verb>GRANT|REVOKE) (?P<privileges>.+?) ON (?:TABLE )?"
    r"(?:(?P<any>\*)|`(?P<schema>(?:[^`]|``)+)`)\.(?:\*|`(?P<table>(?:[^`]|``)+)`) (?:TO|FROM) ",
    re.DOTALL,
)
_QUOTED: Final = re.compile(r"`(?:[^`]|``)*`")
_TRIGGER: Final = re.compile(r"\b(?:TRIGGER|ALL PRIVILEGES)(?:,|$)")


def sees_triggers(grants: Iterable[str], schema: str, table: str) -> bool:
    """Tell whether an account may see the triggers of a table.

    grants: the lines of SHOW GRANTS in a session with the sql_mode '', those of active roles among them. A partial
    revoke of the schema (MySQL manual, "Privilege Restriction Using Partial Revokes") counts against it.
    """
    sees = False
    for match in filter(None, map(_GRANT.match, grants)):
        if _TRIGGER.search(_QUOTED.sub("", match["privileges"])) and _is_about(match, schema, table):
            if match["verb"] == "REVOKE":
                return False
            sees = True
    return sees


def _is_about(match: re.Match[str], schema: str, table: str) -> bool:
    if match["any"]:
        return True
    pattern, name = _name(match["schema"]), match["table"]
    if name is not None:
        return pattern == schema and _name(name) == table
    return pattern == schema or _like(pattern).fullmatch(schema) is not None


def _name(written: str) -> str:
    return written.replace("``", "`")


def _like(pattern: str) -> re.Pattern[str]:
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    return re.compile("".join({"%": ".*", "_": "."}.get(part) or re.escape(part[-1]) for part in parts), re.DOTALL)
