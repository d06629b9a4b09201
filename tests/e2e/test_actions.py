"""What each action makes of a conflict: the table, the numbers that the client reads, and what is counted.

The numbers were measured on MySQL 9.7 and MariaDB 10.11 and are the same on both.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pymysql.constants.CLIENT import FOUND_ROWS

from proxy.session.resolution import Resolver
from proxy.session.statement import Statement
from tests.e2e.running import Proxy, rules_from, transport
from tests.e2e.users import ALICE, USERS, Answer, offer, rows, rule, run

OTHER_NAME = "INSERT INTO users (email, name) VALUES ('alice@example.com','Bob')"
NEW_ROW = "INSERT INTO users (email, name) VALUES ('carol@example.com','Carol')"
DUPLICATE = 1062
THERE = (1, "alice@example.com", "Alice", 1)


@dataclass(frozen=True)
class Case:
    """One INSERT into a table that holds the row THERE, on a session whose LAST_INSERT_ID() is 77.

    rule: the lines of the rule, without `when`.
    answer: what the client reads, or the error's number.
    table: the rows afterwards. outcome: of the conflict, as counted. rewrite: its result, as counted; empty for none.
    found_rows: affected rows and outcome with CLIENT_FOUND_ROWS, where they differ.
    """

    rule: str
    insert: str
    answer: Answer | int
    table: list[tuple[int, str, str, int]]
    outcome: str
    rewrite: str
    found_rows: tuple[int, str] | None = None


UPDATE = "action: update; set: {name: new.name, logins: old.logins + new.logins}"
SAME = "action: update; set: {name: new.name}"
UPDATED = [(1, "alice@example.com", "Bob", 2)]
REPLACE = "action: replace; allow_replace: true"
UNKNOWN = (1, "unknown")  # one row affected: with CLIENT_FOUND_ROWS that is a row inserted or one left as it was

CASES = {
    "observe": Case("action: observe", OTHER_NAME, DUPLICATE, [THERE], "returned", ""),
    "ignore": Case("action: ignore", OTHER_NAME, Answer(0, 0, 77), [THERE], "kept", "ok", UNKNOWN),
    "ignore, id": Case("action: ignore; return_id: id", OTHER_NAME, Answer(0, 1, 1), [THERE], "kept", "ok", UNKNOWN),
    "ignore, as an insert": Case(
        "action: ignore; return_id: id; affected_rows: insert",
        OTHER_NAME,
        Answer(1, 1, 1),
        [THERE],
        "kept",
        "ok",
        UNKNOWN,
    ),
    "update": Case(UPDATE, OTHER_NAME, Answer(2, 1, 77), UPDATED, "updated", "ok"),
    "update, id": Case(UPDATE + "; return_id: id", OTHER_NAME, Answer(2, 1, 1), UPDATED, "updated", "ok"),
    "update, as an insert": Case(
        UPDATE + "; affected_rows: insert", OTHER_NAME, Answer(1, 1, 77), UPDATED, "updated", "ok"
    ),
    "update to the same": Case(SAME, ALICE, Answer(0, 0, 77), [THERE], "kept", "ok", UNKNOWN),
    "update to the same, id": Case(SAME + "; return_id: id", ALICE, Answer(0, 1, 1), [THERE], "kept", "ok", UNKNOWN),
    "idempotent, the same": Case("action: idempotent", ALICE, Answer(0, 0, 77), [THERE], "kept", "ok", UNKNOWN),
    "idempotent, the same, id": Case(
        "action: idempotent; return_id: id", ALICE, Answer(0, 1, 1), [THERE], "kept", "ok", UNKNOWN
    ),
    "idempotent, another": Case("action: idempotent", OTHER_NAME, DUPLICATE, [THERE], "refused", "refused"),
    "idempotent, other case": Case(
        "action: idempotent", ALICE.replace("'Alice'", "'ALICE'"), DUPLICATE, [THERE], "refused", "refused"
    ),
    "replace": Case(REPLACE, OTHER_NAME, Answer(2, 3, 3), [(3, "alice@example.com", "Bob", 1)], "replaced", "ok"),
    "replace, as an insert": Case(
        REPLACE + "; affected_rows: insert",
        OTHER_NAME,
        Answer(1, 3, 3),
        [(3, "alice@example.com", "Bob", 1)],
        "replaced",
        "ok",
    ),
    "update, dry run": Case(UPDATE + "; dry_run: true", OTHER_NAME, DUPLICATE, [THERE], "returned", "dry_run"),
}

WHENS = ["conflict", "always"]
SEED = ["ignore", "update", "idempotent, the same", "idempotent, another", "replace"]


@pytest.fixture
def users(proxy: Proxy, database: str) -> str:
    """A table `users` with the row THERE; the name of its schema."""
    run(proxy.connect_directly(database=database), USERS, ALICE)
    return database


def use(proxy: Proxy, schema: str, lines: str, when: str, folder: Path) -> None:
    proxy.use_rules(rules_from(rule("signup", f"{schema}.users", f"{lines}; when: {when}"), folder))


def start_again(proxy: Proxy, schema: str) -> None:
    run(proxy.connect_directly(database=schema), "TRUNCATE users", ALICE)
    proxy.count_anew()


def conflicts(proxy: Proxy, schema: str, key: str = "ux_email") -> str:
    """The outcomes that were counted."""
    labels = {"schema": schema, "table": "users", "key": key, "statement": "insert", "rule": "signup"}
    return ", ".join(outcome for (outcome,), _ in proxy.counted("keyclash_conflicts_total", **labels).items())


def rewrites(proxy: Proxy, when: str) -> str:
    """The results of rewrites that were counted."""
    labels = {"rule": "signup", "protocol": "text", "when": when}
    return ", ".join(result for (result,), _ in proxy.counted("keyclash_rewrites_total", **labels).items())


def effective(case: Case, when: str) -> str:
    """A REPLACE for one key alone cannot be sent before it is known which key is in the way."""
    return "conflict" if "replace" in case.rule else when


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("name", CASES)
def test_one_row(proxy: Proxy, users: str, tmp_path: Path, name: str, when: str) -> None:
    case = CASES[name]
    use(proxy, users, case.rule, when, tmp_path)
    for tls in (False, True) if name in SEED else (False,):
        start_again(proxy, users)
        connection = proxy.connect(database=users, **transport(tls))
        assert offer(connection, case.insert) == case.answer
        assert rows(connection) == case.table
        assert conflicts(proxy, users) == case.outcome
        assert rewrites(proxy, effective(case, when)) == case.rewrite


@pytest.mark.parametrize("tls", [False, True], ids=("plain", "tls"))
@pytest.mark.parametrize("name", ["ignore, id", "update", "idempotent, the same", "idempotent, another", "replace"])
def test_one_conflict_after_the_other(
    proxy: Proxy, users: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, tls: bool
) -> None:
    """What a session foresees changes nothing of what becomes of it."""
    foresee, foreseen = Resolver.foresee, []

    def counting(resolver: Resolver, statement: Statement) -> None:
        foreseen.append(statement.text)
        foresee(resolver, statement)

    def course(connections: int) -> tuple[object, ...]:
        start_again(proxy, users)
        use(proxy, users, case.rule, "conflict", tmp_path)
        clients = [proxy.connect(database=users, **transport(tls)) for _ in range(connections)]
        answers = [offer(clients[number % connections], text) for number, text in enumerate(texts)]
        return answers, rows(clients[0]), conflicts(proxy, users), rewrites(proxy, "conflict")

    monkeypatch.setattr(Resolver, "foresee", counting)
    case = CASES[name]
    texts = [*[case.insert] * 5, NEW_ROW, *[case.insert] * 4, NEW_ROW, ALICE, OTHER_NAME]
    apart = course(len(texts))
    assert foreseen == []
    assert course(1) == apart
    assert len(foreseen) >= 3


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("name", [*SEED, "observe", "ignore, id", "ignore, as an insert", "update to the same"])
def test_one_row_with_found_rows(proxy: Proxy, users: str, tmp_path: Path, name: str, when: str) -> None:
    case = CASES[name]
    answer, outcome = case.answer, case.outcome
    if case.found_rows is not None and isinstance(answer, Answer):
        answer, outcome = replace(answer, affected_rows=case.found_rows[0]), case.found_rows[1]
    if outcome == "unknown" and when == "always":
        outcome = ""  # nothing tells that there was a conflict at all
    use(proxy, users, case.rule, when, tmp_path)
    connection = proxy.connect(database=users, client_flag=FOUND_ROWS)
    assert offer(connection, case.insert) == answer
    assert rows(connection) == case.table
    assert conflicts(proxy, users) == outcome
    assert rewrites(proxy, effective(case, when)) == case.rewrite


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("name", SEED)
def test_one_row_by_the_servers_own_client(proxy: Proxy, users: str, tmp_path: Path, name: str, when: str) -> None:
    case = CASES[name]
    use(proxy, users, case.rule, when, tmp_path)
    for tls in False, True:
        start_again(proxy, users)
        statements = f"SELECT LAST_INSERT_ID(77); {case.insert}; SELECT ROW_COUNT(), LAST_INSERT_ID()"
        done = proxy.run_cli(statements, tls=tls, database=users)
        if isinstance(case.answer, Answer):
            answer = f"77\n{case.answer.affected_rows}\t{case.answer.last_insert_id}\n"
            assert (done.returncode, done.stdout) == (0, answer), done.stderr
        else:
            assert done.returncode == 1
            assert f"ERROR {case.answer} (23000) at line 1: Duplicate entry 'alice@example.com'" in done.stderr
        assert rows(proxy.connect_directly(database=users)) == case.table
        assert conflicts(proxy, users) == case.outcome


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("name", SEED)
def test_a_row_that_is_new_is_inserted(proxy: Proxy, users: str, tmp_path: Path, name: str, when: str) -> None:
    use(proxy, users, CASES[name].rule, when, tmp_path)
    connection = proxy.connect(database=users)
    assert offer(connection, NEW_ROW) == Answer(1, 2, 2)
    assert rows(connection) == [THERE, (2, "carol@example.com", "Carol", 1)]
    assert conflicts(proxy, users) == ""


@pytest.mark.parametrize("when", WHENS)
def test_replace_on_any_key(proxy: Proxy, users: str, tmp_path: Path, when: str) -> None:
    followed = when if proxy.server.mariadb else "conflict"
    new_id, key = (3, "ux_email") if followed == "conflict" else (2, "unknown")
    text = rule("signup", f"{users}.users", f"{REPLACE}; when: {when}").replace("    key: ux_email\n", "")
    proxy.use_rules(rules_from(text.replace("    columns: [email]\n", ""), tmp_path))
    connection = proxy.connect(database=users)
    # Each row in the way is deleted; a failed INSERT has used an id up, and that of `when: always` has not failed.
    assert offer(connection, OTHER_NAME) == Answer(2, new_id, new_id)
    assert rows(connection) == [(new_id, "alice@example.com", "Bob", 1)]
    assert conflicts(proxy, users, key) == "replaced"
    assert rewrites(proxy, followed) == "ok"
