from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from proxy.admin.api import ENDPOINTS, openapi
from proxy.admin.app import create_app
from proxy.admin.sources import OpenSession, Sources
from proxy.conflicts.conflict import Cause, Outcome
from proxy.conflicts.labels import conflict_labels
from proxy.rules.match import RuleSet
from proxy.rules.model import load_rules
from tests.admin.sources import NOW, sources, written
from tests.advice.evidence import SAMPLE, USERS
from tests.conflicts.conflicts import conflict

Client = TestClient[Request, Application]


async def ready() -> None:
    return None


@pytest.fixture
def full(tmp_path: Any) -> Sources:
    """What a proxy that has seen some conflicts knows."""
    text = "rules: [{name: mine, table: shop.orders, action: ignore, key: ux, columns: [a]}]"
    rules = load_rules(written(text, tmp_path, "rules.yaml"))
    made = sources(
        rules=lambda: rules,
        table=lambda schema, table: USERS if table == "users" else None,
        sessions=lambda: (OpenSession(7, "app", "10.0.0.9:1", True),),
    )
    told = {"cause": Cause.RACE, "sample": SAMPLE, "columns": ("email",)}
    for number in range(3):
        made.journal.add(conflict(at=NOW - 60 * number, latency=0.5, **told), f"hash {number}")
    handled = conflict(table="orders", key="ux", rule="mine", outcome=Outcome.KEPT)
    made.journal.add(handled, None)
    made.counters.conflict(conflict_labels(handled))
    made.counters.rewrite("mine", "conflict", "text", "ok")
    made.counters.skip("mine", "ignore")
    made.counters.session_opened()
    return made


@pytest.fixture
async def client(full: Sources) -> AsyncIterator[Client]:
    async with TestClient(TestServer(create_app(full, ready=ready))) as client:
        yield client


async def get(client: Client, path: str) -> Any:
    reply = await client.get(path)
    assert reply.status == 200, await reply.text()
    assert reply.content_type == "application/json"
    return await reply.json()


async def test_keys(client: Client) -> None:
    answer = await get(client, "/api/keys")
    assert (answer["total"], answer["others"], answer["sessions"], answer["at"]) == (4, 0, 1, NOW)
    first, second = answer["keys"]
    assert (first["schema"], first["table"], first["key"], first["count"]) == ("shop", "users", "ux_email", 3)
    assert (first["outcomes"], first["causes"], first["columns"]) == ({"returned": 3}, {"race": 3}, ["email"])
    assert (len(first["per_minute"]), first["per_minute"][-3:]) == (60, [0, 0, 3])
    assert second["rules"] == {"mine": 1}
    assert len((await get(client, "/api/keys?limit=1"))["keys"]) == 1


async def test_a_key(client: Client) -> None:
    key_id = (await get(client, "/api/keys"))["keys"][0]["id"]
    answer = await get(client, f"/api/keys/{key_id}")
    assert answer["explanation"]["definition"] == "UNIQUE KEY `ux_email` (`email`)"
    assert answer["suggestion"]["action"] == "ignore"
    assert "return_id: id" in answer["suggestion"]["rule"]
    assert answer["suggestion"]["dry_run"]["answered"] == 3
    assert [each["entry"] for each in answer["conflicts"]] == ["hash 2", "hash 1", "hash 0"]
    assert answer["samples"] == [{"value": SAMPLE, "count": 3, "error": 0}]
    assert len(answer["minutes"]) == 360


async def test_conflicts(client: Client) -> None:
    answer = await get(client, "/api/conflicts")
    assert [each["id"] for each in answer["conflicts"]] == [4, 3, 2, 1]
    assert answer["show_values"] is False
    assert [each["id"] for each in (await get(client, "/api/conflicts?after=2"))["conflicts"]] == [4, 3]
    assert [each["id"] for each in (await get(client, "/api/conflicts?limit=1"))["conflicts"]] == [4]
    key_id = answer["conflicts"][0]["key_id"]
    assert [each["id"] for each in (await get(client, f"/api/conflicts?key={key_id}"))["conflicts"]] == [4]
    assert (await get(client, "/api/conflicts?key=none"))["conflicts"] == []


async def test_rules(client: Client) -> None:
    answer = await get(client, "/api/rules")
    (rule,) = answer["rules"]
    assert rule["source"].endswith("rules.yaml:1")
    assert (rule["conflicts"], rule["rewrites"], rule["tripped"]) == ({"kept": 1}, {"ok": 1}, False)
    assert rule["skips"][0]["reason"] == "ignore"
    assert "IGNORE" in rule["skips"][0]["words"]


async def test_sessions_and_configuration(client: Client) -> None:
    answer = await get(client, "/api/sessions")
    assert answer["sessions"] == [{"thread_id": 7, "user": "app", "client": "10.0.0.9:1", "idle": True}]
    settings = {each["key"]: each for each in (await get(client, "/api/config"))["settings"]}
    assert settings["conflicts.show_values"] == {"key": "conflicts.show_values", "value": "false", "source": "default"}


async def test_suggestions_are_a_rules_file(client: Client, tmp_path: Any) -> None:
    answer = await get(client, "/api/suggestions")
    assert [each["suggestion"]["action"] for each in answer["suggestions"]] == ["ignore", ""]
    (rule,) = load_rules(written(answer["file"], tmp_path, "suggested.yaml")).rules
    assert rule.name == "users-ux_email"


async def test_nothing_seen_is_no_error() -> None:
    async with TestClient(TestServer(create_app(sources(rules=RuleSet), ready=ready))) as client:
        assert (await get(client, "/api/keys"))["keys"] == []
        assert (await get(client, "/api/suggestions"))["file"] == "rules: []\n"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/keys/none", 404),
        ("/api/conflicts?limit=x", 400),
        ("/api/conflicts?limit=1001", 400),
        ("/api/conflicts?after=-1", 400),
        ("/api/keys?limit=", 400),
        ("/api/keys?limit=%C2%B2", 400),
    ],
)
async def test_errors_are_told_in_words(client: Client, path: str, status: int) -> None:
    reply = await client.get(path)
    assert reply.status == status
    assert (await reply.json())["error"]


async def test_the_description_fits_the_answers(client: Client) -> None:
    description = await get(client, "/api/openapi.json")
    assert description == openapi()
    assert set(description["paths"]) == {endpoint.path for endpoint in ENDPOINTS}
    schemas = description["components"]["schemas"]
    key_id = (await get(client, "/api/keys"))["keys"][0]["id"]
    for endpoint in ENDPOINTS:
        answer = await get(client, endpoint.path.replace("{id}", key_id))
        assert set(answer) == set(schemas[endpoint.type.__name__]["properties"])


def test_every_reference_of_the_description_leads_somewhere() -> None:
    description = openapi()
    found: list[str] = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            found.extend(value for key, value in node.items() if key == "$ref")
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(description)
    assert found
    assert {each.rpartition("/")[2] for each in found} <= set(description["components"]["schemas"])
