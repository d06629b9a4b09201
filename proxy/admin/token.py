"""The bearer token that keeps what the admin address tells from strangers."""

import hmac
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from proxy.config import ConfigError, Problem

PROTECTED: Final = ("/api/", "/metrics", "/-/reload")
"""What a token is asked for: all that tells of the proxy's work or changes it. Health is for all, the page is empty."""

_SHORTEST: Final = 16


def read_token(file: Path | None) -> str | None:
    """Read the token's file, without the line break at its end; None if none is configured.

    Raises ConfigError if there is no token in it.
    """
    if file is None:
        return None
    try:
        token = file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if len(token) < _SHORTEST or not token.isprintable() or " " in token:
        message = f"holds no token (expected at least {_SHORTEST} printable ASCII characters in one line)"
        raise ConfigError([Problem(str(file), 0, "admin_token_file", message)])
    return token


def token_check(token: str) -> Middleware:
    """Make the middleware that turns requests without the token away (RFC 6750)."""
    wanted = f"Bearer {token}".encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(hdrs.AUTHORIZATION, "").encode("utf-8", "surrogateescape")
        if request.path.startswith(PROTECTED) and not hmac.compare_digest(given, wanted):
            headers = {hdrs.WWW_AUTHENTICATE: 'Bearer realm="keyclash"'}
            return web.json_response({"error": "a token is needed"}, status=401, headers=headers)
        return await handler(request)

    return check
