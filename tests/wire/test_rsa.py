import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.errors import ProtocolError
from proxy.wire.rsa import RsaKey, encrypt_password

KEY = RsaKey.generate()
NONCE = bytes(range(1, 21))


@given(st.binary(max_size=200))
def test_a_password_comes_back(password: bytes) -> None:
    encrypted = encrypt_password(password + b"\0", NONCE, KEY.public_pem)
    assert len(encrypted) == KEY.size == 256
    assert KEY.decrypt_password(encrypted, NONCE) == password + b"\0"


def test_another_nonce_gives_another_password() -> None:
    encrypted = encrypt_password(b"secret\0", NONCE, KEY.public_pem)
    assert KEY.decrypt_password(encrypted, NONCE[::-1]) != b"secret\0"


def test_what_is_not_encrypted_for_the_key_is_refused() -> None:
    other = RsaKey.generate()
    for data in (encrypt_password(b"secret\0", NONCE, other.public_pem), bytes(256), b"short"):
        with pytest.raises(ProtocolError):
            KEY.decrypt_password(data, NONCE)


def test_a_key_that_is_of_no_use_is_refused() -> None:
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = curve.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    unknown = KEY.public_pem.replace(b"MIIBIjANBgkqhkiG9w0BAQEF", b"MIIBIjANBgkqhkiG9w0BAQ8F")  # another algorithm's id
    assert unknown != KEY.public_pem
    for bad in (b"", b"no PEM", pem, unknown):
        with pytest.raises(ProtocolError):
            encrypt_password(b"secret\0", NONCE, bad)


def test_a_password_longer_than_the_key_can_carry_is_refused() -> None:
    with pytest.raises(ProtocolError):
        encrypt_password(bytes(KEY.size), NONCE, KEY.public_pem)


def test_a_login_without_a_nonce_is_refused() -> None:
    with pytest.raises(ProtocolError):
        encrypt_password(b"secret\0", b"", KEY.public_pem)
