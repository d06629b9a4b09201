"""What breaks a statement or a session off looks the same through the proxy as directly: an error, or the end."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.ends import SLOW, everything, wait_until_it_runs
from tests.e2e.raw import QUERY, RawClient, command, split
from tests.e2e.running import Proxy, in_front_of, proxied
from tests.e2e.users import run
from tests.servers.launch import Server

SLEEP = "SELECT SLEEP(60)"
DIGITS = "(SELECT 0 d" + "".join(f" UNION ALL SELECT {digit}" for digit in range(1, 10)) + ")"
ENDLESS = "SELECT REPEAT('0123456789abcdef', 4096) FROM " + ", ".join(f"{DIGITS} {name}" for name in "abcdefgh")
MIB = 1 << 20
TIMEOUTS = {
    "mysql": [
        (3024, "SET SESSION max_execution_time = 50", SLOW),
        (3024, "DO 1", SLOW.replace("SELECT", "SELECT /*+ MAX_EXECUTION_TIME(50) */", 1)),
    ],
    "mariadb": [
        (1969, "SET SESSION max_statement_time = 0.05", SLOW),
        (1969, "DO 1", f"SET STATEMENT max_statement_time = 0.05 FOR {SLOW}"),
    ],
}

tls_and_not = pytest.mark.parametrize("tls", [False, True], ids=["", "tls"])


def both(proxy: Proxy, tls: bool = False) -> tuple[RawClient, RawClient]:
    """A session directly and one through the proxy."""
    return proxy.raw_directly(tls=tls), proxy.raw(tls=tls)


def connection_id(client: RawClient) -> int:
    return int(client.query("SELECT CONNECTION_ID()")[-2][1][1:])


def last(data: bytes) -> bytes:
    """The payload of the last packet; of a statement of many rows, the definitions may have come before it or not."""
    packets = split(data)
    return packets[-1][1] if packets else b""


def error(payload: bytes) -> int:
    return int.from_bytes(payload[1:3], "little") if payload[:1] == b"\xff" else 0


def read_at_least(client: RawClient, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += client.socket.recv(MIB)
    return data


@tls_and_not
@pytest.mark.parametrize("statement", [SLOW, SLEEP], ids=["many", "one"])
def test_kill_query(proxy: Proxy, tls: bool, statement: str) -> None:
    seen = []
    for client in both(proxy, tls):
        number = connection_id(client)
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(client.ask_bytes, command(QUERY, statement.encode()))
            wait_until_it_runs(proxy.connect_directly(), number, statement)
            run(proxy.connect(), f"KILL QUERY {number}")
            seen.append(last(reading.result(60)))
        assert client.query("SELECT 1")[-2][1] == b"\x011"
    assert seen[0] == seen[1]
    assert error(seen[0]) == (0 if statement == SLEEP and not proxy.server.mariadb else 1317)


@tls_and_not
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_kill_connection(proxy: Proxy, tls: bool, busy: bool) -> None:
    seen = []
    for client in both(proxy, tls):
        number = connection_id(client)
        if busy:
            client.send(command(QUERY, SLOW.encode()))
            wait_until_it_runs(proxy.connect_directly(), number, SLOW)
        run(proxy.connect(), f"KILL CONNECTION {number}")
        seen.append(last(everything(client)))
    assert seen[0] == seen[1]


@tls_and_not
def test_a_time_limit_of_a_statement(proxy: Proxy, tls: bool) -> None:
    for number, setting, statement in TIMEOUTS[proxy.server.name]:
        replies = []
        for client in both(proxy, tls):
            client.query(setting)
            replies.append(last(client.ask_bytes(command(QUERY, statement.encode()))))
        assert replies[0] == replies[1]
        assert error(replies[0]) == number


@tls_and_not
def test_wait_timeout(proxy: Proxy, tls: bool) -> None:
    """The server's own word about it, unasked, is the client's to read."""
    clients = both(proxy, tls)
    for client in clients:
        client.query("SET SESSION wait_timeout = 1")
    seen = [everything(client) for client in clients]
    assert seen[0] == seen[1]
    assert error(last(seen[0])) == (0 if proxy.server.mariadb else 4031)


@pytest.mark.own_server
@tls_and_not
def test_the_server_shuts_down(mortal: Server, tls: bool) -> None:
    with proxied(in_front_of(mortal), mortal) as proxy:
        idle, busy = both(proxy, tls), both(proxy, tls)
        with mortal.connect() as onlooker:
            for client in busy:
                number = connection_id(client)
                client.send(command(QUERY, SLOW.encode()))
                wait_until_it_runs(onlooker, number, SLOW)
        mortal.stop()
        seen = [[last(everything(client)) for client in clients] for clients in (idle, busy)]
    assert seen[0][0] == seen[0][1]
    assert seen[1][0] == seen[1][1]
    assert error(seen[1][0]) == (0 if mortal.mariadb else 1053)


@pytest.mark.own_server
def test_the_server_is_killed_in_the_middle_of_a_large_result(mortal: Server) -> None:
    with proxied(in_front_of(mortal), mortal) as proxy:
        clients = both(proxy)
        starts = []
        for client in clients:
            client.send(command(QUERY, ENDLESS.encode()))
            starts.append(read_at_least(client, 2 * MIB))
        mortal.kill()
        direct, through = (start + everything(client) for start, client in zip(starts, clients, strict=True))
        size = min(len(direct), len(through))
        assert direct[:size] == through[:size]
        assert proxy.counted("keyclash_sessions_total") == {("backend_closed",): 1}
