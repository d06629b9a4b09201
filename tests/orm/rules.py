"""The rules for the table `users` of the applications, and what each does about a duplicate."""

from pathlib import Path

from proxy.rules.match import RuleSet
from tests.e2e.running import rules_from

IGNORE = "action: ignore"
UPDATE = "action: update; set: {name: new.name, logins: old.logins + new.logins}"
IDEMPOTENT = "action: idempotent"
REPLACE = "action: replace; allow_replace: true"

TABLE = """CREATE TABLE users (
    id INT PRIMARY KEY AUTO_INCREMENT,
    email VARCHAR(80) NOT NULL,
    name VARCHAR(80) NOT NULL,
    logins INT NOT NULL DEFAULT 1,
    UNIQUE KEY ux_email (email)
)"""


def rules_for(database: str, rule: str, when: str, folder: Path, *more: str) -> RuleSet:
    """Make the rule for the e-mail addresses of an application's users, as its operator would; more: lines of it."""
    lines = ["name: users", f"table: {database}.users", "key: ux_email", "columns: [email]", f"when: {when}"]
    lines += [*rule.split("; "), *more]
    if rule != REPLACE:  # the row that is there keeps its id, which the application is to read
        lines.append("return_id: id")
    lines.append("affected_rows: insert")
    return rules_from("rules:\n  - " + "\n    ".join(lines) + "\n", folder)
