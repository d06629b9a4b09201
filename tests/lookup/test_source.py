"""Where the lookup's password comes from."""

from pathlib import Path

import pytest

from proxy.config import Address, ConfigError, Lookup
from proxy.lookup.source import Source, read_password

VARIABLE = "KEYCLASH_LOOKUP_PASSWORD"


@pytest.mark.parametrize("text", [b"sec ret", b"sec ret\n", b"sec ret\r\n"])
def test_a_file_may_end_in_a_line_break(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "secret").write_bytes(text)
    password = read_password(Lookup(password_file=tmp_path / "secret"))
    assert password.get_secret_value() == b"sec ret"


def test_only_one_line_break_is_not_the_password(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b" \xff\n\n")
    assert read_password(Lookup(password_file=tmp_path / "secret")).get_secret_value() == b" \xff\n"


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "geheim-ß")
    assert read_password(Lookup()).get_secret_value() == "geheim-ß".encode()
    monkeypatch.setenv("OTHER", "other")
    assert read_password(Lookup(password_env="OTHER")).get_secret_value() == b"other"


def test_the_file_stands_above_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "environment")
    (tmp_path / "secret").write_text("file")
    assert read_password(Lookup(password_file=tmp_path / "secret")).get_secret_value() == b"file"


def told(lookup: Lookup) -> str:
    with pytest.raises(ConfigError) as caught:
        read_password(lookup)
    return str(caught.value)


def test_a_password_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = "(expected the password of the lookup's account)"
    monkeypatch.delenv(VARIABLE, raising=False)
    assert told(Lookup()) == f"environment: lookup.password_env: {VARIABLE} is not set {expected}"
    monkeypatch.setenv(VARIABLE, "")
    assert told(Lookup()) == f"environment: lookup.password_env: {VARIABLE} is empty {expected}"
    path = tmp_path / "secret"
    file = Lookup(password_file=path)
    assert told(file) == f"{path}: lookup.password_file: cannot be read: No such file or directory {expected}"
    path.write_text("\n")
    assert told(file) == f"{path}: lookup.password_file: is empty {expected}"


def test_no_representation_shows_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("geheim")
    password = read_password(Lookup(password_file=tmp_path / "file"))
    source = Source((Address("h", 1),), "u", password, 1.0)
    assert "geheim" not in f"{password} {password!r} {source} {source!r}"
