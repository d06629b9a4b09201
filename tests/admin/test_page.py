import re
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from proxy.admin.app import create_app
from tests.admin.sources import sources

Client = TestClient[Request, Application]
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def ready() -> None:
    return None


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(create_app(sources(), ready=ready))) as client:
        yield client


async def test_a_browser_gets_the_page_and_others_a_list(client: Client) -> None:
    page, listed = await client.get("/", headers=HTML), await client.get("/")
    assert (page.content_type, listed.content_type) == ("text/html", "text/plain")
    assert page.headers["Vary"] == listed.headers["Vary"] == "Accept"


async def test_everything_that_the_page_names_is_there(client: Client) -> None:
    text = await (await client.get("/", headers=HTML)).text()
    named = set(re.findall(r'(?:src|href)="([^"#]+)"', text))
    assert named == {"page/app.js", "page/app.css", "page/icon.svg"}
    for path in named:
        assert (await client.get(f"/{path}")).status == 200


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/page/app.js", "text/javascript"), ("/page/app.css", "text/css"), ("/page/icon.svg", "image/svg+xml")],
)
async def test_files_have_their_types(client: Client, path: str, kind: str) -> None:
    assert (await client.get(path)).content_type == kind


async def test_the_policy_allows_nothing_from_elsewhere_and_nothing_inline(client: Client) -> None:
    policy = (await client.get("/", headers=HTML)).headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
    assert "unsafe" not in policy
    text = await (await client.get("/", headers=HTML)).text()
    assert not re.search(r"<style|style=|<script>|\son[a-z]+=|javascript:", text)


@pytest.mark.parametrize("path", ["/", "/page/app.js", "/page/app.css"])
async def test_nothing_is_fetched_from_elsewhere(client: Client, path: str) -> None:
    text = await (await client.get(path, headers=HTML)).text()
    assert set(re.findall(r"https?://[^\"' )]+", text)) <= {"http://www.w3.org/2000/svg"}


async def test_no_text_is_ever_set_as_html(client: Client) -> None:
    text = await (await client.get("/page/app.js")).text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text)
