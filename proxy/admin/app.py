"""The pages: metrics for Prometheus, health for an orchestrator, an API for scripts, a page for people."""

import gzip
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client.exposition import gzip_accepted

from proxy.admin.api import add_api
from proxy.admin.page import PAGE_HEADERS, add_page, is_page
from proxy.admin.reload import add_reload
from proxy.admin.sources import Sources
from proxy.admin.token import token_check
from proxy.conflicts.counters import Counters
from proxy.conflicts.metrics import render

Ready = Callable[[], Awaitable[str | None]]
"""Tells why no traffic should come here, or None if it may."""

COUNTERS = web.AppKey("counters", Counters)
READY: web.AppKey[Ready] = web.AppKey("ready")

INDEX = """Keyclash

/                  the page, for a browser
/api/openapi.json  the JSON API's description
/metrics           metrics for Prometheus
/-/healthy         200 while the process runs
/-/ready           200 while the backend answers and the process is not draining, else 503 and why
/-/reload          POST: reads the files again; 200, or 500 and what is wrong with them
"""

HEADERS = {
    hdrs.SERVER: "Keyclash",
    hdrs.CACHE_CONTROL: "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def create_app(sources: Sources, *, ready: Ready, token: str | None = None) -> web.Application:
    """Make the application.

    ready: is asked whenever /-/ready is. token: what a request has to bring for what is not for everybody; None: no
    token is asked for.
    """
    app = web.Application(middlewares=[*([] if token is None else [token_check(token)]), _up_to_date(sources)])
    app[COUNTERS] = sources.counters
    app[READY] = ready
    add_page(app, INDEX)
    add_api(app, sources)
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/-/healthy", _healthy)
    app.router.add_get("/-/ready", _ready)
    add_reload(app, sources.reload)
    app.on_response_prepare.append(_add_headers)
    return app


def _up_to_date(sources: Sources) -> Middleware:
    """Make the middleware that has the workers asked before anything is told of their work."""

    @web.middleware
    async def bring(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/metrics" or request.path.startswith("/api/"):
            await sources.refresh(request.path == "/api/sessions")
        return await handler(request)

    return bring


async def _metrics(request: web.Request) -> web.Response:
    # Several Accept headers are one list (RFC 9110, section 5.3).
    body, content_type = render(request.app[COUNTERS], ",".join(request.headers.getall(hdrs.ACCEPT, ())))
    headers = {hdrs.CONTENT_TYPE: content_type, hdrs.VARY: "Accept, Accept-Encoding"}
    if gzip_accepted(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
        # Level 1: thrice as fast as the default for a few per cent more bytes; the sessions wait meanwhile.
        body = gzip.compress(body, compresslevel=1, mtime=0)
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    return web.Response(body=body, headers=headers)


async def _healthy(request: web.Request) -> web.Response:
    return web.Response(text="Keyclash is Healthy.\n")


async def _ready(request: web.Request) -> web.Response:
    reason = await request.app[READY]()
    if reason is None:
        return web.Response(text="Keyclash is Ready.\n")
    return web.Response(status=503, text=f"{reason}\n")


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    if is_page(response):
        response.headers.update(PAGE_HEADERS)
