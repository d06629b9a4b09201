"""Faults between the two statements of a resolution, where only the proxy knows that there are two.

Whatever comes, the row is what one of the two left behind, the client is told the truth, and nothing is done twice.
"""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import itertools
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from proxy.config import BackendTls, BackendTlsMode
from proxy.rules.match import RuleSet
from tests.e2e.raw import QUERY, command
from tests.e2e.running import Proxy, in_front_of, proxied, rules_from
from tests.e2e.users import ALICE, USERS, rows, rule, run
from tests.faults.relay import LOCALHOST, Fault, Relay, Strike, Way, relaying
from tests.faults.states import FULL, LOST, PATIENCE, ask, leave, named, onlooking
from tests.servers.launch import Server

COUNTED: Final = "action: update; set: {logins: old.logins + new.logins}"
FIRST: Final = len(command(QUERY, ALICE.encode()))
DONE: Final = "[]"
"""What a client is told of a statement without rows."""


@dataclass(frozen=True)
class Stage:
    """A proxy with a rule, and a relay on either side of it. answer: the bytes of the server's 1062."""

    database: str
    proxy: Proxy
    front: Relay
    back: Relay
    onlooker: Connection[Cursor]
    answer: int

    @contextmanager
    def client(self, patience: float = 60.0) -> Iterator[Connection[Cursor]]:
        arguments = {"port": self.front.port, "read_timeout": patience, "write_timeout": patience}
        client = self.proxy.connect(database=self.database, **arguments)
        assert ask(client, f"SELECT GET_LOCK('{self.database}', 30)") == "((1,),)"
        yield client
        leave(client)

    def second(self, fault: Fault) -> Strike:
        """Let a fault come in the middle of the second statement."""
        return self.back.after(FIRST + 60, fault, Way.UP)

    def logins(self) -> int:
        """Tell what Alice's row says once all sessions are over, and let it begin anew."""
        while self.proxy.running.counters.sessions:
            pass
        assert rows(self.onlooker, f"SELECT GET_LOCK('{self.database}', 30)") == [(1,)]
        [(found,)] = rows(self.onlooker, "SELECT logins FROM users")
        run(self.onlooker, "UPDATE users SET logins = 1", f"DO RELEASE_LOCK('{self.database}')")
        return int(found)


@pytest.fixture(scope="module")
def stage(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    database = f"resolved_{secrets.token_hex(6)}"
    rules = rules_from(rule("count", f"{database}.users", COUNTED), tmp_path_factory.mktemp("rules"))
    with onlooking(server, "", f"CREATE DATABASE {database}") as creator:
        yield from staged(server, database, rules)
        run(creator, f"DROP DATABASE {database}")


def staged(server: Server, database: str, rules: RuleSet) -> Iterator[Stage]:
    with onlooking(server, database, USERS, ALICE) as onlooker, relaying(server.host, server.port) as back:
        behind = replace(server, host=LOCALHOST, port=back.port)
        plain = in_front_of(behind, backend_tls=BackendTls(BackendTlsMode.DISABLED))
        with proxied(plain, server, rules) as proxy:
            answer = sum(4 + len(payload) for _, payload in proxy.raw_directly(database=database).query(ALICE))
            with relaying(proxy.running.address.host, proxy.running.address.port) as front:
                yield Stage(database, proxy, front, back, onlooker, answer)


BREAKS: Final = (Fault.CUT, Fault.RESET, Fault.HALF_CLOSE)
BEGINS: Final = ("DO 1", "BEGIN")
ALL_BREAKS: Final = [*itertools.product(BREAKS, BEGINS), *itertools.product([Fault.BLACK_HOLE], BEGINS[not FULL :])]
HALF_A_PACKET: Final = "1158 Got an error reading communication packets"
"""What MySQL says to it; MariaDB closes the connection without a word."""


@pytest.mark.parametrize(("fault", "begin"), ALL_BREAKS, ids=named)
def test_a_server_that_is_lost_in_between(stage: Stage, fault: Fault, begin: str) -> None:
    for answered in (False, True):
        with stage.client(PATIENCE if fault is Fault.BLACK_HOLE else 60.0) as client:
            run(client, begin)
            strike = stage.back.after(stage.answer, fault, Way.DOWN) if answered else stage.second(fault)
            half = fault is Fault.HALF_CLOSE and not answered and not stage.proxy.server.mariadb
            assert ask(client, ALICE) == (HALF_A_PACKET if half else LOST)
            strike.wait()
        stage.back.forget()
        assert stage.logins() == (2 if answered and begin != "BEGIN" else 1)


@pytest.mark.parametrize("fault", [Fault.DELAYED, Fault.BYTE_BY_BYTE], ids=named)
def test_a_server_that_is_slow_in_between(stage: Stage, fault: Fault) -> None:
    with stage.client() as client:
        strike = stage.second(fault)
        assert ask(client, ALICE) == DONE
        strike.wait()
    assert stage.logins() == 2


@pytest.mark.parametrize(("fault", "begin"), [*itertools.product(BREAKS, BEGINS)], ids=named)
def test_a_client_that_is_lost_in_between(stage: Stage, fault: Fault, begin: str) -> None:
    with stage.client() as client, ThreadPoolExecutor(1) as pool:
        run(client, begin)
        held = stage.second(Fault.HOLD)
        asking = pool.submit(ask, client, ALICE)
        held.wait()
        stage.front.now(fault)
        if fault is not Fault.HALF_CLOSE:
            assert asking.result(30) == LOST
        stage.back.go_on()
        # Who has closed one direction only is told what has become of it.
        assert asking.result(30) == (DONE if fault is Fault.HALF_CLOSE else LOST)
    # A connection that is broken off takes along what is on its way.
    assert stage.logins() in ((1,) if begin == "BEGIN" else (1, 2) if fault is Fault.RESET else (2,))
