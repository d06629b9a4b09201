"""The modules that can be compiled do the same when they are: their own tests, and conversations with real servers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = ("proxy.conflicts.counters", "proxy.net.pump", "proxy.session.fast_lane")
TESTS = (
    "tests/conflicts/test_counters.py",
    "tests/net/test_pump.py",
    "tests/net/test_pair.py",
    "tests/session/test_fast_lane.py",
    "tests/session/test_transparency.py",
    "tests/e2e/test_seed.py",
    "tests/e2e/test_transparency.py",
)


def test_what_is_compiled_does_the_same(tmp_path: Path) -> None:
    _run(ROOT, "setup.py", "--quiet", "build_ext", "--build-lib", str(tmp_path), "--build-temp", str(tmp_path / "c"))
    for folder in ("proxy", "tests", "config"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=_what_is_built, dirs_exist_ok=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    imports = "; ".join(f"import {name} as m; print(m.__file__)" for name in MODULES)
    found = _run(tmp_path, "-c", imports).split()
    assert [Path(path).suffix for path in found] == [".so"] * len(MODULES)
    assert all(Path(path).is_relative_to(tmp_path) for path in found)
    passed = _run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS)
    assert " passed in " in passed


def _what_is_built(_folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name.endswith(".so") or name == "__pycache__"}


def _run(folder: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COVERAGE_"))}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment | {"KEYCLASH_COMPILE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout
