"""The rules under which nothing may change."""

from collections.abc import Callable
from pathlib import Path

from proxy.rules.match import RuleSet
from tests.e2e.running import NO_RULES, rules_from

_OTHERS = "".join(
    f"  - {{name: other-{number}, table: shop.other_{number}, key: ux, columns: [a], action: ignore}}\n"
    for number in range(1000)
)
_OBSERVE = "  - {name: seen, table: t, key: uk, columns: [k], action: observe}\n"

RULES: dict[str, Callable[[Path], RuleSet]] = {
    "none": lambda _: NO_RULES,
    "others": lambda folder: rules_from("rules:\n" + _OTHERS, folder),
    "observe": lambda folder: rules_from("rules:\n" + _OBSERVE, folder),
}
