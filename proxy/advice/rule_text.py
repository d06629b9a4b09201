"""One rule as the YAML that `config/rules.yaml` is made of."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.rules.rule import Action

_WORD: Final = re.compile(r"[A-Za-z_][0-9A-Za-z_.\-]*")
_PLAIN_TABLE: Final = re.compile(r"[0-9A-Za-z$_\-\u0080-\U0010ffff]+")
_NOT_TEXT: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})


@dataclass(frozen=True, slots=True)
class RuleText:
    """What a suggested rule says; the fields are those of the YAML."""

    name: str
    schema: str
    table: str
    key: str
    columns: tuple[str, ...]
    action: Action
    set: Mapping[str, str] = field(default_factory=dict)
    return_id: str | None = None

    def lines(self) -> list[str]:
        """Write the rule as one item of the list `rules`."""
        lines = [f"name: {scalar(self.name)}", f"table: {scalar(table_name(self.schema, self.table))}"]
        lines.append(f"key: {scalar(self.key)}")
        if self.columns:
            lines.append(f"columns: [{', '.join(map(scalar, self.columns))}]")
        lines.append(f"action: {self.action}")
        if self.set:
            lines.append("set:")
            lines += [f"  {scalar(column)}: {scalar(expression)}" for column, expression in self.set.items()]
        if self.return_id is not None:
            lines.append(f"return_id: {scalar(self.return_id)}")
        lines.append("affected_rows: insert")
        return ["  - " + lines[0], *("    " + line for line in lines[1:])]

    def __str__(self) -> str:
        return "\n".join(self.lines()) + "\n"


def scalar(text: str) -> str:
    """Write a text so that YAML reads it as that text."""
    if _WORD.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    return json.dumps(text, ensure_ascii=False)


def table_name(schema: str, table: str) -> str:
    """Write a rule's table; parts that are no plain words stand in backticks."""
    return ".".join(_table_part(part) for part in (schema, table) if part)


def _table_part(part: str) -> str:
    return part if _PLAIN_TABLE.fullmatch(part) else "`" + part.replace("`", "``") + "`"
