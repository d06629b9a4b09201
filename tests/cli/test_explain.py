"""`keyclash explain`."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from proxy.cli import app

RULES = Path(__file__).parent.parent.parent / "config" / "rules.yaml"
NOTHING = "nothing is sent: the duplicate-key error goes to the client, counted and explained"


def run(*arguments: str, **others: str | bytes) -> Result:
    given = others.get("input")
    return CliRunner().invoke(app, ["explain", "--rules", str(RULES), *arguments], input=given)


def sections(*arguments: str) -> dict[str, list[str]]:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, list[str]] = {}
    for line in result.stdout.splitlines():
        if line[:1].isalpha():
            lines = found.setdefault(line, [])
        else:
            lines.append(line)
    return found


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(
        """rules:
  - {name: app-only, table: t, key: k, columns: [a], action: ignore, match: {users: [app, web]}}
  - {name: there, table: shop.t, key: l, columns: [b], action: ignore, affected_rows: insert}
  - {name: watched, table: t, key: m, action: observe}
  - {name: columnless, table: t, key: n, action: ignore}
  - {name: rest, table: "*.t*", action: update, set: {a: new.a}, when: always, return_id: id, dry_run: true}
"""
    )
    return path


def test_an_update_on_mysql() -> None:
    found = sections("INSERT INTO shop.users (email, name) VALUES ('a@x', 'A') /* x */;")
    assert found["Statement"] == ["  INSERT ... VALUES into shop.users: columns email, name; 1 row"]
    assert found["Rules"] == [
        "  signup-email (line 8, table shop.users): asked for a conflict on the key ux_email: update"
    ]
    assert found["Sent first"] == ["  the statement as it is"]
    second = found["After a conflict on the key ux_email (rule signup-email)"]
    assert second[0].startswith("  INSERT INTO shop.users (email, name) VALUES ('a@x', 'A') AS new ON DUPLICATE KEY UP")
    picture = second[2:]
    assert [line[0] for line in picture] == [" ", "+", " "]
    assert picture[1].startswith("+AS new ON DUPLICATE KEY UPDATE")
    assert "".join(line[1:] for line in picture) == second[0][2:]
    assert found["After any other conflict"] == [f"  {NOTHING}"]
    assert "when: always is better where many" in found["Hints"][0]


def test_the_server_decides_the_clause() -> None:
    text = "INSERT INTO shop.users (email, name) VALUES ('a@x', 'A')"
    assert "VALUES(`name`)" in run("--server", "10.11.4-MariaDB", text).stdout
    assert "AS new" not in run("--server", "8.0.19", text).stdout
    assert "AS new" in run("--server", "8.4.3", text).stdout


def test_always_is_sent_first_and_the_statement_itself_after_the_guard() -> None:
    found = sections("--schema", "shop", "INSERT INTO tags_a (label) VALUES ('x'), ('y')\n-- twice")
    first = found["Sent first (rule tags-first, when: always)"]
    assert first[0].startswith("  INSERT INTO tags_a (label) VALUES ('x'), ('y') AS new ON DUPLICATE KEY UPDATE")
    assert first[1] == "  -- twice"
    assert [line[0] for line in first[3:]] == [" ", "+", " "]
    guard = found["After the guard's error (1690 with 7001062: the row was met on another key)"]
    assert guard == ["  the statement as it is; its reply is the client's"]


def test_replace_shows_what_is_taken_away() -> None:
    found = sections("--user", "importer", "--schema", "x", "INSERT HIGH_PRIORITY INTO prices VALUES (1, 2)")
    second = found["After a conflict on the key PRIMARY (rule import-prices)"]
    assert second[0].startswith("  nothing, for the rule has dry_run: true; without it:")
    assert second[-3:] == ["-INSERT HIGH_PRIORITY", "+REPLACE ", "  INTO prices VALUES (1, 2)"]


def test_a_dry_run_of_always_leaves_the_statement_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "dry.yaml"
    path.write_text("rules: [{name: r, table: t, columns: [a], action: ignore, when: always, dry_run: true}]\n")
    found = sections("--rules", str(path), "INSERT INTO t (a) VALUES (1)")
    told = found["Sent first (rule r, when: always)"]
    assert told[0] == "  the statement as it is, for the rule has dry_run: true; without it:"
    assert "After the guard's error (1690 with 7001062: the row was met on another key)" not in found


def test_no_rule_for_the_table() -> None:
    found = sections("INSERT INTO nothing VALUES (1)")
    assert found["Rules"] == [f"  none of the 5 in {RULES} is for this table"]
    assert found["Sent"][0].startswith("  the statement as it is; a duplicate-key error goes to the client")


def test_each_rule_of_the_table_says_why_it_is_asked_or_not(rules: Path) -> None:
    found = sections("--rules", str(rules), "INSERT INTO t (a, b) VALUES (1, 2), (3, 4)")
    told = " ".join(" ".join(found["Rules"]).split())
    assert "app-only (line 2, table t): not asked, it is only for the users app, web (see --user)" in told
    assert "there (line 3, table shop.t): not asked, the statement's schema is not known (see --schema)" in told
    assert "watched (line 4, table t): asked for a conflict on the key m: observe" in told
    assert "rest (line 6, table *.t*): asked for a conflict on any unique key: update, but only counted" in told
    assert found["After a conflict on the key m (rule watched)"] == [f"  {NOTHING}"]
    assert "(columns_unknown)" in " ".join(found["After a conflict on the key n (rule columnless)"])
    assert "After any other conflict" not in found


def test_another_schema(rules: Path) -> None:
    told = run("--rules", str(rules), "--schema", "test", "INSERT INTO t (a) VALUES (1)").stdout
    assert "there (line 3, table shop.t): not asked, the schema is test" in told


def test_hints(rules: Path) -> None:
    text = "INSERT INTO t (a, c) VALUES (1, 2), (3, 4)"
    told = " ".join(run("--rules", str(rules), "--schema", "shop", "--user", "app", text).stdout.split())
    assert "app-only: when: always is better where many of these inserts conflict" in told
    assert "second statement of all its rows" in told
    assert "there: columns that the INSERT does not name are read by VALUES()" in told
    assert "app-only: the client reads 0, 1 or 2 affected rows" in told
    assert "there: the client reads" not in told
    assert "rest: one id comes back for 2 rows" in told


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT 1", "not_insert"),
        ("INSERT IGNORE INTO t VALUES (1)", "ignore"),
        ("INSERT INTO t SELECT 1; USE u", "multi_statement"),
        ("SET NAMES gbk; INSERT INTO t (a) VALUES (1)", "multi_statement"),
        ("DO 1; INSERT INTO t (a) VALUES ('1)", "unterminated"),
        ("INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1", "on_duplicate"),
    ],
)
def test_a_statement_that_is_passed_on_says_why_and_is_no_failure(text: str, reason: str) -> None:
    found = sections(text)
    assert list(found) == ["Statement"]
    assert found["Statement"][0].startswith("  passed on as it is: ")
    assert found["Statement"][-1].endswith(f"({reason})")


def test_each_statement_of_a_text() -> None:
    found = sections("BEGIN; INSERT INTO shop.users (email) VALUES ('a'); INSERT INTO nothing VALUES (1); COMMIT")
    assert [heading for heading in found if heading.startswith("Statement")] == [
        f"Statement {number} of 4" for number in (1, 2, 3, 4)
    ]
    assert found["Statement 1 of 4"][-1].endswith("(not_insert)")
    assert found["Statement 2 of 4"] == ["  INSERT ... VALUES into shop.users: columns email; 1 row"]
    second = found["After a conflict on the key ux_email (rule signup-email)"]
    assert second[0].startswith("   INSERT INTO shop.users (email) VALUES ('a') AS new ON DUPLICATE KEY UPDATE")


def test_the_sql_mode_decides_what_double_quotes_are() -> None:
    text = 'INSERT INTO "shop"."users" ("email") VALUES (\'a\')'
    assert "into shop.users: columns email" in run("--sql-mode", "STRICT_TRANS_TABLES,ansi_quotes", text).stdout
    assert "into shop.users: columns email" in run("--sql-mode", "ANSI", text).stdout
    assert "passed on" in run(text).stdout


def test_standard_input_may_hold_any_bytes() -> None:
    result = CliRunner().invoke(
        app, ["explain", "--rules", str(RULES), "-"], input=b"INSERT INTO shop.users (email) VALUES ('\xff\xc3\xa4')"
    )
    assert result.exit_code == 0
    assert "VALUES ('\\xffä') AS new" in result.stdout


def test_it_is_plain_text_where_there_is_no_terminal() -> None:
    assert "\x1b" not in run("INSERT INTO shop.users (email) VALUES ('a')").stdout


def test_a_terminal_gets_colours() -> None:
    arguments = ["explain", "--rules", str(RULES), "INSERT INTO shop.users (email) VALUES ('a')"]
    assert "\x1b[32m+ AS new" in CliRunner().invoke(app, arguments, color=True).stdout


def test_a_wrong_rules_file(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("rules: 1\n")
    result = run("--rules", str(path), "SELECT 1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"{path}:1: rules: 1 does not fit (expected a list)\n"


def test_a_wrong_server() -> None:
    result = run("--server", "newest", "SELECT 1")
    assert result.exit_code == 2
    assert "--server: 'newest' is no version" in result.stderr


def test_no_statement_is_wrong_usage() -> None:
    assert run().exit_code == 2


def test_help_teaches_with_examples() -> None:
    text = run("--help").stdout
    assert "keyclash explain --server 10.11.4-MariaDB" in text
    assert "Exit code 0: explained" in text
