"""The rules of the conversations, and what they make of an INSERT."""

from proxy.rules.match import RuleSet
from proxy.rules.plan import Plan, plan
from proxy.sql.dialect import Dialect
from proxy.sql.insert import Insert, recognise
from proxy.sql.lexing import Lexing
from tests.session.conversation import rules

INSERT = "INSERT INTO users (email, name) VALUES ('a@x', 'A')"
ROWS = "INSERT INTO users (email, name) VALUES ('a@x', 'A'), ('b@x', 'B'), ('c@x', 'C')"
HEAD = "- {name: r, table: shop.users, key: ux_email, columns: [email], "
KEY = "users.ux_email"
ACTIONS = {
    "ignore": "action: ignore",
    "update": "action: update, set: {name: new.name}",
    "idempotent": "action: idempotent",
    "replace": "action: replace, allow_replace: true",
}


def rule(action: str, *more: str) -> RuleSet:
    return rules(HEAD + ", ".join((ACTIONS.get(action, f"action: {action}"), *more)) + "}")


def statement(in_force: RuleSet, text: str = INSERT, version: str = "9.7.4") -> str:
    """What the first rule makes of an INSERT."""
    insert = recognise(text.encode(), Lexing(False, False, True))
    assert isinstance(insert, Insert)
    made = plan(insert, in_force.rules[0], Dialect.parse(version))
    assert isinstance(made, Plan)
    return made.statement.decode()
