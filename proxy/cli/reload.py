"""`keyclash reload`: have a running proxy read its files again."""

import http.client
from typing import Final

import typer

from proxy.cli.files import WRONG_INPUT
from proxy.cli.remote import DEFAULT_ADMIN, Admin, RemoteError, TokenFile, leave_unanswered, send
from proxy.cli.terminal import shown

_ANSWERS: Final = (http.client.OK, http.client.INTERNAL_SERVER_ERROR)


def reload(admin: Admin = DEFAULT_ADMIN, token_file: TokenFile = None) -> None:
    """Have a running proxy read its configuration and its rules again.

    All of it takes effect or nothing does. Settings that cannot change while it runs are named. The sessions stay.

    \b
    Exit code 0: what the files say is in force.
    Exit code 1: the proxy cannot be asked.
    Exit code 2: a file is wrong, and what was in force before still is; every mistake is on standard error.

    \b
    keyclash reload
    keyclash reload --admin 10.0.0.5:9104 --token-file /etc/keyclash/token
    """  # noqa: D301  # \b keeps click from rewrapping the examples
    try:
        status, body = send(admin, "POST", "/-/reload", token_file)
        text = "\n".join(map(shown, body.decode(errors="replace").splitlines()))
        if status not in _ANSWERS:
            raise RemoteError(f"{admin}: {text}")
    except RemoteError as error:
        leave_unanswered(error)
    typer.echo(text, err=status != http.client.OK)
    if status != http.client.OK:
        raise typer.Exit(WRONG_INPUT)
