"""The JSON API under /api/, and its description, made from the same types as the answers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from pydantic import TypeAdapter

from proxy.admin import views
from proxy.admin.sources import Sources
from proxy.conflicts.metrics import version

MOST_CONFLICTS: Final = 1_000
USUAL_CONFLICTS: Final = 100
MOST_KEYS: Final = 1_000
USUAL_KEYS: Final = 200
USUAL_SUGGESTIONS: Final = 50

Handler = Callable[[web.Request], Awaitable[web.Response]]


class NotFoundError(Exception):
    """There is nothing of that name."""


class BadQueryError(Exception):
    """A parameter is wrong; the message says which, and what was expected."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an address."""

    name: str
    where: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of the API: what it answers, in a type, in words and in code."""

    path: str
    type: type[Any]
    text: str
    answer: Callable[[Sources, web.Request], Any]
    parameters: tuple[Parameter, ...] = ()


def _key(sources: Sources, request: web.Request) -> views.KeyPage:
    page = views.key_page(sources, request.match_info["id"])
    if page is None:
        raise NotFoundError("no key of this id has had a conflict of late")
    return page


def _keys(sources: Sources, request: web.Request) -> views.KeysView:
    return views.keys_view(sources, _number(request, "limit", USUAL_KEYS, MOST_KEYS))


def _suggestions(sources: Sources, request: web.Request) -> views.SuggestionsView:
    return views.suggestions_view(sources, _number(request, "limit", USUAL_SUGGESTIONS, MOST_KEYS))


def _conflicts(sources: Sources, request: web.Request) -> views.ConflictsView:
    limit = _number(request, "limit", USUAL_CONFLICTS, MOST_CONFLICTS)
    return views.conflicts_view(sources, request.query.get("key"), _number(request, "after", 0, 1 << 53), limit)


def _number(request: web.Request, name: str, usual: int, most: int) -> int:
    text = request.query.get(name, str(usual))
    if not (text.isascii() and text.isdigit()) or len(text) > 16 or int(text) > most:
        raise BadQueryError(f"{name} is no number up to {most}")
    return int(text)


def _limit(usual: int) -> Parameter:
    return Parameter("limit", "query", "integer", f"how many at most, {usual} if left out")


ENDPOINTS: Final = (
    Endpoint("/api/keys", views.KeysView, "Keys by conflicts", _keys, (_limit(USUAL_KEYS),)),
    Endpoint(
        "/api/keys/{id}", views.KeyPage, "All about one key", _key, (Parameter("id", "path", "string", "the key's id"),)
    ),
    Endpoint(
        "/api/conflicts", views.ConflictsView, "The last conflicts, the newest first", _conflicts,
        (
            Parameter("key", "query", "string", "only conflicts on the key of this id"),
            Parameter("after", "query", "integer", "only conflicts with a greater id"),
            _limit(USUAL_CONFLICTS),
        ),
    ),
    Endpoint("/api/rules", views.RulesView, "Rules and what they did", lambda sources, _: views.rules_view(sources)),
    Endpoint("/api/sessions", views.SessionsView, "Sessions", lambda sources, _: views.sessions_view(sources)),
    Endpoint("/api/config", views.ConfigView, "The configuration", lambda sources, _: views.config_view(sources)),
    Endpoint(
        "/api/suggestions", views.SuggestionsView, "Rules that would help",
        _suggestions, (_limit(USUAL_SUGGESTIONS),),
    ),
)  # fmt: skip
"""All addresses but that of the description itself."""


def add_api(app: web.Application, sources: Sources) -> None:
    """Add the API to an application."""
    for endpoint in ENDPOINTS:
        app.router.add_get(endpoint.path, _handler(endpoint, sources))
    app.router.add_get("/api/openapi.json", _description)


def _handler(endpoint: Endpoint, sources: Sources) -> Handler:
    adapter: TypeAdapter[Any] = TypeAdapter(endpoint.type)

    async def handle(request: web.Request) -> web.Response:
        try:
            answer = endpoint.answer(sources, request)
        except NotFoundError as error:
            return web.json_response({"error": str(error)}, status=404)
        except BadQueryError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.Response(body=adapter.dump_json(answer), content_type="application/json", charset="utf-8")

    return handle


async def _description(request: web.Request) -> web.Response:
    return web.json_response(openapi())


def openapi() -> dict[str, Any]:
    """Describe the API (OpenAPI 3.1)."""
    schemas: dict[str, Any] = {"Error": {"type": "object", "properties": {"error": {"type": "string"}}}}
    paths = {}
    for endpoint in ENDPOINTS:
        schema = TypeAdapter(endpoint.type).json_schema(
            mode="serialization", ref_template="#/components/schemas/{model}"
        )
        schemas |= schema.pop("$defs", {})
        schemas[endpoint.type.__name__] = schema
        paths[endpoint.path] = {"get": _operation(endpoint)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Keyclash", "version": version(), "description": "Duplicate-key conflicts, seen by a proxy."},
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    responses = {"200": _content(endpoint.text, endpoint.type.__name__), "401": _content("The token is wrong", "Error")}
    if endpoint.parameters:
        wrong = "404" if endpoint.parameters[0].where == "path" else "400"
        responses[wrong] = _content("A parameter is wrong", "Error")
    return {
        "operationId": endpoint.type.__name__,
        "summary": endpoint.text,
        "parameters": [
            {
                "name": parameter.name,
                "in": parameter.where,
                "required": parameter.where == "path",
                "description": parameter.text,
                "schema": {"type": parameter.kind},
            }
            for parameter in endpoint.parameters
        ],
        "responses": responses,
    }


def _content(text: str, schema: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": text, "content": {"application/json": {"schema": reference}}}
