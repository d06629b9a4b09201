"""Rules that trip off: one whose statements fail again and again does more harm than the conflicts.

What fails is the rule's doing (a column that is not there, a privilege that the user lacks) and changes nothing, so
that the client gets the error it would have had without the rule. Only the way there is longer, each time.
"""

from collections.abc import Callable
from typing import Final

from proxy.rules.rule import Rule

LIMIT: Final = 5
"""How many failures in a row trip a rule."""

REST: Final = 300.0
"""Seconds until a tripped rule is tried again."""


class Trips:
    """Counts the failures of rules.

    Args:
        clock: seconds, monotonic.
        on_change: called with a rule's name and whether it is tripped now.
    """

    __slots__ = ("_clock", "_failures", "_on_change", "_until")

    def __init__(self, clock: Callable[[], float], on_change: Callable[[Rule, bool], None]) -> None:
        self._clock = clock
        self._on_change = on_change
        self._failures: dict[Rule, int] = {}
        self._until: dict[Rule, float] = {}

    def failed(self, rule: Rule) -> None:
        """Count a failure that is the rule's doing."""
        failures = self._failures[rule] = self._failures.get(rule, 0) + 1
        if failures >= LIMIT and rule not in self._until:
            self._until[rule] = self._clock() + REST
            self._on_change(rule, True)

    def worked(self, rule: Rule) -> None:
        """Forget a rule's failures."""
        if self._failures:
            self._failures.pop(rule, None)

    def forget(self) -> None:
        """Try all rules again, and count anew: they are others now, or what they stumbled over may be."""
        rested = tuple(self._until)
        self._failures.clear()
        self._until.clear()
        for rule in rested:
            self._on_change(rule, False)

    def is_tripped(self, rule: Rule) -> bool:
        """Tell whether a rule is off; after its rest it is tried again, and one more failure trips it anew."""
        if not self._until:
            return False
        until = self._until.get(rule)
        if until is None:
            return False
        if self._clock() < until:
            return True
        del self._until[rule]
        self._failures[rule] = LIMIT - 1
        self._on_change(rule, False)
        return False
