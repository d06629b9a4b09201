"""Notices that files have changed, by looking at them now and then.

It sees a file that is written anew in place, one that is renamed into its place, and one behind a symbolic link that is
exchanged, as Kubernetes does with a ConfigMap: all of them change what `stat` says at the end of the links.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final, TypeAlias

LOOK_EVERY: Final = 0.5
"""Seconds between two looks."""

Look: TypeAlias = tuple[tuple[Path, tuple[int, ...] | None], ...]
"""Files, and what tells each from what it was before; None: it cannot be seen."""


def look(files: Iterable[Path]) -> Look:
    """Look at files."""
    return tuple((file, _identity(file)) for file in files)


async def watch(read: Callable[[], Look], changed: Callable[[], Awaitable[object]], every: float = LOOK_EVERY) -> None:
    """Call back whenever files have changed and have rested for one look since, so that none is read half-written.

    read: gives the look at the files before they were last read. every: seconds. Runs until it is cancelled.
    """
    last: Look = ()
    while True:
        await asyncio.sleep(every)
        seen = read()
        now = await asyncio.to_thread(look, [file for file, _ in seen])
        if now == last and now != seen:
            await changed()
        last = now


def _identity(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
