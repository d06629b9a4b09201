"""Certificates of clients, and the versions of TLS, on servers that speak one version only."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from proxy.config import BackendTls, BackendTlsMode, ClientTls, ClientTlsMode
from tests.e2e.authority import Authority, Pair
from tests.e2e.running import Proxy, in_front_of, proxied, transport
from tests.e2e.users import rows
from tests.servers.accounts import account_maker
from tests.servers.launch import Server, running
from tests.servers.recipes import ServerName

pytestmark = pytest.mark.own_server

TLS_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
NAMES: tuple[ServerName, ...] = ("mysql", "mariadb")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> Pair:
    """The proxy's certificate, as a client of the server."""
    return authority.make("the proxy")


@pytest.fixture(scope="module", params=TLS_VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=NAMES)
def of_one_version(request: pytest.FixtureRequest, version: str, authority: Authority) -> Iterator[Server]:
    """A server that speaks one version of TLS and trusts the authority."""
    certificate = authority.make("server")
    options = (
        f"--tls-version={version}",
        f"--ssl-ca={authority.certificate}",
        f"--ssl-cert={certificate.certificate}",
        f"--ssl-key={certificate.key}",
    )
    with running(request.param, options) as server:
        yield server


def towards(server: Server, authority: Authority, own: Pair | None) -> BackendTls:
    files: dict[str, Any] = {"cert": own.certificate, "key": own.key} if own else {}
    return BackendTls(BackendTlsMode.VERIFY_IDENTITY, ca=authority.certificate, **files)


def status(proxy: Proxy, **login: Any) -> str:
    """Log in; return the version of TLS between the proxy and the server, or between the ends."""
    with proxy.connect(**login) as connection:
        return str(rows(connection, "SHOW STATUS LIKE 'Ssl_version'")[0][1])


def only(version: str, authority: Path | None = None, own: Pair | None = None) -> ssl.SSLContext:
    """Make a client's context for one version; it verifies if it knows an authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = TLS_VERSIONS[version]
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if authority is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority)
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    return context


@pytest.mark.parametrize("client_version", TLS_VERSIONS)
def test_each_side_has_its_own_version(
    of_one_version: Server, authority: Authority, version: str, client_version: str
) -> None:
    config = in_front_of(of_one_version, backend_tls=towards(of_one_version, authority, None))
    with proxied(config, of_one_version) as proxy:
        with proxy.connect(ssl=only(client_version)) as connection:
            assert vars(connection)["_sock"].version() == client_version
            assert rows(connection, "SHOW STATUS LIKE 'Ssl_version'") == [("Ssl_version", version)]
            assert rows(connection, "SELECT REPEAT('x', 5000000)") == [("x" * 5_000_000,)]
        assert status(proxy, **transport(False)) == version


@pytest.mark.parametrize("client_tls", [False, True], ids=["plain", "tls"])
def test_accounts_that_require_a_certificate(
    of_one_version: Server, authority: Authority, own: Pair, client_tls: bool
) -> None:
    with account_maker(of_one_version) as make:
        accounts = [make(require=what) for what in ("X509", "SUBJECT '/CN=the proxy'", "ISSUER '/CN=authority'")]
        other = make(require="SUBJECT '/CN=somebody else'")
        config = in_front_of(of_one_version, backend_tls=towards(of_one_version, authority, own))
        with proxied(config, of_one_version) as proxy:
            for account in accounts:
                assert status(proxy, user=account.user, password=account.password, **transport(client_tls))
            with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
                proxy.connect(user=other.user, password=other.password, **transport(client_tls))
        config = in_front_of(of_one_version, backend_tls=towards(of_one_version, authority, None))
        with proxied(config, of_one_version) as proxy:
            for account in accounts:
                with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
                    proxy.connect(user=account.user, password=account.password, **transport(client_tls))


class TestPassthrough:
    @pytest.fixture
    def passing(self, of_one_version: Server) -> Iterator[Proxy]:
        config = in_front_of(of_one_version, client_tls=ClientTls(ClientTlsMode.PASSTHROUGH))
        with proxied(config, of_one_version) as proxy:
            yield proxy

    def test_the_clients_own_certificate_reaches_the_server(
        self, passing: Proxy, authority: Authority, own: Pair, version: str
    ) -> None:
        with account_maker(passing.server) as make:
            account = make(require="SUBJECT '/CN=the proxy'")
            login = {"user": account.user, "password": account.password}
            assert status(passing, ssl=only(version, authority.certificate, own), **login) == version
            with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
                passing.connect(ssl=only(version, authority.certificate), **login)

    def test_nothing_is_seen_of_what_is_encrypted(self, passing: Proxy, version: str) -> None:
        seen = []
        for context in (only(version), None):
            with passing.connect(**({"ssl": context} if context else {"ssl_disabled": True})) as connection:
                for statement in (
                    "CREATE DATABASE IF NOT EXISTS hidden",
                    "CREATE TABLE IF NOT EXISTS hidden.t (id INT PRIMARY KEY)",
                    "INSERT IGNORE INTO hidden.t VALUES (1)",
                ):
                    connection.query(statement)
                with pytest.raises(pymysql.err.IntegrityError):
                    connection.query("INSERT INTO hidden.t VALUES (1)")
            seen.append(sum(passing.counted("keyclash_conflicts_total").values()))
        assert seen == [0, 1]

    def test_a_version_that_the_server_does_not_speak(self, passing: Proxy, version: str) -> None:
        [wrong] = set(TLS_VERSIONS) - {version}
        with pytest.raises(pymysql.err.OperationalError):
            passing.connect(ssl=only(wrong))
        assert status(passing, ssl=only(version)) == version

    def test_no_handshake_where_one_must_come(self, passing: Proxy, version: str) -> None:
        address = passing.running.address
        flags = (1 << 9 | 1 << 11 | 1 << 15).to_bytes(4, "little")
        request = b"\x20\0\0\1" + flags + bytes(4) + b"\x2d" + bytes(23)
        for behind in (b"GET / HTTP/1.1\r\n\r\n" * 20, b"", b"\x16\x03\x01\xff\xff" + bytes(300)):
            with socket.create_connection((address.host, address.port), timeout=30) as stream:
                stream.recv(1 << 16)
                stream.sendall(request + behind)
                stream.shutdown(socket.SHUT_WR)
                while stream.recv(1 << 16):
                    pass
        assert status(passing, ssl=only(version)) == version


def test_passing_through_to_a_server_without_tls() -> None:
    """The client is offered what the server offers: nothing."""
    with running("mariadb", ("--skip-ssl",)) as server:
        config = in_front_of(server, client_tls=ClientTls(ClientTlsMode.PASSTHROUGH))
        with proxied(config, server) as proxy:
            with pytest.raises(pymysql.err.OperationalError, match="SSL is required but the server doesn't support it"):
                proxy.connect(ssl=only("TLSv1.3"))
            assert status(proxy, **transport(False)) == ""
