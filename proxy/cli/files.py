"""Reading the files that the command line names, and telling what is wrong with them."""

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import typer

from proxy.config import ConfigError, Problem

T = TypeVar("T")

WRONG_INPUT = 2
"""The exit code for a wrong command line or a wrong file."""


def read_or_leave(read: Callable[[Path], T], path: Path) -> T:
    """Read a file; if it is wrong, print every mistake to standard error and leave with exit code 2."""
    try:
        return read(path)
    except ConfigError as error:
        leave(error.problems)


def leave(problems: tuple[Problem, ...]) -> NoReturn:
    """Print mistakes to standard error and leave with exit code 2."""
    for problem in problems:
        typer.echo(str(problem), err=True)
    raise typer.Exit(WRONG_INPUT)
