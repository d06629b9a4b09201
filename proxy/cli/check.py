"""`keyclash check`: every mistake of the configuration and the rules, before anything runs on them."""

from pathlib import Path
from typing import Annotated

import typer

from proxy.cli.files import leave
from proxy.config import ConfigError, Problem, load_config
from proxy.rules.match import RuleSet
from proxy.rules.model import load_rules
from proxy.rules.warnings import warnings

DEFAULT_CONFIG = Path("config/proxy.yaml")


def check(
    config: Annotated[
        Path | None, typer.Option(help=f"The proxy's file, with the rules that it names. [default: {DEFAULT_CONFIG}]")
    ] = None,
    rules: Annotated[Path | None, typer.Option(help="A rules file, instead of the one that --config names.")] = None,
) -> None:
    """Read the configuration and the rules as `serve` would, and tell every mistake.

    \b
    Exit code 0: both files are right; what may surprise is printed as a warning.
    Exit code 2: every mistake of both files is on standard error, as file:line: key: what was expected.

    \b
    keyclash check
    keyclash check --config /etc/keyclash/proxy.yaml
    keyclash check --rules config/rules.yaml
    """  # noqa: D301  # \b keeps click from rewrapping the examples
    problems: list[Problem] = []
    if config is not None or rules is None:
        path = config or DEFAULT_CONFIG
        try:
            named = load_config(path).rules
            rules = rules or named
            typer.echo(f"{path}: ok")
        except ConfigError as error:
            problems += error.problems
    if rules is not None:
        try:
            _report(load_rules(rules))
        except ConfigError as error:
            problems += error.problems
    if problems:
        leave(tuple(problems))


def _report(rules: RuleSet) -> None:
    number = len(rules.rules)
    typer.echo(f"{rules.source}: ok, {number} {'rule' if number == 1 else 'rules'}, version {rules.version}")
    for problem in warnings(rules):
        typer.echo(f"{problem.file}:{problem.line}: {problem.key}: warning: {problem.message}")
