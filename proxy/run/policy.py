"""What new clients meet: made from the files as a whole, and exchanged as a whole when they are read again."""

import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from proxy.config import ClientTlsMode, ProxyConfig
from proxy.net.backends import Backends
from proxy.net.certificates import Certificate, make_certificate
from proxy.net.settings import PairSettings
from proxy.net.side import describe
from proxy.net.tls import TlsError, backend_context, client_context, rsa_key
from proxy.rules.match import RuleSet
from proxy.run.watch import Look
from proxy.wire.rsa import RsaKey


class StartError(Exception):
    """The proxy cannot run like this; the message says why."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The files as they were read; look: at them, just before."""

    config: ProxyConfig
    rules: RuleSet
    look: Look = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """What is made up where the configuration names no file: once, so that it outlives every reload.

    hash_key: for values in conflict, 32 bytes. certificate: None as long as it has not been needed.
    """

    rsa: RsaKey
    hash_key: bytes
    certificate: Certificate | None = None

    @classmethod
    def make(cls) -> "Identity":
        """Make the key; the certificate, which takes longer, is made by `fitting`."""
        return cls(RsaKey.generate(), secrets.token_bytes(32))

    def fitting(self, config: ProxyConfig) -> "Identity":
        """Give an identity that has all that a configuration asks for."""
        tls = config.client_tls
        encrypts = tls.mode in (ClientTlsMode.PREFERRED, ClientTlsMode.REQUIRED)
        if not encrypts or tls.cert is not None or self.certificate is not None:
            return self
        return replace(self, certificate=make_certificate())


@dataclass(frozen=True, slots=True)
class Policy:
    """All that a new session is given.

    pairs: how it is connected. rsa: the key for passwords without TLS. backend_public_key: the PEM to encrypt passwords
    for towards a backend without TLS; None: it is asked.
    """

    loaded: Loaded
    identity: Identity
    pairs: PairSettings
    rsa: RsaKey
    backend_public_key: bytes | None

    @property
    def config(self) -> ProxyConfig:
        """The configuration that it was made from."""
        return self.loaded.config


def make_policy(loaded: Loaded, identity: Identity, backends: Backends | None = None) -> Policy:
    """Read the files that the configuration names; takes a while, and may run in a thread.

    backends: those in use, which know what is wrong with them; None: new ones. Raises StartError.
    """
    config = loaded.config
    identity = identity.fitting(config)
    try:
        pairs = PairSettings(
            backends=backends or Backends(config.backends),
            limits=config.limits,
            log_sessions=config.log.sessions,
            client_tls=client_context(config.client_tls, identity.certificate),
            backend_tls=backend_context(config.backend_tls),
            backend_proxy_protocol=config.backend_proxy_protocol,
        )
        key = rsa_key(config.client_tls, identity.rsa)
    except TlsError as error:
        raise StartError(str(error)) from error
    return Policy(loaded, identity, pairs, key, _read(config.backend_tls.server_public_key))


def _read(path: Path | None) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise StartError(f"cannot read {path}: {describe(error)}") from error
