"""`python -m tests.bench`: measure, print one table, and write build/bench.json and build/bench.svg."""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path

from rich.console import Console

from proxy.config import Address
from proxy.run.limits import raise_open_files_limit
from tests.bench import programs
from tests.bench.goals import Goal, goals
from tests.bench.loads import Figures, Load, LoadError, Site, put_certificates
from tests.bench.peers import RECIPES, ROOT, TWO_WORKERS, Kind, Peer, PeerError, Recipe, knows_workers, running, started
from tests.bench.picture import picture
from tests.bench.report import goals_table, results_table
from tests.bench.results import Results
from tests.bench.single import Single
from tests.bench.tables import filled_server
from tests.bench.turns import in_turns
from tests.bench.workloads import Workload, workloads
from tests.servers.launch import Server

console = Console(width=None if sys.stdout.isatty() else 140)


def main() -> None:
    """Do what the command line says; ends with 1 if something could not be measured."""
    options = _options()
    wanted = [workload for workload in workloads(quick=options.quick) if _is_wanted(workload, options.only)]
    if options.list:
        console.print("\n".join(workload.name for workload in wanted))
        return
    raise_open_files_limit()
    began = time.monotonic()
    with ExitStack() as stack:
        server = stack.enter_context(filled_server())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keyclash-bench-")))
        bench = Bench(Site(server, folder), options.peer, options.seconds)
        for number in range(options.rounds):
            bench.round(number, wanted)
    reached = goals(bench.results)
    console.print(results_table(bench.results))
    console.print(goals_table(reached))
    _write(options, server, bench.results, reached, time.monotonic() - began)
    raise SystemExit(bool(bench.failures))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of the most important workloads")
    parser.add_argument("--only", action="append", metavar="REGEX", help="workloads whose names match; may be repeated")
    parser.add_argument("--list", action="store_true", help="print the workloads' names and end")
    parser.add_argument("--rounds", type=int, help="how often all is measured [5; quick: 1]")
    parser.add_argument("--seconds", type=float, help="how long each measurement takes [3; quick: 1]")
    parser.add_argument(
        "--peer",
        action="append",
        type=running,
        default=[],
        metavar="NAME=HOST:PORT",
        help="a proxy in front of the server that KEYCLASH_TEST_MYSQL names; may be repeated",
    )
    parser.add_argument("--output", type=Path, default=ROOT / "build", help="where the files go [build]")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 3)
    return options


def _is_wanted(workload: Workload, patterns: Sequence[str] | None) -> bool:
    return patterns is None or any(re.search(pattern, workload.name) for pattern in patterns)


class Bench:
    """The peers that run, and what was measured of them."""

    def __init__(self, site: Site, others: Sequence[Peer], seconds: float) -> None:
        self.failures: list[str] = []
        self._site = site
        self._seconds = seconds
        self._address = Address(site.server.host, site.server.port)
        self._recipes = {recipe.name: recipe for recipe in _recipes()}
        self._certificates = put_certificates(site.folder)
        self._others = (*others, Peer("direct", Kind.DIRECT, self._address, None))
        self._peers: Sequence[Peer] = ()
        kinds = {name: recipe.kind for name, recipe in self._recipes.items()}
        self.results = Results(kinds | {peer.name: peer.kind for peer in self._others})

    def round(self, number: int, wanted: Sequence[Workload]) -> None:
        """Measure everything once, each time from another peer on, so that none is always the first.

        They are started anew: how a process lies in memory makes some per cent of difference for as long as it lives.
        """
        with ExitStack() as stack:
            own = [peer for recipe in self._recipes.values() if (peer := self._start(stack, recipe, number))]
            self._peers = (*own, *self._others)
            for turns, group in groupby(wanted, _turns):
                members = tuple(group)
                if turns:
                    self._in_turns(number, turns, members)
                for workload in members:
                    if not isinstance(workload.load, Single):
                        self._one_by_one(number, workload, workload.load)

    def _in_turns(self, number: int, turns: str, group: Sequence[Workload]) -> None:
        console.print(f"[dim]round {number + 1}: {turns}, in turns[/]", highlight=False)
        loads = [
            (workload.name, peer, workload.load)
            for workload in group
            for peer in self._peers
            if isinstance(workload.load, Single) and workload.peers(peer)
        ]
        for name, peer, turn, figures in in_turns(loads, self._site, self._seconds, self._failed_through):
            self.results.add((number, turn), name, peer, figures)

    def _one_by_one(self, number: int, workload: Workload, load: Load) -> None:
        if workload.fresh and number:
            return  # memory does not change from round to round
        peers = [peer for peer in self._peers if workload.peers(peer)]
        for turn in range(workload.times):
            first = (number * workload.times + turn) % max(1, len(peers))
            for peer in peers[first:] + peers[:first]:
                console.print(f"[dim]round {number + 1}: {workload.name}, {peer.name}[/]", highlight=False)
                try:
                    self.results.add((number, turn), workload.name, peer.name, self._measure(workload, load, peer))
                except (LoadError, PeerError, OSError) as error:
                    self._failed_through(workload.name, peer, error)

    def _measure(self, workload: Workload, load: Load, peer: Peer) -> Figures:
        with ExitStack() as stack:
            recipe = self._recipes.get(peer.name)
            if workload.fresh and recipe is not None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keyclash-peer-")))
                peer = stack.enter_context(started(recipe, folder / "peer", self._address, self._certificates))
            return load.measure(peer, self._site, self._seconds)

    def _start(self, stack: ExitStack, recipe: Recipe, number: int) -> Peer | None:
        folder = self._site.folder / f"{recipe.name}-{number}"
        try:
            return stack.enter_context(started(recipe, folder, self._address, self._certificates))
        except (PeerError, RuntimeError) as error:
            self._failed(f"{recipe.name} is left out: {error}")
            return None

    def _failed_through(self, workload: str, peer: Peer, error: Exception) -> None:
        self._failed(f"{workload}, {peer.name}: {error}")

    def _failed(self, what: str) -> None:
        console.print(what, style="red", markup=False)
        self.failures.append(what)


def _turns(workload: Workload) -> str:
    """Return which workloads a workload takes turns with; "" if it is measured by itself."""
    return workload.load.turns if isinstance(workload.load, Single) else ""


def _recipes() -> Sequence[Recipe]:
    return (*RECIPES, TWO_WORKERS) if knows_workers() else RECIPES


def _write(options: argparse.Namespace, server: Server, results: Results, reached: Sequence[Goal], took: float) -> None:
    document = {
        "machine": {"system": platform.platform(), "cores": os.cpu_count(), "python": _python_version()},
        "server": server.version_text,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "took_seconds": round(took),
        "workloads": results.as_json(),
        "goals": [{"goal": goal.name, "value": goal.value, "bound": goal.bound, "met": goal.met} for goal in reached],
    }
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "bench.json").write_text(json.dumps(document, indent=1) + "\n")
    (options.output / "bench.svg").write_text(picture(results))
    console.print(f"{options.output / 'bench.json'} and bench.svg, after {took:.0f} s", highlight=False)


def _python_version() -> str:
    """Return the version of the Python that Keyclash was measured on."""
    command = [*programs.python(), "-c", "import sys; print(sys.version)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
