"""The image of the Dockerfile, built and run: not as root, with nothing that can be written to, as process 1."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.image.build import ROOT, Image, build

pytestmark = pytest.mark.timeout(600)  # the first test waits for the build


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build(tmp_path_factory.mktemp("image"))


def test_the_dockerfile_is_as_hadolint_wants_it() -> None:
    done = subprocess.run([Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"], capture_output=True)
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (0, "", "")


def test_the_demo_runs_where_nothing_can_be_written(image: Image) -> None:
    done = _run(image, "keyclash", "demo", "--seconds", "4")
    assert done.returncode == 0, done.stderr
    assert "conflicts" in done.stdout
    assert "embedded" in done.stdout


def test_nobody_is_root_and_nothing_can_be_written(image: Image) -> None:
    program = (
        "import os\n"
        "mounted = ('/proc', '/dev')\n"
        "writable = [p for p, _, _ in os.walk('/') if not p.startswith(mounted) and os.access(p, os.W_OK)]\n"
        "print(os.getuid(), os.getgid(), os.getpid(), writable)"
    )
    assert _run(image, "python", "-c", program).stdout == "65532 65532 1 []\n"


def test_the_health_check_finds_the_image_s_own_command_healthy(image: Image) -> None:
    kind, *check = image.config["Healthcheck"]["Test"]
    assert kind == "CMD"
    serve = shlex.join([*image.config["Entrypoint"], *image.config["Cmd"]])
    script = (
        f"if {shlex.join(check)} 2>/dev/null; then exit 9; fi\n"  # nothing runs yet
        f"{serve} & until {shlex.join(check)} 2>/dev/null; do sleep 0.1; done\n"
        "kill -TERM $!; wait $!"
    )
    done = _run(image, "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    assert '"event": "stopped"' in done.stderr


def test_sigterm_stops_it_as_process_1(image: Image) -> None:
    reading, writing = os.pipe()
    command = image.command()
    command[command.index("--die-with-parent") : 0] = ["--info-fd", str(writing)]
    with (
        os.fdopen(reading) as told,
        subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.PIPE, text=True) as process,
    ):
        os.close(writing)
        assert process.stderr is not None
        while json.loads(process.stderr.readline())["event"] != "serving":
            pass
        # Its number outside of the sandbox; inside it is 1, which ignores a signal that it has no handler for.
        os.kill(json.load(told)["child-pid"], signal.SIGTERM)
        assert '"event": "stopped"' in process.stderr.read()
    assert process.returncode == 0


def test_it_holds_no_installer_and_no_tests(image: Image) -> None:
    packages = next(image.root.glob("opt/keyclash/lib/python3*/site-packages"))
    present = {path.name for path in packages.iterdir()}
    assert {"proxy", "aiohttp"} <= present
    assert not present & {"pip", "setuptools", "tests"}
    assert not (image.root / "source").exists()


def test_what_every_packet_passes_through_is_compiled(image: Image) -> None:
    program = (
        "from proxy.net import pump; from proxy.session import fast_lane; print(pump.__file__, fast_lane.__file__)"
    )
    assert _run(image, "python", "-c", program).stdout.count(".so") == 2


def test_it_says_what_it_is(image: Image) -> None:
    labels = image.config["Labels"]
    assert labels["org.opencontainers.image.title"] == "Keyclash"
    assert labels["org.opencontainers.image.version"] == "1.2.3"
    assert set(image.config["ExposedPorts"]) == {"3306/tcp", "9104/tcp"}


def _run(image: Image, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(image.command(*arguments), capture_output=True, text=True, timeout=60)
