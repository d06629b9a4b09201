"""The programs and the base image that the tests of the image need, as Debian packages.

buildah runs as root, as it may not change the groups of what it runs otherwise, and in a sandbox whose system is the
unpacked packages, so that it needs nothing of the machine's own.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.servers.packages import Bundle, Prefix, fetch

SUITE: Final = "bookworm"
TOOLS: Final = Bundle(
    "image-tools",
    SUITE,
    ("bubblewrap",),
    alone=(
        *("buildah", "libgpgme11", "libassuan0", "libgpg-error0", "libseccomp2", "libdevmapper1.02.1", "libudev1"),
        *("golang-github-containers-common", "libsubid4"),
    ),
)
BASE: Final = Bundle(
    "image-base",
    SUITE,
    (
        "python3",
        "python3-venv",
        "python3-pip",
        "base-files",
        "bash",
        "dash",
        "coreutils",
        "libc-bin",
        "ca-certificates",
    ),
)
"""What the Dockerfile uses of `python:3.11-slim-bookworm`: the same Debian with the same Python."""
COMPILER: Final = Bundle("image-compiler", SUITE, (*BASE.packages, "gcc", "libc6-dev", "python3-dev"))
"""The same of `python:3.11-bookworm`."""

_SYSTEM: Final = ("usr", "bin", "lib", "lib64")


def fetch_all() -> None:
    """Put everything into the cache."""
    for bundle in (TOOLS, BASE, COMPILER):
        print(f"{bundle.name} {fetch(bundle).path}")


def sandbox(*arguments: str) -> list[str]:
    """Return the start of a command line that runs a program in a sandbox of its own; arguments: those of bwrap."""
    return [*fetch(TOOLS).run("usr/bin/bwrap"), "--die-with-parent", *arguments]


def run_tool(work: Path, source: Path, *command: str) -> str:
    """Run one of the tools with `work` as its folder, to read and write, and `source` to read, as /source.

    Returns what it says on standard output; raises RuntimeError with what it said on standard error.
    """
    if os.geteuid():
        raise RuntimeError("the image is built as root only; elsewhere build it with an engine: make image")
    tools = fetch(TOOLS)
    system = [option for name in _SYSTEM if (tools.path / name).exists() for option in _bound(tools, name)]
    environment = {
        "PATH": "/usr/bin",
        "HOME": "/work",
        "BUILDAH_ISOLATION": "chroot",
        "CONTAINERS_REGISTRIES_CONF": "/work/registries.conf",
        "_CONTAINERS_USERNS_CONFIGURED": "done",
    }
    options = [
        *("--cap-add", "ALL", *system),
        *("--ro-bind", "/etc", "/etc", "--dev-bind", "/dev", "/dev", "--bind", "/proc", "/proc"),
        *("--ro-bind", "/sys", "/sys", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp"),
        *("--bind", str(work), "/work", "--ro-bind", str(source), "/source", "--chdir", "/work", "--clearenv"),
        *(option for name, value in environment.items() for option in ("--setenv", name, value)),
    ]
    done = subprocess.run([*sandbox(*options), *command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def stand_in(bundle: Bundle, folder: Path) -> None:
    """Fill a folder with the root file system that stands for a base image, laid out as that one is."""
    shutil.copytree(fetch(bundle).path, folder, symlinks=True, ignore=shutil.ignore_patterns("VERSION"))
    (folder / "usr/local/bin").mkdir(parents=True, exist_ok=True)
    (folder / "usr/local/bin/python").symlink_to("/usr/bin/python3")


def _bound(tools: Prefix, name: str) -> list[str]:
    return ["--ro-bind", str(tools.path / name), f"/{name}"]
