"""The command line: one module per command, registered here."""

from typing import Annotated

import typer

from proxy.cli.check import check
from proxy.cli.conflicts import conflicts
from proxy.cli.demo import demo
from proxy.cli.explain import explain
from proxy.cli.reload import reload
from proxy.cli.serve import serve
from proxy.cli.suggest import suggest
from proxy.cli.top import top
from proxy.cli.version import print_version

app = typer.Typer(
    name="keyclash",
    help="A MySQL proxy that sees, counts, explains and resolves duplicate-key errors.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

for command in (serve, check, reload, explain, suggest, top, conflicts, demo):
    app.command()(command)


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
