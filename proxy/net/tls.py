"""TLS contexts of both sides from the configuration."""

import ssl
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from proxy.config import BackendTls, BackendTlsMode, ClientTls, ClientTlsMode
from proxy.net.certificates import Certificate, make_certificate
from proxy.net.settings import BackendTlsContext
from proxy.wire.rsa import RsaKey

_SMALLEST_KEY: Final = 2048


class TlsError(Exception):
    """A certificate or key file that cannot be used; the message names it."""


def client_context(tls: ClientTls, own: Certificate | None = None) -> ssl.SSLContext | None:
    """Make the context of the server that clients see; None if the mode encrypts nothing here.

    Without a certificate in the configuration `own` is shown, or else a new one, as MySQL makes itself one too
    (caching_sha2_password asks for TLS or RSA). Raises TlsError.
    """
    if tls.mode in (ClientTlsMode.DISABLED, ClientTlsMode.PASSTHROUGH):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.cert is None:
        (own or make_certificate()).load_into(context)
    else:
        _load_certificate(context, tls.cert, tls.key)
    return context


def backend_context(tls: BackendTls) -> BackendTlsContext | None:
    """Make the context of the client that the backend sees; None if the mode is DISABLED. Raises TlsError.

    The names of the modes and what they verify are those of MySQL Router's `server_ssl_mode` and `server_ssl_verify`:
    VERIFY_CA checks the chain, VERIFY_IDENTITY the host name as well, all others nothing.
    """
    if tls.mode is BackendTlsMode.DISABLED:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    verify_name = tls.mode is BackendTlsMode.VERIFY_IDENTITY
    if verify_name or tls.mode is BackendTlsMode.VERIFY_CA:
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = verify_name
        _load_authorities(context, tls.ca)
    if tls.cert is not None:
        _load_certificate(context, tls.cert, tls.key)
    return BackendTlsContext(context, tls.server_name)


def rsa_key(tls: ClientTls, own: RsaKey | None = None) -> RsaKey:
    """Give the key that clients without TLS encrypt their password for: the file's, `own`, or a new one.

    Raises TlsError.
    """
    if tls.rsa_key is None:
        return own or RsaKey.generate()
    try:
        key = load_pem_private_key(tls.rsa_key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise TlsError(f"cannot use the key in {tls.rsa_key}: {error}") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < _SMALLEST_KEY:
        raise TlsError(f"cannot use the key in {tls.rsa_key}: it is no RSA key of at least {_SMALLEST_KEY} bits")
    return RsaKey(key)


def _load_certificate(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except (OSError, ValueError) as error:
        files = f"{cert} and {key}" if key else str(cert)
        raise TlsError(f"cannot use the certificate and key in {files}: {error}") from None


def _no_password() -> str:
    # Without it OpenSSL would ask for the password of an encrypted key on the terminal.
    raise ValueError("the key is encrypted")


def _load_authorities(context: ssl.SSLContext, ca: Path | None) -> None:
    if ca is None:
        context.load_default_certs()
        return
    try:
        context.load_verify_locations(ca)
    except OSError as error:
        raise TlsError(f"cannot use the certificate authorities in {ca}: {error}") from None
