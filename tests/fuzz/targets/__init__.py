"""What is fuzzed: one module for each target. They import the proxy, and are imported when a fuzzer looks into that."""

from importlib import import_module
from typing import Final

from tests.fuzz.target import Target

NAMES: Final = (
    "framing",
    "compression",
    "header",
    "parameters",
    "plain",
    "duplicates",
    "recogniser",
    "login",
    "commands",
    "rules",
)


def target(name: str) -> Target:
    """Import a target."""
    found = import_module(f"tests.fuzz.targets.{name}").TARGET
    assert isinstance(found, Target)
    return found
