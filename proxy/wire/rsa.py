"""The RSA exchange of a password on a connection without TLS (caching_sha2_password, sha256_password).

The cleartext is the password and a NUL, each byte XORed with the login's nonce (repeated); OAEP with SHA-1 encrypts it.
Source: MySQL, ``sql/auth/sha2_password.cc``; WL#9591.
"""

from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from proxy.wire.errors import ProtocolError

# SHA-1 is what MySQL's protocol prescribes here; OAEP does not lean on its collision resistance.
_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303


class RsaKey:
    """A private key that clients without TLS encrypt their password for."""

    __slots__ = ("_key", "public_pem")

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key
        self.public_pem = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @classmethod
    def generate(cls) -> "RsaKey":
        """Make a key of 2048 bits, the size of MySQL's own."""
        return cls(rsa.generate_private_key(public_exponent=65537, key_size=2048))

    def __reduce__(self) -> tuple[Any, ...]:
        """Tell a worker process of one's own the key."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return _from_pem, (pem,)

    @property
    def size(self) -> int:
        """The bytes of an encrypted password."""
        return self._key.key_size // 8

    def decrypt_password(self, data: bytes, nonce: bytes) -> bytes:
        """Decrypt what a client sent; return the password with its NUL.

        Raises:
            ProtocolError: it was not encrypted for this key.
        """
        try:
            return _xor(self._key.decrypt(data, _OAEP), nonce)
        except ValueError as error:
            raise ProtocolError("the client's password is not encrypted for the proxy's key") from error


def _from_pem(pem: bytes) -> RsaKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("not an RSA key")
    return RsaKey(key)


def encrypt_password(password: bytes, nonce: bytes, public_pem: bytes) -> bytes:
    """Encrypt a password (with its NUL) for the server whose public key is given in PEM.

    Raises:
        ProtocolError: the PEM is not an RSA key, or the password is longer than the key can carry.
    """
    try:
        key = serialization.load_pem_public_key(public_pem)
        if not isinstance(key, rsa.RSAPublicKey):
            raise ProtocolError("the backend's public key is not an RSA key")
        return key.encrypt(_xor(password, nonce), _OAEP)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ProtocolError("the backend's public key is of no use for this password") from error


def _xor(data: bytes, nonce: bytes) -> bytes:
    if not nonce:
        raise ProtocolError("the login has no nonce")
    repeated = nonce * (len(data) // len(nonce) + 1)
    return bytes(a ^ b for a, b in zip(data, repeated, strict=False))
