"""Builds the image with the machine's own package index, which the Dockerfile does not know."""

import json
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.image.tools import BASE, COMPILER, run_tool, sandbox, stand_in

ROOT: Final = Path(__file__).parents[2]
BASE_IMAGE: Final = "docker.io/library/python"
_POLICY: Final = ("--signature-policy", "policy.json")
_STORE: Final = ("buildah", "--root", "/work/root", "--runroot", "/work/run")
_GLIBC: Final = (17, 28, 34)  # minor versions that wheels are built for; bookworm has 2.36


@dataclass(frozen=True, slots=True)
class Image:
    """A built image: its root file system, and its configuration as the OCI has it, with Docker's health check."""

    root: Path
    config: dict[str, Any]

    def command(self, *arguments: str, as_process_1: bool = True, own_network: bool = True) -> list[str]:
        """Return the command line that runs a program of the image as its user, with nothing that can be written to.

        arguments: the program and its arguments; none: those of the image.
        """
        user, group = self.config["User"].split(":")
        options = [
            *("--ro-bind", str(self.root), "/", "--dev", "/dev", "--proc", "/proc", "--chdir", "/", "--clearenv"),
            *("--unshare-user", "--uid", user, "--gid", group, "--unshare-pid", "--unshare-ipc", "--unshare-uts"),
            *(("--unshare-net",) if own_network else ()),
            *(("--as-pid-1",) if as_process_1 else ()),
            *(option for entry in self.config["Env"] for option in ("--setenv", *entry.split("=", 1))),
            *("--remount-ro", "/dev"),  # so that its shared memory takes nothing either
        ]
        return [*sandbox(*options), *(arguments or [*self.config["Entrypoint"], *self.config["Cmd"]])]


def build(work: Path) -> Image:
    """Build the image in an empty folder, on stand-ins for its bases that have the same Python."""
    python = _python(ROOT / "Dockerfile")
    _download(work / "wheels", python)
    (work / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    (work / "registries.conf").write_text('unqualified-search-registries = ["docker.io"]\n')
    (work / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    (work / "Base").write_text("FROM scratch\nCOPY . /\nENV PATH=/usr/local/bin:/usr/bin:/bin\n")
    for bundle, variant in ((BASE, "slim-bookworm"), (COMPILER, "bookworm")):
        stand_in(bundle, work / variant)
        tag = f"{BASE_IMAGE}:{python}-{variant}"
        _buildah(work, "build", *_POLICY, "--tag", tag, "--file", "Base", variant)
    _buildah(
        *(work, "build", *_POLICY, "--format", "docker", "--pull-never", "--secret", "id=pip,src=pip.conf"),
        *("--volume", "/work/wheels:/wheels:ro", "--build-arg", "VERSION=1.2.3", "--tag", "keyclash"),
        *("--output", "type=local,dest=/work/image", "/source"),
    )
    inspected = json.loads(_buildah(work, "inspect", "--type", "image", "keyclash"))
    return Image(work / "image", inspected["Docker"]["config"])


def _buildah(work: Path, *arguments: str) -> str:
    return run_tool(work, ROOT, *_STORE, *arguments)


def _python(dockerfile: Path) -> str:
    found = re.search(r"^ARG PYTHON=(\S+)$", dockerfile.read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def _download(wheels: Path, python: str) -> None:
    """Fetch the locked packages for the image's Python, as this machine's pip is told to."""
    tag = f"cp{python.replace('.', '')}"
    platforms = [f"manylinux_2_{minor}_{platform.machine()}" for minor in _GLIBC]
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--quiet", "--quiet", "--no-deps"),
            *("--require-hashes", "--requirement", ROOT / "requirements.lock", "--dest", wheels),
            *("--only-binary=:all:", "--python-version", python, "--implementation", "cp"),
            *("--abi", tag, "--abi", "abi3", "--abi", "none", *(f"--platform={each}" for each in platforms)),
            *("--platform", f"manylinux2014_{platform.machine()}"),
        ],
        check=True,
    )
