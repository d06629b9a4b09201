"""The statements that rules make, byte by byte."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.rules import plan as plans
from proxy.rules.plan import Plan, plan
from proxy.rules.rule import Rule, When
from proxy.rules.table import Column, KeyPart, Table, UniqueKey
from proxy.sql.dialect import Dialect
from proxy.sql.insert import Skip
from proxy.sql.lexing import Lexing
from proxy.sql.reason import Reason
from tests.rules.making import MARIADB, MYSQL, OLD_MYSQL, PLAIN, insert, planned, rule, skipped

RAISE = "18446744073709551615+7001062"
BY_A = rule("update", {"b": "new.b"}, key="k", columns=["a"])


def clause(text: str | bytes, *arguments: object) -> str:
    """Give what was spliced in, after checking that nothing else has changed."""
    plan = planned(text, *arguments)  # type: ignore[arg-type]
    before = text.encode() if isinstance(text, str) else text
    end = insert(before).body_end
    added = len(plan.statement) - len(before)
    assert plan.statement[:end] == before[:end]
    assert plan.statement[end + added :] == before[end:]
    return plan.statement[end : end + added].decode()


def test_update_on_mysql() -> None:
    assert clause("INSERT INTO t (a, b) VALUES (1, 2)", BY_A) == (
        f" AS new ON DUPLICATE KEY UPDATE `a` = IF(IF(t.`a` = new.`a`,1,{RAISE}),t.`a`,NULL), `b` = new.`b`"
    )


@pytest.mark.parametrize("dialect", [MARIADB, OLD_MYSQL])
def test_update_on_servers_without_an_alias(dialect: object) -> None:
    assert clause("INSERT INTO t (a, b) VALUES (1, 2)", BY_A, dialect) == (
        f" ON DUPLICATE KEY UPDATE `a` = IF(IF(t.`a` = VALUES(`a`),1,{RAISE}),t.`a`,NULL), `b` = VALUES(`b`)"
    )


def test_the_order_is_guard_then_id_then_set() -> None:
    """The id is told only behind the guard, and is not assigned: see `proxy.rules.clause`."""
    own = rule("update", {"b": "new.b"}, key="k", columns=["a"], return_id="id")
    assert clause("INSERT INTO t (a, b) VALUES (1, 2)", own) == (
        " AS new ON DUPLICATE KEY UPDATE "
        f"`a` = IF(IF(t.`a` = new.`a`,IF(LAST_INSERT_ID(t.`id`),1,1),{RAISE}),t.`a`,NULL)"
        ", `b` = new.`b`"
    )


def test_ignore_without_key_is_a_no_op_without_alias_or_guard() -> None:
    text = "INSERT INTO shop . `t` (a, b) VALUES (1, 2)"
    assert clause(text, rule("ignore")) == " ON DUPLICATE KEY UPDATE `a` = shop . `t`.`a`"
    assert not planned(text, rule("ignore")).guarded


def test_return_id_alone_is_the_no_op() -> None:
    own = rule("ignore", return_id="id")
    text = "INSERT INTO t VALUES (1, 2)"
    assert clause(text, own) == " ON DUPLICATE KEY UPDATE `id` = LAST_INSERT_ID(t.`id`)"


def test_return_id_without_key_goes_with_a_column_that_keeps_its_value() -> None:
    own = rule("ignore", return_id="id")
    assert clause("INSERT INTO t (a) VALUES (1)", own) == (
        " ON DUPLICATE KEY UPDATE `a` = IF(IF(LAST_INSERT_ID(t.`id`),1,1),t.`a`,NULL)"
    )


def test_several_keys_are_alternatives() -> None:
    own = rule("ignore", keys=("k", "l"), groups=(("a", "b"), ("c",)))
    guard = "((t.`a` = new.`a` AND t.`b` = new.`b`) OR (t.`c` = new.`c`))"
    text = "INSERT INTO t (a, b, c) VALUES (1, 2, 3)"
    assert clause(text, own) == f" AS new ON DUPLICATE KEY UPDATE `a` = IF(IF({guard},1,{RAISE}),t.`a`,NULL)"


def test_the_alternatives_of_idempotent_are_in_parentheses() -> None:
    own = rule("idempotent", keys=("k", "l"), groups=(("a",), ("b",)))
    text = clause("INSERT INTO t (a, b) VALUES (1, 2)", own)
    assert "IF(IF(((t.`a` = new.`a`) OR (t.`b` = new.`b`)) AND IF(CHARSET(t.`a`)" in text


def test_idempotent_compares_every_column_of_the_insert() -> None:
    text = clause("INSERT INTO t (a, b, c) VALUES (1, 2, 3)", rule("idempotent"))
    assert re.findall(r"CHARSET\(t\.`(\w)`\)", text) == ["a", "b", "c"]
    assert planned("INSERT INTO t (a) VALUES (1)", rule("idempotent")).guarded


def test_idempotent_compares_no_more_than_the_definition_asks_for() -> None:
    """What the key's comparison has told is left out, and so is NULL where there is none."""
    own, text = rule("idempotent", key="k"), "INSERT INTO t (n, c, d, m) VALUES (1, 'x', 'y', 2)"
    columns = [_column("n", "int"), _column("c", "char"), _column("d", "char", nullable=True), _column("m", "int")]
    parts = (KeyPart("n"), KeyPart("c"))
    bytes_of_d = "COALESCE(CAST(t.`d` AS BINARY) = CAST(new.`d` AS BINARY),t.`d` IS NULL AND new.`d` IS NULL)"
    compared = "CAST(t.`c` AS BINARY) = CAST(new.`c` AS BINARY) AND " + bytes_of_d + " AND t.`m` <=> new.`m`"
    for keys, told in (
        ((UniqueKey("k", parts),), "t.`n` = new.`n` AND t.`c` = new.`c` AND "),
        ((UniqueKey("k", (KeyPart("n", 3),)),), "LEFT(t.`n`,3) = LEFT(new.`n`,3) AND t.`n` <=> new.`n` AND "),
    ):
        table = Table("shop", "t", tuple(columns), keys, "InnoDB", True, frozenset(), False)
        made = plan(insert(text), own, MYSQL, table)
        assert isinstance(made, Plan)
        assert f"IF(IF({told}{compared},1,{RAISE})".encode() in made.statement


