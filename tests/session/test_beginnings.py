"""Whatever is remembered of a beginning, each INSERT goes the way that it would go by itself."""

import pytest

from proxy.rules.match import RuleSet
from proxy.session.beginnings import Beginnings, Way
from proxy.sql.head import Head

RULES = RuleSet()


class Judge:
    """Lets INSERTs into `watched` be watched and those into `read` be read; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, str | None, str | None]] = []

    def __call__(self, start: Head, schema: str | None) -> Way:
        self.asked.append((start.schema, start.table, schema))
        return {"watched": Way.WATCHED, "read": Way.READ}.get(start.table or "", Way.PLAIN)


@pytest.mark.parametrize(
    "text",
    [
        b"INSERT INTO watched (a) VALUES (1)",
        b"insert watched VALUES (1)",
        b"INSERT  INTO\n`watched`(a) VALUES (1)",
        b"INSERT INTO shop.watched VALUES (1)",
        b"INSERT INTO `sh(op`.`watched` VALUES (1)",
    ],
)
def test_usual_beginnings_are_judged_once(text: bytes) -> None:
    judge = Judge()
    beginnings = Beginnings(judge)
    for _ in range(3):
        assert beginnings.way_of(b"????" + text, 4, RULES, "shop") is Way.WATCHED
    assert len(judge.asked) == (1 if b"sh(op" not in text else 3)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"INSERT /* ( */ INTO plain VALUES (1)", b"INSERT /* ( */ INTO read VALUES (1)"),
        (b"INSERT INTO `a(b` VALUES (1)", b"INSERT INTO `a(read`.`read` VALUES (1)"),
        (b"INSERT INTO plain SELECT 1", b"INSERT INTO read SELECT 1"),
        (b"INSERT INTO plain SET a = (1)", b"INSERT INTO read SET a = (1)"),
        (b"INSERT INTO plain -- (\n(a) VALUES (1)", b"INSERT INTO read -- (\n(a) VALUES (1)"),
        (b"INSERT INTO plain (a) VALUES (1)", b"INSERT INTO read (a) VALUES (1)"),
        (b'INSERT INTO "(" VALUES (1)', b'INSERT INTO "("."read" VALUES (1)'),
    ],
)
def test_beginnings_that_look_alike_are_told_apart(first: bytes, second: bytes) -> None:
    beginnings = Beginnings(Judge())
    for _ in range(2):
        assert beginnings.way_of(first, 0, RULES, None) is Way.PLAIN
        assert beginnings.way_of(second, 0, RULES, None) is Way.READ


def test_other_rules_and_schemas_are_asked_anew() -> None:
    judge = Judge()
    beginnings = Beginnings(judge)
    text = b"INSERT INTO watched VALUES (1)"
    beginnings.way_of(text, 0, RULES, "shop")
    beginnings.way_of(text, 0, RULES, "other")
    beginnings.way_of(text, 0, RuleSet(), "other")
    rules = RuleSet()
    beginnings.way_of(text, 0, rules, "other")
    beginnings.way_of(text, 0, rules, "other")
    assert [schema for _, _, schema in judge.asked] == ["shop", "other", "other", "other"]


def test_what_is_remembered_is_bounded() -> None:
    judge = Judge()
    beginnings = Beginnings(judge)
    for number in range(1000):
        beginnings.way_of(f"INSERT INTO t{number} VALUES (1)".encode(), 0, RULES, None)
    beginnings.way_of(b"INSERT INTO t0 VALUES (1)", 0, RULES, None)
    assert len(judge.asked) == 1001
