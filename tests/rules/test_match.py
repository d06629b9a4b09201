"""Which rules are asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.rules.match import Mismatch, RuleSet, mismatch, rule_for_conflict, rule_for_insert, shadowed
from proxy.rules.rule import Rule, When
from tests.rules.making import rule


def names(rules: tuple[Rule, ...]) -> list[str]:
    return [each.name for each in rules]


@pytest.mark.parametrize(
    ("schema", "table", "candidate"),
    [
        ("shop", "users", True),
        ("SHOP", "Users", True),
        ("shop", "user", False),
        ("shop2", "users", False),
        (None, "users", False),
    ],
)
def test_an_exact_table(schema: str | None, table: str, candidate: bool) -> None:
    rules = RuleSet((rule(schema="Shop", table="users"),))
    assert bool(rules.candidates(schema, table, "any")) is candidate


@pytest.mark.parametrize(
    ("pattern", "schema", "table", "candidate"),
    [
        ((None, "users"), None, "users", True),
        ((None, "users"), "any", "users", True),
        (("*", "users"), None, "users", True),
        (("*", "users"), "any", "users", True),
        (("shop_*", "users"), "shop_1", "users", True),
        (("shop_*", "users"), "shop", "users", False),
        (("shop_*", "users"), None, "users", False),
        (("shop", "*"), "shop", "anything", True),
        (("shop", "*_log"), "shop", "a_log", True),
        (("shop", "*_log"), "shop", "a_logs", False),
        (("shop", "a*b*c"), "shop", "aXbYc", True),
        (("shop", "a.c"), "shop", "abc", False),
        (("*", "*"), None, "x\ny", True),
    ],
)
def test_wildcards(pattern: tuple[str | None, str], schema: str | None, table: str, candidate: bool) -> None:
    own = rule(schema=pattern[0], table=pattern[1])
    assert bool(RuleSet((own,)).candidates(schema, table, "any")) is candidate
    assert (mismatch(own, schema, table, "any") is None) is candidate


def test_candidates_come_in_the_order_of_the_file() -> None:
    rules = RuleSet(
        (
            rule(name="a", table="*"),
            rule(name="b", table="users"),
            rule(name="c", schema="shop", table="users"),
            rule(name="d", table="orders"),
            rule(name="e", table="user*"),
        )
    )
    assert names(rules.candidates("shop", "users", "any")) == ["a", "b", "c", "e"]
    assert names(rules.candidates("other", "users", "any")) == ["a", "b", "e"]


def test_users_are_compared_exactly() -> None:
    rules = RuleSet((rule(users=("app", "web")),))
    assert rules.candidates(None, "t", "app")
    assert not rules.candidates(None, "t", "App")
    assert not rules.candidates(None, "t", "")
    assert rules.candidates(None, "t", "web")


def test_why_a_rule_is_not_asked() -> None:
    own = rule(schema="shop", table="users", users=("app",))
    assert mismatch(own, "shop", "orders", "app") is Mismatch.TABLE
    assert mismatch(own, "test", "users", "app") is Mismatch.SCHEMA
    assert mismatch(own, None, "users", "app") is Mismatch.SCHEMA
    assert mismatch(own, "shop", "users", "root") is Mismatch.USER
    assert mismatch(own, "shop", "users", "app") is None


NAME = st.text("ab*", min_size=1, max_size=3)
PLAIN_NAME = st.text("ab", min_size=1, max_size=3)


@given(st.lists(st.tuples(st.none() | NAME, NAME), max_size=6), st.none() | PLAIN_NAME, PLAIN_NAME)
def test_the_index_finds_what_looking_at_each_rule_finds(
    patterns: list[tuple[str | None, str]], schema: str | None, table: str
) -> None:
    rules = tuple(rule(name=str(n), schema=one, table=other) for n, (one, other) in enumerate(patterns))
    wanted = [each.name for each in rules if mismatch(each, schema, table, "") is None]
    assert names(RuleSet(rules).candidates(schema, table, "")) == wanted


def test_what_is_remembered_is_bounded() -> None:
    rules = RuleSet((rule(table="*"),))
    for number in range(5000):
        assert rules.candidates(None, f"t{number}", "")
    assert rules.candidates(None, "t1", "") is rules.candidates(None, "t1", "")


def test_the_first_rule_for_the_key_of_a_conflict() -> None:
    email, phone, rest = rule(name="e", key="ux_email"), rule(name="p", keys=("ux_phone", "ux_fax")), rule(name="r")
    assert rule_for_conflict((email, phone), "UX_EMAIL") is email
    assert rule_for_conflict((email, phone), "ux_fax") is phone
    assert rule_for_conflict((email, phone), "PRIMARY") is None
    assert rule_for_conflict((email, phone), None) is None
    assert rule_for_conflict((email, rest), None) is rest
    assert rule_for_conflict((email, rest), "PRIMARY") is rest
    assert rule_for_conflict((), "PRIMARY") is None


def test_the_rule_whose_statement_is_sent_first() -> None:
    always = rule(name="a", key="k", when=When.ALWAYS)
    assert rule_for_insert((always,)) is always
    assert rule_for_insert((rule(key="other"), always)) is always
    assert rule_for_insert(()) is None
    assert rule_for_insert((rule(key="k"),)) is None


def test_a_rule_before_it_that_could_claim_the_conflict_stops_it() -> None:
    always = rule(name="a", key="k", when=When.ALWAYS)
    any_key = rule(name="b", when=When.ALWAYS)
    assert rule_for_insert((rule("observe"), always)) is None
    assert rule_for_insert((rule("observe", key="K"), always)) is None
    assert rule_for_insert((rule(key="other"), any_key)) is None
    assert rule_for_insert((always, any_key)) is always


def test_a_replace_with_keys_is_never_sent_first() -> None:
    assert rule_for_insert((rule("replace", key="k", when=When.ALWAYS),)) is None
    assert rule("replace", when=When.ALWAYS).effective_when is When.ALWAYS


def test_rules_that_are_never_asked() -> None:
    first, other_key, same, users, all_schemas = (
        rule(name="first", schema="shop", key="k"),
        rule(name="other", schema="shop", key="l"),
        rule(name="same", schema="SHOP", key="K"),
        rule(name="users", schema="shop", key="k", users=("app",)),
        rule(name="all", key="k"),
    )
    found = shadowed((first, other_key, same, users, all_schemas))
    assert [(late.name, early.name) for late, early in found] == [("same", "first"), ("users", "first")]


def test_equal_rules_make_equal_sets() -> None:
    assert RuleSet((rule(),), "f", "v") == RuleSet((rule(),), "f", "v")
    assert str(rule(schema="shop", table="users").table) == "shop.users"
    assert str(rule(table="users").table) == "users"
