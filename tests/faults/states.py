"""The states in which a fault may come to a connection, and what a client is told of it then."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import contextlib
import gc
import os
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from tests.e2e.running import transport
from tests.faults.relay import Fault, Relay, Strike, Way
from tests.servers.launch import Server

FULL: Final = os.environ.get("FAULTS") == "full"
"""Whether all is to be played, also what takes its time."""
LOST: Final = "lost"
"""Whatever PyMySQL says when the connection is gone, or silent for longer than it waits."""
PATIENCE: Final = 0.5
"""Seconds that a client waits where it would wait for ever."""
_WIDE: Final = "x" * 400
INSERT: Final = f"INSERT INTO t VALUES (1, '{_WIDE}')"
READ: Final = "SELECT REPEAT('x', 30000)"
TABLE: Final = "CREATE TABLE t (id INT PRIMARY KEY, v TEXT)"


class State(Enum):
    """What is going on when the fault comes."""

    ARRIVAL = "before a byte has gone any way"
    GREETING = "in the middle of the greeting"
    LOGIN = "in the middle of the client's first packet"
    IDLE = "between two commands"
    COMMAND = "in the middle of a command"
    ANSWER = "before the answer to a command that has been run"
    REPLY = "in the middle of a large reply"
    TRANSACTION = "between two commands of a transaction"


@dataclass(frozen=True)
class Scene:
    """A fault in a state. at: where the client connects; relay: where the fault comes, before or behind a proxy."""

    at: Server
    relay: Relay
    state: State
    fault: Fault
    tls: bool

    def play(self, database: str) -> tuple[list[str], str]:
        """Be the client; return what it was told, command by command, and the name of its lock at the server."""
        lock = f"lock_{secrets.token_hex(6)}"
        heard: list[str] = []
        client = None
        patience = PATIENCE if self.fault is Fault.BLACK_HOLE else 60.0
        with self._struck_before_login():
            try:
                client = self.at.connect(
                    database=database, read_timeout=patience, write_timeout=patience, **transport(self.tls)
                )
            except pymysql.err.OperationalError as error:
                heard.append(_word(error))
        if client is None:
            if self.tls and self.fault is Fault.RESET:
                _collect_sockets()
            return heard, lock
        try:
            heard.append(ask(client, f"SELECT GET_LOCK('{lock}', 0)"))
            heard += self._after_login(client)
        finally:
            leave(client)
        return heard, lock

    @contextmanager
    def _struck_before_login(self) -> Iterator[None]:
        strike = None
        match self.state:
            case State.ARRIVAL:
                strike = self.relay.on_arrival(self.fault)
            case State.GREETING:
                strike = self.relay.after(20, self.fault, Way.DOWN, coming=True)
            case State.LOGIN:
                strike = self.relay.after(20, self.fault, Way.UP, coming=True)
        yield
        if strike is not None:
            strike.wait()

    def _after_login(self, client: Connection[Cursor]) -> list[str]:
        match self.state:
            case State.IDLE:
                self.relay.now(self.fault)
                return [ask(client, "SELECT 1")]
            case State.COMMAND:
                return self._struck(self.relay.after(100, self.fault, Way.UP), client, INSERT)
            case State.ANSWER:
                return self._struck(self.relay.after(0, self.fault, Way.DOWN), client, INSERT)
            case State.REPLY:
                return self._struck(self.relay.after(1000, self.fault, Way.DOWN), client, READ)
            case State.TRANSACTION:
                heard = [ask(client, "BEGIN"), ask(client, INSERT)]
                self.relay.now(self.fault)
                return [*heard, ask(client, "COMMIT")]
        return [ask(client, "SELECT 1")]

    def _struck(self, strike: Strike, client: Connection[Cursor], statement: str) -> list[str]:
        answer = ask(client, statement)
        strike.wait()
        return [answer]


def _collect_sockets() -> None:
    """Take away what ssl leaves open of a connection that breaks off in the moment in which a handshake is to begin."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def ask(client: Connection[Cursor], statement: str) -> str:
    """Run a statement; return its rows, or its error, as text."""
    try:
        with client.cursor() as cursor:
            cursor.execute(statement)
            return str(cursor.fetchall())
    except pymysql.err.Error as error:
        return _word(error)


def leave(client: Connection[Cursor]) -> None:
    """Close a connection without a word."""
    client._force_close()  # type: ignore[attr-defined]


def _word(error: pymysql.err.Error) -> str:
    code, text = (*error.args, "", "")[:2]
    own = code in (0, "", 2006, 2013) or (code == 2003 and " server on '" in text)  # 2003 may be the proxy's, too
    return LOST if own else f"{code} {text}"


def rows_left(onlooker: Connection[Cursor], lock: str) -> tuple[Any, ...]:
    """Wait until the session that holds a lock is over at the server; read the table then, and empty it."""
    with onlooker.cursor() as cursor:
        cursor.execute(f"SELECT GET_LOCK('{lock}', 30)")
        assert cursor.fetchone() == (1,)
        cursor.execute("SELECT id FROM t")
        found = cursor.fetchall()
        for statement in (f"SELECT RELEASE_LOCK('{lock}')", "DELETE FROM t"):
            cursor.execute(statement)
    return tuple(found)


@contextmanager
def onlooking(server: Server, database: str, *statements: str) -> Iterator[Connection[Cursor]]:
    """Log in to the server itself for the length of the block, and run statements first."""
    with contextlib.closing(server.connect(database=database)) as connection:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        yield connection


def named(value: object) -> str | None:
    """Name a parameter of a test by what it is called."""
    return value.name.lower() if isinstance(value, Enum) else None
