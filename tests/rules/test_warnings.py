"""What `check` warns of."""

from pathlib import Path

import pytest

from proxy.rules.match import RuleSet
from proxy.rules.model import load_rules
from proxy.rules.rule import Rule, When
from proxy.rules.warnings import warnings
from tests.rules.making import rule

SAMPLE = Path(__file__).parent.parent.parent / "config" / "rules.yaml"


def test_the_sample_has_none() -> None:
    assert warnings(load_rules(SAMPLE)) == []


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (rule("ignore", key="k"), "no columns for the key k: without them every insert is passed on as it is"),
        (rule("observe", key="k", columns=["a"]), "columns say nothing to the action observe"),
        (rule("replace", key="k", columns=["a"]), "columns say nothing to the action replace"),
        (
            rule("update", {"a": "new.a"}),
            "update without key changes the row of a conflict on any unique key, PRIMARY too",
        ),
        (
            rule("replace", key="k", when=When.ALWAYS),
            "when: always is followed as conflict: REPLACE would delete rows met on keys that the rule does not name",
        ),
        (rule("observe", when=When.ALWAYS), "when: always is followed as conflict: observe changes no statement"),
    ],
)
def test_what_may_surprise(own: Rule, message: str) -> None:
    assert [problem.message for problem in warnings(RuleSet((own,), "f"))] == [message]


@pytest.mark.parametrize(
    "own",
    [
        rule("observe", key="k"),
        rule("replace", key="k"),
        rule("replace", when=When.ALWAYS),
        rule("idempotent"),
        rule("ignore", key="k", columns=["a"], when=When.ALWAYS),
        rule("update", {"a": "new.a"}, columns=["a"]),
    ],
)
def test_what_does_not_surprise(own: Rule) -> None:
    assert warnings(RuleSet((own,), "f")) == []


def test_a_rule_that_is_never_asked_is_told_at_its_line() -> None:
    [problem] = warnings(RuleSet((rule(name="one", line=2), rule(name="two", line=9, key="k", columns=["a"])), "f"))
    assert str(problem) == "f:9: two: never asked: one in line 2 takes it all"
