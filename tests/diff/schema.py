"""What the conversations work on: two schemas alike, one for each side."""

import contextlib

import pymysql

from tests.servers.launch import Server

ROWS = b"INSERT INTO t (id, k, s) VALUES (1, 1, 'one'), (2, 2, 'two'), (3, NULL, NULL)"
CLEAR = (b"DELETE FROM t", ROWS, b"DELETE FROM nothing")
CLEAR_DDL = (b"DROP TABLE IF EXISTS made",)
TABLES = (
    "CREATE TABLE t (id BIGINT PRIMARY KEY AUTO_INCREMENT, k INT, s VARCHAR(2000), b LONGBLOB, n DECIMAL(10,3),"
    " d DATETIME(6), UNIQUE KEY uk (k))",
    "CREATE TABLE nothing (a INT, b TEXT)",
    "CREATE VIEW v AS SELECT k, s FROM t",
    "CREATE PROCEDURE no_result() DO 1",
    "CREATE PROCEDURE results() BEGIN SELECT 1; SELECT 2, 3; SELECT k FROM nothing, t ORDER BY k; END",
    "CREATE PROCEDURE given(IN a INT, OUT b INT, INOUT c VARCHAR(50))"
    " BEGIN SET b = a + 1; SET c = CONCAT(c, '!'); SELECT a; END",
    "CREATE PROCEDURE fails() BEGIN SELECT 1; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'on purpose'; END",
    "CREATE PROCEDURE duplicate() BEGIN SELECT 1; INSERT INTO t (k) VALUES (1); END",
)


def make(server: Server, schemas: tuple[bytes, bytes], user: bytes, password: bytes) -> None:
    """Make the schemas and an account that may do everything in them."""
    account = f"{user.decode()}@'%'"
    with server.connect() as connection, connection.cursor() as cursor:
        for schema in schemas:
            cursor.execute(f"CREATE DATABASE {schema.decode()} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
            cursor.execute(f"USE {schema.decode()}")
            for statement in (*TABLES, ROWS.decode()):
                cursor.execute(statement)
        cursor.execute(f"CREATE USER {account} IDENTIFIED BY '{password.decode()}'")
        cursor.execute(f"GRANT ALL ON *.* TO {account}")
    # MySQL asks for the password in full once, and for a proof only from then on
    server.connect(user=user.decode(), password=password.decode()).close()


def drop(server: Server, schemas: tuple[bytes, bytes], user: bytes) -> None:
    """Drop what `make` has made, and end sessions that still hold it."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (user.decode(),))
        for (number,) in cursor.fetchall():
            with contextlib.suppress(pymysql.err.MySQLError):  # it has ended by itself
                cursor.execute(f"KILL {number}")
        for schema in schemas:
            cursor.execute(f"DROP DATABASE IF EXISTS {schema.decode()}")
        cursor.execute(f"DROP USER IF EXISTS {user.decode()}@'%'")
