"""What a rule does to one insert: the statement that is sent for it."""

from dataclasses import dataclass

from proxy.rules.rule import Rule


@dataclass(frozen=True, slots=True)
class Plan:
    """The statement that stands for one insert under one rule; `rows` is the number of rows that it offers."""

    rule: Rule
    statement: bytes
    guarded: bool
    rows: int
