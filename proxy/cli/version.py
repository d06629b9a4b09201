"""`keyclash --version`."""

from importlib.metadata import PackageNotFoundError, version

import typer


def installed_version() -> str:
    """Give the version that is installed, or `unknown` when the source runs without being installed."""
    try:
        return version("keyclash")
    except PackageNotFoundError:
        return "unknown"


def print_version(wanted: bool) -> None:
    """Print the version and leave, if that is wanted."""
    if wanted:
        typer.echo(f"keyclash {installed_version()}")
        raise typer.Exit
