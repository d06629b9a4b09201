"""config/rules.yaml into rules; what is wrong with a file is in test_broken.py."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.config import ConfigError
from proxy.rules.expression_parser import parse
from proxy.rules.model import Action, AffectedRows, Assignment, Rule, RuleSet, TablePattern, When, load_rules

SAMPLE = Path(__file__).parent.parent.parent / "config" / "rules.yaml"


def load(folder: Path, text: str) -> RuleSet:
    path = folder / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    return load_rules(path)


def one(folder: Path, text: str) -> Rule:
    [rule] = load(folder, f"rules:\n  - name: r\n    action: ignore\n    {text}\n").rules
    return rule


def test_the_sample_names_every_action() -> None:
    rules = load_rules(SAMPLE)
    assert {rule.action for rule in rules.rules} == set(Action)
    assert rules.source == str(SAMPLE)
    assert rules.version == hashlib.sha256(SAMPLE.read_bytes()).hexdigest()[:12]


def test_a_whole_rule() -> None:
    assert load_rules(SAMPLE).rules[0] == Rule(
        name="signup-email",
        line=8,
        table=TablePattern("shop", "users"),
        action=Action.UPDATE,
        keys=("ux_email",),
        columns=(("email",),),
        set=(Assignment("name", parse("new.name")), Assignment("login_count", parse("old.login_count + 1"))),
        return_id="id",
        affected_rows=AffectedRows.INSERT,
        when=When.CONFLICT,
    )


def test_the_least_of_a_rule(tmp_path: Path) -> None:
    assert one(tmp_path, "table: t") == Rule("r", 2, TablePattern(None, "t"), Action.IGNORE)


@pytest.mark.parametrize(
    ("written", "keys", "columns"),
    [
        ("key: k, columns: [a]", ("k",), (("a",),)),
        ("key: k, columns: a", ("k",), (("a",),)),
        ("key: [k], columns: [a, b]", ("k",), (("a", "b"),)),
        ("key: [k, l], columns: [[a, b], c]", ("k", "l"), (("a", "b"), ("c",))),
        ("columns: [a, b]", (), (("a", "b"),)),
        ("columns: [[a], [b]]", (), (("a",), ("b",))),
        ("key: [k, l]", ("k", "l"), ()),
    ],
)
def test_keys_and_columns(
    tmp_path: Path, written: str, keys: tuple[str, ...], columns: tuple[tuple[str, ...], ...]
) -> None:
    [rule] = load(tmp_path, f"rules: [{{name: r, table: t, action: ignore, {written}}}]").rules
    assert (rule.keys, rule.columns) == (keys, columns)


@pytest.mark.parametrize(
    ("written", "pattern"),
    [
        ("users", TablePattern(None, "users")),
        ("shop.users", TablePattern("shop", "users")),
        ("'*.users'", TablePattern("*", "users")),
        ("'*'", TablePattern(None, "*")),
        ("shop_*.log_*", TablePattern("shop_*", "log_*")),
        ("'`my.shop`.`a b``c`'", TablePattern("my.shop", "a b`c")),
        ("my-shop.заказы", TablePattern("my-shop", "заказы")),
        ("'2024.$x'", TablePattern("2024", "$x")),
    ],
)
def test_tables(tmp_path: Path, written: str, pattern: TablePattern) -> None:
    assert one(tmp_path, f"table: {written}").table == pattern


def test_users_may_be_one_or_a_list(tmp_path: Path) -> None:
    assert one(tmp_path, "table: t\n    match: {users: app}").users == ("app",)
    assert one(tmp_path, "table: t\n    match: {users: [app, web]}").users == ("app", "web")


def test_numbers_are_expressions(tmp_path: Path) -> None:
    [rule] = load(tmp_path, "rules: [{name: r, table: t, action: update, set: {a: 0, b: 1.5}}]").rules
    assert [line.expression.source for line in rule.set] == ["0", "1.5"]


def test_an_assignment_stands_before_the_one_that_overwrites_what_it_reads(tmp_path: Path) -> None:
    text = "rules: [{name: r, table: t, action: update, set: {a: old.a + 1, b: old.A, c: old.b, d: old.d}}]"
    [rule] = load(tmp_path, text).rules
    assert [line.column for line in rule.set] == ["c", "b", "a", "d"]


def test_no_rules_at_all(tmp_path: Path) -> None:
    assert load(tmp_path, "rules: []").rules == ()


def test_defaults_may_be_shared_by_an_alias(tmp_path: Path) -> None:
    text = """
rules:
  - &base {name: one, table: a, action: ignore, when: always}
  - {<<: *base, name: two, table: b}
"""
    first, second = load(tmp_path, text).rules
    assert (second.name, second.when, second.line) == ("two", first.when, 4)


def test_a_star_without_quotes_is_told_as_what_yaml_takes_it_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        one(tmp_path, "table: *.users")
    assert "undefined alias" in str(caught.value)
    assert "(expected text that begins with * in quotes)" in str(caught.value)


def test_a_thousand_rules_are_read_and_asked(tmp_path: Path) -> None:
    rules = [f"  - {{name: r{n}, table: s{n}.t, key: k, columns: [a], action: ignore}}" for n in range(1000)]
    loaded = load(tmp_path, "rules:\n" + "\n".join(rules))
    assert [rule.name for rule in loaded.candidates("s999", "t", "")] == ["r999"]


def test_what_idempotent_compares(tmp_path: Path) -> None:
    [own] = load(
        tmp_path,
        "rules:\n  - {name: r, table: t, action: idempotent, compare: {except: [updated_at, seen], json: payload}}\n",
    ).rules
    assert own.compare_except == ("updated_at", "seen")
    assert own.compare_json == ("payload",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("action: idempotent, compare: {except: [a], json: [A]}", "compare.json: A is not compared at all"),
        ("action: ignore, compare: {except: [a]}", "compare: the action ignore compares no rows"),
        ("action: idempotent, compare: {expect: [a]}", "compare.expect: unknown key"),
        ("action: idempotent, compare: {except: [a, A]}", "compare.except: a list names one twice"),
    ],
)
def test_what_cannot_be_compared(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, f"rules:\n  - {{name: r, table: t, {text}}}\n")
    assert problem in str(raised.value)


def test_what_reads_expressions_is_loaded_for_a_file_that_has_one_and_in_no_worker(tmp_path: Path) -> None:
    program = (
        "import sys; import proxy.cli.serve, proxy.run.child\n"
        "from pathlib import Path; from proxy.rules.model import load_rules\n"
        "for name in ('none', 'one'): load_rules(Path(name)); print('sqlglot' in sys.modules)"
    )
    rule = "rules: [{name: r, table: t, key: k, columns: [a], action: "
    (tmp_path / "none").write_text(rule + "ignore}]\n")
    (tmp_path / "one").write_text(rule + "update, set: {n: old.n + 1}}]\n")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\nTrue\n", "")
