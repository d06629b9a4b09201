"""The Python drivers, each with what is its own: how it connects, its cursors, and what PEP 249 leaves open."""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, ClassVar

Action = tuple[str, Callable[[], object]]


class Driver(ABC):
    """A driver and where to connect.

    Attributes:
        name: its module.
        cursors: options of `cursor` that give other kinds of cursors.
        reads_vectors: whether it knows the type VECTOR.
        prepared: options of `cursor` for prepared statements.
        login_error: the number of the error after a wrong password.
        misread: columns that it cannot read from the rows of prepared statements.
    """

    name: ClassVar[str]
    cursors: Sequence[dict[str, Any]] = ()
    reads_vectors = False
    prepared: Sequence[dict[str, Any]] = ()
    login_error = 1045
    misread: Sequence[str] = ()

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.module: Any = importlib.import_module(self.name)

    @contextmanager
    def connect(self, **options: Any) -> Iterator[Any]:
        """Connect for the length of the block."""
        with closing(self.open(**options)) as connection:
            yield connection

    @abstractmethod
    def open(self, **options: Any) -> Any:
        """Connect; `found_rows` is an option of every driver."""

    @abstractmethod
    def session(self, connection: Any) -> object:
        """Return what the driver knows about its connection."""

    @abstractmethod
    def set_autocommit(self, connection: Any, value: bool) -> None:
        """Set autocommit mode."""

    @abstractmethod
    def call(self, connection: Any, name: str, arguments: Sequence[object]) -> object:
        """Call a procedure."""

    @abstractmethod
    def housekeeping(self, connection: Any) -> Iterator[Action]:
        """Yield what else a connection can do."""

    def results(self, connection: Any, text: str) -> Iterator[object]:
        """Run several statements in one text."""
        with closing(connection.cursor()) as cursor:
            cursor.execute(text)
            more: bool | None = True
            while more:
                yield [cursor.description, cursor.rowcount, cursor.fetchall() if cursor.description else None]
                more = cursor.nextset()

    def _address(self, **options: Any) -> dict[str, Any]:
        return {name: self.settings[name] for name in ("host", "port", "user", "password", "database")} | options

    def _other_account(self) -> tuple[str, str, str]:
        return self.settings["other_user"], self.settings["other_password"], self.settings["database"]


class _Called(Driver):
    """A driver whose `callproc` leaves the OUT parameters in variables."""

    def call(self, connection: Any, name: str, arguments: Sequence[object]) -> object:
        found: list[object] = []
        with closing(connection.cursor()) as cursor:
            found.append(cursor.callproc(name, arguments))
            while cursor.description:
                found.append(cursor.fetchall())
                cursor.nextset()
            cursor.execute(f"SELECT @_{name}_0, @_{name}_1, @_{name}_2")
            return [*found, cursor.fetchall()]


class PyMySQL(_Called):
    name = "pymysql"

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        cursors = importlib.import_module("pymysql.cursors")
        self.cursors = [{"cursor": kind} for kind in (cursors.DictCursor, cursors.SSCursor, cursors.SSDictCursor)]

    def open(self, *, found_rows: bool = False, **options: Any) -> Any:
        flags = importlib.import_module("pymysql.constants.CLIENT")
        tls = {"ssl": {"check_hostname": False, "verify_mode": "none"}} if self.settings["tls"] else {}
        return self.module.connect(
            **self._address(**options),
            **tls,
            ssl_disabled=not self.settings["tls"],
            client_flag=flags.MULTI_STATEMENTS | (flags.FOUND_ROWS if found_rows else 0),
            local_infile=True,
        )

    def session(self, connection: Any) -> object:
        return [connection.get_server_info(), connection.get_proto_info(), connection.character_set_name()]

    def set_autocommit(self, connection: Any, value: bool) -> None:
        connection.autocommit(value)

    def housekeeping(self, connection: Any) -> Iterator[Action]:
        yield "select database", lambda: connection.select_db(self.settings["database"])
        yield "names", lambda: connection.set_character_set("utf8mb4", "utf8mb4_bin")
        yield "warnings", lambda: connection.show_warnings()
        yield "kill another", lambda: self._kill(connection)

    def _kill(self, connection: Any) -> object:
        with self.connect() as other:
            connection.kill(other.thread_id())
            try:
                while True:
                    other.ping(reconnect=False)
            except Exception as error:
                # What the server says last depends on how far the kill has come.
                return type(error).__name__


