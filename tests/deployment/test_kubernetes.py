"""config/kubernetes: right by Kubernetes's own schemas, restricted by its own standard, and as the image has it."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from proxy.admin.app import INDEX
from proxy.config import Address
from tests.deployment.files import CONFIG, DOCKERFILE, documents, image_ports, loaded, options_of

FOLDER = CONFIG / "kubernetes"
SIDECAR = FOLDER / "sidecar"
VERSIONS = ("1.31", "1.34", "1.37")
UNKNOWN = {"Kustomization", "PodMonitor"}
"""Kinds that are not Kubernetes's own; they have a test each."""

FILES = sorted(path for path in FOLDER.rglob("*.yaml"))
OBJECTS = {(path, document["kind"]): document for path in FILES for document in documents(path)}
CONTAINERS: dict[str, dict[str, Any]] = {
    "pod": OBJECTS[FOLDER / "deployment.yaml", "Deployment"]["spec"]["template"]["spec"]["containers"][0],
    "sidecar": OBJECTS[SIDECAR / "patch.yaml", "Deployment"]["spec"]["template"]["spec"]["initContainers"][0],
}
MAPS = {
    "pod": OBJECTS[FOLDER / "configmap.yaml", "ConfigMap"]["data"],
    "sidecar": OBJECTS[SIDECAR / "configmap.yaml", "ConfigMap"]["data"],
}


def _patched() -> dict[str, Any]:
    """Put the sidecar's patch over the example, as kustomize does: by the names of containers and volumes."""
    example = documents(SIDECAR / "example.yaml")[0]
    patch = documents(SIDECAR / "patch.yaml")[0]
    assert patch["metadata"] == example["metadata"]
    example["spec"]["template"]["spec"].update(patch["spec"]["template"]["spec"])
    return example


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", [path for path in FILES if path.name != "patch.yaml"], ids=lambda path: path.name)
def test_each_object_is_right_by_the_schema(path: Path, version: str) -> None:
    for document in documents(path):
        if document["kind"] not in UNKNOWN:
            kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_example_with_its_sidecar_is_right_by_the_schema(version: str) -> None:
    kubernetes_validate.validate(_patched(), version, strict=True)


def test_the_schema_would_tell() -> None:
    deployment = documents(FOLDER / "deployment.yaml")[0]
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)


