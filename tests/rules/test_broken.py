"""Broken files, each with what `keyclash check` says about it beside it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from proxy.cli import app

FOLDER = Path(__file__).parent / "broken"
FILES = sorted(path.name for path in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("name", FILES)
def test_every_mistake_is_told_with_file_line_and_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    option = "--config" if name.startswith("proxy-") else "--rules"
    result = CliRunner().invoke(app, ["check", option, name])
    assert result.stderr == (FOLDER / name).with_suffix(".txt").read_text(encoding="utf-8")
    assert result.stdout == ""
    assert result.exit_code == 2


@pytest.mark.parametrize("name", FILES)
def test_the_expected_lines_name_real_lines_in_order(name: str) -> None:
    number = len((FOLDER / name).read_text(encoding="utf-8").splitlines())
    told = (FOLDER / name).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    lines = [int(line.split(":")[1]) for line in told]
    assert lines == sorted(lines)
    assert told
    assert all(1 <= line <= number for line in lines)