class MySQLClient(_Called):
    name = "MySQLdb"

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        cursors = importlib.import_module("MySQLdb.cursors")
        self.cursors = [{"cursorclass": kind} for kind in (cursors.DictCursor, cursors.SSCursor, cursors.SSDictCursor)]

    def open(self, *, found_rows: bool = False, **options: Any) -> Any:
        flags = importlib.import_module("MySQLdb.constants.CLIENT")
        return self.module.connect(
            **self._address(**{"charset": "utf8mb4"} | options),
            **({"ssl": {"cipher": ""}} if self.settings["tls"] else {}),
            client_flag=flags.MULTI_STATEMENTS | (flags.FOUND_ROWS if found_rows else 0),
            local_infile=1,
        )

    def session(self, connection: Any) -> object:
        return [connection.get_server_info(), connection.get_proto_info(), connection.get_character_set_info()]

    def set_autocommit(self, connection: Any, value: bool) -> None:
        connection.autocommit(value)

    def housekeeping(self, connection: Any) -> Iterator[Action]:
        user, password, database = self._other_account()
        yield "select database", lambda: connection.select_db(self.settings["database"])
        yield "change user", lambda: connection.change_user(user, password, database)
        yield "options off", lambda: connection.set_server_option(1)
        yield "names", lambda: connection.set_character_set("utf8mb4")
        yield "info", lambda: connection.info()
        yield "warnings", lambda: connection.warning_count()
        yield "statistics", lambda: connection.stat().split(":")[0]
        yield "compressed", self._compressed

    def _compressed(self) -> object:
        with self.connect(compress=True) as other, closing(other.cursor()) as cursor:
            cursor.execute("SELECT REPEAT('x', 100000)")
            return cursor.fetchall()


class Connector(Driver):
    """It asks for no key to encrypt a password: without TLS it logs in only to accounts in the server's cache."""

    name = "mysql.connector"
    pure = False
    reads_vectors = True
    cursors = ({"buffered": True}, {"dictionary": True}, {"raw": True})
    prepared = ({"prepared": True}, {"prepared": True, "dictionary": True})

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        if not settings["tls"]:
            self.login_error = 1045 if self.pure or settings["mariadb"] else 2061
            for user in (settings["user"], settings["other_user"]):
                self.module.connect(**self._address(user=user), use_pure=self.pure).close()

    def open(self, *, found_rows: bool = False, **options: Any) -> Any:
        flags = importlib.import_module("mysql.connector.constants").ClientFlag
        return self.module.connect(
            **self._address(**options),
            use_pure=self.pure,
            ssl_disabled=not self.settings["tls"],
            client_flags=[flags.FOUND_ROWS if found_rows else -flags.FOUND_ROWS],
            allow_local_infile=True,
        )

    def session(self, connection: Any) -> object:
        return [type(connection).__name__, connection.server_info, connection.charset, connection.collation]

    def set_autocommit(self, connection: Any, value: bool) -> None:
        connection.autocommit = value

    def call(self, connection: Any, name: str, arguments: Sequence[object]) -> object:
        with closing(connection.cursor()) as cursor:
            found = cursor.callproc(name, arguments)
            return [found, *(result.fetchall() for result in cursor.stored_results())]

    def housekeeping(self, connection: Any) -> Iterator[Action]:
        user, password, database = self._other_account()
        yield "reset", lambda: connection.cmd_reset_connection()
        yield "change user", lambda: connection.cmd_change_user(user, password, database)
        yield "select database", lambda: connection.cmd_init_db(database)
        yield "reset session", lambda: connection.reset_session({"kept": 2})
        yield "statistics", lambda: sorted(connection.cmd_statistics())
        yield "compressed", self._compressed

    def _compressed(self) -> object:
        with self.connect(compress=True) as other, closing(other.cursor()) as cursor:
            cursor.execute("SELECT REPEAT('x', 100000)")
            return cursor.fetchall()


class PureConnector(Connector):
    pure = True
    misread = ("c_year",)


DRIVERS: dict[str, type[Driver]] = {
    "pymysql": PyMySQL,
    "mysqlclient": MySQLClient,
    "connector": Connector,
    "connector-pure": PureConnector,
}
