"""`keyclash suggest`: rules for the keys that are in conflict, ready to be used."""

import json
import textwrap
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from proxy.cli.remote import DEFAULT_ADMIN, Admin, TokenFile, ask_or_leave
from proxy.cli.terminal import shown

_WIDTH: Final = 100


def suggest(
    admin: Admin = DEFAULT_ADMIN,
    token_file: TokenFile = None,
    key: Annotated[str, typer.Option(help="Only keys with this in their name.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print what the API answers.")] = False,
) -> None:
    """Suggest rules, from what a running proxy has seen of each key's conflicts.

    What is printed is a rules file: suggestions and, in comments, why, how sure that is, and what the rule would have
    done to the conflicts that the proxy remembers.

    \b
    Exit code 0: printed, also if there is nothing to suggest.
    Exit code 1: the proxy cannot be asked.

    \b
    keyclash suggest
    keyclash suggest --admin 10.0.0.5:9104 --key users > suggested.yaml && keyclash check --rules suggested.yaml
    """  # noqa: D301  # \b keeps click from rewrapping the examples
    answer = ask_or_leave(admin, "/api/suggestions", token_file)
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    wanted = [each for each in answer["suggestions"] if key.lower() in _name(each).lower()]
    typer.echo("\n".join(_lines(wanted)))


def _lines(suggestions: list[dict[str, Any]]) -> Iterator[str]:
    yield "rules:" if any(each["suggestion"]["rule"] for each in suggestions) else "rules: []"
    for each in suggestions:
        yield ""
        yield from _one(each)


def _one(each: dict[str, Any]) -> Iterator[str]:
    suggestion = each["suggestion"]
    rule, dry = suggestion["rule"], suggestion["dry_run"]
    yield f"  # {_name(each)}: {each['count']} conflicts"
    if rule:
        yield f"  # {suggestion['action']}, confidence {suggestion['level']} ({suggestion['confidence']:.0%})"
    for reason in suggestion["reasons"]:
        yield from textwrap.wrap(shown(reason), _WIDTH, initial_indent="  # - ", subsequent_indent="  #   ")
    if dry:
        yield (
            f"  # of the conflicts remembered: {dry['answered']} answered with an OK, {dry['depends']} if the row there"
            f" was the same, {dry['left']} still errors, {dry['handled']} answered by a rule already"
        )
    if rule:
        yield rule.rstrip()


def _name(each: dict[str, Any]) -> str:
    return shown(".".join(part for part in (each["schema"], each["table"], each["key"]) if part))
