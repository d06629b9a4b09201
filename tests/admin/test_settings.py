from dataclasses import replace
from pathlib import Path

from proxy.admin.settings import settings_of
from proxy.config import Address, ProxyConfig, load_config
from tests.admin.sources import written

TEXT = """listen: 127.0.0.1:4000
conflicts:
  max_series: 5
client_tls: {mode: REQUIRED}
"""


def told(config: ProxyConfig, file: Path | None) -> dict[str, tuple[str, str]]:
    return {each.key: (each.value, each.source) for each in settings_of(config, file)}


def test_values_have_their_lines(tmp_path: Path) -> None:
    file = written(TEXT, tmp_path, "proxy.yaml")
    config = replace(load_config(file), backend=Address("db", 1))
    settings = told(config, file)
    assert settings["listen"] == ("127.0.0.1:4000", "proxy.yaml:1")
    assert settings["conflicts.max_series"] == ("5", "proxy.yaml:3")
    assert settings["client_tls.mode"] == ("REQUIRED", "proxy.yaml:4")
    assert settings["backend"] == ("db:1", "command line")
    assert settings["admin"] == ("127.0.0.1:9104", "default")
    assert settings["rules"] == ("", "default")


def test_what_a_section_leaves_out_is_default(tmp_path: Path) -> None:
    file = written(TEXT, tmp_path, "proxy.yaml")
    assert told(load_config(file), file)["conflicts.show_values"] == ("false", "default")


def test_without_a_file(tmp_path: Path) -> None:
    assert told(replace(ProxyConfig(), rules=Path("r")), None)["rules"] == ("r", "command line")
    assert told(ProxyConfig(), tmp_path / "gone")["listen"] == ("127.0.0.1:3306", "default")
