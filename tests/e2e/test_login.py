"""Logging in through the proxy, for TLS and none on either side, is logging in to the server."""

import hashlib
import ssl
import subprocess
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from proxy.config import BackendTls, BackendTlsMode
from tests.e2e.raw import CHANGE_USER, INIT_DB, QUERY, command, framed
from tests.e2e.running import Proxy, in_front_of, proxied, transport
from tests.e2e.users import rows
from tests.raw import PLUGIN_AUTH, USUAL
from tests.servers.accounts import Account, AccountMaker
from tests.servers.launch import Server

SIDES = pytest.mark.parametrize("client_tls", [False, True], ids=["plain", "tls"])
PLUGINS = {
    "mysql": [None, "caching_sha2_password", "sha256_password"],
    "mariadb": [None, "mysql_native_password"],
}


@pytest.fixture(scope="session", params=[False, True], ids=["to plain", "to tls"])
def backend_tls(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="session")
def proxy_of_one_mode(server: Server, backend_tls: bool) -> Iterator[Proxy]:
    tls = BackendTls(BackendTlsMode.REQUIRED if backend_tls else BackendTlsMode.DISABLED)
    with proxied(in_front_of(server, backend_tls=tls), server) as proxy:
        yield proxy


@pytest.fixture
def towards(proxy_of_one_mode: Proxy) -> Iterator[Proxy]:
    """A proxy whose connections to the server are encrypted, or are not."""
    yield proxy_of_one_mode
    proxy_of_one_mode.close_connections()


def log_in(proxy: Proxy, account: Account, tls: bool) -> tuple[str, bool, bool]:
    """Log in; return the user, whether the client's connection is encrypted, and whether the backend's is."""
    login = {"user": account.user, "password": account.password}
    with proxy.connect(**login, **transport(tls)) as connection:
        [(user,)] = rows(connection, "SELECT CURRENT_USER()")
        [(_, cipher)] = rows(connection, "SHOW STATUS LIKE 'Ssl_cipher'")
        return user.partition("@")[0], isinstance(vars(connection)["_sock"], ssl.SSLSocket), bool(cipher)


def refusal(server: Server, **login: object) -> tuple[object, ...]:
    """The error of a login that is refused."""
    with pytest.raises(pymysql.MySQLError) as caught:
        server.connect(**login)
    return caught.value.args


