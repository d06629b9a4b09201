"""`keyclash explain` says every reason for leaving a statement alone in words."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from proxy.cli import app
from proxy.sql.reason import Reason, explain_reason

MYSQL = "9.7.4"
MARIADB = "10.11.4-MariaDB"


def explained(folder: Path, rule: str, text: str, server: str) -> str:
    rules = folder / "rules.yaml"
    rules.write_text(f"rules:\n  - {{name: r, table: t, {rule}}}\n")
    result = CliRunner().invoke(app, ["explain", "--rules", str(rules), "--server", server, text])
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("rule", "text", "server", "reason"),
    [
        ("action: ignore", "SELECT 1", MYSQL, Reason.NOT_INSERT),
        ("action: ignore", "INSERT IGNORE INTO t (a) VALUES (1)", MYSQL, Reason.IGNORE),
        ("action: ignore", "REPLACE INTO t (a) VALUES (1)", MYSQL, Reason.REPLACE),
        ("action: ignore", "INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = 1", MYSQL, Reason.ON_DUPLICATE),
        ("action: ignore", "INSERT INTO t (a) VALUES (1) RETURNING a", MYSQL, Reason.RETURNING),
        ("action: ignore", "INSERT INTO t (a) VALUES (1), (2) RETURNING a", MARIADB, Reason.RETURNED_ROWS),
        ("action: ignore", "INSERT INTO t (a) VALUES (1) AS new", MYSQL, Reason.ROW_ALIAS),
        ("action: ignore", "INSERT INTO t (a) SELECT a FROM t", MARIADB, Reason.SELF_SELECT),
        ("action: ignore", "INSERT INTO t (a) VALUES (1); USE u", MYSQL, Reason.MULTI_STATEMENT),
        ("action: ignore", "LOAD DATA INFILE 'x' INTO TABLE t", MYSQL, Reason.LOAD_DATA),
        ("action: ignore", "INSERT INTO t (a) VALUES (1 --\u00a0, 2)", MYSQL, Reason.CHARSET),
        ("action: ignore", "INSERT INTO t (a) VALUES (1 /*! + 1 */)", MYSQL, Reason.VERSIONED_COMMENT),
        ("action: ignore", "INSERT /*+ QB_NAME(`a`) */ INTO t (a) VALUES (1)", MYSQL, Reason.HINT),
        ("action: ignore", "INSERT INTO t (a) VALUES ('1)", MYSQL, Reason.UNTERMINATED),
        ("action: ignore", "INSERT INTO t (a) VALUES (1, 2)", MYSQL, Reason.MALFORMED),
        ("action: ignore", "INSERT INTO t SET a = 1 IN (2)", MYSQL, Reason.EXPRESSION),
        ("action: ignore", "INSERT INTO t (a) VALUES (@a := 1)", MYSQL, Reason.ASSIGNMENT),
        ("action: idempotent", "INSERT INTO t VALUES (1)", MYSQL, Reason.NO_COLUMNS),
        ("action: ignore, key: k", "INSERT INTO t (a) VALUES (1)", MYSQL, Reason.COLUMNS_UNKNOWN),
        ("action: ignore", "INSERT DELAYED INTO t (a) VALUES (1)", MYSQL, Reason.DELAYED),
        ("action: ignore", "INSERT INTO t (a) VALUES (ROW_COUNT())", MYSQL, Reason.SESSION_STATE),
    ],
)
def test_a_reason_is_told_in_words(tmp_path: Path, rule: str, text: str, server: str, reason: Reason) -> None:
    assert f"{explain_reason(reason)} ({reason})" in explained(tmp_path, rule, text, server)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_that_is_counted_is_told(reason: Reason) -> None:
    result = CliRunner().invoke(app, ["explain", "--reason", reason.value])
    assert (result.exit_code, result.stdout) == (0, f"{reason}: {explain_reason(reason)}\n")


def test_a_reason_that_is_none() -> None:
    assert CliRunner().invoke(app, ["explain", "--reason", "mood"]).exit_code == 2


def test_a_query_and_load_data_are_explained(tmp_path: Path) -> None:
    text = "INSERT INTO t (a) SELECT 1 RETURNING a"
    told = explained(tmp_path, "action: ignore, columns: [a], when: always, returning: several", text, MARIADB)
    assert "INSERT ... SELECT into t: columns a; as many rows as the query has, with RETURNING" in told
    assert "Sent first the statement as it is" in told
    assert "SELECT 1 ON DUPLICATE KEY UPDATE `a` = IF(" in told
    told = explained(tmp_path, "action: ignore, when: always", "LOAD DATA LOCAL INFILE 'x' INTO TABLE t", MYSQL)
    assert "LOAD DATA LOCAL into t" in told
    assert "LOAD DATA LOCAL INFILE 'x' IGNORE INTO TABLE t" in told
