"""The causes, each produced on real servers, as text and prepared, and what is suggested about them."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from proxy.cli import app
from proxy.conflicts.conflict import Cause
from proxy.rules.model import load_rules
from tests.causes.scenes import BY_EMAIL, SCENES, TABLE, Names, Play, Scene, Stage, fails, works
from tests.e2e.running import Proxy
from tests.matrix.model import Failure

FULL = "CAUSES" in os.environ
REPETITIONS = int(os.environ.get("CAUSES", "3"))
RIGHT = 0.95
HERD = 12

CASES = [
    pytest.param(server, scene, prepared, id=f"{server}, {'prepared' if prepared else 'text'}, {scene.name}")
    for server in ("mysql", "mariadb")
    for scene in SCENES
    for prepared in (False, True)
    if (scene.mysql or server == "mariadb") and (scene.text or prepared)
]


@contextmanager
def stage(proxy: Proxy, schema: str, prepared: bool, files: Path) -> Iterator[Stage]:
    """Put up a stage."""
    with proxy.connect_directly(database=schema, autocommit=True) as direct:
        with direct.cursor() as cursor:
            cursor.execute(TABLE)
        yield Stage(proxy, schema, prepared, direct, files)


def plays(seed: int, number: int) -> list[Play]:
    return [Play(each, seed) for each in range(seed * number, (seed + 1) * number)]


@pytest.mark.parametrize(("server", "scene", "prepared"), CASES, indirect=["server"])
def test_causes_are_named_rightly(proxy: Proxy, database: str, scene: Scene, prepared: bool, tmp_path: Path) -> None:
    with stage(proxy, database, prepared, tmp_path) as own:
        scene.play(own, plays(1, REPETITIONS))
    found = causes(proxy, database)
    print(f"{scene.name}: {dict(found)}")
    assert sum(found.values()) == REPETITIONS
    assert set(found) <= {scene.cause, Cause.UNKNOWN}
    assert found[scene.cause] >= RIGHT * REPETITIONS


@pytest.mark.parametrize(("server", "scene", "prepared"), CASES if FULL else CASES[::3], indirect=["server"])
def test_what_is_suggested_helps(proxy: Proxy, database: str, scene: Scene, prepared: bool, tmp_path: Path) -> None:
    with stage(proxy, database, prepared, tmp_path) as own:
        scene.play(own, plays(2, 3))
        suggestion = suggested(proxy, database)
        if scene.left is None:
            assert suggestion["rule"] is None
            return
        rules = tmp_path / "rules.yaml"
        rules.write_text("rules:\n" + suggestion["rule"], encoding="utf-8")
        checked = CliRunner().invoke(app, ["check", "--rules", str(rules)])
        assert checked.exit_code == 0, checked.output
        proxy.use_rules(load_rules(rules))
        with own.direct.cursor() as cursor:
            cursor.execute("TRUNCATE people")
        ruled = Stage(proxy, database, prepared, own.direct, tmp_path, ruled=True)
        scene.play(ruled, plays(3, 3))
        expected: Names = {}
        for play in plays(3, 3):
            expected |= scene.left(play)
        there = ruled.people()
    assert there.keys() == expected.keys()
    assert all(there[entry] in expected[entry] for entry in there), there
    outcomes = proxy.counted("keyclash_conflicts_total", schema=database)
    print(suggestion["rule"], outcomes)


@pytest.mark.parametrize("server", ["mysql", "mariadb"], indirect=True)
@pytest.mark.parametrize("prepared", [False, True], ids=["text", "prepared"])
def test_all_of_a_herd_race(proxy: Proxy, database: str, prepared: bool, tmp_path: Path) -> None:
    with stage(proxy, database, prepared, tmp_path) as own:
        herd = [own.client(number) for number in range(HERD)]
        for play in plays(1, 5):
            for client in herd:
                client.send(BY_EMAIL, play.email, "one of many")
            replies = [client.read() for client in herd]
            assert sum(isinstance(reply, Failure) for reply in replies) == HERD - 1
    assert causes(proxy, database) == {Cause.RACE: 5 * (HERD - 1)}


@pytest.mark.parametrize("server", ["mysql", "mariadb"], indirect=True)
@pytest.mark.parametrize("prepared", [False, True], ids=["text", "prepared"])
def test_other_tenants_are_no_cause(proxy: Proxy, database: str, prepared: bool, tmp_path: Path) -> None:
    """Each has a schema of its own, all of them send the same."""
    play, tenant = Play(0, 0), f"{database}_tenant"
    with proxy.connect_directly(autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {tenant}")
        try:
            with stage(proxy, database, prepared, tmp_path) as one, stage(proxy, tenant, prepared, tmp_path) as other:
                other.plant((play.email, "there"))
                works(one.client(0), BY_EMAIL, play.email, "the same")
                fails(other.client(0), BY_EMAIL, play.email, "the same")
                works(one.client(0), BY_EMAIL, f"{play.email}.au", "moves")
                works(one.client(0), f"USE {tenant}")
                works(one.client(0), "INSERT INTO people (email, name) VALUES (?, 'moved')", f"{play.email}.au")
                fails(other.client(0), BY_EMAIL, f"{play.email}.au", "another")
        finally:
            cursor.execute(f"DROP DATABASE {tenant}")
    assert causes(proxy, database) == {}
    assert causes(proxy, tenant) == {Cause.EXISTING: 1, Cause.RACE: 1}


def causes(proxy: Proxy, schema: str) -> Counter[str]:
    """Count the causes of the conflicts in a schema."""
    found: Counter[str] = Counter()
    for (cause, *_), count in proxy.counted("keyclash_conflict_causes_total", schema=schema).items():
        found[cause] += count
    return found


def suggested(proxy: Proxy, schema: str) -> dict[str, Any]:
    """Give the suggestion about the one key of a schema that had conflicts."""
    (key,) = [key for key in json.loads(proxy.fetch("/api/keys")[1])["keys"] if key["schema"] == schema]
    found: dict[str, Any] = json.loads(proxy.fetch(f"/api/keys/{key['id']}")[1])["suggestion"]
    return found
