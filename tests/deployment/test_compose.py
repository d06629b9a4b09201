"""config/compose.yaml: everything that it names is there, and nothing is left open."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from proxy.config import Address
from tests.deployment.files import CONFIG, DOCKERFILE, ROOT, documents, image_ports, loaded, options_of

(COMPOSE,) = documents(CONFIG / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROMETHEUS = documents(CONFIG / "prometheus/prometheus.yml")[0]


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    assert re.fullmatch(r"[\w./-]+:v?\d[\w.-]*", SERVICES[name]["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("."):
            assert volume.endswith(":ro")
            assert (CONFIG / source).exists()
        else:
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_others_wait_until_it_is_healthy(name: str) -> None:
    service = SERVICES[name]
    assert "healthcheck" in service or (name == "keyclash" and "HEALTHCHECK" in DOCKERFILE)
    assert all(
        SERVICES[other] and wait == {"condition": "service_healthy"}
        for other, wait in service.get("depends_on", {}).items()
    )


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_this_machine_s_alone(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_secrets_are_files_that_git_ignores_and_make_makes() -> None:
    makefile = (ROOT / "Makefile").read_text()
    ignored = (CONFIG / "secrets/.gitignore").read_text().splitlines()
    assert "*" in ignored
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
        assert f"config/secrets/{name}" in makefile
    used = {name for service in SERVICES.values() for name in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])
    text = (CONFIG / "compose.yaml").read_text()
    assert {Path(found).name for found in re.findall(r"/run/secrets/[\w-]+", text)} == used


def test_keyclash_is_given_what_it_understands() -> None:
    service = SERVICES["keyclash"]
    assert options_of(service["command"])["config"] == Path("/etc/keyclash/proxy.yaml")
    config = loaded(CONFIG / "image")
    assert config.backends == (Address("mysql", 3306),)
    assert "mysql" in SERVICES
    assert {config.listeners[0], config.admin} == {Address("0.0.0.0", port) for port in image_ports()}
    assert {int(port.split(":")[2]) for port in service["ports"]} == image_ports()


def test_it_is_given_the_time_to_drain() -> None:
    assert int(SERVICES["keyclash"]["stop_grace_period"].removesuffix("s")) > loaded(CONFIG / "image").drain_timeout + 5


def test_keyclash_is_the_version_that_is_here() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    service = SERVICES["keyclash"]
    assert service["image"] == f"keyclash:{version}"
    assert service["build"]["args"]["VERSION"] == version


def test_prometheus_scrapes_keyclash_and_grafana_asks_prometheus() -> None:
    (job,) = PROMETHEUS["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"keyclash:{loaded(CONFIG / 'image').admin.port}"]}]
    (source,) = documents(CONFIG / "grafana/provisioning/datasources/prometheus.yml")[0]["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = documents(CONFIG / "grafana/provisioning/dashboards/keyclash.yml")[0]["providers"]
    places = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    assert places["./grafana/dashboards"] == provider["options"]["path"]
    assert places["./grafana/provisioning"] == "/etc/grafana/provisioning"
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (CONFIG / "grafana/dashboards" / Path(home).name).exists()
