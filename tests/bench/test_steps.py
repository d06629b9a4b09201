"""What each exchange may cost the session at most. Raise a bound only for what is worth it; lower it after a gain.

The bounds are those of Python 3.11: other versions have other instructions, and may take more of them.
"""

import gc
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.rules.match import RuleSet
from proxy.rules.model import load_rules
from proxy.session import Session
from proxy.wire import commands
from tests.bench.rules import rules
from tests.bench.steps import Cost, cost, kept, logged_in, shared
from tests.session.packets import command, duplicate, ok, query, result
from tests.wire.packets import DEFINITION, eof, packets

ALLOWANCE = 1.0 if sys.version_info[:2] == (3, 11) else 1.3
LOGIN = Cost(3160, 205)
KEPT_UNUSED = 3600
KEPT_USED = 6900
TEXT = "0123456789" * 6
ROW = result((TEXT.encode(),))
PREPARED = packets(b"\0\1\0\0\0\1\0\1\0\0\0\0", DEFINITION, eof(), DEFINITION, eof())
PREPARE = command(commands.STMT_PREPARE, b"SELECT c FROM plain WHERE id = ?")
EXECUTE = command(commands.STMT_EXECUTE, b"\1\0\0\0\0\1\0\0\0\0\1\3\0\7\0\0\0")


def insert(table: str) -> bytes:
    return query(f"INSERT INTO {table} (k, c, n) VALUES (12345678, '{TEXT}', 1)")


@dataclass(frozen=True)
class Exchange:
    """A command, all that the backend answers in turn, and the bounds of what that costs."""

    name: str
    command: bytes
    answers: tuple[bytes, ...]
    bound: Cost


EXCHANGES = [
    Exchange("select, text", query("SELECT c FROM plain WHERE id = 1234"), (ROW,), Cost(620, 25)),
    Exchange("select, prepared", EXECUTE, (ROW,), Cost(585, 23)),
    Exchange("commit", query("COMMIT"), (ok(),), Cost(415, 23)),
    Exchange("insert", insert("plain"), (ok(1, 5),), Cost(686, 42)),
    Exchange("insert, id by the server", insert("plain"), (ok(1, 70_000),), Cost(746, 46)),
    Exchange("insert, when: conflict", insert("update_conflict"), (ok(1, 5),), Cost(721, 44)),
    Exchange("insert, when: always", insert("update_always"), (ok(1, 5),), Cost(3477, 231)),
    Exchange(
        "conflict",
        insert("update_conflict"),
        (duplicate("12345678", "update_conflict.ux_k"), ok(2, 5)),
        Cost(6874, 504),
    ),
    Exchange("conflict, when: always", insert("update_always"), (ok(2, 5),), Cost(5118, 350)),
    Exchange("conflict, no rule", insert("plain"), (duplicate("12345678", "plain.ux_k"),), Cost(5057, 386)),
]


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    path: Path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(rules(1000))
    return load_rules(path)


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.name)
def test_exchanges_stay_within_their_bounds(exchange: Exchange, thousand: RuleSet) -> None:
    found = _cost_of(exchange, thousand)
    assert found.steps <= exchange.bound.steps * ALLOWANCE
    assert found.calls <= exchange.bound.calls * ALLOWANCE


def test_a_login_and_a_leave_stay_within_their_bound(thousand: RuleSet) -> None:
    settings = shared(thousand)

    def run() -> None:
        session = logged_in(settings)
        session.client_data(command(commands.QUIT))
        session.client_lost()

    found = cost(run)
    assert found.steps <= LOGIN.steps * ALLOWANCE
    assert found.calls <= LOGIN.calls * ALLOWANCE


@pytest.mark.parametrize(
    "exchanges",
    [
        (),
        (query("SELECT 1"), ROW),
        (query("SET NAMES utf8mb4"), ok()),
        (PREPARE, PREPARED, EXECUTE, ROW),
        (insert("plain"), ok(1)),
        (insert("plain"), duplicate("12345678", "plain.ux_k")),
        (insert("update_always"), ok(2)),
    ],
    ids=("nothing", "select", "set", "select, prepared", "insert", "conflict", "rewritten"),
)
def test_a_session_leaves_no_garbage(exchanges: tuple[bytes, ...], thousand: RuleSet) -> None:
    settings = shared(thousand)
    logged_in(settings)
    gc.collect()
    gc.disable()
    try:
        session = logged_in(settings)
        for said, answer in zip(exchanges[::2], exchanges[1::2], strict=True):
            session.client_data(said)
            session.backend_data(answer)
        session.client_data(command(commands.QUIT))
        session.client_lost()
        session.let_go()
        del session
        assert not gc.collect()
    finally:
        gc.enable()


def test_a_thousand_rules_cost_a_select_nothing(thousand: RuleSet) -> None:
    assert _cost_of(EXCHANGES[0], thousand) == _cost_of(EXCHANGES[0], RuleSet())


def test_counts_are_the_same_each_time(thousand: RuleSet) -> None:
    assert _cost_of(EXCHANGES[0], thousand) == _cost_of(EXCHANGES[0], thousand)


def test_looking_for_garbage_is_not_counted(thousand: RuleSet) -> None:
    def called_back(_phase: str, _info: dict[str, Any]) -> None:
        """Take some steps."""

    expected, often = _cost_of(EXCHANGES[0], thousand), gc.get_threshold()
    gc.callbacks.append(called_back)
    gc.set_threshold(4)
    try:
        assert _cost_of(EXCHANGES[0], thousand) == expected
    finally:
        gc.set_threshold(*often)
        gc.callbacks.remove(called_back)


def test_idle_sessions_keep_little(thousand: RuleSet) -> None:
    settings = shared(thousand)

    def used() -> Session:
        session = logged_in(settings)
        session.client_data(command(commands.PING))
        session.backend_data(ok())
        return session

    assert kept(lambda: logged_in(settings)) <= KEPT_UNUSED
    assert kept(used) <= KEPT_USED


def _cost_of(exchange: Exchange, in_force: RuleSet) -> Cost:
    session = logged_in(shared(in_force))
    session.client_data(PREPARE)
    session.backend_data(PREPARED)

    def run() -> None:
        session.client_data(exchange.command)
        for answer in exchange.answers:
            session.backend_data(answer)

    found = cost(run)
    assert session.idle
    return found
