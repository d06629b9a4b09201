from collections.abc import AsyncIterator, Iterable

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from proxy.admin.app import create_app
from proxy.conflicts.counters import Counters
from tests.admin.sources import sources

Client = TestClient[Request, Application]
PATHS = ("/", "/metrics", "/-/healthy", "/-/ready")
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Backend:
    """A readiness check whose answer a test sets."""

    def __init__(self) -> None:
        self.reason: str | None = None

    async def __call__(self) -> str | None:
        return self.reason


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
async def client(counters: Counters, backend: Backend) -> AsyncIterator[Client]:
    async with TestClient(TestServer(create_app(sources(counters=counters), ready=backend))) as client:
        yield client


def errors(families: Iterable[Metric]) -> float:
    return next(family for family in families if family.name == "keyclash_mysql_errors").samples[0].value


async def test_metrics_are_read_when_they_are_asked_for(client: Client, counters: Counters) -> None:
    for count in (1, 2):
        counters.error(1062)
        reply = await client.get("/metrics", headers={"Accept": ""})
        assert reply.status == 200
        assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert errors(text_string_to_metric_families(await reply.text())) == count


async def test_metrics_in_openmetrics(client: Client, counters: Counters) -> None:
    counters.error(1062)
    reply = await client.get("/metrics", headers={"Accept": OPENMETRICS})
    assert reply.headers["Content-Type"].startswith(OPENMETRICS)
    text = await reply.text()
    assert text.endswith("# EOF\n")
    parse = openmetrics_parser.text_string_to_metric_families
    assert errors(parse(text)) == 1  # type: ignore[no-untyped-call]


async def test_several_accept_headers_are_one(client: Client) -> None:
    reply = await client.get("/metrics", headers=[("Accept", "text/html"), ("Accept", OPENMETRICS)])
    assert reply.headers["Content-Type"].startswith(OPENMETRICS)


async def test_an_odd_accept_header_breaks_nothing(client: Client) -> None:
    reply = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=é"})
    assert reply.status == 200


@pytest.mark.parametrize(("accepted", "encoding"), [("gzip", "gzip"), ("br, gzip;q=0.5", "gzip"), ("br", None)])
async def test_metrics_are_compressed_for_those_who_take_it(
    client: Client, accepted: str, encoding: str | None
) -> None:
    reply = await client.get("/metrics", headers={"Accept-Encoding": accepted})
    assert reply.headers.get("Content-Encoding") == encoding
    assert reply.headers["Vary"] == "Accept, Accept-Encoding"
    assert "keyclash_sessions 0.0" in await reply.text()


async def test_healthy(client: Client) -> None:
    reply = await client.get("/-/healthy")
    assert (reply.status, await reply.text()) == (200, "Keyclash is Healthy.\n")


async def test_ready_follows_the_check(client: Client, backend: Backend) -> None:
    reply = await client.get("/-/ready")
    assert (reply.status, await reply.text()) == (200, "Keyclash is Ready.\n")
    backend.reason = "Keyclash is draining."
    reply = await client.get("/-/ready")
    assert (reply.status, await reply.text()) == (503, "Keyclash is draining.\n")
    assert (await client.get("/-/healthy")).status == 200


async def test_the_index_lists_the_paths(client: Client) -> None:
    reply = await client.get("/")
    assert reply.content_type == "text/plain"
    text = await reply.text()
    assert all(path in text for path in PATHS)


@pytest.mark.parametrize("path", PATHS)
async def test_head_is_get_without_a_body(client: Client, path: str) -> None:
    got, head = await client.get(path), await client.head(path)
    assert (head.status, await head.read()) == (got.status, b"")
    assert head.headers["Content-Type"] == got.headers["Content-Type"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", PATHS)
async def test_other_methods_are_refused(client: Client, path: str, method: str) -> None:
    reply = await client.request(method, path)
    assert reply.status == 405
    assert reply.headers["Allow"] == "GET,HEAD"


@pytest.mark.parametrize("path", ["/metrics/", "/-/", "/nothing", "/%2e%2e/etc/passwd", "/-/ready/x"])
async def test_unknown_paths_are_told_so_in_text(client: Client, path: str) -> None:
    reply = await client.get(path)
    assert (reply.status, reply.content_type) == (404, "text/plain")


@pytest.mark.parametrize("path", [*PATHS, "/nothing"])
async def test_every_reply_forbids_what_a_browser_could_do_with_it(client: Client, path: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Server"] == "Keyclash"
    assert "Access-Control-Allow-Origin" not in headers
