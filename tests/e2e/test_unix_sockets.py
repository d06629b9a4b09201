"""Logins and work over Unix sockets and TCP, encrypted and not, on either side of the proxy."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pymysql
import pytest

from proxy.config import Address, BackendTls, BackendTlsMode, ClientTls, ClientTlsMode, Endpoint, UnixAddress
from tests.e2e.running import ANYWHERE, Proxy, in_front_of, proxied, transport
from tests.e2e.users import rows
from tests.servers.accounts import Account, AccountMaker
from tests.servers.launch import Server

pytestmark = pytest.mark.own_server  # the socket's file of a server that is named may be on another machine

WAYS = ["tcp plain", "tcp tls", "unix plain", "unix tls"]
PLUGINS = {
    "mysql": ["caching_sha2_password", "sha256_password"],
    "mariadb": ["mysql_native_password", "ed25519"],
}
STATUS = "SELECT USER(), VARIABLE_VALUE <> '' FROM {}.session_status WHERE VARIABLE_NAME = 'Ssl_cipher'"


@dataclass(frozen=True)
class Front:
    """A proxy with a TCP listener and a Unix one."""

    proxy: Proxy
    socket: Path

    def cli(self, account: Account, way: str, statement: str) -> "subprocess.CompletedProcess[str]":
        """Run the server's own client, which knows what every plugin may send over which connection."""
        server = self.proxy.server
        socket = ["--host=localhost", f"--socket={self.socket}"] if "unix" in way else ["--protocol=TCP"]
        login = [f"--user={account.user}", f"--password={account.password}", "--batch", "--skip-column-names"]
        if server.mariadb:
            tls = ["--ssl" if "tls" in way else "--skip-ssl"]
        else:
            tls = ["--ssl-mode=REQUIRED"] if "tls" in way else ["--ssl-mode=DISABLED", "--get-server-public-key"]
        command = self.proxy.as_server.cli(*socket, *login, *tls, f"--execute={statement}")
        return subprocess.run(command, capture_output=True, text=True)


def backend_of(server: Server, way: str) -> tuple[Endpoint, BackendTls]:
    assert server.socket is not None
    endpoint = UnixAddress(server.socket) if "unix" in way else Address(server.host, server.port)
    modes = {"tcp plain": BackendTlsMode.DISABLED, "unix plain": BackendTlsMode.PREFERRED}
    return endpoint, BackendTls(modes.get(way, BackendTlsMode.REQUIRED))


@contextmanager
def front(server: Server, way: str, folder: Path, **options: ClientTls) -> Iterator[Front]:
    endpoint, tls = backend_of(server, way)
    config = replace(in_front_of(server, backend_tls=tls, **options), backend=endpoint)
    listening = UnixAddress(folder / "k.sock")
    with proxied(replace(config, listen=(listening, ANYWHERE)), server) as proxy:
        yield Front(proxy, listening.path)


@pytest.fixture(scope="session", params=WAYS)
def to_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def behind(server: Server, to_backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with front(server, to_backend, tmp_path_factory.mktemp("k")) as found:
        yield found


@pytest.mark.parametrize("from_client", WAYS)
def test_every_login_on_every_way(behind: Front, make_account: AccountMaker, from_client: str, to_backend: str) -> None:
    server = behind.proxy.server
    for plugin in PLUGINS[server.name]:
        account = make_account(plugin=plugin)
        host = "localhost" if "unix" in to_backend else "127.0.0.1"
        schema = "information_schema" if server.mariadb else "performance_schema"
        expected = f"{account.user}@{host}\t{int('tls' in to_backend)}\n"
        for _ in range(2):  # the server's cache does not know the password at first, then it does
            done = behind.cli(account, from_client, STATUS.format(schema))
            assert (done.stdout, plugin) == (expected, plugin), done.stderr
        done = behind.cli(replace(account, password="wrong"), from_client, "DO 1")
        assert f"Access denied for user '{account.user}'@'{host}' (using password: YES)" in done.stderr


@pytest.mark.parametrize("from_client", WAYS)
def test_a_driver_on_every_way(behind: Front, make_account: AccountMaker, from_client: str) -> None:
    for password in ("secret", ""):
        account = make_account(password)
        where = {"unix_socket": str(behind.socket)} if "unix" in from_client else {}
        login = {"user": account.user, "password": account.password} | where
        for _ in range(2):
            with behind.proxy.connect(**login, **transport("tls" in from_client)) as connection:
                assert rows(connection, "SELECT REPEAT('x', 1000000)") == [("x" * 1_000_000,)]


@pytest.mark.parametrize("to", ["unix plain"])
def test_a_unix_socket_needs_no_tls(server: Server, to: str, tmp_path: Path) -> None:
    with front(server, to, tmp_path, client_tls=ClientTls(ClientTlsMode.REQUIRED)) as found:
        with found.proxy.connect(unix_socket=str(found.socket), **transport(False)) as connection:
            assert rows(connection, "SELECT 1") == [(1,)]
        with pytest.raises(pymysql.err.OperationalError, match="insecure transport"):
            found.proxy.connect(**transport(False))
    assert not found.socket.exists()


def test_a_backend_that_comes_back_is_the_first_again(server: Server, tmp_path: Path) -> None:
    assert server.socket is not None
    first = UnixAddress(tmp_path / "s")
    config = replace(in_front_of(server), backend=(first, Address(server.host, server.port)))
    with proxied(config, server) as proxy:
        assert proxy.fetch("/-/ready")[0] == 200
        assert host_of(proxy) == host_of(proxy) == "127.0.0.1"
        first.path.symlink_to(server.socket)
        while host_of(proxy) != "localhost":  # for a second its rest lasts
            pass
        assert host_of(proxy) == host_of(proxy) == "localhost"


def host_of(proxy: Proxy) -> object:
    """Log in and tell where the server says that the client is."""
    with proxy.connect() as connection:
        [(host,)] = rows(connection, "SELECT SUBSTRING_INDEX(USER(), '@', -1)")
        return host
