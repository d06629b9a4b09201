"""The statements that ActiveRecord sends through the gems mysql2 and trilogy, on sessions that are set up as theirs."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

from pathlib import Path

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.constants.CLIENT import FOUND_ROWS
from pymysql.cursors import Cursor

from tests.e2e.running import Proxy
from tests.e2e.users import rows, run
from tests.orm.rules import IDEMPOTENT, IGNORE, REPLACE, UPDATE, rules_for

TABLE = """CREATE TABLE users (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    email VARCHAR(255) NOT NULL,
    name VARCHAR(255) DEFAULT NULL,
    logins INT NOT NULL DEFAULT 1,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    UNIQUE INDEX ux_email (email)
)"""
SETUP = (
    "SET  @@SESSION.sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'),  @@SESSION.sql_auto_is_null = 0,"
    " @@SESSION.wait_timeout = 2147483"
)
NOW = "2026-01-02 03:04:05.678901"
each_when = pytest.mark.parametrize("when", ["conflict", "always"])


def insert(email: str, name: str, logins: int = 1) -> str:
    """Write what `User.create!` sends; ActiveRecord quotes values itself and escapes as the server's client does."""
    columns = "`email`, `name`, `logins`, `created_at`, `updated_at`"
    written = name.replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"')
    return f"INSERT INTO `users` ({columns}) VALUES ('{email}', '{written}', {logins}, '{NOW}', '{NOW}')"


def create(connection: Connection[Cursor], statement: str) -> int:
    """Run it as `create!` does, in a transaction of its own; return the id that the object gets."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        try:
            assert cursor.execute(statement) == 1
        except pymysql.MySQLError:
            cursor.execute("ROLLBACK")
            raise
        number = cursor.lastrowid
        cursor.execute("COMMIT")
    return number


@pytest.fixture
def application(proxy: Proxy, database: str) -> Connection[Cursor]:
    """A session as the gem mysql2 opens it: with FOUND_ROWS, and the modes that ActiveRecord sets."""
    direct = proxy.connect_directly(database=database)
    run(direct, TABLE, insert("a@x", "Ann"), insert("b@x", "B\\o\"b'", 5))
    connection = proxy.connect(database=database, client_flag=FOUND_ROWS, charset="utf8mb4")
    run(connection, "SET NAMES utf8mb4", SETUP)
    return connection


def users(connection: Connection[Cursor]) -> list[tuple[object, ...]]:
    return rows(connection, "SELECT `users`.`id`, `users`.`email`, `users`.`name`, `users`.`logins` FROM `users`")


ANN, BOB = (1, "a@x", "Ann", 1), (2, "b@x", "B\\o\"b'", 5)


@each_when
def test_ignore(proxy: Proxy, application: Connection[Cursor], database: str, when: str, tmp_path: Path) -> None:
    proxy.use_rules(rules_for(database, IGNORE, when, tmp_path))
    assert create(application, insert("b@x", "Bea")) == 2
    assert users(application) == [ANN, BOB]


@each_when
def test_update(proxy: Proxy, application: Connection[Cursor], database: str, when: str, tmp_path: Path) -> None:
    proxy.use_rules(rules_for(database, UPDATE, when, tmp_path))
    assert create(application, insert("b@x", 'O\'Brien "Bob"')) == 2
    assert users(application) == [ANN, (2, "b@x", 'O\'Brien "Bob"', 6)]


@each_when
def test_idempotent(proxy: Proxy, application: Connection[Cursor], database: str, when: str, tmp_path: Path) -> None:
    """A retry of the same INSERT is the same row; its time stamps are part of it."""
    proxy.use_rules(rules_for(database, IDEMPOTENT, when, tmp_path))
    assert create(application, insert("b@x", "B\\o\"b'", 5)) == 2
    later = insert("b@x", "B\\o\"b'", 5).replace("03:04:05", "03:04:06")
    with pytest.raises(pymysql.err.IntegrityError, match="1062"):
        create(application, later)
    assert users(application) == [ANN, BOB]


@each_when
def test_replace(proxy: Proxy, application: Connection[Cursor], database: str, when: str, tmp_path: Path) -> None:
    proxy.use_rules(rules_for(database, REPLACE, when, tmp_path))
    number = create(application, insert("b@x", "Bea"))
    assert number > 2
    assert users(application) == [ANN, (number, "b@x", "Bea", 1)]


@each_when
def test_create_or_find_by(
    proxy: Proxy, application: Connection[Cursor], database: str, when: str, tmp_path: Path
) -> None:
    """It creates in a savepoint, and expects the new user's id from there."""
    proxy.use_rules(rules_for(database, IGNORE, when, tmp_path))
    with application.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SAVEPOINT active_record_1")
        assert cursor.execute(insert("a@x", "Abe")) == 1
        assert cursor.lastrowid == 1
        cursor.execute("RELEASE SAVEPOINT active_record_1")
        cursor.execute("COMMIT")
    assert users(application) == [ANN, BOB]


@each_when
def test_insert_all_says_itself_what_becomes_of_duplicates(
    proxy: Proxy, application: Connection[Cursor], database: str, when: str, tmp_path: Path
) -> None:
    proxy.use_rules(rules_for(database, UPDATE, when, tmp_path))
    with application.cursor() as cursor:
        statement = insert("b@x", "Bea") + " ON DUPLICATE KEY UPDATE `email`=`users`.`email`"
        cursor.execute(statement)
    assert users(application) == [ANN, BOB]


@each_when
def test_insert_all_of_several(
    proxy: Proxy, application: Connection[Cursor], database: str, when: str, tmp_path: Path
) -> None:
    """`insert_all!` sends one statement of several rows and expects an error, which the rule takes away."""
    proxy.use_rules(rules_for(database, IGNORE, when, tmp_path))
    with application.cursor() as cursor:
        assert cursor.execute(insert("c@x", "Cat") + f", ('b@x', 'Bea', 1, '{NOW}', '{NOW}')") == 2
    assert [row[1:3] for row in users(application)] == [("a@x", "Ann"), BOB[1:3], ("c@x", "Cat")]
