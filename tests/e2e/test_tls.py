"""The modes of TLS towards clients and towards the server."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pymysql
import pytest

from proxy.config import BackendTls, BackendTlsMode, ClientTls, ClientTlsMode
from tests.e2e.running import Proxy, in_front_of, proxied, thread_id, transport
from tests.e2e.users import rows
from tests.servers.certificates import make_certificates
from tests.servers.launch import Server

CERTIFICATE = "SHOW STATUS LIKE 'Ssl_cipher'"


@contextmanager
def backend(server: Server, mode: BackendTlsMode, **options: Path | str | None) -> Iterator[Proxy]:
    with proxied(in_front_of(server, backend_tls=BackendTls(mode, **options)), server) as proxy:  # type: ignore[arg-type]
        yield proxy


@contextmanager
def client(
    server: Server, mode: ClientTlsMode, towards: BackendTlsMode = BackendTlsMode.PREFERRED, **options: Path
) -> Iterator[Proxy]:
    config = in_front_of(server, client_tls=ClientTls(mode, **options), backend_tls=BackendTls(towards))
    with proxied(config, server) as proxy:
        yield proxy


def encrypted(proxy: Proxy, tls: bool) -> bool:
    """Whether the proxy's connection to the server is encrypted for a client with or without TLS."""
    with proxy.connect(**transport(tls)) as connection:
        return bool(rows(connection, CERTIFICATE)[0][1])


def refusal(proxy: Proxy, **arguments: object) -> tuple[int, str]:
    """The error of a login that is refused."""
    with pytest.raises(pymysql.err.OperationalError) as caught:
        proxy.connect(**arguments)
    number, message = caught.value.args
    return number, message


class TestBackend:
    def test_preferred(self, server: Server) -> None:
        with backend(server, BackendTlsMode.PREFERRED) as proxy:
            assert encrypted(proxy, tls=False)
            assert encrypted(proxy, tls=True)

    def test_as_client(self, server: Server) -> None:
        with backend(server, BackendTlsMode.AS_CLIENT) as proxy:
            assert not encrypted(proxy, tls=False)
            assert encrypted(proxy, tls=True)

    def test_verify_ca(self, server: Server) -> None:
        with backend(server, BackendTlsMode.VERIFY_CA, ca=server.ca) as proxy:
            assert encrypted(proxy, tls=False)

    def test_verify_ca_of_another_authority(self, server: Server, tmp_path: Path) -> None:
        other = make_certificates(tmp_path).ca
        with backend(server, BackendTlsMode.VERIFY_CA, ca=other) as proxy:
            number, message = refusal(proxy)
            assert number == 2003
            assert "certificate verify failed" in message
            assert proxy.counted("keyclash_sessions_total", result="backend_unreachable") == {(): 1}

    @pytest.mark.parametrize("server", ["mariadb"], indirect=True)  # MySQL's own certificate names no host
    @pytest.mark.parametrize("name", [None, "localhost"])
    def test_verify_identity(self, server: Server, name: str | None) -> None:
        with backend(server, BackendTlsMode.VERIFY_IDENTITY, ca=server.ca, server_name=name) as proxy:
            assert encrypted(proxy, tls=True)

    def test_verify_identity_of_another_name(self, server: Server) -> None:
        with backend(server, BackendTlsMode.VERIFY_IDENTITY, ca=server.ca, server_name="db.example.com") as proxy:
            number, message = refusal(proxy)
            assert number == 2003
            assert "certificate verify failed" in message


class TestClient:
    def test_disabled(self, server: Server) -> None:
        with client(server, ClientTlsMode.DISABLED) as proxy:
            assert encrypted(proxy, tls=False)
            number, message = refusal(proxy, ssl_verify_cert=False, ssl_ca=str(server.ca))
            assert (number, message) == (2026, "SSL is required but the server doesn't support it")

    def test_required(self, server: Server) -> None:
        with client(server, ClientTlsMode.REQUIRED) as proxy:
            assert encrypted(proxy, tls=True)
            assert refusal(proxy) == (
                3159,
                "Connections using insecure transport are prohibited while --require_secure_transport=ON.",
            )
            assert proxy.counted("keyclash_sessions_total", result="insecure_transport") == {(): 1}

    def test_certificate_from_files(self, server: Server, tmp_path: Path) -> None:
        files = make_certificates(tmp_path)
        with client(server, ClientTlsMode.REQUIRED, cert=files.certificate, key=files.key) as proxy:
            trusting = ssl.create_default_context(cafile=str(files.ca))
            with proxy.connect(host="localhost", ssl=trusting) as connection:
                assert rows(connection, "SELECT 1") == [(1,)]

    def test_passthrough(self, server: Server) -> None:
        with client(server, ClientTlsMode.PASSTHROUGH, BackendTlsMode.AS_CLIENT) as proxy:
            trusting = ssl.create_default_context(cafile=str(server.ca))
            trusting.check_hostname = False  # MySQL's own certificate names no host
            trusting.verify_flags &= ~ssl.VERIFY_X509_STRICT
            with proxy.connect(ssl=trusting) as connection:
                assert rows(connection, CERTIFICATE)[0][1]
                assert rows(connection, "SELECT CONNECTION_ID()") == [(thread_id(connection),)]
            assert not encrypted(proxy, tls=False)