@SIDES
class TestMatrix:
    def test_with_every_plugin(
        self, towards: Proxy, make_account: AccountMaker, client_tls: bool, backend_tls: bool
    ) -> None:
        server = towards.server
        for plugin in PLUGINS[server.name]:
            account = make_account(plugin=plugin)
            expected = (account.user, client_tls, backend_tls)
            assert log_in(towards, account, client_tls) == expected  # the server's cache does not know it yet
            assert log_in(towards, account, client_tls) == expected
            with server.connect() as connection:
                connection.query("FLUSH PRIVILEGES")
            assert log_in(towards, account, client_tls) == expected

    def test_with_an_empty_password(
        self, towards: Proxy, make_account: AccountMaker, client_tls: bool, backend_tls: bool
    ) -> None:
        account = make_account("")
        assert log_in(towards, account, client_tls) == (account.user, client_tls, backend_tls)

    def test_a_wrong_password(self, towards: Proxy, make_account: AccountMaker, client_tls: bool) -> None:
        account = make_account()
        login = {"user": account.user, "password": "wrong", **transport(client_tls)}
        error = refusal(towards.as_server, **login)
        assert error == refusal(towards.server, **login)
        assert error == (1045, f"Access denied for user '{account.user}'@'127.0.0.1' (using password: YES)")
        login["password"] = account.password
        towards.connect(**login)  # now the server's cache knows the right one
        login["password"] = "wrong"
        assert refusal(towards.as_server, **login) == error
        login["password"] = ""
        assert refusal(towards.as_server, **login) == refusal(towards.server, **login)

    @pytest.mark.parametrize("server", ["mariadb"], indirect=True)  # MySQL refuses it: 1251
    def test_a_client_that_knows_of_no_plugins(
        self, towards: Proxy, make_account: AccountMaker, client_tls: bool
    ) -> None:
        account = make_account(plugin="mysql_native_password")
        login: dict[str, Any] = {"user": account.user, "password": account.password, "tls": client_tls}
        through, direct = (
            towards.raw(USUAL & ~PLUGIN_AUTH, **login),
            towards.raw_directly(USUAL & ~PLUGIN_AUTH, **login),
        )
        assert through.query("SELECT 1") == direct.query("SELECT 1")

    @pytest.mark.parametrize("server", ["mysql"], indirect=True)
    def test_a_client_that_knows_of_no_plugins_is_refused(self, towards: Proxy, client_tls: bool) -> None:
        refusals = []
        for log_in_raw in towards.raw, towards.raw_directly:
            with pytest.raises(ConnectionError) as caught:
                log_in_raw(USUAL & ~PLUGIN_AUTH, tls=client_tls)
            refusals.append(caught.value.args)
        assert refusals[0] == refusals[1]

    def test_a_database_that_does_not_exist(self, towards: Proxy, make_account: AccountMaker, client_tls: bool) -> None:
        account = make_account(grants="SELECT ON mysql.*")
        login = {"user": account.user, "password": account.password, "database": "nowhere", **transport(client_tls)}
        error = refusal(towards.as_server, **login)
        assert error[0] in (1044, 1049)
        assert error == refusal(towards.server, **login)

    def test_the_servers_own_client(self, towards: Proxy, make_account: AccountMaker, client_tls: bool) -> None:
        account = make_account(plugin="ed25519" if towards.server.mariadb else None)
        done = log_in_by_cli(towards, account, account.password, client_tls)
        assert done.stdout == f"{account.user}@%\n", done.stderr
        done = log_in_by_cli(towards, account, "wrong", client_tls)
        refused = f"ERROR 1045 (28000): Access denied for user '{account.user}'@'127.0.0.1' (using password: YES)"
        assert refused in done.stderr

    def test_change_user(self, towards: Proxy, make_account: AccountMaker, client_tls: bool) -> None:
        first, second = make_account(), make_account()
        log_in(towards, second, client_tls)  # from here on its hash is enough, and the password itself is not asked for
        client = towards.raw(user=first.user, password=first.password, tls=client_tls)
        client.send(command(CHANGE_USER, second.user.encode() + b"\0\0\0\x2d\0" + plugin_of(towards.server) + b"\0"))
        sequence, switch = client.packet()
        plugin, nonce = switch[1:].split(b"\0", 1)
        assert plugin == plugin_of(towards.server)
        client.send(framed(scramble(plugin, second.password, nonce[:20]), sequence + 1))
        answer = client.packet()[1]
        if answer == b"\x01\x03":
            answer = client.packet()[1]
        assert answer[0] == 0
        assert second.user.encode() in client.query("SELECT USER()")[-2][1]
        assert client.ask(command(INIT_DB, b"mysql"), command(QUERY, b"DO 1"))[-1][1][0] == 0


def plugin_of(server: Server) -> bytes:
    return b"mysql_native_password" if server.mariadb else b"caching_sha2_password"


def scramble(plugin: bytes, password: str, nonce: bytes) -> bytes:
    if plugin == b"mysql_native_password":
        once = hashlib.sha1(password.encode()).digest()
        mask = hashlib.sha1(nonce + hashlib.sha1(once).digest()).digest()
    else:
        once = hashlib.sha256(password.encode()).digest()
        mask = hashlib.sha256(hashlib.sha256(once).digest() + nonce).digest()
    return bytes(a ^ b for a, b in zip(once, mask, strict=True))


def log_in_by_cli(proxy: Proxy, account: Account, password: str, tls: bool) -> "subprocess.CompletedProcess[str]":
    login = (f"--user={account.user}", f"--password={password}")
    return proxy.run_cli("SELECT CURRENT_USER()", *login, tls=tls, database="mysql")


def test_right_after_the_servers_start(
    server: Server, make_account: AccountMaker, towards: Proxy, backend_tls: bool
) -> None:
    accounts = [make_account(), make_account()]
    server.restart()
    for account, client_tls in zip(accounts, (False, True), strict=True):
        assert log_in(towards, account, client_tls) == (account.user, client_tls, backend_tls)
