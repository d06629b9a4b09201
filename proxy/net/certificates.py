"""A certificate for a proxy that was given none: an authority of its own, and a server certificate by it."""

import ipaddress
import os
import socket
import ssl
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME: Final = timedelta(days=3650)
_CLOCK_SKEW: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server certificate, its key and the authority that signed it, all PEM."""

    certificate: bytes
    key: bytes
    authority: bytes

    def load_into(self, context: ssl.SSLContext) -> None:
        """Use this certificate in a server's context. Where the system can, the key is never on a disk."""
        with _named_file(self.key + self.certificate + self.authority) as path:
            context.load_cert_chain(path)


def make_certificate() -> Certificate:
    """Make an authority and a server certificate for this machine, RSA of 2048 bits and good for ten years.

    MySQL makes the same two at its first start (manual: "Creating SSL and RSA Certificates and Keys using MySQL").
    """
    authority_key, server_key = _make_key(), _make_key()
    authority_name = _name("Keyclash automatically made authority")
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    server = (
        _builder(_name("Keyclash automatically made server"), authority_name, server_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_alternative_names(socket.gethostname())), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return Certificate(
        certificate=server.public_bytes(Encoding.PEM),
        key=server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        authority=authority.public_bytes(Encoding.PEM),
    )


@contextmanager
def _named_file(content: bytes) -> Iterator[Path]:
    """Keep content in a file for the length of the block, as OpenSSL reads nothing else.

    On Linux the file is one of memory: a container need not have a file system that can be written to.
    """
    if sys.platform == "linux":
        with open(os.memfd_create("keyclash"), "wb") as file:  # noqa: PTH123  # it has no path
            file.write(content)
            file.flush()
            yield Path(f"/proc/self/fd/{file.fileno()}")
    else:
        with tempfile.TemporaryDirectory(prefix="keyclash-") as folder:  # for its owner only (0700)
            path = Path(folder, "server.pem")
            path.write_bytes(content)
            yield path


def _make_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
    )


def _usage(sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not sign_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(hostname: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]
    # A host name need not be one that DNS allows.
    if hostname not in ("", "localhost") and hostname.isascii():
        names.append(x509.DNSName(hostname))
    return names
