"""How each database server is fetched, initialised and started."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.servers.certificates import make_certificates
from tests.servers.packages import Bundle, Prefix

ServerName = Literal["mysql", "mariadb"]

SHARED_OPTIONS = (
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",  # a container's resolver may take seconds to say no
    "--skip-log-bin",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=32M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-use-native-aio=0",  # io_uring is often forbidden in containers
    "--secure-file-priv=",
    "--local-infile=ON",
)


@dataclass(frozen=True)
class Recipe:
    """One kind of server.

    `initialise` fills an empty data directory; `options` are added to SHARED_OPTIONS, with `{data}` for the data
    directory; `client_plugins` is where the command-line client finds its plug-ins, a pattern inside the prefix.
    """

    name: ServerName
    bundle: Bundle
    daemon: str
    client: str
    initialise: Callable[[Prefix, Path], None]
    options: tuple[str, ...]
    client_plugins: str

    def daemon_command(self, prefix: Prefix, data: Path) -> list[str]:
        """Return the server's command line without an address; it works on the data directory `data`."""
        options = [option.format(data=data) for option in SHARED_OPTIONS + self.options]
        return [*_program(self, prefix), f"--datadir={data}", *options]

    def client_command(self, prefix: Prefix) -> list[str]:
        """Return the command line of the server's client program, without an address."""
        return [
            *prefix.run(self.client),
            "--no-defaults",
            f"--character-sets-dir={prefix.path / 'usr/share/mysql/charsets'}",
            *(f"--plugin-dir={path}" for path in prefix.path.glob(self.client_plugins)),
        ]


def run_environment() -> dict[str, str]:
    """Return a small environment: the machine's own libraries and OpenSSL settings are not made for the prefix."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC", "OPENSSL_CONF": "/dev/null"}


def _program(recipe: Recipe, prefix: Prefix) -> list[str]:
    share = prefix.path / "usr/share/mysql"
    command = [
        *prefix.run(recipe.daemon),
        "--no-defaults",
        f"--basedir={prefix.path / 'usr'}",
        f"--lc-messages-dir={share}",
        f"--character-sets-dir={share / 'charsets'}",
        f"--plugin-dir={prefix.path / 'usr/lib/mysql/plugin'}",
    ]
    # Both servers refuse to run as root unless they are told to.
    return [*command, "--user=root"] if os.geteuid() == 0 else command


def _run(command: list[str], text: bytes = b"") -> None:
    done = subprocess.run(command, input=text, capture_output=True, env=run_environment())
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr.decode(errors='replace')[-4000:]}")


def _initialise_mysql(prefix: Prefix, data: Path) -> None:
    _run([*_program(MYSQL, prefix), f"--datadir={data}", "--initialize-insecure", "--innodb-redo-log-capacity=8M"])
    (data / "auto.cnf").unlink()  # the server's UUID: each copy of the directory gets its own


def _initialise_mariadb(prefix: Prefix, data: Path) -> None:
    """Do what the script mariadb-install-db does; the script itself runs only where the server is installed."""
    share = prefix.path / "usr/share/mysql"
    scripts = (
        "mysql_system_tables.sql",
        "mysql_performance_tables.sql",
        "mysql_system_tables_data.sql",
        "maria_add_gis_sp_bootstrap.sql",
        "mysql_sys_schema.sql",
    )
    lines = [b"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n"]
    lines += [line for script in scripts for line in (share / script).read_bytes().splitlines(keepends=True)]
    # What names this host is left out, as the script does for a data directory that will run on another one.
    text = b"".join(line for line in lines if b"@current_hostname" not in line)
    options = [f"--datadir={data}", "--bootstrap", "--innodb-log-file-size=8M", "--max-allowed-packet=8M"]
    _run([*_program(MARIADB, prefix), *options], text)
    make_certificates(data)


MYSQL = Recipe(
    name="mysql",
    bundle=Bundle("mysql", "sid", ("mysql-server-core", "mysql-client-core")),
    daemon="usr/sbin/mysqld",
    client="usr/bin/mysql",
    initialise=_initialise_mysql,
    options=("--mysqlx=OFF", "--innodb-redo-log-capacity=8M"),
    client_plugins="usr/lib/mysql/plugin",
)
MARIADB = Recipe(
    name="mariadb",
    bundle=Bundle("mariadb", "bookworm", ("mariadb-server-core", "mariadb-client-core"), alone=("mariadb-server",)),
    daemon="usr/sbin/mariadbd",
    client="usr/bin/mariadb",
    initialise=_initialise_mariadb,
    options=(
        "--innodb-log-file-size=8M",
        "--plugin-load-add=auth_ed25519",
        "--ssl-ca={data}/ca.pem",
        "--ssl-cert={data}/server-cert.pem",
        "--ssl-key={data}/server-key.pem",
    ),
    client_plugins="usr/lib/*/libmariadb3/plugin",
)
ROUTER = Bundle("mysql-router", "sid", ("mysql-router",))
RECIPES = {recipe.name: recipe for recipe in (MYSQL, MARIADB)}
