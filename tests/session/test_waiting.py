"""A large statement is read in turns, and replies with rows go through a rule."""

import pytest

from proxy.wire.framing import frame
from tests.session.conversation import Delivery, Talk, logged_in, rules
from tests.session.packets import duplicate, ok, packets, query
from tests.wire.packets import DEFINITION, eof, prepared

HEAD = "- {name: r, table: shop.users, key: ux_email, columns: [email], action: ignore"
CONFLICT, ALWAYS = rules(HEAD + "}"), rules(HEAD + ", when: always}")
KEY = "users.ux_email"
ROWS = 60_000
LARGE = "INSERT INTO users (email, name) VALUES " + ", ".join(["('a@x', 'A')"] * ROWS)


def take_rewritten(talk: Talk) -> bytes:
    said = bytes(talk.backend.said)
    assert b"ON DUPLICATE KEY UPDATE" in said
    talk.backend.said.clear()
    return said


def test_a_large_conflict_is_read_in_turns() -> None:
    with logged_in(Delivery(), CONFLICT) as talk:
        talk.client >> query(LARGE)
        talk.backend << query(LARGE)
        assert talk.wires.asked == []
        talk.backend >> duplicate("a@x", KEY)
        assert "soon" in talk.wires.asked
        talk.client >> query("SELECT 1")
        talk.wires.run_waiting()
        assert talk.wires.asked.count("soon") > 1
        take_rewritten(talk)
        talk.backend >> ok(0, info=b"Records: 60000  Duplicates: 0  Warnings: 0")
        talk.client << ok(0, info=b"Records: 60000  Duplicates: 0  Warnings: 0")
        talk.backend << query("SELECT 1")


def test_a_large_statement_is_read_in_turns_before_it_is_sent_rewritten() -> None:
    with logged_in(Delivery(), ALWAYS) as talk:
        talk.client >> query(LARGE)
        assert talk.backend.hears_nothing
        talk.wires.run_waiting()
        take_rewritten(talk)
        talk.backend >> ok(0, info=b"Records: 60000  Duplicates: 0  Warnings: 0")
        talk.client << ok(0, info=b"Records: 60000  Duplicates: 0  Warnings: 0")


def test_a_large_prepared_statement_is_read_in_turns_when_it_runs() -> None:
    text = b"INSERT INTO users (email) VALUES " + b", ".join([b"(?)"] * 60_000)
    execute = frame(b"\x17\7\0\0\0\0\1\0\0\0" + bytes(7500) + b"\1" + b"\xfd\0" * 60_000 + b"\1a" * 60_000, 0)
    with logged_in(Delivery(), ALWAYS) as talk:
        talk.client >> frame(b"\x16" + text, 0)
        talk.backend << frame(b"\x16" + text, 0)
        answer = packets(prepared(0, 60_000), *[DEFINITION] * 60_000, eof())
        talk.backend >> answer
        talk.client << answer
        talk.client >> execute
        assert talk.backend.hears_nothing
        talk.wires.run_waiting()
        take_rewritten(talk)


def test_a_session_that_ends_meanwhile_reads_no_further() -> None:
    with logged_in(Delivery(), ALWAYS) as talk:
        talk.client >> query(LARGE)
        talk.session.client_lost()
        talk.wires.run_waiting()
        assert talk.backend.hears_nothing


@pytest.mark.parametrize("in_force", [CONFLICT, ALWAYS])
def test_returning_is_resolved_after_a_conflict_and_its_rows_go_through(in_force: object) -> None:
    insert = "INSERT INTO users (email, name) VALUES ('a@x', 'A') RETURNING id"
    rows = packets(b"\1", DEFINITION, eof(), b"\x011", eof())
    with logged_in(Delivery(), in_force, mariadb=True) as talk:  # type: ignore[arg-type]
        talk.client >> query(insert)
        talk.backend << query(insert)
        talk.backend >> duplicate("a@x", "ux_email")
        said = take_rewritten(talk)
        assert said.endswith(b" RETURNING id")
        talk.backend >> rows
        talk.client << rows
        (conflict,) = talk.conflicts
        assert conflict.outcome == "unknown"