def test_keys_that_are_alternatives_tell_nothing_of_their_columns() -> None:
    own, text = rule("idempotent", keys=("k", "l")), "INSERT INTO t (n, m) VALUES (1, 2)"
    keys = (UniqueKey("k", (KeyPart("n"),)), UniqueKey("l", (KeyPart("m"),)))
    table = Table("shop", "t", (_column("n", "int"), _column("m", "int")), keys, "InnoDB", True, frozenset(), False)
    made = plan(insert(text), own, MYSQL, table)
    assert isinstance(made, Plan)
    assert b"((t.`n` = new.`n`) OR (t.`m` = new.`m`)) AND t.`n` <=> new.`n` AND t.`m` <=> new.`m`" in made.statement


def _column(name: str, kind: str, *, nullable: bool = False) -> Column:
    return Column(name, kind, None, None, nullable, False, False, False)


def test_the_alias_knows_only_the_columns_of_the_insert() -> None:
    own = rule("update", {"b": "new.b", "C": "new.C"}, key="k", columns=["A"])
    text = clause("INSERT INTO t (a, c) VALUES (1, 2)", own)
    assert "t.`A` = new.`A`" in text
    assert "`b` = VALUES(`b`), `C` = new.`C`" in text


def test_without_a_column_list_the_alias_knows_all() -> None:
    assert "`b` = new.`b`" in clause("INSERT INTO t VALUES (1, 2)", BY_A)


@pytest.mark.parametrize("table", ["new", "`NEW`", "shop.New"])
def test_a_table_named_as_the_alias_gets_another(table: str) -> None:
    text = clause(f"INSERT INTO {table} (a, b) VALUES (1, 2)", BY_A)
    assert text.startswith(" AS offered ON DUPLICATE KEY UPDATE `a` = IF(IF(" + table + ".`a` = offered.`a`")


def test_the_anchor_is_a_column_of_the_key_that_the_insert_names() -> None:
    own = rule("ignore", key="k", columns=["a", "b"])
    assert " UPDATE `b` = IF(IF(" in clause("INSERT INTO t (c, B) VALUES (1, 2)", own)
    assert " UPDATE `c` = IF(IF(" in clause("INSERT INTO t (c, d) VALUES (1, 2)", own)
    assert " UPDATE `a` = IF(IF(" in clause("INSERT INTO t VALUES (1, 2)", own)
    assert " UPDATE `b` = new.`b`" in clause("INSERT INTO t VALUES (1, 2)", rule("update", {"b": "new.b"}))


