"""SECURITY.md names code and tests that there are."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "SECURITY.md").read_text()
FILES = sorted(set(re.findall(r"`((?:proxy|tests)/[\w/]+\.py)`", TEXT)))
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))
BOUNDS = TEXT.split("## Bounds")[1].split("Not bounded")[0]


@pytest.mark.parametrize("path", FILES)
def test_the_files_are_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("path", "name"), TESTS)
def test_the_tests_are_there(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name in functions


def test_every_bound_names_code_and_a_test() -> None:
    rows = [line for line in BOUNDS.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    for row in rows:
        *_, code, test, _ = row.split("|")
        assert "`proxy/" in code, row
        assert "`tests/" in test, row


def test_every_limit_of_the_configuration_is_among_them() -> None:
    from proxy.config import Limits

    assert [name for name in Limits.__dataclass_fields__ if f"limits.{name}`" not in BOUNDS] == []
