"""The client's part of an authentication."""

import hashlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

NATIVE = b"mysql_native_password"
CACHING_SHA2 = b"caching_sha2_password"


def greeting_nonce(greeting: bytes) -> bytes:
    """Return the nonce of 20 bytes in a greeting's payload."""
    at = greeting.index(0) + 5
    return greeting[at : at + 8] + greeting[at + 27 : at + 39]


def thread_id(greeting: bytes) -> int:
    """Return the id of the connection in a greeting's payload."""
    at = greeting.index(0) + 1
    return int.from_bytes(greeting[at : at + 4], "little")


def greeting_plugin(greeting: bytes) -> bytes:
    """Return the plugin named in a greeting's payload."""
    return greeting[greeting.index(0) + 44 :].rstrip(b"\0")


def scramble(plugin: bytes, password: bytes, nonce: bytes) -> bytes:
    """Return what proves the knowledge of a password."""
    if not password:
        return b""
    if plugin == NATIVE:
        once = hashlib.sha1(password).digest()
        mask = hashlib.sha1(nonce + hashlib.sha1(once).digest()).digest()
    else:
        once = hashlib.sha256(password).digest()
        mask = hashlib.sha256(hashlib.sha256(once).digest() + nonce).digest()
    return bytes(a ^ b for a, b in zip(once, mask, strict=True))


def encrypted(password: bytes, nonce: bytes, pem: bytes) -> bytes:
    """Encrypt a password with the server's public key."""
    key = serialization.load_pem_public_key(pem)
    assert isinstance(key, rsa.RSAPublicKey)
    hidden = bytes(byte ^ nonce[place % 20] for place, byte in enumerate(password + b"\0"))
    return key.encrypt(hidden, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))
