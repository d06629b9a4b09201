"""Reading the files again, by HTTP."""

from aiohttp import web

from proxy.admin.sources import Reload


def add_reload(app: web.Application, reload: Reload) -> None:
    """Add the address. Its answers are those of Prometheus's own: 200, or 500 with what is wrong."""

    async def handle(request: web.Request) -> web.Response:
        succeeded, text = await reload()
        return web.Response(status=200 if succeeded else 500, text=f"{text}\n")

    app.router.add_post("/-/reload", handle)
