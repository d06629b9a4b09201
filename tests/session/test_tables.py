"""What a session does with the definitions of tables: waits for them, uses them, has them read anew."""

from collections.abc import Callable

import pytest

from proxy.rules.table import Absence, Column, KeyPart, Missing, Table, UniqueKey
from tests.session.conversation import Delivery, Talk, cut_everywhere, logged_in, rules
from tests.session.packets import duplicate, error, ok, packets, query
from tests.wire.packets import MORE_RESULTS, prepared

INSERT = "INSERT INTO users (email, name) VALUES ('a@x', 'A')"
KEY = "users.ux_email"
BY_KEY = rules("- {name: r, table: shop.users, key: ux_email, action: ignore}")
ALWAYS = rules("- {name: r, table: shop.users, key: ux_email, action: ignore, when: always}")


def column(name: str, *, auto_increment: bool = False) -> Column:
    return Column(name, "varchar", "utf8mb4", "utf8mb4_0900_ai_ci", True, False, auto_increment, True)


USERS = Table(
    schema="shop",
    name="users",
    columns=(column("id", auto_increment=True), column("email"), column("name")),
    keys=(UniqueKey("PRIMARY", (KeyPart("id"),)), UniqueKey("ux_email", (KeyPart("email"),))),
    engine="InnoDB",
    transactional=True,
    triggers=frozenset(),
    view=False,
)


class Tables:
    """Definitions that are known when the test says so."""

    def __init__(self, found: Table | Missing | None = None) -> None:
        self.found = found
        self.asked: list[str] = []
        self.waiting: list[Callable[[], None]] = []

    def peek(self, schema: str, table: str) -> Table | Missing | None:
        assert (schema, table) == ("shop", "users")
        return self.found

    def request(self, schema: str, table: str, done: Callable[[], None]) -> None:
        self.asked.append(f"{schema}.{table}")
        self.waiting.append(done)

    def forget(self, schema: str | None = None, table: str | None = None) -> None:
        self.asked.append(f"forget {schema}.{table}")

    def tell(self, found: Table | Missing | None) -> None:
        self.found = found
        waiting, self.waiting = self.waiting, []
        for done in waiting:
            done()


def meet(talk: Talk) -> None:
    talk.client >> query(INSERT)
    talk.backend << query(INSERT)
    talk.backend >> duplicate("a@x", KEY)


def resolve(talk: Talk) -> None:
    second = bytes(talk.backend.said)
    assert b"ON DUPLICATE KEY UPDATE" in second
    talk.backend << second
    talk.backend >> ok()
    talk.client << ok()


@cut_everywhere
def test_a_rule_without_columns_has_them_from_the_definition(delivery: Delivery) -> None:
    with logged_in(delivery, BY_KEY, tables=Tables(USERS)) as talk:
        meet(talk)
        resolve(talk)


@cut_everywhere
def test_a_conflict_waits_for_the_definition_and_the_client_behind_it(delivery: Delivery) -> None:
    tables = Tables()
    with logged_in(delivery, BY_KEY, tables=tables) as talk:
        talk.client >> query(INSERT) + query("SELECT 1")
        talk.backend << query(INSERT)
        talk.backend >> duplicate("a@x", KEY)
        assert tables.asked == ["shop.users"]
        assert not talk.session.idle
        tables.tell(USERS)
        resolve(talk)
        talk.backend << query("SELECT 1")


def test_a_definition_that_is_missing_leaves_the_error_and_goes_on() -> None:
    tables = Tables()
    with logged_in(Delivery(), BY_KEY, tables=tables) as talk:
        meet(talk)
        talk.client >> query("SELECT 1")
        tables.tell(Missing(Absence.NO_TABLE))
        talk.client << duplicate("a@x", KEY)
        talk.backend << query("SELECT 1")
        assert talk.skipped == ["columns_unknown"]


