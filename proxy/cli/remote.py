"""Asking a running proxy by its admin address."""

import http.client
import json
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from proxy.config import Address

NO_ANSWER: Final = 1
"""The exit code when the proxy cannot be asked."""
_TIMEOUT: Final = 10.0

Admin = Annotated[Address, typer.Option(parser=Address.parse, metavar="HOST:PORT", help="The proxy's admin address.")]
TokenFile = Annotated[Path | None, typer.Option(help="The file with the token, if the proxy asks for one.")]

DEFAULT_ADMIN: Final = Address("127.0.0.1", 9104)


class RemoteError(Exception):
    """The proxy could not be asked; the message says why."""


def ask(admin: Address, path: str, token_file: Path | None = None) -> dict[str, Any]:
    """Read one answer of the API; raises RemoteError."""
    return _read(admin, *send(admin, "GET", path, token_file))


def send(admin: Address, method: str, path: str, token_file: Path | None = None) -> tuple[int, bytes]:
    """Send one request; return the answer's status and body. Raises RemoteError if there is none."""
    connection = http.client.HTTPConnection(admin.host, admin.port, timeout=_TIMEOUT)
    try:
        connection.request(method, path, headers=_headers(token_file))
        reply = connection.getresponse()
        return reply.status, reply.read()
    except (OSError, http.client.HTTPException) as error:
        raise RemoteError(f"no answer from {admin}: {error}") from error
    finally:
        connection.close()


def ask_or_leave(admin: Address, path: str, token_file: Path | None) -> dict[str, Any]:
    """Read one answer of the API; if there is none, say why and leave with exit code 1."""
    try:
        return ask(admin, path, token_file)
    except RemoteError as error:
        leave_unanswered(error)


def leave_unanswered(error: RemoteError) -> NoReturn:
    """Say why there is no answer, and leave with exit code 1."""
    typer.echo(f"keyclash: {error}", err=True)
    raise typer.Exit(NO_ANSWER) from None


def _headers(token_file: Path | None) -> dict[str, str]:
    if token_file is None:
        return {}
    try:
        return {"Authorization": f"Bearer {token_file.read_text('ascii').strip()}"}
    except (OSError, UnicodeDecodeError) as error:
        raise RemoteError(f"the token cannot be read from {token_file}: {error}") from error


def _read(admin: Address, status: int, body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise RemoteError(f"{admin} is not the admin address of Keyclash (it answered with status {status})")
    if status != http.client.OK:
        raise RemoteError(f"{admin}: {answer.get('error', status)}")
    return answer
