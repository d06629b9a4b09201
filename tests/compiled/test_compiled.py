"""The modules that can be compiled do the same when they are: their own tests, and conversations with real servers."""

import shutil
from pathlib import Path

import pytest

from tests.compiled.build import ROOT, compile_into, run_python, what_is_built

pytestmark = pytest.mark.timeout(600)  # half of it is for the compiler

TESTS = (
    "tests/conflicts/test_causes.py",
    "tests/conflicts/test_counters.py",
    "tests/conflicts/test_insertions.py",
    "tests/net/test_listener.py",
    "tests/net/test_pump.py",
    "tests/net/test_pair.py",
    "tests/session/test_fast_lane.py",
    "tests/session/test_insert_lane.py",
    "tests/session/test_transparency.py",
    "tests/e2e/test_seed.py",
    "tests/e2e/test_transparency.py",
)


def test_what_is_compiled_does_the_same(tmp_path: Path) -> None:
    compile_into(tmp_path, flags="-fwrapv -O0")  # in a third of the time; the image has it optimised
    for folder in ("tests", "config"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=what_is_built)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert " passed in " in run_python(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS)