@cut_everywhere
def test_a_conflict_behind_other_results_keeps_its_place_in_the_reply(delivery: Delivery) -> None:
    """Where the text cannot be split, they are the client's already."""
    tables = Tables()
    text = query(f"DO 1; {INSERT}; SET NAMES gbk")
    with logged_in(delivery, BY_KEY, tables=tables) as talk:
        client, backend = talk
        client >> text
        backend << text
        backend >> ok(status=2 | MORE_RESULTS) + duplicate("a@x", KEY, sequence=2)
        client << ok(status=2 | MORE_RESULTS)
        tables.tell(USERS)
        client << duplicate("a@x", KEY, sequence=2)
        assert talk.session.idle
        assert not talk.session.at_rest  # the text might have begun a transaction


def test_a_definition_that_expires_at_once_is_asked_for_again() -> None:
    tables = Tables()
    with logged_in(Delivery(), BY_KEY, tables=tables) as talk:
        meet(talk)
        tables.tell(None)
        assert tables.asked == ["shop.users"] * 2
        tables.tell(USERS)
        resolve(talk)


def test_a_session_that_ended_meanwhile_is_left_alone() -> None:
    tables = Tables()
    with logged_in(Delivery(), BY_KEY, tables=tables) as talk:
        meet(talk)
        talk.session.client_lost()
        tables.tell(USERS)


def test_always_sends_the_clients_own_until_the_definition_is_known() -> None:
    tables = Tables()
    with logged_in(Delivery(), ALWAYS, tables=tables) as talk:
        meet(talk)
        tables.tell(USERS)
        resolve(talk)
        talk.client >> query(INSERT)
        resolve(talk)


def test_a_load_data_is_rewritten_before_the_definition_is_known() -> None:
    tables = Tables()
    in_force = rules("- {name: r, table: users, action: replace, allow_replace: true, when: always}")
    with logged_in(Delivery(), in_force, tables=tables) as talk:
        talk.client >> query("LOAD DATA LOCAL INFILE 'f' INTO TABLE users")
        talk.backend << query("LOAD DATA LOCAL INFILE 'f' REPLACE  INTO TABLE users")
        assert not tables.asked


def test_a_session_with_temporary_tables_of_its_own_uses_no_definition() -> None:
    create = "CREATE TEMPORARY TABLE users (email INT)"
    with logged_in(Delivery(), BY_KEY, tables=Tables(USERS)) as talk:
        talk.client >> query(create)
        talk.backend << query(create)
        talk.backend >> ok()
        talk.client << ok()
        meet(talk)
        talk.client << duplicate("a@x", KEY)
        assert talk.skipped == ["columns_unknown"]


@pytest.mark.parametrize("text", ["ALTER TABLE users ADD x INT", "DROP TABLE x", "RENAME TABLE a TO b", "TRUNCATE x"])
def test_definitions_are_forgotten_before_and_after_they_may_change(text: str) -> None:
    tables = Tables()
    with logged_in(Delivery(), tables=tables) as talk:
        talk.client >> query(text)
        talk.backend << query(text)
        assert tables.asked == ["forget None.None"]
        talk.backend >> ok()
        talk.client << ok()
        assert tables.asked == ["forget None.None"] * 2


def test_a_prepared_statement_that_changes_definitions_forgets_them_when_it_runs() -> None:
    tables = Tables()
    with logged_in(Delivery(), tables=tables) as talk:
        talk.client >> packets(b"\x16DROP TABLE x", sequence=0)
        talk.backend << packets(b"\x16DROP TABLE x", sequence=0)
        talk.backend >> packets(prepared(0, 0), sequence=1)
        talk.client << packets(prepared(0, 0), sequence=1)
        execute = packets(b"\x17\7\0\0\0\0\1\0\0\0", sequence=0)
        talk.client >> execute
        talk.backend << execute
        assert tables.asked == ["forget None.None"]
        talk.backend >> ok()
        talk.client << ok()
        assert tables.asked == ["forget None.None"] * 2


def test_a_definition_that_does_not_fit_is_forgotten() -> None:
    tables = Tables(USERS)
    with logged_in(Delivery(), BY_KEY, tables=tables) as talk:
        meet(talk)
        talk.backend << bytes(talk.backend.said)
        talk.backend >> error(1054, "Unknown column")
        talk.client << duplicate("a@x", KEY)
        assert tables.asked == ["forget shop.users"]
