"""`dbapi.py DRIVER`: a session of each kind with a Python driver that follows PEP 249."""

import datetime
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from functools import partial
from typing import Any

from tests.clients.programs.drivers import DRIVERS, Driver
from tests.clients.programs.transcript import blob, read_settings, refuse, show

MANY_ROWS = "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 1000) SELECT n FROM r"
PARAMETERS = (
    *(None, True, 0, -1, 2**63 - 1, 0.1, -1e300, Decimal("12345.678901234567890")),
    *("text", "", "it's \\ \" % \U0001f600", b"\x00\xff'\\\x1a", "x" * 70000),
    datetime.date(2024, 2, 29),
    datetime.datetime(2024, 2, 29, 12, 34, 56),
    datetime.datetime(2024, 2, 29, 12, 34, 56, 789012),
    datetime.timedelta(hours=12, minutes=34, seconds=56),
    datetime.timedelta(days=-3, microseconds=5),
)


@contextmanager
def ran(connection: Any, statement: str, *parameters: object, **options: object) -> Iterator[Any]:
    """Run a statement with parameters on a cursor of its own."""
    with closing(connection.cursor(**options)) as cursor:
        cursor.execute(statement, parameters or None)
        yield cursor


def ask(title: str, connection: Any, statement: str, *parameters: object, **options: object) -> None:
    """Run a statement and show all that the driver knows about its reply."""
    with ran(connection, statement, *parameters, **options) as cursor:
        show(f"{title} description", cursor.description)
        show(title, cursor.fetchall() if cursor.description else None)
        show(f"{title} counts", [cursor.rowcount, cursor.lastrowid])


def run(connection: Any, *statements: str) -> None:
    for statement in statements:
        with ran(connection, statement):
            pass


def set_up(driver: Driver, connection: Any) -> None:
    show("session", driver.session(connection))
    run(connection, "SET time_zone = '+00:00'", *driver.settings["setup"], *driver.settings["everything"])
    connection.commit()


def types(driver: Driver, connection: Any) -> None:
    ask("all types", connection, "SELECT * FROM everything ORDER BY id")
    for number, options in enumerate(driver.cursors):
        ask(f"all types, cursor {number}", connection, "SELECT * FROM everything ORDER BY id", **options)
        ask(f"no rows, cursor {number}", connection, "SELECT * FROM everything WHERE id > 9", **options)
        ask(f"many rows, cursor {number}", connection, MANY_ROWS, **options)
    if driver.reads_vectors and not driver.settings["mariadb"]:
        ask("vectors", connection, "SELECT * FROM vectors ORDER BY id")
    for number, value in enumerate(PARAMETERS):
        ask(f"parameter {number}", connection, echo(value), value)


def echo(value: object) -> str:
    return "SELECT HEX(%s)" if isinstance(value, bytes) else "SELECT %s AS value"


def prepared(driver: Driver, connection: Any) -> None:
    with ran(connection, "SELECT * FROM everything WHERE FALSE") as cursor:
        columns = ", ".join(column[0] for column in cursor.description if column[0] not in driver.misread)
        cursor.fetchall()
    for number, options in enumerate(driver.prepared):
        ask(f"prepared {number}", connection, f"SELECT {columns} FROM everything WHERE id < %s", 9, **options)
        with closing(connection.cursor(**options)) as cursor:
            for index, value in enumerate(PARAMETERS[:-2]):  # without times, which the connector refuses
                cursor.execute(echo(value), (value,))
                show(f"prepared {number} with {index}", [cursor.description, cursor.fetchall()])
            cursor.executemany("INSERT INTO numbers VALUES (%s, %s)", [(n + 100 * number, "m") for n in range(60, 64)])
            show(f"prepared {number} many", [cursor.rowcount, cursor.lastrowid])
            repeat = (f"INSERT INTO numbers VALUES ({60 + 100 * number}, %s)", ("again",))
            refuse(f"prepared {number} duplicate", 1062, partial(cursor.execute, *repeat))
            refuse(f"prepared {number} nonsense", 1064, partial(cursor.execute, "SELEC %s", (1,)))
    connection.rollback()


def charsets(driver: Driver, connection: Any) -> None:
    text = "äöü € ½"
    for charset in ("utf8mb4", "latin1", "cp1250" if driver.name == "pymysql" else "utf8mb4"):
        with driver.connect(charset=charset) as other:
            ask(f"charset {charset}", other, "SELECT %s, LENGTH(%s), @@character_set_client", text[:3], text[:3])
    ask("binary in text", connection, "SELECT %s = X'00FF27C328'", b"\x00\xff'\xc3\x28")


