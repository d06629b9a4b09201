"""Mirrors are found in both formats of apt's sources, and nothing else is taken for one."""

from pathlib import Path

import pytest

from tests.servers.mirrors import debian_mirrors

OS_RELEASE = 'ID=debian\nVERSION_CODENAME=bookworm\nPRETTY_NAME="Debian"\n'
DEB822 = """\
# the archive
Types: deb deb-src
URIs: http://one.example/debian http://two.example/debian/
Suites: bookworm
 bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/some.gpg

Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""
ONE_LINE = """\
# deb http://comment.example/debian bookworm main
deb-src http://source.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/other.gpg] https://third.example/packages bookworm stable
deb cdrom:[Debian]/ bookworm main
deb [ trusted=yes ] https://vendor.example/apt bookworm main
deb http://three.example/debian stable main # comment
"""


@pytest.fixture
def os_release(tmp_path: Path) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    path = tmp_path / "os-release"
    path.write_text(OS_RELEASE)
    return path


def test_deb822_sources(tmp_path: Path, os_release: Path) -> None:
    (tmp_path / "sources.list.d/debian.sources").write_text(DEB822)
    assert debian_mirrors(tmp_path, os_release) == (
        "http://one.example/debian",
        "http://two.example/debian/",
    )


@pytest.mark.parametrize("name", ["sources.list", "sources.list.d/more.list"])
def test_one_line_sources(tmp_path: Path, os_release: Path, name: str) -> None:
    (tmp_path / name).write_text(ONE_LINE)
    assert debian_mirrors(tmp_path, os_release) == (
        "http://three.example/debian",
        "https://vendor.example/apt",
    )


def test_release_without_a_codename(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://one.example/debian sid main\n")
    assert debian_mirrors(tmp_path, tmp_path / "os-release") == ("http://one.example/debian",)


def test_no_mirror(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://one.example/ubuntu noble main\n")
    assert debian_mirrors(tmp_path, tmp_path / "os-release") == ()
