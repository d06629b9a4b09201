"""Fetches Debian packages with their whole dependencies into a directory of their own, without root.

The programs in such a prefix run beside the machine's own libraries, whatever its release: they are started through
the prefix's own dynamic linker, with the prefix's own libc.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.servers.mirrors import debian_mirrors

INSTEAD = (
    "Name running servers in KEYCLASH_TEST_MYSQL and KEYCLASH_TEST_MARIADB (user:password@host:port), "
    "or run the tests on a Debian machine."
)
ARCHIVE_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True)
class Bundle:
    """Programs to fetch: packages with all they depend on, and plug-in packages without their dependencies."""

    name: str
    suite: str
    packages: tuple[str, ...]
    alone: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prefix:
    """An unpacked bundle."""

    path: Path

    @property
    def version(self) -> str:
        """The Debian version of the bundle's first package, such as `9.7.4-2`."""
        return (self.path / "VERSION").read_text()

    @cached_property
    def libraries(self) -> str:
        """The library path of the prefix, as the dynamic linker takes it."""
        return ":".join(
            str(path) for pattern in ("lib", "usr/lib") for path in self.path.glob(f"{pattern}/*-linux-gnu*")
        )

    def run(self, program: str) -> list[str]:
        """Return the start of the command line that runs `program` (a path inside the prefix, no leading slash)."""
        linkers = [path for where in ("lib", "usr/lib") for path in self.path.glob(f"{where}/*/ld-linux-*.so.*")]
        return [str(linkers[0]), "--library-path", self.libraries, str(self.path / program)]


def cache_directory() -> Path:
    """Return where downloads are kept between runs: KEYCLASH_CACHE, or `keyclash` in the user's cache directory."""
    own = os.environ.get("KEYCLASH_CACHE")
    shared = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (Path(own) if own else shared / "keyclash") / "servers"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, so that of several test runs that start at once one fetches and the others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def installing(target: Path) -> Iterator[Path]:
    """Yield an empty directory that becomes `target` in one step when the block ends well, and vanishes otherwise."""
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield scratch
        scratch.chmod(0o755)
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def fetch(bundle: Bundle) -> Prefix:
    """Return the bundle's prefix, downloading and unpacking it first when this machine does not have it yet.

    Raises RuntimeError with what to do instead when the packages cannot be had here.
    """
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise RuntimeError(f"{bundle.name} is fetched as Debian packages, and there is no {tool} here. {INSTEAD}")
    target = cache_directory() / f"{bundle.name}-{_output('dpkg', '--print-architecture')}"
    with locked(target.with_suffix(".lock")):
        if not target.exists():
            with installing(target) as scratch:
                _install(bundle, scratch)
    return Prefix(target)


def _install(bundle: Bundle, prefix: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="keyclash-apt-") as name:
        for archive in _download(bundle, Path(name)):
            subprocess.run(["dpkg", "-x", archive, prefix], check=True)
            if archive.name.startswith(f"{bundle.packages[0]}_"):
                (prefix / "VERSION").write_text(_output("dpkg-deb", "--field", str(archive), "Version"))


def _download(bundle: Bundle, state: Path) -> list[Path]:
    """Download the bundle's packages with an apt that knows of no installed package, so that none is left out."""
    failures = [] if (mirrors := debian_mirrors()) else ["no Debian mirror among the apt sources of this machine"]
    for mirror in mirrors:
        configuration = _private_apt(state, mirror, bundle.suite)
        try:
            _apt(configuration, "update")
            _apt(configuration, "install", "--yes", "--download-only", "--no-install-recommends", *bundle.packages)
            if bundle.alone:
                _apt(configuration, "download", *bundle.alone)
        except subprocess.CalledProcessError as error:
            failures.append(f"{mirror}: {error.stderr.strip()}")
        else:
            return sorted((state / "archives").glob("*.deb"))
    raise RuntimeError(f"cannot fetch {bundle.name} from suite {bundle.suite}: {'; '.join(failures)}. {INSTEAD}")


def _private_apt(state: Path, mirror: str, suite: str) -> Path:
    """Write an apt configuration with its own sources and state; proxies and the like stay the machine's."""
    for directory in ("lists/partial", "archives/partial", "none"):
        (state / directory).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    signed = f"[signed-by={ARCHIVE_KEYRING}] " if ARCHIVE_KEYRING.exists() else ""
    (state / "sources.list").write_text(f"deb {signed}{mirror} {suite} main\n")
    settings = {
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::State::lists": state / "lists",
        "Dir::Cache": state,
        "Dir::Cache::archives": state / "archives",
        "Dir::Etc::sourcelist": state / "sources.list",
        "Dir::Etc::sourceparts": state / "none",
        "Dir::Etc::preferences": state / "none" / "preferences",
        "Dir::Etc::preferencesparts": state / "none",
        "Dir::Log": state,
        "Acquire::Languages": "none",
        "APT::Default-Release": suite,
        "Acquire::Retries": "3",
        "APT::Sandbox::User": "root",  # apt's own user may not write here
    }
    lines = ["#clear APT::Update;", *(f'{key} "{value}";' for key, value in settings.items())]
    configuration = state / "apt.conf"
    configuration.write_text("\n".join(lines) + "\n")
    return configuration


def _apt(configuration: Path, *arguments: str) -> None:
    command = ["apt-get", "--quiet", "--config-file", str(configuration), *arguments]
    archives = configuration.parent / "archives"
    subprocess.run(command, check=True, cwd=archives, text=True, capture_output=True, env=_english())


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, text=True, capture_output=True).stdout.strip()


def _english() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
