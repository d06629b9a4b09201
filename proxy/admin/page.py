"""The web page: three static files of the package, which read the API from the browser."""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Final

from aiohttp import hdrs, web

PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}
"""Nothing from elsewhere, nothing inline, and no other page around it."""

_FILES: Final = {
    "/page/app.js": "text/javascript",
    "/page/app.css": "text/css",
    "/page/icon.svg": "image/svg+xml",
}


def add_page(app: web.Application, index: str) -> None:
    """Add the page and its files; index: what a client that asks for no HTML gets in its place."""
    page = _read("index.html")

    async def root(request: web.Request) -> web.Response:
        vary = {hdrs.VARY: "Accept"}
        if "text/html" in request.headers.get(hdrs.ACCEPT, ""):
            return web.Response(body=page, content_type="text/html", charset="utf-8", headers=vary)
        return web.Response(text=index, headers=vary)

    app.router.add_get("/", root)
    for path, content_type in _FILES.items():
        app.router.add_get(path, _file(_read(path.rpartition("/")[2]), content_type))


def is_page(response: web.StreamResponse) -> bool:
    """Tell whether a response is the page itself, to which its policy belongs."""
    return response.content_type == "text/html"


def _read(name: str) -> bytes:
    return (files("proxy.admin") / "static" / name).read_bytes()


def _file(body: bytes, content_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type, charset="utf-8")

    return serve
