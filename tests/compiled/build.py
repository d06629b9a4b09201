"""Compiles what can be compiled, into a folder of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = (
    "proxy.conflicts.counters",
    "proxy.conflicts.insertions",
    "proxy.net.epoll_pump",
    "proxy.net.pump",
    "proxy.net.ring",
    "proxy.net.ring_pump",
    "proxy.session.fast_lane",
    "proxy.session.insert_lane",
)


def compile_into(folder: Path, flags: str | None = None) -> None:
    """Put the package into a folder, with its compiled modules beside their sources; it is found first from there.

    flags: for the C compiler, in place of those that Python itself was compiled with.
    """
    paths = "--build-lib", str(folder), "--build-temp", str(folder / "objects")
    environment = {} if flags is None else {"CFLAGS": flags}
    run_python(ROOT, "setup.py", "--quiet", "build_ext", *paths, **environment)
    shutil.copytree(ROOT / "proxy", folder / "proxy", ignore=what_is_built, dirs_exist_ok=True)
    imports = "; ".join(f"import {name} as module; print(module.__file__)" for name in MODULES)
    for path in map(Path, run_python(folder, "-c", imports).split()):
        if path.suffix != ".so" or not path.is_relative_to(folder):
            raise RuntimeError(f"not compiled: {path}")


def what_is_built(_folder: str, names: list[str]) -> set[str]:
    """Name what is not a source; for `shutil.copytree`."""
    return {name for name in names if name.endswith(".so") or name == "__pycache__"}


def run_python(folder: Path, *arguments: str, **environment: str) -> str:
    """Run this Python in a folder, with this besides in the environment; return what it prints.

    Raises RuntimeError with what it said if it fails.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COVERAGE_"))}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=inherited | {"KEYCLASH_COMPILE": "1"} | environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stdout[-5000:] + done.stderr[-5000:])
    return done.stdout
