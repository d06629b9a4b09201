"""`keyclash conflicts`: the last conflicts, for people and for scripts."""

import json
import time
from typing import Annotated, Any

import typer

from proxy.cli.remote import DEFAULT_ADMIN, Admin, TokenFile, ask_or_leave
from proxy.cli.terminal import shown

_MOST = 1000


def conflicts(
    admin: Admin = DEFAULT_ADMIN,
    token_file: TokenFile = None,
    limit: Annotated[int, typer.Option(min=1, max=_MOST, help="How many at most.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with all that is known.")] = False,
    follow: Annotated[bool, typer.Option(help="Go on with those that come, until Ctrl-C.")] = False,
) -> None:
    """Print the last conflicts of a running proxy, the oldest first.

    Values in conflict are hashes unless the proxy shows them (conflicts.show_values).

    \b
    Exit code 0: printed.
    Exit code 1: the proxy cannot be asked.

    \b
    keyclash conflicts
    keyclash conflicts --json --limit 1000 | jq -r .cause | sort | uniq -c
    """  # noqa: D301  # \b keeps click from rewrapping the examples
    last = _print(ask_or_leave(admin, f"/api/conflicts?limit={limit}", token_file), as_json, 0)
    while follow:
        time.sleep(1)
        last = _print(ask_or_leave(admin, f"/api/conflicts?limit={_MOST}&after={last}", token_file), as_json, last)


def _print(answer: dict[str, Any], as_json: bool, last: int) -> int:
    for conflict in reversed(answer["conflicts"]):
        typer.echo(json.dumps(conflict) if as_json else _line(conflict))
        last = conflict["id"]
    return last


def _line(conflict: dict[str, Any]) -> str:
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(conflict["at"]))
    name = ".".join(part for part in (conflict["schema"], conflict["table"], conflict["key"]) if part)
    rows = f" x{conflict['count']}" if conflict["count"] > 1 else ""
    rule = f" by {conflict['rule']}" if conflict["rule"] else ""
    entry = "" if conflict["entry"] is None else f" entry {conflict['entry']}"
    return shown(f"{at}  {name}  {conflict['outcome']}{rows}{rule}  {conflict['cause']}  {conflict['user']}{entry}")
