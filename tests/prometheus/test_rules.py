"""The rules, by promtool alone."""

from pathlib import Path

from tests.prometheus.program import CONFIG, promtool


def test_the_configuration_and_its_rules_are_right() -> None:
    done = promtool("check", "config", "--lint-fatal", "--lint=all", CONFIG / "prometheus/prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_do_what_their_own_tests_say() -> None:
    done = promtool("test", "rules", Path(__file__).with_name("alerts.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_their_tests_can_fail(tmp_path: Path) -> None:
    tests = Path(__file__).with_name("alerts.yml").read_text()
    rules = (CONFIG / "prometheus/rules.yml").read_text()
    (tmp_path / "rules.yml").write_text(rules.replace("> 1\n", "> 3\n").replace("> 0.25", "> 2"))
    (tmp_path / "alerts.yml").write_text(tests.replace("../../config/prometheus/rules.yml", "rules.yml"))
    done = promtool("test", "rules", tmp_path / "alerts.yml")
    assert done.returncode == 1
    assert "KeyclashConflictsReturned" in done.stderr
    assert "KeyclashResolutionSlow" in done.stderr


def test_every_alert_has_a_test() -> None:
    rules = (CONFIG / "prometheus/rules.yml").read_text()
    tests = Path(__file__).with_name("alerts.yml").read_text()
    alerts = [line.split(": ")[1] for line in rules.splitlines() if line.strip().startswith("- alert:")]
    assert alerts
    assert [alert for alert in alerts if f"alertname: {alert}" not in tests] == []
