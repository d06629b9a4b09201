"""Reading what is under config/."""

import re
from pathlib import Path
from typing import Any, Final

import typer.main
from ruamel.yaml import YAML

from proxy.cli import app
from proxy.config import ProxyConfig, load_config
from proxy.rules.model import load_rules

ROOT: Final = Path(__file__).parents[2]
CONFIG: Final = ROOT / "config"
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text()


def documents(path: Path) -> list[dict[str, Any]]:
    """Read all documents of a YAML file."""
    return [document for document in YAML(typ="safe", pure=True).load_all(path) if document is not None]


def options_of(arguments: list[str]) -> dict[str, Any]:
    """Parse a command line as `keyclash` does; fails on a command or an option that there is not."""
    group: Any = typer.main.get_command(app)
    parameters: dict[str, Any] = group.commands[arguments[0]].make_context(arguments[0], arguments[1:]).params
    return parameters


def loaded(folder: Path) -> ProxyConfig:
    """Read a folder as the image's /etc/keyclash; fails on every mistake in it."""
    config = load_config(folder / "proxy.yaml")
    assert config.rules is not None
    load_rules(config.rules)
    return config


def image_ports() -> set[int]:
    """Return the ports that the image exposes."""
    found = re.search(r"^EXPOSE (.+)$", DOCKERFILE, re.MULTILINE)
    assert found is not None
    return {int(port) for port in found[1].split()}