@pytest.mark.parametrize(
    "tail", [";", " ; ", " -- the end", "-- c", " # c\n", " /* a */ ; -- b", "\n", "", "/* id=1 */", ";;"]
)
def test_the_clause_stands_before_all_that_follows_the_values(tail: str) -> None:
    added = clause(f"INSERT INTO t (a, b) VALUES (1, 2){tail}", BY_A)
    assert added.startswith(" AS new ON DUPLICATE KEY UPDATE ")


def test_several_rows_are_counted() -> None:
    assert planned("INSERT INTO t (a) VALUES (1), (2), (3)", rule("ignore")).rows == 3


def test_replace_on_both() -> None:
    text = b"/* a */ insert HIGH_PRIORITY into `t` (a) VALUES ('\xff'); -- b"
    wanted = b"/* a */ REPLACE  into `t` (a) VALUES ('\xff'); -- b"
    for dialect in (MYSQL, MARIADB):
        plan = planned(text, rule("replace"), dialect)
        assert (plan.statement, plan.guarded) == (wanted, False)


def test_replace_keeps_low_priority() -> None:
    assert planned("INSERT LOW_PRIORITY t SET a = 1", rule("replace")).statement == b"REPLACE LOW_PRIORITY t SET a = 1"


@pytest.mark.parametrize(
    ("text", "own", "reason"),
    [
        ("INSERT INTO t (a) VALUES (1)", rule("observe"), Reason.OBSERVE),
        ("INSERT INTO t (a) VALUES (1)", rule("ignore", key="k"), Reason.COLUMNS_UNKNOWN),
        ("INSERT INTO t VALUES (1)", rule("ignore"), Reason.NO_COLUMNS),
        ("INSERT INTO t VALUES (1)", rule("idempotent"), Reason.NO_COLUMNS),
        ("INSERT INTO t VALUES (1)", rule("idempotent", key="k", columns=["a"]), Reason.NO_COLUMNS),
        ("INSERT DELAYED INTO t (a) VALUES (1)", rule("ignore"), Reason.DELAYED),
        ("INSERT DELAYED INTO t (a) VALUES (1)", rule("replace"), Reason.DELAYED),
    ],
)
def test_what_has_no_plan_has_a_reason(text: str, own: object, reason: Reason) -> None:
    assert skipped(text, own) == reason  # type: ignore[arg-type]


@given(
    value=st.binary(max_size=40),
    tail=st.sampled_from([b"", b";", b" -- x", b"/* ? */"]),
    action=st.sampled_from(["ignore", "idempotent", "update", "replace"]),
)
def test_the_clients_bytes_and_placeholders_are_kept(value: bytes, tail: bytes, action: str) -> None:
    literal = b"'" + value.replace(b"\\", b"\\\\").replace(b"'", b"''") + b"'"
    text = b"INSERT INTO t (a, b) VALUES (?, " + literal + b")" + tail
    sets = {"b": "new.b"} if action == "update" else None
    lexing = Lexing(ansi_quotes=False, no_backslash_escapes=False, charset_safe=True)
    statement = planned(text, rule(action, sets), MYSQL, lexing).statement
    assert statement.count(b"?") == text.count(b"?")
    assert literal in statement
    assert statement.endswith(tail)


# --------------------------------------------------------------------------------------------------------------------
# What is remembered


def table_of(*columns: str, key: str = "a", transactional: bool = True) -> Table:
    """Make the definition of `t`, with a key `k` on one column."""
    found = tuple(Column(name, "int", "", "", True, False, False, True) for name in columns)
    keys = (UniqueKey("k", (KeyPart(key),)),)
    return Table("shop", "t", found, keys, "InnoDB", transactional, frozenset(), False)


