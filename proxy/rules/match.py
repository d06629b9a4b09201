"""Which rules are for an insert, and which of them is for a conflict."""

from dataclasses import dataclass

from proxy.rules.rule import Rule


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules of one file, in its order; `version` is the start of the text's SHA-256."""

    rules: tuple[Rule, ...] = ()
    source: str = ""
    version: str = ""
