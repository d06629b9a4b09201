"""The embedded backend: mysql-mimic's server in front of the engine, in a thread of its own, on a loopback port.

mysql-mimic 3.0.5 has faults that are kept out of the way here rather than patched there: it cannot tell affected rows,
insert ids, SQLSTATEs or the information text, it breaks on a packet header that arrives in two pieces, it answers on
after a failed login, and its reply to a PREPARE holds an EOF too many under CLIENT_DEPRECATE_EOF. So every user is let
in, neither TLS nor CLIENT_DEPRECATE_EOF is offered, and OK and ERR packets are made here.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import io
import logging
import re
import struct
import threading
from collections.abc import Iterator
from typing import Any

import sqlglot
import sqlglot.errors
from mysql_mimic import packets  # type: ignore[import-untyped]
from mysql_mimic.auth import SimpleIdentityProvider  # type: ignore[import-untyped]
from mysql_mimic.connection import Connection  # type: ignore[import-untyped]
from mysql_mimic.constants import DEFAULT_SERVER_CAPABILITIES  # type: ignore[import-untyped]
from mysql_mimic.control import LocalControl  # type: ignore[import-untyped]
from mysql_mimic.prepared import REGEX_PARAM, PreparedStatement  # type: ignore[import-untyped]
from mysql_mimic.session import Query, Session  # type: ignore[import-untyped]
from mysql_mimic.stream import MysqlStream  # type: ignore[import-untyped]
from mysql_mimic.types import Capabilities, ServerStatus, uint_len  # type: ignore[import-untyped]
from mysql_mimic.variables import GlobalVariables, SessionVariables  # type: ignore[import-untyped]
from sqlglot import exp

from proxy.demo.engine import Attendance, Effect, Engine, Rows
from proxy.demo.errors import ServerError, sqlstate, syntax

VERSION = "8.4.0"
"""What the greeting says: the MySQL whose grammar is spoken here. @@version_comment says what it really is."""

_CAPABILITIES = (DEFAULT_SERVER_CAPABILITIES | Capabilities.CLIENT_FOUND_ROWS | Capabilities.CLIENT_TRANSACTIONS) & ~(
    Capabilities.CLIENT_DEPRECATE_EOF | Capabilities.CLIENT_QUERY_ATTRIBUTES
)
_SQL_MODE = (
    "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,"
    "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
)
_LOCK_WAIT = 10.0  # seconds; a session in a transaction keeps all others waiting, for there is one SQLite
_EFFECTS = exp.DML | exp.Create | exp.Drop | exp.TruncateTable | exp.Transaction | exp.Commit | exp.Rollback
_SSL_REQUEST = 32  # bytes; a login packet is longer
_REPLACE = re.compile(r"\s*REPLACE\b", re.IGNORECASE)


class _WholeReader(asyncio.StreamReader):
    """Hands mysql-mimic packets that it does not stumble over.

    It takes whatever the first segment holds for the four bytes of a header, and looks for ever for the NUL behind the
    user's name in a login packet that has none.
    """

    _login = True

    async def read(self, n: int = -1) -> bytes:
        """Read a header: all of it, or nothing at the end."""
        try:
            return await super().readexactly(n)
        except asyncio.IncompleteReadError:
            return b""

    async def readexactly(self, n: int) -> bytes:
        """Read a payload; the login's gets NULs at its end, where nothing reads them but a search."""
        payload = await super().readexactly(n)
        login, self._login = self._login, False
        return payload + bytes(4) if login and n > _SSL_REQUEST else payload


