"""The command line: one module per command, loaded when the command is asked for."""

from collections import UserDict
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from proxy.cli.version import print_version

_COMMANDS: Final = ("serve", "check", "reload", "explain", "suggest", "top", "conflicts", "demo")
"""Each is the function of that name in the module of that name."""
_MANNERS: Final[dict[str, Any]] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"], "max_content_width": 100},
}


class _Commands(UserDict[str, Any]):
    """The commands by name. To load all that `serve` needs takes several times as long as what `check` does."""

    def __getitem__(self, name: str) -> Any:
        if name not in self.data:
            raise KeyError(name)
        alone = typer.Typer(**_MANNERS)
        alone.command(name)(getattr(import_module(f"proxy.cli.{name}"), name))
        return get_command(alone)


class _Group(TyperGroup):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Commands(dict.fromkeys(_COMMANDS))


app = typer.Typer(
    name="keyclash",
    help="A MySQL proxy that sees, counts, explains and resolves duplicate-key errors.",
    no_args_is_help=True,
    cls=_Group,
    **_MANNERS,
)


@app.callback()
def keyclash(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=print_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that stand before the command."""


def main() -> None:
    """Run the command that the command line names."""
    app(prog_name="keyclash")