ALIKE = [
    (BY_A, "INSERT INTO t (a, b) VALUES (1, 2)"),
    (BY_A, "INSERT INTO t (a, b) VALUES (3, 4)"),
    (BY_A, "INSERT INTO t (a, b) VALUES (1, 2), (3, 4)"),
    (BY_A, "INSERT INTO t (a, b) VALUES (1, 2) RETURNING a"),
    (BY_A, "INSERT INTO t (a, b) VALUES (1, 2), (3, 4) RETURNING a"),
    (BY_A, "INSERT INTO `t` (a, b) VALUES (1, 2)"),
    (BY_A, "INSERT INTO shop.t (a, b) VALUES (1, 2)"),
    (BY_A, "INSERT INTO t (b, a) VALUES (1, 2)"),
    (BY_A, "INSERT INTO t VALUES (1, 2)"),
    (BY_A, "INSERT INTO t VALUES (1, 2, 3)"),
    (BY_A, "INSERT INTO t VALUES ()"),
    (BY_A, "INSERT INTO t SET a = 1, b = 2"),
    (BY_A, "INSERT INTO t (a, b) SELECT a, b FROM u"),
    (BY_A, "INSERT INTO t (a, b) SELECT a, b FROM t"),
    (BY_A, "INSERT INTO t (a, b) SELECT u.a, u.b FROM u JOIN v"),
    (BY_A, "INSERT DELAYED INTO t (a, b) VALUES (1, 2)"),
    (BY_A, "INSERT HIGH_PRIORITY INTO t (a, b) VALUES (1, 2)"),
    (BY_A, "INSERT INTO t (a, b) VALUES (1, ROW_COUNT())"),
    (BY_A, "INSERT INTO t (a, b) VALUES (1, LAST_INSERT_ID()), (3, 4)"),
    (rule("ignore"), "INSERT INTO t (a, b) VALUES (1, 2)"),
    (rule("ignore", when=When.ALWAYS), "INSERT INTO t (a, b) VALUES (1, 2)"),
    (rule("ignore", return_id="id"), "INSERT INTO t (a, b) VALUES (1, 2)"),
    (rule("idempotent"), "INSERT INTO t (a, b) VALUES (1, 2)"),
    (rule("observe"), "INSERT INTO t (a, b) VALUES (1, 2)"),
    (rule("replace", allow_replace=True), "INSERT INTO t (a, b) VALUES (1, 2)"),
    (rule("replace", allow_replace=True), "INSERT HIGH_PRIORITY INTO t (a, b) VALUES (1, 2)"),
    (rule("update", {"\u00e9": "new.b"}), "INSERT INTO t (a, b) VALUES (1, 2)"),
]
SITES = [
    (dialect, lexing, table)
    for dialect in (MYSQL, OLD_MYSQL, MARIADB)
    for lexing in (PLAIN, PLAIN._replace(utf8=False))
    for table in (None, table_of("a", "b"), table_of("a", "b", transactional=False), table_of("a", "b", "c"))
]


def test_what_was_made_of_other_inserts_changes_nothing() -> None:
    """Each is planned by itself, and then all in an order that mixes them."""
    cases = [(own, text, *site) for own, text in ALIKE for site in SITES]

    def made(own: Rule, text: str, dialect: Dialect, lexing: Lexing, table: Table | None) -> Plan | Skip:
        return plan(insert(text, lexing), own, dialect, table)

    alone = []
    for case in cases:
        plans._remembered.clear()
        alone.append(made(*case))
    assert len(set(alone)) > 40
    order = list(range(len(cases)))
    for _ in range(2):
        random.Random(1).shuffle(order)
        assert [made(*cases[number]) for number in order] == [alone[number] for number in order]


def test_a_definition_that_was_read_again_is_heeded() -> None:
    own, text = rule("ignore", key="k"), "INSERT INTO t (a, b) VALUES (1, 2)"
    one = plan(insert(text), own, MYSQL, table_of("a", "b", key="a"))
    other = plan(insert(text), own, MYSQL, table_of("a", "b", key="b"))
    assert isinstance(one, Plan)
    assert isinstance(other, Plan)
    assert b"t.`a` = new.`a`" in one.statement
    assert b"t.`b` = new.`b`" in other.statement


def test_what_is_remembered_of_inserts_is_bounded() -> None:
    for number in range(plans._MOST_REMEMBERED + 1):
        planned(f"INSERT INTO t{number} (a, b) VALUES (1, 2)", BY_A)
    assert len(plans._remembered) <= plans._MOST_REMEMBERED
    for long in (f"INSERT INTO `{'t' * 2000}` (a, b) VALUES (1, 2)", "INSERT INTO t (a, b) VALUES (1, 2)"):
        plans._remembered.clear()
        planned(long, BY_A)
    assert len(plans._remembered) == 1
    plans._remembered.clear()
    planned(f"INSERT INTO t (a, b, {'c' * 5000}) VALUES (1, 2, 3)", BY_A)
    assert not plans._remembered
    columns = [f"c{number}" for number in range(100)]
    planned(f"INSERT INTO t ({', '.join(['a', 'b', *columns])}) VALUES ({', '.join(['1'] * 102)})", BY_A)
    assert not plans._remembered
