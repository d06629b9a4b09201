"""The same causes where the proxy knows the tables' definitions, one scene after the other on one proxy."""

import itertools
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.config import Lookup
from tests.causes.scenes import SCENES
from tests.causes.test_causes import causes, plays, stage
from tests.e2e.running import in_front_of, proxied
from tests.servers.launch import Server

REPETITIONS = int(os.environ.get("CAUSES", "2"))


@contextmanager
def schema(server: Server) -> Iterator[str]:
    """Make a schema for one scene."""
    name = f"test_{secrets.token_hex(6)}"
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        yield name
        cursor.execute(f"DROP DATABASE {name}")


@pytest.mark.parametrize("prepared", [False, True], ids=["text", "prepared"])
def test_causes_are_named_rightly(server: Server, tmp_path: Path, prepared: bool) -> None:
    password = tmp_path / "password"
    password.write_text(server.password)
    lookup = Lookup(user=server.user, password_file=password)
    wrong: dict[str, dict[str, int]] = {}
    with proxied(in_front_of(server, lookup=lookup), server) as proxy:
        for seed, scene in zip(itertools.count(1), SCENES, strict=False):
            if (not scene.mysql and not server.mariadb) or (not scene.text and not prepared):
                continue
            with schema(server) as name, stage(proxy, name, prepared, tmp_path) as own:
                proxy.count_anew()
                scene.play(own, plays(seed, REPETITIONS))
                found = causes(proxy, name)
            if found != {scene.cause: REPETITIONS}:
                wrong[scene.name] = dict(found)
    assert wrong == {}
