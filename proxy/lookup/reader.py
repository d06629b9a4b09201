"""Reads definitions in a thread of its own, over one connection that is kept."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import asyncio
import math
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from proxy.lookup.definition import LookupFailedError, Row, read_definition
from proxy.lookup.source import Source, dialect_of, log_in, open_socket
from proxy.rules.table import Missing, Table

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 15.0
"""Seconds between attempts to connect: doubled after each that failed. A server may lock an account, or block a host,
after too many of them (MySQL manual, FAILED_LOGIN_ATTEMPTS and "max_connect_errors")."""

_CLOSING: Final = 1.0
"""Seconds that the thread may take to say good-bye to the server."""


class Reader:
    """Reads one definition at a time; the connection is made when it is first needed, and again when it was lost.

    Each wait for the server is bounded; the whole is bounded by whoever calls and may cancel.
    clock: seconds, monotonic.
    """

    def __init__(self, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lookup")
        self._connection: Connection[Cursor] | None = None
        self._handle: socket.socket | None = None
        self._handle_lock = threading.Lock()
        self._pause = FIRST_PAUSE
        self._not_before = -math.inf
        self._why = ""

    async def read(self, schema: str, table: str) -> Table | Missing:
        """Read the definition of a table or view. A call that is cancelled cuts the connection.

        Raises LookupFailedError when the server cannot be asked.
        """
        given_up = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, schema, table, given_up)
        except asyncio.CancelledError:
            given_up.set()
            self._cut()
            raise

    async def close(self) -> None:
        """Leave the server. What is still being read is cut off."""
        try:
            async with asyncio.timeout(_CLOSING):
                await asyncio.get_running_loop().run_in_executor(self._thread, self._drop)
        except TimeoutError:
            self._cut()
        self._thread.shutdown(wait=False)

    def _cut(self) -> None:
        """End the waits of the thread; its sockets are its own, but their connection can be shut down from here."""
        with self._handle_lock, suppress(OSError):
            if self._handle is not None:
                self._handle.shutdown(socket.SHUT_RDWR)

    # The rest runs in the thread.

    def _read(self, schema: str, table: str, given_up: threading.Event) -> Table | Missing:
        if self._connection is not None:
            # It may have ended long ago: the server was restarted, or its wait_timeout is over.
            with suppress(pymysql.Error, OSError):
                return self._read_connected(schema, table, given_up)
            self._drop()
        try:
            return self._read_connected(schema, table, given_up)
        except LookupFailedError:
            raise
        except Exception as error:
            # PyMySQL raises almost anything when an answer makes no sense.
            self._drop()
            raise LookupFailedError(_words(error)) from error

    def _read_connected(self, schema: str, table: str, given_up: threading.Event) -> Table | Missing:
        def ask(statement: str, values: Sequence[str] = ()) -> Sequence[Row]:
            if given_up.is_set():
                raise LookupFailedError("given up")
            with connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall()

        if given_up.is_set():
            raise LookupFailedError("given up")
        connection = self._connection or self._connect()
        return read_definition(ask, dialect_of(connection), schema, table)

    def _connect(self) -> Connection[Cursor]:
        if self._clock() < self._not_before:
            raise LookupFailedError(self._why)
        try:
            sock = open_socket(self._source)
            # Once TLS has taken the socket over, only a duplicate can be shut down from another thread.
            self._handle = sock.dup()
            self._connection = log_in(self._source, sock)
        except Exception as error:
            self._why = _words(error)
            self._not_before = self._clock() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            raise
        self._pause = FIRST_PAUSE
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(pymysql.Error, OSError):
                connection.close()
        with self._handle_lock:
            if self._handle is not None:
                self._handle.close()
            self._handle = None


def _words(error: Exception) -> str:
    """Say what the server or the system said; neither ever names a password."""
    if isinstance(error, pymysql.Error) and len(error.args) > 1:
        return f"{error.args[0]}: {error.args[1]}"
    return f"{type(error).__name__}: {error}"
