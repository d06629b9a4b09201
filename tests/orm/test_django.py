"""An application on Django (`create`, `save`, `get_or_create`, `bulk_create`) that knows nothing of rules."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.installed import environment, python
from tests.e2e.running import Proxy
from tests.e2e.users import run
from tests.orm.rules import IDEMPOTENT, IGNORE, REPLACE, TABLE, UPDATE, rules_for

BEFORE = "INSERT INTO users (id, email, name, logins) VALUES (1, 'a@x', 'Ann', 1), (2, 'b@x', 'Bob', 5)"
each_when = pytest.mark.parametrize("when", ["conflict", "always"])
Told = dict[str, Any]


def used(proxy: Proxy, database: str, rule: str, when: str, folder: Path) -> Told:
    """Run the application, with the users Ann (1) and Bob (2) in its table."""
    run(proxy.connect_directly(database=database), TABLE, BEFORE)
    proxy.use_rules(rules_for(database, rule, when, folder, "returning: several"))
    server = proxy.as_server
    connection = {
        "NAME": database,
        "HOST": server.host,
        "PORT": server.port,
        "USER": server.user,
        "PASSWORD": server.password,
        "OPTIONS": {"charset": "utf8mb4"},
    }
    command, env = python()
    done = subprocess.run(
        [*command, "-m", "tests.orm.accounts"],
        input=json.dumps({"connection": connection}),
        env={**environment(), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: Told = json.loads(done.stdout)
    return found


def check_many(proxy: Proxy, told: Told) -> None:
    """The ids that Django has read are those of the rows."""
    if proxy.server.mariadb:
        assert told["bulk_create"] == [[told["ids"][email], email] for email in ("c@x", "b@x", "d@x", "a@x")]
    else:
        assert told["bulk_create"] == [[None, email] for email in ("c@x", "b@x", "d@x", "a@x")]


@each_when
def test_ignore(proxy: Proxy, database: str, when: str, tmp_path: Path) -> None:
    told = used(proxy, database, IGNORE, when, tmp_path)
    bob, ann = [2, "b@x", "Bob", 5], [1, "a@x", "Ann", 1]
    assert (told["create"], told["save"], told["get_or_create"], told["in a transaction"]) == (bob, ann, bob, ann)
    assert told["new"] == [told["ids"]["new@x"], "new@x", "Nan", 1]
    kept = [["a@x", "Ann", 1], ["b@x", "Bob", 5]]
    assert told["users"] == [*kept, ["new@x", "Nan", 1], ["after@x", "Pat", 1], ["c@x", "c", 1], ["d@x", "d", 1]]
    check_many(proxy, told)


@each_when
def test_update(proxy: Proxy, database: str, when: str, tmp_path: Path) -> None:
    told = used(proxy, database, UPDATE, when, tmp_path)
    assert told["create"] == [2, "b@x", "Bob", 10]
    assert told["save"] == [1, "a@x", "Ann", 2]
    assert told["get_or_create"] == [2, "b@x", "Bea", 11]
    assert told["in a transaction"] == [1, "a@x", "Abe", 3]
    assert told["users"][:2] == [["a@x", "a", 4], ["b@x", "b", 12]]
    check_many(proxy, told)


@each_when
def test_idempotent(proxy: Proxy, database: str, when: str, tmp_path: Path) -> None:
    told = used(proxy, database, IDEMPOTENT, when, tmp_path)
    assert (told["create"], told["save"]) == ([2, "b@x", "Bob", 5], [1, "a@x", "Ann", 1])
    assert (told["get_or_create"], told["bulk_create"]) == ([1062], [1062])  # other users under the same address
    assert told["in a transaction"] == [1, "a@x", "Ann", 1]
    assert told["users"] == [["a@x", "Ann", 1], ["b@x", "Bob", 5], ["new@x", "Nan", 1], ["after@x", "Pat", 1]]


@each_when
def test_replace(proxy: Proxy, database: str, when: str, tmp_path: Path) -> None:
    told = used(proxy, database, REPLACE, when, tmp_path)
    for way in ("create", "save", "get_or_create", "in a transaction"):
        assert told[way][0] > 2, way
    assert told["get_or_create"][1:] == ["b@x", "Bea", 1]
    assert told["bulk_create"] == [1062]  # of several rows, each might meet another key as well