def transactions(driver: Driver, connection: Any) -> None:
    insert = "INSERT INTO users (email, name) VALUES (%s, %s)"
    ask("first insert", connection, insert, "a@x", "Ä")
    connection.rollback()
    ask("rolled back", connection, "SELECT COUNT(*) FROM users")
    ask("second insert", connection, insert, "a@x", "Ä")
    ask("several rows", connection, "INSERT INTO users (email) VALUES ('b@x'), ('c@x')")
    connection.commit()
    refuse("duplicate", 1062, lambda: ask("", connection, insert, "a@x", "B"))
    ask("after the duplicate", connection, "SELECT LAST_INSERT_ID(), id, email, name FROM users ORDER BY id")
    refuse("syntax", 1064, lambda: ask("", connection, "SELEC 1"))
    refuse("no table", 1146, lambda: ask("", connection, "SELECT * FROM absent"))
    refuse("too long", 1406, lambda: ask("", connection, insert, "x" * 101, None))
    refuse(
        "error among rows",
        1690,
        lambda: ask(
            "",
            connection,
            "SELECT n - 5 FROM (SELECT CAST(n AS UNSIGNED) AS n FROM (SELECT 9 AS n UNION ALL SELECT 1) AS i) AS o",
        ),
    )
    for autocommit in (True, False):
        driver.set_autocommit(connection, autocommit)
        ask("autocommit", connection, "SELECT @@autocommit")


def counts(driver: Driver, connection: Any) -> None:
    for found_rows in (False, True):
        with driver.connect(found_rows=found_rows) as other:
            ask(f"no change, found rows {found_rows}", other, "UPDATE users SET name = name")
            ask(f"change, found rows {found_rows}", other, "UPDATE users SET visits = visits + 1 WHERE id > 2")
            upsert = "INSERT INTO users (email, visits) VALUES ('b@x', 1) ON DUPLICATE KEY UPDATE visits = {}"
            ask(f"upsert, found rows {found_rows}", other, upsert.format("visits + 1"))
            ask(f"idle upsert, found rows {found_rows}", other, upsert.format("visits"))
            ask(f"replace, found rows {found_rows}", other, "REPLACE INTO users (id, email) VALUES (77, 'r@x')")
            ask(f"ignore, found rows {found_rows}", other, "INSERT IGNORE INTO users (email) VALUES ('a@x'), ('a@x')")
            ask("warnings", other, "SHOW WARNINGS")
            ask("division", other, "SELECT 1 / 0, CAST('1x' AS SIGNED)")
            ask("its warnings", other, "SHOW WARNINGS")
            other.commit()
    with closing(connection.cursor()) as cursor:
        cursor.executemany("INSERT INTO numbers VALUES (%s, %s)", [(n, f"number {n}") for n in range(40)])
        show("executemany", [cursor.rowcount, cursor.lastrowid])
        cursor.executemany("UPDATE numbers SET text = %s WHERE n = %s", [("a", 1), ("b", 2), ("c", 99)])
        show("executemany of updates", [cursor.rowcount, cursor.lastrowid])
    connection.rollback()


def several(driver: Driver, connection: Any) -> None:
    texts = (
        "SELECT 1 AS a; SELECT 2, 3; UPDATE users SET visits = 9 WHERE id = 2; SELECT NULL WHERE FALSE",
        "SET @b = 21; CALL double_it(7, @b, @c); SELECT @b, @c",
    )
    for number, text in enumerate(texts):
        show(f"batch {number}", list(driver.results(connection, text)))
    broken = "SELECT 1; INSERT INTO users (email) VALUES ('a@x'); SELECT 3"
    refuse("broken batch", 1062, lambda: list(driver.results(connection, broken)))
    refuse("late failure", 1062, lambda: list(driver.results(connection, "CALL fail_late()")))
    show("procedure", driver.call(connection, "double_it", (5, 21, "")))
    ask("alive", connection, "SELECT 'alive'")
    connection.rollback()


def load_data(driver: Driver, connection: Any) -> None:
    load = f"LOAD DATA LOCAL INFILE '{driver.settings['file']}' INTO TABLE numbers CHARACTER SET utf8mb4"
    ask("load data", connection, load)
    ask("its warnings", connection, "SHOW WARNINGS")
    ask("loaded", connection, "SELECT * FROM numbers ORDER BY n")
    connection.rollback()


def big_values(driver: Driver, connection: Any) -> None:
    data = blob(driver.settings["blob_bytes"])
    for number, options in enumerate(({}, *driver.prepared)):
        with ran(connection, "INSERT INTO files VALUES (%s, %s, %s)", number, data, "é" * 70000, **options) as cursor:
            show("big insert", cursor.rowcount)
        with ran(connection, "SELECT * FROM files WHERE id = %s", number, **options) as cursor:
            show("big row", cursor.fetchone())
            cursor.fetchall()
    connection.commit()


def housekeeping(driver: Driver, connection: Any) -> None:
    connection.ping()
    run(connection, "SET @kept = 1, @@sql_mode = ''")
    for title, action in driver.housekeeping(connection):
        show(title, action())
        ask(f"after {title}", connection, "SELECT @kept, @@sql_mode, DATABASE(), CURRENT_USER()")
    refuse("wrong password", driver.login_error, lambda: driver.open(password="wrong"))
    refuse("unknown database", 1049, lambda: driver.open(database="absent"))


def main() -> None:
    driver = DRIVERS[sys.argv[1]](read_settings())
    with driver.connect() as connection:
        for step in (set_up, types, prepared, charsets, transactions, counts, several, load_data, big_values):
            show("step", step.__name__)
            step(driver, connection)
    with driver.connect() as connection:
        housekeeping(driver, connection)


if __name__ == "__main__":
    main()
