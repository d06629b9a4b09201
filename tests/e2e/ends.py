"""Waits for what a test is about to break off, and reads what a client gets of it."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import contextlib

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from tests.e2e.raw import RawClient
from tests.e2e.users import rows

SLOW = "SELECT COUNT(*) FROM information_schema.tables a, information_schema.tables b WHERE SLEEP(1)"


def wait_until_it_runs(onlooker: Connection[Cursor], thread_id: int, statement: str) -> None:
    """Ask the server until this thread runs this statement."""
    query = f"SELECT COUNT(*) FROM information_schema.processlist WHERE id = {thread_id} AND info = '{statement}'"
    while rows(onlooker, query) != [(1,)]:
        pass


def wait_until_it_is_gone(onlooker: Connection[Cursor], thread_id: int) -> None:
    """Ask the server until it has no such thread any more: its client hears of its end a moment before."""
    while rows(onlooker, f"SELECT COUNT(*) FROM information_schema.processlist WHERE id = {thread_id}") != [(0,)]:
        pass


def everything(client: RawClient) -> bytes:
    """Read until the server closes the connection, or breaks it off."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while part := client.socket.recv(65536):
            data += part
    return data
