"""Statement form x offered rows x rule x when x protocol x server x transaction: all as the model predicts."""

import os
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from tests.e2e.running import Proxy, in_front_of, proxied
from tests.matrix.cases import RULES, Case, cases
from tests.matrix.model import Failure, State, predict
from tests.matrix.play import PRESET, Player, Seen, loaded
from tests.servers.launch import Server

FULL = os.environ.get("MATRIX") == "full"
ALL = {
    (name, rule, always): list(cases(name == "mariadb", rule, always, full=FULL))
    for name in ("mysql", "mariadb")
    for rule in RULES
    for always in (False, True)
}


@pytest.fixture(scope="module")
def proxy(server: Server) -> Iterator[Proxy]:
    with proxied(in_front_of(server), server) as running:
        yield running


@pytest.fixture(scope="module")
def player(proxy: Proxy, server: Server) -> Iterator[Player]:
    schema = f"matrix_{os.getpid()}"
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {schema} CHARACTER SET utf8mb4")
    yield Player(proxy, schema)
    proxy.close_connections()
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {schema}")


def expected(case: Case, next_id: int, mariadb: bool) -> Seen:
    """What the model predicts."""
    state = State(case.rows, next_id, PRESET, case.found_rows)
    reply = predict(case.table, state, case.offer, case.rule)
    rows = written(case, state)
    transaction = case.transaction != "autocommit"
    return Seen(
        reply,
        state.last_insert_id,
        None if isinstance(reply, Failure) else transaction,
        rows,
        written(case, None) if case.transaction == "rollback" else rows,
        int(case.transaction == "commit"),
        state.results,
        dict(state.outcomes),
    )


def written(case: Case, state: State | None) -> list[tuple[str | None, ...]]:
    rows = case.rows if state is None else state.rows
    found = [tuple(row[column] for column in case.table.columns) for row in rows]
    found.sort(key=lambda row: [(value is not None, value) for value in row])
    return [tuple(None if value is None else str(value) for value in row) for row in found]


def test_there_are_enough_cases() -> None:
    assert sum(map(len, ALL.values())) >= 1000


@pytest.mark.parametrize("always", [False, True], ids=["conflict", "always"])
@pytest.mark.parametrize("rule", RULES)
def test_all_is_as_the_model_predicts(player: Player, server: Server, tmp_path: Path, rule: str, always: bool) -> None:
    wrong = []
    for case in ALL[server.name, rule, always]:
        player.proxy.use_rules(loaded(case, tmp_path))
        next_id = player.next_id(case)
        seen, predicted = player.play(case), expected(case, next_id, server.mariadb)
        if seen != predicted:
            wrong.append(f"{case.name}: {difference(seen, predicted)}")
    assert not wrong, f"{len(wrong)} of {len(ALL[server.name, rule, always])}\n" + "\n".join(wrong[:20])


def difference(seen: Seen, predicted: Seen) -> str:
    pairs = [(field.name, getattr(seen, field.name), getattr(predicted, field.name)) for field in fields(Seen)]
    return "".join(f"\n  {name}: {one}\n    not {other}" for name, one, other in pairs if one != other)