@pytest.mark.parametrize("folder", [FOLDER, SIDECAR], ids=["pods", "sidecar"])
def test_the_kustomization_names_every_file(folder: Path) -> None:
    (kustomization,) = documents(folder / "kustomization.yaml")
    named = {*kustomization["resources"], *(patch["path"] for patch in kustomization.get("patches", []))}
    assert named == {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml", "secret.example.yaml"}


@pytest.mark.parametrize("where", CONTAINERS)
def test_it_is_restricted_as_the_pod_security_standard_has_it(where: str) -> None:
    container = CONTAINERS[where]
    pod = OBJECTS[FOLDER / "deployment.yaml", "Deployment"]["spec"]["template"]["spec"] if where == "pod" else {}
    secured = {**pod.get("securityContext", {}), **container["securityContext"]}
    assert secured["runAsNonRoot"] is True
    assert secured["seccompProfile"] == {"type": "RuntimeDefault"}
    assert secured["allowPrivilegeEscalation"] is False
    assert secured["capabilities"] == {"drop": ["ALL"]}
    assert secured["readOnlyRootFilesystem"] is True
    assert container["resources"]["requests"]
    assert container["resources"]["limits"]["memory"]
    # runAsNonRoot needs a number: a name proves nothing to the kubelet.
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize("where", CONTAINERS)
def test_the_command_line_and_the_configuration_are_keyclash_s_own(where: str, tmp_path: Path) -> None:
    container, data = CONTAINERS[where], MAPS[where]
    for name, text in data.items():
        (tmp_path / name).write_text(text)
    config = loaded(tmp_path)
    path = options_of(container["args"])["config"]
    mount = next(mount for mount in container["volumeMounts"] if mount["mountPath"] == str(path.parent))
    assert path.name in data
    assert mount["readOnly"] is True
    assert f"/ {path.parent}/" in f"/ {mount['mountPath']}/"
    ports = {port["containerPort"] for port in container["ports"]}
    assert ports <= image_ports()
    assert config.admin == Address("0.0.0.0", 9104)
    (listener,) = config.listeners
    assert isinstance(listener, Address)
    assert ports == ({3306, 9104} if where == "pod" else {9104})
    assert listener == Address("0.0.0.0" if where == "pod" else "127.0.0.1", 3306)


def test_it_is_given_the_time_to_drain(tmp_path: Path) -> None:
    for name, text in MAPS["pod"].items():
        (tmp_path / name).write_text(text)
    pod = OBJECTS[FOLDER / "deployment.yaml", "Deployment"]["spec"]["template"]["spec"]
    before = CONTAINERS["pod"]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > before + loaded(tmp_path).drain_timeout + 5


@pytest.mark.parametrize("where", CONTAINERS)
def test_probes_ask_what_there_is(where: str) -> None:
    container = CONTAINERS[where]
    admin = next(port["name"] for port in container["ports"] if port["containerPort"] == 9104)
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        if name in container:
            asked = container[name]["httpGet"]
            assert asked["port"] == admin
            assert f"\n{asked['path']} " in INDEX


def test_commented_settings_are_right_too(tmp_path: Path) -> None:
    text = re.sub(r"# (admin_token_file|lookup):", r"\1:", MAPS["pod"]["proxy.yaml"])
    assert text.count("#") < MAPS["pod"]["proxy.yaml"].count("#")
    (tmp_path / "proxy.yaml").write_text(text)
    (tmp_path / "rules.yaml").write_text(MAPS["pod"]["rules.yaml"])
    config = loaded(tmp_path)
    secrets = OBJECTS[FOLDER / "secret.example.yaml", "Secret"]["stringData"]
    mount = next(each for each in CONTAINERS["pod"]["volumeMounts"] if each["name"] == "secrets")["mountPath"]
    assert config.lookup is not None
    assert {config.admin_token_file, config.lookup.password_file} == {Path(mount) / name for name in secrets}


def test_everything_is_about_the_same_pods() -> None:
    labels = {"app.kubernetes.io/name": "keyclash"}
    deployment = OBJECTS[FOLDER / "deployment.yaml", "Deployment"]
    assert deployment["spec"]["template"]["metadata"]["labels"] == labels
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert OBJECTS[FOLDER / "service.yaml", "Service"]["spec"]["selector"] == labels
    assert OBJECTS[FOLDER / "podmonitor.yaml", "PodMonitor"]["spec"]["selector"]["matchLabels"] == labels
    assert OBJECTS[FOLDER / "networkpolicy.yaml", "NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    budget = OBJECTS[FOLDER / "poddisruptionbudget.yaml", "PodDisruptionBudget"]
    assert budget["spec"]["selector"]["matchLabels"] == labels
    scaler = OBJECTS[FOLDER / "horizontalpodautoscaler.yaml", "HorizontalPodAutoscaler"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    # A budget that forbids every eviction would hold up each drain of a node.
    assert scaler["minReplicas"] > budget["spec"]["maxUnavailable"]
    assert "replicas" not in deployment["spec"]


def test_ports_go_by_names_that_there_are() -> None:
    names = {port["name"] for port in CONTAINERS["pod"]["ports"]}
    service = OBJECTS[FOLDER / "service.yaml", "Service"]
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= names
    policy = OBJECTS[FOLDER / "networkpolicy.yaml", "NetworkPolicy"]
    assert {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]} == names


def test_the_pod_monitor_is_one() -> None:
    # Its schema belongs to the Prometheus Operator: here is what of it is used.
    monitor = OBJECTS[FOLDER / "podmonitor.yaml", "PodMonitor"]
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert set(monitor) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(monitor["spec"]) == {"jobLabel", "selector", "podMetricsEndpoints"}
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert set(endpoint) == {"port", "path", "interval"}
    assert endpoint["port"] in {port["name"] for port in CONTAINERS["pod"]["ports"]}
    assert f"\n{endpoint['path']} " in INDEX
    assert re.fullmatch(r"\d+s", endpoint["interval"])
