"""`keyclash demo`."""

import os
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from proxy.cli import app
from proxy.demo import run
from proxy.demo.run import DemoError, Options

DEMO = (sys.executable, "-m", "proxy", "demo")


def test_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Options] = []
    monkeypatch.setattr(run, "run_demo", seen.append)
    monkeypatch.delenv("DEMO_SECONDS", raising=False)
    assert CliRunner().invoke(app, ["demo"]).exit_code == 0
    assert CliRunner().invoke(app, ["demo"], env={"DEMO_SECONDS": "2.5"}).exit_code == 0
    arguments = ["demo", "--seconds", "3", "--port", "4406", "--admin-port", "9999"]
    assert CliRunner().invoke(app, arguments, env={"DEMO_SECONDS": "2.5"}).exit_code == 0
    assert seen == [Options(), Options(seconds=2.5), Options(seconds=3, port=4406, admin_port=9999)]


@pytest.mark.parametrize("arguments", [["--seconds", "0"], ["--port", "65536"], ["--admin-port", "x"]])
def test_options_that_are_wrong(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["demo", *arguments]).exit_code == 2


def test_a_failure_is_told_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Options) -> None:
        raise DemoError("it rains")

    monkeypatch.setattr(run, "run_demo", fail)
    result = CliRunner().invoke(app, ["demo"])
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "keyclash: it rains\n")


def test_the_whole_command() -> None:
    done = subprocess.run(DEMO, env=os.environ | {"DEMO_SECONDS": "1"}, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    assert "unique key" in done.stdout


def test_ctrl_c_ends_it_in_good_order() -> None:
    with subprocess.Popen(DEMO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while not process.stdout.readline().startswith("rules"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert "statements:" in process.stdout.read()
        assert (process.wait(60), process.stderr.read()) == (0, "")
