"""`keyclash check`."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from proxy.cli import app

CONFIG = Path(__file__).parent.parent.parent / "config"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_the_samples_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONFIG.parent)
    result = run("check")
    first, second = result.stdout.splitlines()
    assert first == "config/proxy.yaml: ok"
    assert second.startswith("config/rules.yaml: ok, 5 rules, version ")
    assert (result.stderr, result.exit_code) == ("", 0)


def test_rules_alone() -> None:
    result = run("check", "--rules", str(CONFIG / "rules.yaml"))
    assert result.stdout.startswith(f"{CONFIG / 'rules.yaml'}: ok, 5 rules")
    assert result.exit_code == 0


def test_rules_in_place_of_those_that_the_configuration_names(tmp_path: Path) -> None:
    rules = tmp_path / "one.yaml"
    rules.write_text("rules: [{name: a, table: t, action: observe}]\n")
    result = run("check", "--config", str(CONFIG / "proxy.yaml"), "--rules", str(rules))
    assert f"{rules}: ok, 1 rule, version" in result.stdout


def test_a_configuration_without_rules(tmp_path: Path) -> None:
    config = tmp_path / "proxy.yaml"
    config.write_text("listen: 127.0.0.1:3306\n")
    result = run("check", "--config", str(config))
    assert result.stdout == f"{config}: ok\n"
    assert result.exit_code == 0


def test_the_mistakes_of_both_files_are_told(tmp_path: Path) -> None:
    config, rules = tmp_path / "proxy.yaml", tmp_path / "rules.yaml"
    config.write_text("listen: nowhere\n")
    rules.write_text("rules: none\n")
    result = run("check", "--config", str(config), "--rules", str(rules))
    assert [line.split(": ")[0] for line in result.stderr.splitlines()] == [f"{config}:1", f"{rules}:1"]
    assert result.exit_code == 2


def test_warnings_do_not_fail(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules:\n  - {name: a, table: t, key: k, action: ignore}\n")
    result = run("check", "--rules", str(rules))
    message = "no columns for the key k: without them every insert is passed on as it is"
    assert f"{rules}:2: a: warning: {message}" in result.stdout
    assert result.exit_code == 0


def test_version() -> None:
    result = run("--version")
    assert result.stdout.startswith("keyclash ")
    assert result.exit_code == 0


def test_an_unknown_option_is_wrong_usage() -> None:
    assert run("check", "--konfig", "x").exit_code == 2


def test_a_command_that_is_none() -> None:
    result = run("chek")
    assert "Did you mean 'check'?" in result.stderr
    assert result.exit_code == 2


def test_no_more_is_loaded_than_the_command_needs() -> None:
    program = (
        "import sys; from proxy.cli import app; app(['check'], standalone_mode=False)\n"
        "print({'asyncio', 'aiohttp', 'cryptography', 'rich'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=CONFIG.parent, capture_output=True, text=True)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("set()", "")


def test_help_teaches_with_examples() -> None:
    text = run("check", "--help").stdout
    assert "keyclash check --rules config/rules.yaml" in text
    assert "Exit code 2" in text
