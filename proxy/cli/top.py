"""`keyclash top`: the keys in conflict, live in the terminal."""

import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from proxy.cli.remote import DEFAULT_ADMIN, Admin, RemoteError, TokenFile, ask, ask_or_leave
from proxy.cli.terminal import shown
from proxy.config import Address

_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_SPARK: Final = 20
"""Minutes that are drawn."""
_PLAIN_WIDTH: Final = 120


def top(
    admin: Admin = DEFAULT_ADMIN,
    token_file: TokenFile = None,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option(help="Look once, and leave.")] = False,
) -> None:
    """Show the keys with most conflicts, what became of them and why they happened, until Ctrl-C.

    \b
    Exit code 0: ended by Ctrl-C, or after one look.
    Exit code 1: the proxy cannot be asked.
    """  # noqa: D301  # \b keeps click from rewrapping the examples
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PLAIN_WIDTH)
    first = ask_or_leave(admin, "/api/keys", token_file)
    if once or not console.is_terminal:
        console.print(screen(first, None))
        return
    try:
        with Live(screen(first, console.height), console=console, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(interval)
                live.update(_look(admin, token_file, console.height), refresh=True)
    except KeyboardInterrupt:
        return


def _look(admin: Address, token_file: Path | None, height: int) -> RenderableType:
    try:
        return screen(ask(admin, "/api/keys", token_file), height)
    except RemoteError as error:
        return Text(f"keyclash: {error}", style="red")


def screen(answer: dict[str, Any], height: int | None) -> Group:
    """Draw one look at the keys; height: lines of the terminal, None: as many as it takes."""
    table = Table(box=None, pad_edge=False, expand=True)
    for name in ("key", "last 20 min"):
        table.add_column(name, no_wrap=True)
    table.add_column("now/min", justify="right")
    table.add_column("conflicts", justify="right")
    table.add_column("outcomes", no_wrap=True)
    table.add_column("causes", no_wrap=True)
    for key in answer["keys"][: None if height is None else max(height - 4, 1)]:
        minutes = key["per_minute"]
        name = ".".join(part for part in (key["schema"], key["table"], key["key"]) if part)
        cells = (
            shown(name), spark(minutes[-_SPARK:]), str(minutes[-1]), str(key["count"]),
            _counts(key["outcomes"]), _counts(key["causes"]),
        )  # fmt: skip
        table.add_row(*map(Text, cells))
    at = time.strftime("%H:%M:%S", time.localtime(answer["at"]))
    lead = f"Keyclash {answer['version']}  {at}  {answer['total']} conflicts  {answer['sessions']} sessions"
    return Group(Text(lead, style="bold"), Text(""), table)


def spark(numbers: list[int]) -> str:
    """Draw numbers as a line of blocks, the highest as a full one."""
    most = max(*numbers, 1)
    return "".join(_BLOCKS[-(-number * (len(_BLOCKS) - 1) // most)] for number in numbers)


def _counts(counts: dict[str, int]) -> str:
    return "  ".join(f"{name} {count}" for name, count in counts.items())
