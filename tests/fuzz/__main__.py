"""Fuzzes the proxy, led by what each input reaches in it: `python -m tests.fuzz --inputs 2000000 [TARGET ...]`.

A target fails at the first input that raises what it must not or takes more than a second of CPU time, and if the peak
of memory rises once a tenth of the inputs has been taken. Such an input is printed in base64; `--try` takes it again.
"""

import argparse
import base64
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz import kept
from tests.fuzz.targets import NAMES, target
from tests.fuzz.watch import GROWTH, watching

MIB = 1 << 20
LOOK = 60
"""Lines of what a run has printed that are shown when it fails."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments and fuzz; the exit code is 1 if a target has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)}; all by default")
    parser.add_argument("--inputs", type=int, default=100_000, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep the few inputs that reach all that any has reached")
    parser.add_argument("--try", dest="again", metavar="BASE64", help="take this input alone")
    given = parser.parse_args(arguments)
    names = given.targets or NAMES
    if unknown := set(names) - set(NAMES):
        parser.error(f"no target: {', '.join(unknown)}")
    if given.again is not None:
        for name in names:
            take(name, base64.b64decode(given.again))
        return
    if not is_there():
        parser.error("atheris, which leads the inputs, is for Linux on x86-64 alone, and not for every Python")
    results = [fuzz(name, given.inputs, given.seed, keep=given.keep) for name in names]
    raise SystemExit(not all(results))


def is_there() -> bool:
    """Tell whether there is an atheris for this machine."""
    return find_spec("atheris") is not None


def take(name: str, data: bytes) -> None:
    """Have a target take one input."""
    with watching(target(name)) as watch:
        watch.check(data)
    print(f"{name}: taken in {watch.slowest[0] * 1000:.0f} ms")


def fuzz(name: str, inputs: int, seed: int, *, keep: bool) -> bool:
    """Fuzz a target and print what was seen; tell whether all went well."""
    found = target(name)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        begin = folder / "inputs"
        begin.mkdir()
        for data in (*found.seeds, *kept.read(name)):
            (begin / sha256(data).hexdigest()).write_bytes(data)
        command = [sys.executable, "-m", "tests.fuzz.led", name, str(inputs), str(seed), scratch]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        report = folder / "report"
        if run.returncode or not report.exists():
            print(f"{name}: FAILED", *run.stdout.splitlines()[-LOOK:], sep="\n")
            for path in folder.glob("*-*"):
                print(f"input of {path.stat().st_size} bytes:", base64.b64encode(path.read_bytes()).decode())
            return False
        reached = [path.read_bytes() for path in begin.iterdir()]
        if keep:
            fewest = kept.fewest(found.check, reached)
            kept.write(name, fewest)
            print(f"{name}: kept {len(fewest)} inputs of {sum(map(len, fewest))} bytes")
        return _tell(name, json.loads(report.read_text()), len(reached))


def _tell(name: str, report: dict[str, float], reached: int) -> bool:
    before, after = report["memory_at_tenth"], report["memory_at_end"]
    grown = after - before > GROWTH
    print(
        f"{name}: {report['inputs']} inputs in {report['seconds']:.0f} s of CPU time, "
        f"{reached} of them reached something new, the slowest took {report['slowest'] * 1000:.0f} ms; "
        f"memory {before / MIB:.0f} MiB at a tenth, {after / MIB:.0f} MiB at the end{': IT GROWS' if grown else ''}",
        flush=True,
    )
    return not grown


if __name__ == "__main__":
    main()
