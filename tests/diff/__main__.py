"""`python -m tests.diff [--conversations N] [--seed N] [--rules none|others|observe]... [SERVER...]`."""

import argparse
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from proxy.config import LogFormat, LogLevel
from proxy.run.logs import configure_logging
from tests.diff.campaign import campaign, recording
from tests.diff.rules import RULES
from tests.servers.launch import running
from tests.servers.recipes import RECIPES, ServerName


def main() -> int:
    """Hold conversations with each server; return 1 if any differed."""
    parser = argparse.ArgumentParser(prog="python -m tests.diff")
    parser.add_argument("servers", nargs="*", metavar="SERVER", help=f"of {', '.join(RECIPES)}; all at once by default")
    parser.add_argument("--conversations", type=int, default=10_000, help="for each server and kind of rules")
    parser.add_argument("--seed", type=int, default=None, help="of the generator; a random one by default")
    parser.add_argument("--rules", choices=list(RULES), action="append", help="may be repeated; none by default")
    parser.add_argument("--differences", type=int, default=3, help="stop after so many")
    options = parser.parse_args()
    seed = secrets.randbelow(1 << 30) if options.seed is None else options.seed
    kinds = options.rules or ["none"]
    if len(options.servers) == 1:
        configure_logging(LogLevel.WARNING, LogFormat.AUTO, sys.stderr)
        return _with(options.servers[0], kinds, options.conversations, seed, options.differences)
    more = [f"--conversations={options.conversations}", f"--seed={seed}", f"--differences={options.differences}"]
    more += [f"--rules={kind}" for kind in kinds]
    started = [
        subprocess.Popen([sys.executable, "-m", "tests.diff", *more, name]) for name in options.servers or list(RECIPES)
    ]
    return max(process.wait() for process in started)


def _with(name: ServerName, kinds: list[str], conversations: int, seed: int, differences: int) -> int:
    failed = False
    with running(name) as server, tempfile.TemporaryDirectory() as folder:
        for kind in kinds:
            with recording(server, RULES[kind](Path(folder))) as recorder:
                report = campaign(recorder, conversations, seed, mariadb=server.mariadb, stop_at=differences)
            print("\n\n".join([f"{name}, rules {kind}: {report}", *report.differences]), flush=True)
            failed |= bool(report.differences)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
