"""A fetched bundle is there as a whole or not at all, and a machine that cannot fetch says what to do."""

from pathlib import Path

import pytest

from tests.servers import packages
from tests.servers.packages import Bundle, Prefix, cache_directory, fetch, installing

BUNDLE = Bundle("thing", "sid", ("thing",))


def test_installing_moves_the_whole_directory(tmp_path: Path) -> None:
    with installing(tmp_path / "target") as scratch:
        (scratch / "file").touch()
        assert not (tmp_path / "target").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert (tmp_path / "target" / "file").exists()


def test_installing_leaves_nothing_of_a_failure(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"), installing(tmp_path / "target") as scratch:
        (scratch / "absent" / "file").touch()
    assert list(tmp_path.iterdir()) == []


def test_cache_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEYCLASH_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_directory() == Path("/somewhere/keyclash/servers")
    monkeypatch.setenv("KEYCLASH_CACHE", "/elsewhere")
    assert cache_directory() == Path("/elsewhere/servers")


def test_programs_run_through_the_linker_of_the_prefix(tmp_path: Path) -> None:
    libraries = tmp_path / "usr/lib/some-linux-gnu"
    libraries.mkdir(parents=True)
    (libraries / "ld-linux-some.so.2").touch()
    assert Prefix(tmp_path).run("usr/bin/thing") == [
        str(libraries / "ld-linux-some.so.2"),
        "--library-path",
        str(libraries),
        str(tmp_path / "usr/bin/thing"),
    ]


def test_without_apt_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"no apt-get here\. Name running servers"):
        fetch(BUNDLE)


def test_without_a_mirror_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KEYCLASH_CACHE", str(tmp_path))
    monkeypatch.setattr(packages, "debian_mirrors", tuple)
    with pytest.raises(RuntimeError, match=r"no Debian mirror .* Name running servers"):
        fetch(BUNDLE)
    assert [path.name.split(".")[-1] for path in (tmp_path / "servers").iterdir()] == ["lock"]


def test_a_failing_mirror_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KEYCLASH_CACHE", str(tmp_path / "cache"))
    mirrors = (f"file:{tmp_path}/one", f"file:{tmp_path}/two")
    monkeypatch.setattr(packages, "debian_mirrors", lambda: mirrors)
    with pytest.raises(RuntimeError) as caught:
        fetch(BUNDLE)
    assert all(mirror in str(caught.value) for mirror in mirrors)
