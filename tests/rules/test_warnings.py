"""What `check` warns of."""

from dataclasses import replace
from pathlib import Path

import pytest

from proxy.rules.match import RuleSet
from proxy.rules.model import load_rules
from proxy.rules.rule import Rule, When
from proxy.rules.table import Column, KeyPart, Table, UniqueKey
from proxy.rules.warnings import warnings
from tests.rules.making import rule

SAMPLE = Path(__file__).parent.parent.parent / "config" / "rules.yaml"


def test_the_sample_has_none() -> None:
    assert warnings(load_rules(SAMPLE)) == []


AT_ITS_END = (
    "when: always is followed as conflict on MySQL, for {}: "
    "without columns nothing tells a duplicate from a counter at its end"
)


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
        (rule("ignore", when=When.ALWAYS), AT_ITS_END.format("every table")),
        (rule("replace", when=When.ALWAYS), AT_ITS_END.format("every table")),
    ],
)
def test_what_may_surprise(own: Rule, message: str) -> None:
    assert [problem.message for problem in warnings(RuleSet((own,), "f"))] == [message]


@pytest.mark.parametrize(
    "own",
    [
        rule("observe", key="k"),
        rule("replace", key="k"),
        rule("idempotent", when=When.ALWAYS),
        rule("ignore", key="k", columns=["a"], when=When.ALWAYS),
        rule("update", {"a": "new.a"}, columns=["a"]),
    ],
)
def test_what_does_not_surprise(own: Rule) -> None:
    assert warnings(RuleSet((own,), "f")) == []


def test_a_look_up_tells_a_counter_from_a_duplicate_but_not_to_replace() -> None:
    ignore, replaces = rule("ignore", when=When.ALWAYS), rule("replace", when=When.ALWAYS)
    assert warnings(RuleSet((ignore,), "f"), lookup=True) == []
    [problem] = warnings(RuleSet((replaces,), "f"), lookup=True)
    assert problem.message == AT_ITS_END.format("tables with AUTO_INCREMENT")


def test_a_rule_that_is_never_asked_is_told_at_its_line() -> None:
    [problem] = warnings(RuleSet((rule(name="one", line=2), rule(name="two", line=9, key="k", columns=["a"])), "f"))
    assert str(problem) == "f:9: two: never asked: one in line 2 takes it all"


# --- what the table makes of a rule ---------------------------------------------------------------------------------

ID = Column("id", "int", None, None, False, False, True, False)
NAME = Column("name", "varchar", "utf8mb4", "utf8mb4_bin", True, False, False, True)
HALF = Column("half", "int", None, None, True, True, False, False)
KEYS = (
    UniqueKey("PRIMARY", (KeyPart("id"),)),
    UniqueKey("ux_name", (KeyPart("name"),)),
    UniqueKey("fx", (KeyPart(None, expression="cast(`name` as char(9) array)"),)),
)
TABLE = Table("s", "t", (ID, NAME, HALF), KEYS, "InnoDB", True, frozenset(), False)


def of_table(own: Rule, table: Table = TABLE) -> list[str]:
    return [problem.message for problem in warnings(RuleSet((own,), "f"), lookup=True, tables={own.name: table})]


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (rule("ignore", key="gone"), "t has no unique key gone"),
        (rule("ignore", key="PRIMARY"), "the server fills the key PRIMARY for inserts that do not name id"),
        (
            rule("ignore", key="fx"),
            "the key fx is made of expressions or periods that are not compared: its conflicts are returned",
        ),
        (rule("ignore", key="UX_NAME", columns=["id"]), "the key ux_name is on name, not on id"),
        (rule("update", {"gone": "1"}, columns=["name"]), "set writes gone, which t does not have"),
        (rule("update", {"half": "1"}, columns=["name"]), "set writes half, which is generated"),
        (rule("idempotent", compare_except=("gone",)), "compare names gone, which t does not have"),
        (rule("ignore", return_id="name"), "return_id names name, which is no AUTO_INCREMENT column of integers"),
    ],
)
def test_what_the_table_makes_of_a_rule(own: Rule, message: str) -> None:
    assert of_table(own) == [message]


def test_what_the_table_makes_of_a_replace() -> None:
    resets = "REPLACE resets the columns that an insert does not name, and deletes or changes rows that refer to it"
    other = "replace does not name the key ux_name, and might delete a row met there: inserts are passed on"
    assert of_table(rule("replace", key="fx")) == [other, resets]
    assert of_table(rule("replace", keys=("fx", "ux_name"))) == [resets]


@pytest.mark.parametrize(
    "own",
    [
        rule("observe", key="gone"),
        rule("ignore", key="ux_name"),
        rule("ignore", key="ux_name", columns=["NAME"], return_id="ID"),
        rule("idempotent", compare_except=("Name",)),
    ],
)
def test_a_table_that_a_rule_fits(own: Rule) -> None:
    assert of_table(own) == []


def test_engines_and_triggers() -> None:
    memory = replace(TABLE, engine="MEMORY", transactional=False, triggers=frozenset({"insert", "delete"}))
    assert of_table(rule("ignore", key="ux_name"), memory) == [
        "MEMORY undoes nothing: inserts of several rows are passed on as they are",
        "a row that is kept or updated has fired the BEFORE INSERT triggers, and fires those of UPDATE",
    ]
    assert of_table(rule("replace"), memory)[2:] == ["REPLACE fires the DELETE triggers"]
    hidden = replace(TABLE, triggers=None)
    assert of_table(rule("replace"), hidden)[1:] == [
        "REPLACE fires DELETE triggers, and whether there are any is not visible"
    ]
