"""`keyclash demo`: the proxy at work, with a backend and applications of its own."""

from pathlib import Path
from typing import Annotated

import typer

FAILED = 1
"""The exit code when the demo cannot run."""


def demo(
    seconds: Annotated[
        float | None,
        typer.Option(min=0.1, envvar="DEMO_SECONDS", help="End after so many seconds.", show_default="until Ctrl-C"),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where the proxy listens, on 127.0.0.1.", show_default="any free one")
    ] = 0,
    admin_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where the metrics are, on 127.0.0.1.", show_default="any free one")
    ] = 0,
    rules: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Follow these rules; a change is taken up.", show_default="the demo's own"
        ),
    ] = None,
) -> None:
    """Show the proxy at work: a backend, applications that collide, and what becomes of their conflicts.

    The backend is this machine's MySQL or MariaDB server with a throw-away data directory, or an embedded one if
    there is none. Nothing is left behind.

    \b
    Exit code 0: ended by a signal, or after the time given.
    Exit code 1: something failed; standard error says what.
    """  # noqa: D301  # \b keeps click from rewrapping the list
    # Here, so that the other commands start without the demo's libraries.
    from proxy.demo.run import RULES, DemoError, Options, run_demo

    try:
        run_demo(Options(seconds=seconds, port=port, admin_port=admin_port, rules=rules or RULES))
    except DemoError as error:
        typer.echo(f"keyclash: {error}", err=True)
        raise typer.Exit(FAILED) from None