class _Session(Session):  # type: ignore[misc]
    """One client's session: SET, SHOW, USE and the like are mysql-mimic's, the rest goes to the engine."""

    def __init__(self, engine: Engine, turn: asyncio.Lock) -> None:
        variables = SessionVariables(GlobalVariables())
        variables.set("version", VERSION, force=True)
        variables.set("version_comment", "Keyclash demo: mysql-mimic over SQLite", force=True)
        variables.set("sql_mode", _SQL_MODE)
        super().__init__(variables)
        self.middlewares = [
            self._engine_middleware,
            self._set_var_middleware,
            self._set_middleware,
            self._use_middleware,
            self._kill_middleware,
            self._show_middleware,
            self._describe_middleware,
            self._info_schema_middleware,
        ]
        self.attendance = Attendance()
        self.effect = Effect()
        self._engine = engine
        self._turn = turn
        self._replaces = False

    async def init(self, connection: Connection) -> None:
        await super().init(connection)
        self.attendance.found_rows = Capabilities.CLIENT_FOUND_ROWS in connection.capabilities
        if self.database:
            await self.use(self.database)

    async def close(self) -> None:
        if self.attendance.in_transaction:
            self._engine.end(self.attendance)
            self._turn.release()
        await super().close()

    async def use(self, database: str) -> None:
        self._engine.use(database, self.attendance)
        await super().use(database)

    async def schema(self) -> Any:
        return self._engine.schemas()

    async def handle_query(self, sql: str, attrs: dict[str, str]) -> Any:
        self.effect = Effect()
        result = await super().handle_query(sql, attrs)
        autocommit = bool(self.variables.get("autocommit"))
        if autocommit != self.attendance.autocommit:
            held = self.attendance.in_transaction
            self._engine.set_autocommit(self.attendance, autocommit=autocommit)
            self._pass_on_turn(held=held)
        return result

    def _parse(self, sql: str) -> list[exp.Expr]:
        self._replaces = bool(_REPLACE.match(sql))
        text = _REPLACE.sub("INSERT", sql, count=1) if self._replaces else sql
        try:
            found = [statement for statement in sqlglot.parse(text, read="mysql") if statement is not None]
        except sqlglot.errors.SqlglotError as error:
            raise syntax(sql) from error
        if not found:
            raise ServerError(1065, "Query was empty")
        if len(found) > 1:
            raise syntax(sql.partition(";")[2].strip())
        return found

    async def _engine_middleware(self, query: Query) -> Any:
        """Take statements with effects past mysql-mimic, which would replace CURRENT_TIMESTAMP in a definition."""
        if isinstance(query.expression, _EFFECTS):
            return await self._run(query.expression)
        return await query.next()

    async def query(self, expression: exp.Expr, sql: str, attrs: dict[str, str]) -> Any:
        return await self._run(expression)

    async def _run(self, statement: exp.Expr) -> Any:
        alone = isinstance(statement, exp.Query) and statement.find(exp.Table) is None
        if not self.attendance.in_transaction and not alone:
            await self._take_turn()
        try:
            result = self._engine.execute(statement, self.attendance, replace=self._replaces)
        finally:
            self._pass_on_turn(held=not alone)
        if isinstance(result, Rows):
            return result.rows, result.columns
        self.effect = result
        return None

    async def _take_turn(self) -> None:
        try:
            async with asyncio.timeout(_LOCK_WAIT):
                await self._turn.acquire()
        except TimeoutError as error:
            raise ServerError(1205, "Lock wait timeout exceeded; try restarting transaction") from error

    def _pass_on_turn(self, *, held: bool) -> None:
        if held and not self.attendance.in_transaction:
            self._turn.release()


