"""The embedded backend answers as MySQL does: the same statements are sent to both, and every answer is compared."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import pytest
from pymysql.constants import CLIENT

from tests.demo.answers import ask_all
from tests.demo.conftest import Connect
from tests.servers.launch import Server

RAISE = "18446744073709551615+7001062"
T = "CREATE TABLE t (id BIGINT NOT NULL AUTO_INCREMENT, k INT, v INT, PRIMARY KEY (id), UNIQUE KEY ux (k))"
TWO = "CREATE TABLE two (a INT NOT NULL, b INT NOT NULL, v INT, UNIQUE KEY ka (a), UNIQUE KEY kb (b))"
USERS = (
    "CREATE TABLE users (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, email VARCHAR(20) NOT NULL, "
    "name VARCHAR(20) NOT NULL DEFAULT 'nobody', note VARCHAR(20), UNIQUE KEY ux_email (email))"
)
ROW = [T, "INSERT INTO t VALUES (3, 3, 3)"]
AFTER = ["SELECT LAST_INSERT_ID()", "SELECT * FROM t"]


def guarded(guard: str, column: str, table: str = "t") -> str:
    return f"{column} = IF(IF({guard},1,{RAISE}),{table}.{column},NULL)"


CLAUSES = {
    "plain": "",
    "no-op": " AS new ON DUPLICATE KEY UPDATE k = t.k",
    "same value": " ON DUPLICATE KEY UPDATE v = t.v",
    "change": " AS new ON DUPLICATE KEY UPDATE v = new.k + 5",
    "VALUES()": " ON DUPLICATE KEY UPDATE v = VALUES(k) + 5",
    "id": " ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(t.id)",
    "id and a change": " AS new ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(t.id), v = 9",
    "guard passes": f" AS new ON DUPLICATE KEY UPDATE {guarded('t.`k` = new.`k`', 'k')}, v = 9",
    "guard raises": f" AS new ON DUPLICATE KEY UPDATE {guarded('t.`k` = new.`k` + 1', 'k')}, v = 9",
    "left to right": " ON DUPLICATE KEY UPDATE v = v + 1, v = v + 1",
    "alias of columns": " AS new(x) ON DUPLICATE KEY UPDATE v = x + t.v",
    "hidden column": " AS new ON DUPLICATE KEY UPDATE v = new.v",
    "ambiguous column": " AS new ON DUPLICATE KEY UPDATE v = k",
    "unknown column": " AS new ON DUPLICATE KEY UPDATE nope = 1",
}
SHAPES = {"one row": "(3)", "duplicate first": "(3),(4),(5)", "duplicate last": "(4),(5),(3)", "twice": "(4),(4)"}

SCENARIOS: dict[str, list[str]] = {
    f"{name}, {shape}": [*ROW, "SELECT LAST_INSERT_ID(77)", f"INSERT INTO t (k) VALUES {rows}{clause}", *AFTER]
    for name, clause in CLAUSES.items()
    for shape, rows in SHAPES.items()
}
SCENARIOS |= {
    "ids": [
        T,
        "INSERT INTO t (k) VALUES (1)",
        "INSERT INTO t (k) VALUES (1)",
        "INSERT INTO t (id, k) VALUES (10, 2)",
        "INSERT INTO t (id, k) VALUES (NULL, 3), (0, 4), (DEFAULT, 5)",
        "INSERT INTO t SET k = 6, v = 7",
        "INSERT IGNORE INTO t (k) VALUES (1), (7)",
        "INSERT INTO t (k) VALUES (8), (8)",
        *AFTER,
    ],
    "REPLACE": [
        *ROW,
        "REPLACE INTO t (k) VALUES (3)",
        "REPLACE INTO t (k) VALUES (3), (4), (5)",
        *AFTER,
        TWO,
        "INSERT INTO two VALUES (1, 1, 1), (2, 2, 2)",
        "REPLACE INTO two VALUES (1, 2, 3)",
        "SELECT * FROM two",
    ],
    "two keys": [
        TWO,
        "INSERT INTO two VALUES (1, 1, 1), (2, 2, 2)",
        "INSERT INTO two VALUES (1, 2, 3)",
        "INSERT INTO two VALUES (9, 2, 3)",
        "INSERT INTO two VALUES (1, 2, 3) AS new ON DUPLICATE KEY UPDATE v = new.v",
        f"INSERT INTO two VALUES (9, 2, 4) AS new ON DUPLICATE KEY UPDATE {guarded('two.a = new.a', 'a', 'two')}",
        "INSERT INTO two VALUES (1, 2, 3) AS new ON DUPLICATE KEY UPDATE b = new.b",
        "SELECT * FROM two",
    ],
    "order of keys": [
        "CREATE TABLE t (n INT, m INT NOT NULL, p INT PRIMARY KEY, UNIQUE KEY kn (n), UNIQUE KEY km (m))",
        "INSERT INTO t VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3), (NULL, 4, 4), (NULL, 5, 5)",
        "INSERT INTO t VALUES (1, 2, 3)",
        "INSERT INTO t VALUES (1, 2, 9)",
        "INSERT INTO t VALUES (1, 9, 9)",
        "INSERT INTO t VALUES (1, 2, 3) ON DUPLICATE KEY UPDATE n = 30",
        "SELECT * FROM t",
    ],
    "texts": [
        USERS,
        "INSERT INTO users (email) VALUES ('ann@x')",
        "INSERT INTO users (email) VALUES ('ANN@x')",
        "INSERT INTO users (email) VALUES ('Änn@x')",
        "INSERT INTO users (email) VALUES ('ann@x ')",
        "INSERT INTO users (email) VALUES ('O''Br\\'ien')",
        "INSERT INTO users (email) VALUES ('O\\'Brien'), ('O\\'Brien')",
        "INSERT INTO users (email) VALUES (12), ('12')",
        "INSERT INTO users (email) VALUES ('ann@x') ON DUPLICATE KEY UPDATE email = 'ANN@x'",
        "INSERT INTO users (email, note) VALUES ('ann@x', 'n') AS o ON DUPLICATE KEY UPDATE note = CONCAT(o.note, 'b')",
        "SELECT email, name, note FROM users",
        "SELECT COUNT(*) FROM users WHERE email = 'ann@X'",
    ],
    "binary collation": [
        "CREATE TABLE t (k VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL UNIQUE)",
        "INSERT INTO t VALUES ('a'), ('A'), ('ä')",
        "INSERT INTO t VALUES ('A')",
    ],
    "idempotent": [
        USERS,
        "INSERT INTO users (email, note) VALUES ('ann@x', NULL)",
        *(
            f"INSERT INTO users (email, note) VALUES ({values}) AS new ON DUPLICATE KEY UPDATE email = IF(IF("
            "users.email = new.email AND IF(CHARSET(users.email)='binary',users.email <=> new.email,"
            "CAST(users.email AS BINARY) <=> CAST(new.email AS BINARY)) AND IF(CHARSET(users.note)='binary',"
            "users.note <=> new.note,CAST(users.note AS BINARY) <=> CAST(new.note AS BINARY)),"
            f"1,{RAISE}),users.email,NULL)"
            for values in ("'ann@x', NULL", "'Ann@x', NULL", "'ann@x', 'a'")
        ),
    ],
    "refused rows": [
        USERS,
        "INSERT INTO users (email) VALUES (NULL)",
        "INSERT INTO users (name) VALUES ('x')",
        "INSERT INTO users (email) VALUES ('a'), ('a text that is longer than twenty')",
        "INSERT INTO users (id, email) VALUES ('x', 'a')",
        "INSERT INTO users (email) VALUES ('a', 'b')",
        "INSERT INTO users (nope) VALUES ('a')",
        "INSERT INTO nowhere VALUES (1)",
        "INSERT INTO users (email) VALUES ('a') RETURNING id",
        "SELECT * FROM users",
    ],
    "UPDATE": [
        *ROW,
        "INSERT INTO t (k, v) VALUES (5, 6), (7, 8)",
        "UPDATE t SET v = v + 1, k = v WHERE id = 3",
        "UPDATE t SET v = v",
        "UPDATE t SET v = k * 2 - 1 WHERE k > 4 ORDER BY k DESC LIMIT 1",
        "UPDATE t SET k = 7 WHERE id = 3",
        "UPDATE t AS x SET x.v = 1 WHERE x.k = 7",
        "UPDATE t SET id = LAST_INSERT_ID(id) WHERE id = 3",
        "UPDATE t SET nope = 1",
        "DELETE FROM t WHERE k = 7",
        *AFTER,
        "TRUNCATE TABLE t",
        "INSERT INTO t (k) VALUES (1)",
        *AFTER,
    ],
    "transactions": [
        *ROW,
        "BEGIN",
        "INSERT INTO t (k) VALUES (10)",
        "INSERT INTO t (k) VALUES (3)",
        "ROLLBACK",
        "START TRANSACTION",
        "INSERT INTO t (k) VALUES (11), (12)",
        "COMMIT",
        "SET autocommit = 0",
        "INSERT INTO t (k) VALUES (13)",
        "ROLLBACK",
        "INSERT INTO t (k) VALUES (14)",
        "SET autocommit = 1",
        "BEGIN",
        "INSERT INTO t (k) VALUES (15)",
        "CREATE TABLE IF NOT EXISTS other (id INT PRIMARY KEY)",
        "ROLLBACK",
        *AFTER,
    ],
    "SELECT": [
        *ROW,
        "INSERT INTO t (k, v) SELECT k + 1, 7 FROM t",
        "INSERT IGNORE INTO t (k, v) SELECT k, 7 FROM t",
        "SELECT k FROM t WHERE v <=> 7 OR NOT (k < 5)",
        "SELECT t.k, x.v FROM t JOIN t AS x ON t.k = x.k WHERE t.v IN (3, 7)",
        "SELECT MAX(k), COUNT(*) FROM t",
        "SELECT nope FROM t",
        "SELECT * FROM nowhere",
        "SELECT k FROM t FOR UPDATE",
        "SELECT 1 + 1, 2 * 3, 7 - 9, CONCAT('a', 'b'), NULL + 1",
        "SELECT 9223372036854775807 + 1",
        "SELECT 18446744073709551615 + 7001062",
        "SELECT ROW_COUNT()",
        "SELECT 'a' COLLATE utf8mb4_bin = 'A', 'a' COLLATE utf8mb4_0900_ai_ci = 'Ä'",
        "SELECT _utf8mb4'x', CONVERT('y' USING utf8mb4), CAST(_binary'z' AS CHAR)",
        "SELECT NOW() > '2020-01-01', LAST_INSERT_ID(NULL)",
        "SELECT LAST_INSERT_ID()",
    ],
    "names": [
        T,
        "INSERT INTO t (k) VALUES (1)",
        "INSERT INTO t (k) VALUES (1) ON DUPLICATE KEY UPDATE v = VALUES(nope)",
        "INSERT INTO t (k) VALUES (1) ON DUPLICATE KEY UPDATE v = t.nope",
        "INSERT INTO t (k) VALUES (1) ON DUPLICATE KEY UPDATE v = NOW() > 0",
        "INSERT INTO t (k) VALUES (1) AS new ON DUPLICATE KEY UPDATE v = nope",
        "INSERT INTO t (k, v) VALUES (1, 2) AS New ON DUPLICATE KEY UPDATE v = new.v",
        "INSERT INTO `t` (`K`, `V`) VALUES (1, 2) AS `new` ON DUPLICATE KEY UPDATE `V` = `new`.`v`, t.K = t.K",
        "INSERT INTO t (k) VALUES (DEFAULT)",
        "INSERT t VALUES (NULL, 9, 9)",
        "INSERT INTO t () VALUES ()",
        "SELECT * FROM t",
    ],
    "definitions": [
        T,
        T,
        T.replace("TABLE", "TABLE IF NOT EXISTS"),
        "DROP TABLE t",
        "DROP TABLE t",
        "DROP TABLE IF EXISTS t",
        "DROP DATABASE nowhere",
        "DROP DATABASE IF EXISTS nowhere",
        "SELECT * FROM t",
        "USE nowhere",
        "CREATE TABLE nowhere.t (id INT)",
    ],
}


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
@pytest.mark.parametrize("flag", [0, CLIENT.FOUND_ROWS], ids=["changed rows", "found rows"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_same_answers(server: Server, database: str, connect: Connect, scenario: str, flag: int) -> None:
    embedded = connect(client_flag=flag)
    with server.connect(client_flag=flag, database=database) as real:
        expected = ask_all(real, SCENARIOS[scenario])
    expected_here = [(statement, _renamed(answer, database)) for statement, answer in expected]
    assert ask_all(embedded, SCENARIOS[scenario]) == expected_here


def _renamed(answer: tuple[object, ...], database: str) -> tuple[object, ...]:
    """The schema's name differs between the two; so it does in errors."""
    return tuple(part.replace(database, "shop") if isinstance(part, str) else part for part in answer)
