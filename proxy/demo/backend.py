"""The demo's backend: the machine's own MySQL or MariaDB server if it has one, else one that needs nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from proxy.demo import mysqld
from proxy.demo.embedded import embedded_server


@dataclass(frozen=True, slots=True)
class Backend:
    """Where the demo's data lives; `user` logs in without a password, from this machine only."""

    description: str
    host: str
    port: int
    user: str = "demo"


@contextlib.contextmanager
def start_backend(find: Callable[[], mysqld.Program | None] = mysqld.find_program) -> Iterator[Backend]:
    """Start a backend and end it again; it starts empty and leaves nothing behind.

    A server that is there but does not start (AppArmor, for one, keeps Ubuntu's from other data directories) does not
    end the demo: the embedded backend takes its place, and the description says so.

    Args:
        find: finds the server to start; None from it means the embedded one.

    Raises:
        OSError: if no port can be had.
    """
    with contextlib.ExitStack() as stack:
        yield _start(find(), stack)


def _start(program: mysqld.Program | None, stack: contextlib.ExitStack) -> Backend:
    reason = ""
    if program is not None:
        try:
            port = stack.enter_context(mysqld.running(program))
        except mysqld.StartError as error:
            reason = f"; the {program.name} found here is not used: {error}"
        else:
            return Backend(f"{program.name} ({program.run[0]})", "127.0.0.1", port)
    port = stack.enter_context(embedded_server())
    return Backend(f"embedded (mysql-mimic over SQLite{reason})", "127.0.0.1", port)
