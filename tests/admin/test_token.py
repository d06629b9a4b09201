from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from proxy.admin.app import create_app
from proxy.admin.token import read_token
from proxy.config import ConfigError
from tests.admin.sources import sources, written

Client = TestClient[Request, Application]
TOKEN = "0123456789abcdef"


async def ready() -> None:
    return None


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(create_app(sources(), ready=ready, token=TOKEN))) as client:
        yield client


@pytest.mark.parametrize("path", ["/api/keys", "/api/openapi.json", "/api/conflicts", "/metrics"])
@pytest.mark.parametrize("given", [None, "", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ", "Bearer \udcff"])
async def test_without_the_token_nothing_is_told(client: Client, path: str, given: str | None) -> None:
    reply = await client.get(path, headers={} if given is None else {"Authorization": given})
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/api/keys", "/metrics"])
async def test_with_it_all_is(client: Client, path: str) -> None:
    assert (await client.get(path, headers={"Authorization": f"Bearer {TOKEN}"})).status == 200


@pytest.mark.parametrize("path", ["/", "/page/app.js", "/-/healthy", "/-/ready"])
async def test_health_and_the_empty_page_are_for_anybody(client: Client, path: str) -> None:
    assert (await client.get(path, headers={"Accept": "text/html"})).status == 200


@pytest.mark.parametrize("path", ["/API/keys", "/./api/keys", "/%61pi/keys", "/api%2Fkeys"])
async def test_there_is_no_way_around_it(client: Client, path: str) -> None:
    assert (await client.get(path)).status in (401, 404)


def test_the_file(tmp_path: Path) -> None:
    assert read_token(None) is None
    assert read_token(written(f"{TOKEN}\n", tmp_path, "token")) == TOKEN


@pytest.mark.parametrize("text", ["", "\n", "short", "two words of some length", "é" * 20])
def test_a_file_without_a_token(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="admin_token_file: holds no token"):
        read_token(written(text, tmp_path, "token"))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="token"):
        read_token(tmp_path / "none")
