"""RSA keys of logins without TLS: the proxy's, which clients may pin, and the server's, which the proxy may pin."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pymysql
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from proxy.config import BackendTls, BackendTlsMode, ClientTls
from tests.e2e.running import Proxy, in_front_of, proxied, transport
from tests.e2e.users import rows
from tests.servers.accounts import Account, AccountMaker
from tests.servers.launch import Server

pytestmark = pytest.mark.parametrize("server", ["mysql"], indirect=True)  # MariaDB has no plugin with RSA
PLUGINS = pytest.mark.parametrize("plugin", ["caching_sha2_password", "sha256_password"])


def make_key(folder: Path, name: str) -> tuple[Path, Path]:
    """Make an RSA key; return the files of the private and of the public one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    private, public = folder / f"{name}.pem", folder / f"{name}-public.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture(params=["to plain", "to tls"])
def mode(request: pytest.FixtureRequest) -> BackendTlsMode:
    return BackendTlsMode.REQUIRED if request.param == "to tls" else BackendTlsMode.DISABLED


@pytest.fixture
def pinned(server: Server, mode: BackendTlsMode, tmp_path: Path) -> Iterator[tuple[Proxy, Path]]:
    """A proxy with a key from a file, and the public one."""
    private, public = make_key(tmp_path, "own")
    config = in_front_of(server, client_tls=ClientTls(rsa_key=private), backend_tls=BackendTls(mode))
    with proxied(config, server) as proxy:
        yield proxy, public


def cli(proxy: Proxy, account: Account, *options: str) -> "subprocess.CompletedProcess[str]":
    login = (f"--user={account.user}", f"--password={account.password}", "--ssl-mode=DISABLED", *options)
    command = proxy.cli(*login, "--batch", "--skip-column-names", "--execute=SELECT 'in'")
    return subprocess.run(command, capture_output=True, text=True)


@PLUGINS
def test_a_client_pins_the_proxys_key(
    pinned: tuple[Proxy, Path], make_account: AccountMaker, plugin: str, tmp_path: Path
) -> None:
    proxy, public = pinned
    account = make_account(plugin=plugin)
    done = cli(proxy, account, f"--server-public-key-path={public}")
    assert done.stdout == "in\n", done.stderr
    _, wrong = make_key(tmp_path, "wrong")
    account = make_account(plugin=plugin)
    assert "ERROR" in cli(proxy, account, f"--server-public-key-path={wrong}").stderr
    assert cli(proxy, account, f"--server-public-key-path={public}").returncode == 0


@PLUGINS
def test_a_client_asks_for_the_key(pinned: tuple[Proxy, Path], make_account: AccountMaker, plugin: str) -> None:
    proxy, _ = pinned
    done = cli(proxy, make_account(plugin=plugin), "--get-server-public-key")
    assert done.stdout == "in\n", done.stderr


@PLUGINS
def test_the_proxy_pins_the_servers_key(
    server: Server, make_account: AccountMaker, plugin: str, tmp_path: Path
) -> None:
    account = make_account(plugin=plugin)
    login = {"user": account.user, "password": account.password, **transport(True)}
    _, wrong = make_key(tmp_path, "wrong")
    with pinning(server, wrong) as proxy, pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        proxy.connect(**login)
    right = tmp_path / "right.pem"
    with server.connect() as connection:
        [(_, pem)] = rows(connection, "SHOW STATUS LIKE 'Caching_sha2_password_rsa_public_key'")
    right.write_text(pem)
    with pinning(server, right) as proxy:
        proxy.connect(**login).close()


@contextmanager
def pinning(server: Server, key: Path) -> Iterator[Proxy]:
    """A proxy that encrypts passwords for one key only."""
    tls = BackendTls(BackendTlsMode.DISABLED, server_public_key=key)
    with proxied(in_front_of(server, backend_tls=tls), server) as proxy:
        yield proxy
