"""`keyclash` and `python -m proxy`: what must be right before anything else is loaded, then the command line."""

import os
import signal
import sys
from typing import NoReturn


def main() -> None:
    """Run the command that the command line names."""
    if os.getpid() == 1:
        # For process 1, as in a container, the system throws away a signal that nobody waits for, until somebody does.
        signal.signal(signal.SIGTERM, _leave)
    _open_standard_streams()
    from proxy.cli import main as command_line

    command_line()


def _leave(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)  # as a shell tells of a signal


def _open_standard_streams() -> None:
    """Open /dev/null in place of the standard streams that are closed.

    Else the next file that is opened, a client's connection maybe, is taken for one of them.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(opened, True)
    os.close(opened)
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


if __name__ == "__main__":
    main()