class _Connection(Connection):  # type: ignore[misc]
    """mysql-mimic's connection with MySQL's OK and ERR packets."""

    session: _Session

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.status_flags = ServerStatus.SERVER_STATUS_AUTOCOMMIT
        self._types: dict[int, bytes] = {}

    def ok(self, **kwargs: Any) -> bytes:
        """Make the OK packet: 0x00, affected rows, insert id, status flags, warnings, information (with its length)."""
        effect, self.session.effect = self.session.effect, Effect()
        flags = struct.pack("<HH", self._status(), effect.warnings)
        info = uint_len(len(effect.info)) + effect.info.encode() if effect.info else b""
        return b"".join((b"\x00", uint_len(effect.affected), uint_len(effect.insert_id), flags, info))

    def eof(self, **kwargs: Any) -> bytes:
        """Make the EOF packet: 0xFE, warnings, status flags."""
        return b"\xfe" + struct.pack("<HH", 0, self._status() | int(kwargs.get("flags", 0)))

    def error(self, **kwargs: Any) -> bytes:
        """Make the ERR packet: 0xFF, number, `#`, SQLSTATE, text; also for what mysql-mimic raises."""
        cause = kwargs.get("msg", "")
        code = int(kwargs.get("code", 1105))
        if isinstance(cause, ServerError):
            code, cause = cause.code, cause.message
        return b"\xff" + struct.pack("<H", code) + b"#" + sqlstate(code).encode() + str(cause).encode()

    async def authenticate(self, username: str, *args: Any, **kwargs: Any) -> None:
        """Lets everyone in, but not into a schema that does not exist.

        Raises:
            ServerError: 1049; mysql-mimic answers with it and closes.
        """
        if self.session.database:
            await self.session.use(self.session.database)
        await super().authenticate(username, *args, **kwargs)

    async def handle_stmt_execute(self, data: bytes) -> None:
        """Run a prepared statement; mysql-mimic puts texts between quotes without escaping those within."""
        statement = self.get_stmt(int.from_bytes(data[:4], "little"))
        values = iter(self._values(statement, data))
        text, count = statement.sql, statement.num_params
        statement.sql, statement.num_params = REGEX_PARAM.sub(lambda _: next(values), text), 0
        try:
            await super().handle_stmt_execute(data)
        finally:
            statement.sql, statement.num_params = text, count

    def _values(self, statement: PreparedStatement, data: bytes) -> list[str]:
        """Read the parameters of a COM_STMT_EXECUTE as literals.

        After the statement's id (4 bytes), flags (1) and iteration count (4) come the NULL bitmap, a byte that tells
        whether types follow, the types (2 bytes each) and the values. Types are sent with the first execution only.
        """
        start = 9 + (statement.num_params + 7) // 8
        if statement.num_params and data[start]:
            self._types[statement.stmt_id] = data[start + 1 : start + 1 + 2 * statement.num_params]
        elif statement.num_params:
            types = self._types.get(statement.stmt_id, b"")
            data = data[:start] + b"\x01" + types + data[start + 1 :]
        found = packets._read_params(
            self.capabilities, self.client_charset, io.BytesIO(data[9:]), statement.num_params, statement.param_buffers
        )
        return [exp.convert(value).sql("mysql") for _, value in found]

    def _status(self) -> int:
        attendance = self.session.attendance
        autocommit = ServerStatus.SERVER_STATUS_AUTOCOMMIT if attendance.autocommit else 0
        return autocommit | (ServerStatus.SERVER_STATUS_IN_TRANS if attendance.in_transaction else 0)


_log = logging.getLogger(__name__)


class _Server:
    """Accepts connections in an event loop of its own."""

    def __init__(self) -> None:
        self.port: concurrent.futures.Future[int] = concurrent.futures.Future()
        self._engine = Engine()
        self._control = LocalControl()
        self._sessions: set[asyncio.Task[None]] = set()
        self._stop: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def run(self) -> None:
        """Serve until `stop`; `port` gets the port, or the reason why there is none."""
        try:
            asyncio.run(self._serve())
        except OSError as error:  # no port to be had
            self.port.set_exception(error)
        finally:
            self._engine.close()

    def stop(self) -> None:
        """End `run`, from another thread."""
        if self._stop is not None:
            loop, stopped = self._stop
            loop.call_soon_threadsafe(stopped.set)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        stopped, turn = asyncio.Event(), asyncio.Lock()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            session = loop.create_task(self._attend(reader, writer, turn))
            self._sessions.add(session)
            session.add_done_callback(self._sessions.discard)

        def protocol() -> asyncio.StreamReaderProtocol:
            return asyncio.StreamReaderProtocol(_WholeReader(loop=loop), connected, loop=loop)

        server = await loop.create_server(protocol, "127.0.0.1", 0)
        async with server:
            self._stop = (loop, stopped)
            self.port.set_result(server.sockets[0].getsockname()[1])
            await stopped.wait()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, turn: asyncio.Lock) -> None:
        connection = _Connection(
            stream=MysqlStream(reader, writer),
            session=_Session(self._engine, turn),
            control=self._control,
            identity_provider=SimpleIdentityProvider(),
            server_capabilities=_CAPABILITIES,
        )
        connection.connection_id = await self._control.add(connection)
        try:
            await connection.start()
        except Exception as error:
            # A client that goes away while it logs in, or sends nonsense, ends its own session only.
            _log.debug("session %d ended: %r", connection.connection_id, error)
        finally:
            await self._control.remove(connection.connection_id)
            writer.close()


@contextlib.contextmanager
def embedded_server() -> Iterator[int]:
    """Run the embedded backend; yields its port on 127.0.0.1. Everything is in memory and gone at the end.

    Raises:
        OSError: if no port can be had.
    """
    # mysql-mimic logs each error that it answers, and a 1062 is what the demo is about.
    logging.getLogger("mysql_mimic").setLevel(logging.CRITICAL + 1)
    server = _Server()
    thread = threading.Thread(target=server.run, name="embedded backend", daemon=True)
    thread.start()
    try:
        yield server.port.result()
    finally:
        server.stop()
        thread.join()
