"""`python -m tests.soak`: the long run; prints what has come of it, and leaves with 1 if something must not be."""

import argparse
import asyncio
import tempfile
from pathlib import Path

from tests.servers.launch import running
from tests.soak.run import Plan, soak


def main() -> None:
    """Soak as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--server", choices=("mysql", "mariadb"), default="mysql")
    chosen = parser.parse_args()
    plan = Plan(chosen.seconds, chosen.connections, warm=min(60.0, chosen.seconds / 4), kill_every=20.0)
    # More than a server usually allows.
    options = [f"--max-connections={2 * chosen.connections + 50}"]
    with running(chosen.server, options) as server, tempfile.TemporaryDirectory(prefix="keyclash-soak-") as folder:
        report = asyncio.run(soak(server, Path(folder), plan, tell=lambda text: print(text, flush=True)))
    print(report)
    failures = list(report.failures())
    for failure in failures:
        print(f"FAILED: {failure}")
    raise SystemExit(bool(failures))


if __name__ == "__main__":
    main()
