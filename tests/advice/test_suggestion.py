from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.advice.suggestion import DryRun, Suggestion, suggest
from proxy.conflicts.conflict import Cause, Outcome
from proxy.rules.match import RuleSet
from proxy.rules.model import load_rules
from proxy.rules.rule import Action, Rule
from tests.advice.evidence import USERS, column, evidence, unique

NO_RULES = RuleSet()


def suggested(**changes: Any) -> Suggestion:
    return suggest(evidence(**changes), NO_RULES)


def loaded(suggestion: Suggestion, folder: Path) -> Rule:
    """Read a suggested rule as `keyclash check` does."""
    assert suggestion.rule is not None
    path = folder / "rules.yaml"
    path.write_text("rules:\n" + suggestion.rule, encoding="utf-8")
    (rule,) = load_rules(path).rules
    return rule


@pytest.mark.parametrize(
    ("cause", "action"),
    [
        (Cause.RETRY, Action.IDEMPOTENT),
        (Cause.RACE, Action.IGNORE),
        (Cause.BULK, Action.IGNORE),
        (Cause.EXISTING, Action.IGNORE),
    ],
)
def test_each_cause_has_its_action(cause: Cause, action: Action, tmp_path: Path) -> None:
    rule = loaded(suggested(cause=cause, table=USERS), tmp_path)
    assert (rule.action, str(rule.table), rule.keys) == (action, "shop.users", ("ux_email",))
    assert (rule.columns, rule.return_id) == ((("email",),), "id")


def test_a_race_is_surer_than_a_row_that_exists() -> None:
    levels = [suggested(cause=cause, table=USERS).level for cause in (Cause.RACE, Cause.EXISTING)]
    assert levels == ["high", "low"]
    assert suggested(cause=Cause.RACE, number=1).level == "low"


def test_counters_are_counted_up(tmp_path: Path) -> None:
    sample = "INSERT INTO v (page, hits) VALUES (?, ?)"
    suggestion = suggested(cause=Cause.EXISTING, shown="/", sample=sample, columns=("page",))
    rule = loaded(suggestion, tmp_path)
    assert rule.action is Action.UPDATE
    assert [each.column for each in rule.set] == ["hits"]
    assert suggestion.rule is not None
    assert 'hits: "old.hits + new.hits"' in suggestion.rule


def test_a_counter_is_a_number() -> None:
    table = replace(USERS, columns=(column("email"), column("hits")), keys=(unique("ux_email", "email"),))
    sample = "INSERT INTO users (email, hits) VALUES (?, ?)"
    assert suggested(cause=Cause.RACE, shown="x", sample=sample, table=table).action == Action.IGNORE


def test_a_retry_that_writes_the_time_never_equals_the_row() -> None:
    sample = "INSERT INTO users (email, at) VALUES (?, NOW())"
    assert suggested(cause=Cause.RETRY, sample=sample).action == Action.IGNORE


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"cause": Cause.SEQUENCE}, "AUTO_INCREMENT"),
        ({"cause": Cause.UNKNOWN}, "not known yet"),
        ({"table": None, "key": "unknown"}, "not known by name"),
    ],
)
def test_sometimes_there_is_no_rule(changes: dict[str, Any], word: str) -> None:
    suggestion = suggested(**changes)
    assert (suggestion.rule, suggestion.action, suggestion.dry_run) == (None, "", None)
    assert word in suggestion.reasons[0]


def rules(folder: Path, text: str) -> RuleSet:
    path = folder / "in_force.yaml"
    path.write_text(text, encoding="utf-8")
    return load_rules(path)


def test_a_rule_in_charge_is_told(tmp_path: Path) -> None:
    ruleset = rules(tmp_path, "rules: [{name: mine, table: users, action: ignore, key: ux_email, columns: [email]}]")
    assert "mine" in suggest(evidence(), ruleset).reasons[0]
    assert suggest(evidence(), ruleset).rule is None


def test_a_rule_that_only_looks_on_leaves_room_before_it(tmp_path: Path) -> None:
    ruleset = rules(tmp_path, "rules: [{name: users-ux_email, table: users, action: observe}]")
    suggestion = suggest(evidence(), ruleset)
    assert loaded(suggestion, tmp_path).name != "users-ux_email"
    assert any("before the rule users-ux_email" in reason for reason in suggestion.reasons)


def test_odd_names_make_rules_as_well(tmp_path: Path) -> None:
    odd: dict[str, Any] = {"schema": "my shop", "key": "true", "columns": ("null", "e: #`x")}
    plain = evidence(**odd)
    stats = plain.stats
    stats.name = stats.name._replace(table="a.b`c")
    rule = loaded(suggest(plain, NO_RULES), tmp_path)
    assert (rule.table.schema, rule.table.table) == ("my shop", "a.b`c")
    assert (rule.keys, rule.columns) == (("true",), (("null", "e: #`x"),))


def test_a_name_with_a_wildcard_makes_none() -> None:
    odd = evidence()
    odd.stats.name = odd.stats.name._replace(table="a*")
    assert suggest(odd, NO_RULES).rule is None


def test_what_it_would_have_done(tmp_path: Path) -> None:
    assert suggested(cause=Cause.RACE).dry_run == DryRun(answered=20, depends=0, left=0, handled=0)
    mixed = evidence(cause=Cause.RETRY)
    records = list(mixed.records)
    records[0] = records[0]._replace(cause=Cause.EXISTING)
    records[1] = records[1]._replace(statement="update")
    records[2] = records[2]._replace(outcome=Outcome.KEPT, rows=3)
    suggestion = suggest(replace(mixed, records=tuple(records)), NO_RULES)
    assert suggestion.dry_run == DryRun(answered=17, depends=1, left=1, handled=3)


def test_many_conflicts_speak_for_always() -> None:
    assert any("always" in reason for reason in suggested(number=100).reasons)
