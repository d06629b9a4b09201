"""What the README says of the files and the metrics is what the program does."""

import re
from pathlib import Path

import pytest

from proxy.config import Address, ProxyConfig, load_config
from proxy.conflicts.counters import Counters
from proxy.conflicts.metrics import render
from proxy.rules.model import load_rules
from proxy.rules.warnings import warnings

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
SMALLEST, SETTINGS, FIRST_RULE, SECOND_RULE = BLOCKS


def test_smallest_configuration_is_right(tmp_path: Path) -> None:
    (tmp_path / "proxy.yaml").write_text(SMALLEST)
    assert load_config(tmp_path / "proxy.yaml") == ProxyConfig(rules=tmp_path / "rules.yaml")


def test_settings_are_all_there_with_their_defaults(tmp_path: Path) -> None:
    (tmp_path / "proxy.yaml").write_text(SMALLEST + SETTINGS)
    assert load_config(tmp_path / "proxy.yaml") == ProxyConfig(rules=tmp_path / "rules.yaml")
    named = set(re.findall(r"^ *(\w+):", SMALLEST + SETTINGS, re.MULTILINE))
    assert named == set(_keys(ProxyConfig()))


def test_rules_are_right_and_without_warnings(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(FIRST_RULE + SECOND_RULE)
    rules = load_rules(tmp_path / "rules.yaml")
    assert [rule.name for rule in rules.rules] == ["signup-email", "page-counter"]
    assert warnings(rules) == []


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(keyclash_\w+)`", README))))
def test_metrics_exist(name: str) -> None:
    text, _ = render(Counters(), "")
    assert f"# HELP {name} ".encode() in text


def _keys(value: object) -> list[str]:
    found = []
    for name in () if isinstance(value, Address) else getattr(value, "__dataclass_fields__", ()):
        found += [name.rstrip("_"), *_keys(getattr(value, name))]
    return found
