"""config/proxy.yaml, read and checked as a whole."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from proxy.config.addresses import Endpoint, UnixAddress
from proxy.config.document import Document, Loc, read_yaml
from proxy.config.problem import ConfigError, Problem
from proxy.config.settings import BackendTlsMode, ClientTlsMode, ProxyConfig
from proxy.config.validation import validate


def load_config(path: Path) -> ProxyConfig:
    """Read config/proxy.yaml; the files that it names are relative to its own folder.

    Raises ConfigError with every mistake of the file.
    """
    document = read_yaml(path)
    config, problems = validate(document, ProxyConfig)
    if config is None or problems or (problems := _contradictions(document, config)):
        raise ConfigError(problems)
    here = path.parent
    client, backend, lookup = config.client_tls, config.backend_tls, config.lookup
    return replace(
        config,
        listen=_endpoints_beside(here, config.listen),
        backend=_endpoints_beside(here, config.backend),
        rules=_beside(here, config.rules),
        admin_token_file=_beside(here, config.admin_token_file),
        take_over=_beside(here, config.take_over),
        client_tls=replace(
            client,
            cert=_beside(here, client.cert),
            key=_beside(here, client.key),
            rsa_key=_beside(here, client.rsa_key),
        ),
        backend_tls=replace(
            backend,
            ca=_beside(here, backend.ca),
            cert=_beside(here, backend.cert),
            key=_beside(here, backend.key),
            server_public_key=_beside(here, backend.server_public_key),
        ),
        lookup=lookup and replace(lookup, password_file=_beside(here, lookup.password_file)),
    )


def _beside(folder: Path, path: Path | None) -> Path | None:
    return None if path is None else folder / path


def _endpoints_beside(folder: Path, given: Endpoint | tuple[Endpoint, ...]) -> Endpoint | tuple[Endpoint, ...]:
    if isinstance(given, tuple):
        return tuple(_endpoint_beside(folder, endpoint) for endpoint in given)
    return _endpoint_beside(folder, given)


def _endpoint_beside(folder: Path, endpoint: Endpoint) -> Endpoint:
    return UnixAddress(folder / endpoint.path) if isinstance(endpoint, UnixAddress) else endpoint


def _contradictions(document: Document, config: ProxyConfig) -> list[Problem]:
    """Find values that are right alone and wrong together."""
    found: list[tuple[Loc, str]] = []
    client, backend = config.client_tls, config.backend_tls
    if (client.cert is None) != (client.key is None):
        found.append((("client_tls",), "one of cert and key is missing (expected both, or neither)"))
    if (backend.cert is None) != (backend.key is None):
        found.append((("backend_tls",), "one of cert and key is missing (expected both, or neither)"))
    if backend.mode in (BackendTlsMode.VERIFY_CA, BackendTlsMode.VERIFY_IDENTITY) and backend.ca is None:
        found.append(
            (("backend_tls", "mode"), f"{backend.mode} checks the backend's certificate (expected a ca as well)")
        )
    if (client.mode is ClientTlsMode.PASSTHROUGH) and backend.mode not in (
        BackendTlsMode.AS_CLIENT,
        BackendTlsMode.PREFERRED,
    ):
        found.append(
            (
                ("backend_tls", "mode"),
                "client_tls PASSTHROUGH leaves TLS to the client (expected AS_CLIENT or PREFERRED)",
            )
        )
    found += _clashes(config)
    return [document.problem(loc, message) for loc, message in found]


def _clashes(config: ProxyConfig) -> Iterator[tuple[Loc, str]]:
    """Find addresses that cannot be two things at once."""
    own = {endpoint for endpoint in config.listeners if isinstance(endpoint, UnixAddress) or endpoint.port}
    for endpoint in config.backends:
        if endpoint in own:
            yield ("backend",), f"{endpoint} is where the proxy itself listens (expected the MySQL server)"
    if config.admin in own:
        yield ("admin",), f"{config.admin} is where clients connect (expected another port)"
