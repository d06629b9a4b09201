from dataclasses import replace
from typing import Any

import pytest

from proxy.advice.explanation import Explanation, explain
from proxy.rules.table import Absence, KeyPart, Missing, Table, UniqueKey
from tests.advice.evidence import USERS, column, evidence, unique


def explained(table: Table | Missing | None = USERS, entry: str | None = None, **changes: Any) -> Explanation:
    return explain(evidence(table=table, **changes), entry)


def notes(explanation: Explanation) -> dict[str, str]:
    return {note.topic: note.text for note in explanation.notes}


def test_a_known_key() -> None:
    explanation = explained()
    assert explanation.definition == "UNIQUE KEY `ux_email` (`email`)"
    assert explanation.select == "SELECT * FROM `shop`.`users` WHERE `email` = ?"
    assert explanation.unknown == ""
    told = notes(explanation)
    assert "PRIMARY" in told["other keys"]
    assert "upper and lower case" in told["collation"]
    assert told["triggers"] == "The table has no triggers."
    assert "1592" in told["binary log"]


def test_the_primary_key() -> None:
    explanation = explained(key="PRIMARY")
    assert explanation.definition == "PRIMARY KEY (`id`)"
    assert "AUTO_INCREMENT" in notes(explanation)


def test_composite_prefix_and_expression() -> None:
    parts = (KeyPart("email", 10), KeyPart(None, None, "lower(`name`)"))
    table = replace(USERS, keys=(UniqueKey("ux_email", parts),))
    explanation = explained(table)
    assert explanation.definition == "UNIQUE KEY `ux_email` (`email`(10), (lower(`name`)))"
    assert explanation.select is not None
    assert explanation.select.endswith("WHERE LEFT(`email`, 10) = ? AND (lower(`name`)) = ?")
    assert {"composite key", "prefix", "expression", "other keys"} <= notes(explanation).keys()
    assert notes(explanation)["other keys"] == "It is the table's only unique key."


@pytest.mark.parametrize(
    ("changes", "topic"),
    [
        ({"nullable": True}, "NULL"),
        ({"generated": True}, "generated"),
        ({"type": "varbinary", "collation": None}, "binary"),
        ({"collation": "latin1_swedish_ci"}, "collation"),
    ],
)
def test_what_makes_a_value_look_odd(changes: dict[str, Any], topic: str) -> None:
    table = replace(USERS, columns=(replace(column("email"), **changes),), keys=(unique("ux_email", "email"),))
    assert topic in notes(explained(table))


def test_an_exact_collation_needs_no_note() -> None:
    table = replace(USERS, columns=(replace(column("email"), collation="utf8mb4_0900_bin"),))
    assert "collation" not in notes(explained(table))


def test_triggers_and_engines() -> None:
    told = notes(
        explained(replace(USERS, triggers=frozenset({"insert", "delete"}), engine="MyISAM", transactional=False))
    )
    assert "delete, insert" in told["triggers"]
    assert "MyISAM" in told["engine"]
    assert "not visible" in notes(explained(replace(USERS, triggers=None)))["triggers"]


@pytest.mark.parametrize(
    ("table", "word"),
    [(None, "lookup"), (Missing(Absence.NO_TABLE), "no such table"), (replace(USERS, keys=()), "no unique key")],
)
def test_an_unknown_definition_is_explained_from_the_statements(table: Table | Missing | None, word: str) -> None:
    explanation = explained(table)
    assert explanation.definition is None
    assert word in explanation.unknown
    assert explanation.select == "SELECT * FROM `shop`.`users` WHERE `email` = ?"


def test_without_columns_there_is_no_select() -> None:
    assert explained(None, columns=()).select is None
    assert explained(None, key="unknown").select is None


def test_a_value_that_may_be_shown_is_written_out() -> None:
    assert explained(entry="O'Brien\\").select == r"SELECT * FROM `shop`.`users` WHERE `email` = 'O''Brien\\'"
    assert explained(entry="x" * 64).select == "SELECT * FROM `shop`.`users` WHERE `email` = ?"


def test_each_action_has_a_meaning() -> None:
    table = replace(USERS, triggers=frozenset({"update", "delete"}))
    meanings = {meaning.action: meaning for meaning in explained(table).actions}
    assert list(meanings) == ["observe", "idempotent", "ignore", "update", "replace"]
    assert "email, name" in meanings["idempotent"].text
    assert "UPDATE triggers" in meanings["ignore"].text
    assert "DELETE triggers" in meanings["replace"].text
    assert not meanings["replace"].advisable
