"""`keyclash explain`: what would become of one statement, and why."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from proxy.cli.explanation import Question, explanation
from proxy.cli.files import WRONG_INPUT, read_or_leave
from proxy.rules.model import load_rules
from proxy.sql.dialect import Dialect
from proxy.sql.reason import Reason, explain_reason

DEFAULT_RULES = Path("config/rules.yaml")
DEFAULT_SERVER = "9.7.0"
_COLOURS = {"+": typer.colors.GREEN, "-": typer.colors.RED}


def explain(
    statement: Annotated[
        str | None, typer.Argument(help="The statement, or several in one text, or - to read it from standard input.")
    ] = None,
    rules: Annotated[Path, typer.Option(help="The rules file.")] = DEFAULT_RULES,
    server: Annotated[
        str, typer.Option(help="The server's version, as SELECT VERSION() tells it: 9.7.0, 10.11.4-MariaDB ...")
    ] = DEFAULT_SERVER,
    schema: Annotated[str | None, typer.Option(help="The session's schema (USE ...), for a table without one.")] = None,
    user: Annotated[str, typer.Option(help="The user who is logged in, for rules that match users.")] = "",
    sql_mode: Annotated[str, typer.Option(help="The session's sql_mode, such as ANSI_QUOTES.")] = "",
    reason: Annotated[
        Reason | None,
        typer.Option(
            help="Say what a reason of keyclash_rewrite_skipped_total means, and no more.",
            metavar="REASON",
            show_choices=False,
        ),
    ] = None,
) -> None:
    """Show what the rules make of a statement: how it is read, which rule is asked and why, and what is sent.

    Nothing is sent anywhere: this needs no server.

    \b
    The last part shows what is spliced in. Lines of the client's own text begin with a space,
    what is added with +, what is taken away with -.

    \b
    Exit code 0: explained, also if the statement is passed on as it is.
    Exit code 2: a wrong option or a wrong rules file.

    \b
    keyclash explain --rules config/rules.yaml "INSERT INTO shop.users (email) VALUES ('a@x')"
    keyclash explain --server 10.11.4-MariaDB --schema shop "INSERT INTO users (email) VALUES (?)"
    echo "INSERT INTO users SET email = 'a@x'" | keyclash explain --schema shop --user app_rw -
    keyclash explain --reason session_changed
    """  # noqa: D301  # \b keeps click from rewrapping the examples
    if reason is not None:
        typer.echo(f"{reason}: {explain_reason(reason)}")
        return
    if statement is None:
        raise typer.BadParameter("there is none", param_hint="STATEMENT")
    dialect = Dialect.parse(server)
    if dialect.version == (0, 0, 0):
        typer.echo(f"--server: {server!r} is no version (expected one such as 9.7.0 or 10.11.4-MariaDB)", err=True)
        raise typer.Exit(WRONG_INPUT)
    ruleset = read_or_leave(load_rules, rules)
    text = sys.stdin.buffer.read() if statement == "-" else os.fsencode(statement)
    modes = frozenset(mode.strip().upper() for mode in sql_mode.split(","))
    for line in explanation(Question(text, ruleset, dialect, schema, user, modes)):
        typer.secho(line, fg=_COLOURS.get(line[:1]), bold=line[:1].isalpha() or None)
