"""`keyclash serve`: the proxy itself."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.cli.check import DEFAULT_CONFIG
from proxy.cli.files import leave
from proxy.config import Address, ConfigError, Endpoint, Problem, ProxyConfig, parse_endpoint, parse_workers
from proxy.run.logs import configure_logging
from proxy.run.outlet import outlet
from proxy.run.policy import StartError
from proxy.run.process import run
from proxy.run.reload import Origin

_ENDPOINT = "HOST:PORT|unix:PATH"
_Endpoints = list[Any]  # of Endpoint: typer knows no lists of unions

CANNOT_START = 1
"""The exit code when the files are right and the proxy cannot run all the same."""


def serve(
    config: Annotated[Path, typer.Option(help="The proxy's file.")] = DEFAULT_CONFIG,
    listen: Annotated[
        _Endpoints | None,
        typer.Option(parser=parse_endpoint, metavar=_ENDPOINT, help="Where applications connect; may be given again."),
    ] = None,
    backend: Annotated[
        _Endpoints | None,
        typer.Option(
            parser=parse_endpoint, metavar=_ENDPOINT, help="The MySQL server; given again: one to fall back on."
        ),
    ] = None,
    admin: Annotated[
        Address | None, typer.Option(parser=Address.parse, metavar="HOST:PORT", help="Metrics and health over HTTP.")
    ] = None,
    rules: Annotated[Path | None, typer.Option(help="The rules, instead of those that the proxy's file names.")] = None,
    workers: Annotated[
        int | None, typer.Option(parser=parse_workers, metavar="N|auto", help="Processes that serve clients.")
    ] = None,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Take the place of the proxy that waits at the file's take_over.")
    ] = False,
) -> None:
    """Run the proxy until SIGTERM or SIGINT. Options stand above what the proxy's file says.

    The first signal lets sessions come to rest, for as long as drain_timeout says; a second one cuts them off.
    SIGHUP reads the files again, and so does a change of one of them.

    \b
    Exit code 0: stopped by a signal.
    Exit code 1: it cannot run, such as when a port is taken.
    Exit code 2: a wrong option, a wrong file or no password; every mistake is on standard error.

    \b
    keyclash serve
    keyclash serve --config /etc/keyclash/proxy.yaml
    keyclash serve --listen 0.0.0.0:3306 --backend db.internal:3306
    keyclash serve --listen unix:/run/keyclash.sock --listen 127.0.0.1:3306
    """  # noqa: D301  # \b keeps click from rewrapping the examples
    origin = Origin(config, lambda file: _chosen(file, listen, backend, admin, rules, workers))
    try:
        loaded = origin.read()
        if take_over and loaded.config.take_over is None:
            leave((Problem(str(config), 0, "take_over", "missing (expected with --take-over)"),))
        with outlet(sys.stderr) as stream:
            configure_logging(loaded.config.log.level, loaded.config.log.format, stream)
            run(loaded, origin, take_over=take_over)
    except ConfigError as error:
        leave(error.problems)
    except StartError as error:
        typer.echo(f"keyclash: {error}", err=True)
        raise typer.Exit(CANNOT_START) from None


def _chosen(
    config: ProxyConfig,
    listen: list[Endpoint] | None,
    backend: list[Endpoint] | None,
    admin: Address | None,
    rules: Path | None,
    workers: int | None,
) -> ProxyConfig:
    return replace(
        config,
        listen=tuple(listen) if listen else config.listen,
        backend=tuple(backend) if backend else config.backend,
        admin=admin or config.admin,
        rules=rules or config.rules,
        workers=config.workers if workers is None else workers,
    )
