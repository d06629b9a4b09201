"""Both servers' own client programs, each on both servers: what they print of a script, and dumps that are reloaded."""

import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.clients import installed
from tests.clients.running import PASSWORD, Way, assert_same, run_both
from tests.clients.statements import everything, shared
from tests.servers.recipes import ServerName

SCRIPT = r"""
SELECT * FROM everything ORDER BY id//
SELECT * FROM everything WHERE FALSE//
SELECT /*+ a hint */ 1 /* a comment */, '😀' AS `naïve`//
INSERT INTO users (email, name) VALUES ('a@x', 'Ä'), ('b@x', NULL)//
INSERT INTO users (email) VALUES ('a@x')//
SELECT LAST_INSERT_ID(), ROW_COUNT(), FOUND_ROWS()//
UPDATE users SET name = name//
UPDATE users SET visits = visits + 1//
SELEC 1//
SELECT 1 / 0, CAST('1x' AS SIGNED)//
SELECT * FROM absent//
SET @b = 21//
CALL double_it(7, @b, @c)//
SELECT @b, @c//
CALL fail_late()//
PREPARE p FROM 'INSERT INTO users (email) VALUES (?)'//
SET @email = 'a@x'//
EXECUTE p USING @email//
EXECUTE p USING @c//
DEALLOCATE PREPARE p//
BEGIN//
DELETE FROM users//
ROLLBACK//
LOAD DATA LOCAL INFILE '{file}' INTO TABLE numbers//
SELECT * FROM numbers ORDER BY n//
SELECT 1 AS a; SELECT 2 AS b; INSERT INTO users (email) VALUES ('a@x'); SELECT 3//
SHOW CREATE TABLE everything//
SHOW FULL COLUMNS FROM users//
EXPLAIN SELECT * FROM users WHERE email = 'a@x'//
DESCRIBE everything//
USE absent//
USE {database}//
SELECT REPEAT('x', 100000) AS `long`//
KILL QUERY CONNECTION_ID()//
SELECT 'alive'//
"""
SLEEP = "SELECT SLEEP(60)"
SHOWING = (
    "--force",
    "--table",
    "--show-warnings",
    "--column-type-info",
    "--comments",
    "--binary-as-hex",
    "--named-commands",
    "-vvv",
)
LINES = {
    ("mysql", "plain"): ["--ssl-mode=DISABLED", "--get-server-public-key"],
    ("mysql", "tls"): ["--ssl-mode=REQUIRED"],
    ("mysql", "zlib"): ["--ssl-mode=DISABLED", "--get-server-public-key", "--compression-algorithms=zlib,uncompressed"],
    ("mysql", "zstd"): ["--ssl-mode=REQUIRED", "--compression-algorithms=zstd,uncompressed"],
    ("mariadb", "plain"): ["--skip-ssl"],
    ("mariadb", "tls"): ["--ssl"],
    ("mariadb", "zlib"): ["--ssl", "--compress"],
}
DUMPED = (
    "CREATE TABLE parents (id INT AUTO_INCREMENT PRIMARY KEY, email VARCHAR(50) UNIQUE, "
    "shouted VARCHAR(50) AS (UPPER(email)) STORED)",
    "CREATE TABLE children (id INT PRIMARY KEY, parent INT, note TEXT, FOREIGN KEY (parent) REFERENCES parents (id))",
    "CREATE TRIGGER stamped BEFORE INSERT ON children FOR EACH ROW SET NEW.note = CONCAT('by ', NEW.parent)",
    "CREATE VIEW families AS SELECT p.email, c.note FROM parents p JOIN children c ON c.parent = p.id",
    "INSERT INTO parents (email) VALUES ('a@x'), ('it''s \\\\ \U0001f600'), (NULL)",
    "INSERT INTO children VALUES (1, 1, ''), (2, 2, ''), (3, 2, '')",
    "INSERT INTO files VALUES (1, REPEAT(X'00FF27', 700000), 'long'), (2, NULL, NULL)",
)


def address(way: Way, program: ServerName, line: str) -> list[str]:
    where = ["--protocol=TCP", f"--host={way.server.host}", f"--port={way.server.port}", f"--user={way.name}"]
    return [*where, *LINES[program, line], "--default-character-set=utf8mb4"]


def without_times(text: str) -> str:
    return re.sub(r"\d+\.\d+ sec", "TIME", text)


@pytest.mark.parametrize(("program", "line"), LINES)
def test_same_output_with_and_without_the_proxy(
    ways: tuple[Way, Way], program: ServerName, line: str, loaded_file: Path
) -> None:
    def command(way: Way) -> list[str]:
        options = [*SHOWING, "--local-infile=1", f"--database={way.name}"]
        return [*installed.command_line(program), *address(way, program, line), *options]

    def script(way: Way) -> str:
        mariadb = way.server.mariadb
        statements = ["SET time_zone = '+00:00'", *shared(mariadb=mariadb)["setup"], *everything(mariadb=mariadb)]
        text = SCRIPT.replace("{file}", str(loaded_file)).replace("{database}", way.name)
        attributes = "DELIMITER ;\nquery_attributes name value;\nSELECT 'attributes';\n" if program == "mysql" else ""
        return "DELIMITER //\n" + "".join(f"{statement}//\n" for statement in statements) + text + attributes

    direct, through = run_both(ways, command, script, {"MYSQL_PWD": PASSWORD})
    assert_same(without_times(direct), without_times(through))
    assert "alive" in direct


def interrupted(way: Way, command: list[str]) -> tuple[int, str]:
    """Press Ctrl-C in a client once the server runs its statement; return its exit code and all that it prints."""
    running = f"SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{way.name}' AND info = '{SLEEP}'"
    with (
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=installed.environment(MYSQL_PWD=PASSWORD),
            text=True,
        ) as client,
        way.server.connect() as onlooker,
        onlooker.cursor() as cursor,
    ):
        assert client.stdin is not None
        client.stdin.write(f"{SLEEP};\nSELECT 'alive';\n")
        client.stdin.flush()
        while not (cursor.execute(running) and cursor.fetchone() == (1,)):
            pass
        client.send_signal(signal.SIGINT)
        output, _ = client.communicate(timeout=60)
        return client.returncode, re.sub(r"KILL QUERY \d+", "KILL QUERY ID", way.masked(output))


@pytest.mark.parametrize("line", ["plain", "tls"])
@pytest.mark.parametrize("program", ["mysql", "mariadb"])
def test_ctrl_c_in_the_middle_of_a_statement(ways: tuple[Way, Way], program: ServerName, line: str) -> None:
    """The client connects once more, by the same address, and has the statement killed by the connection's id."""
    start = [*installed.command_line(program)]
    direct, through = (interrupted(way, [*start, *address(way, program, line), "--force", "-vvv"]) for way in ways)
    assert without_times(direct[1]) == without_times(through[1])
    assert direct[0] == through[0] == 0
    assert "KILL QUERY ID" in direct[1]
    assert "| alive |" in direct[1].splitlines()


@pytest.mark.parametrize("line", ["plain", "tls"])
def test_a_dump_loaded_again_is_the_same(ways: tuple[Way, Way], line: str) -> None:
    program = ways[0].server.name
    env = {"MYSQL_PWD": PASSWORD}
    client, dump = installed.command_line(program), installed.dump(program)
    options = ["--routines", "--triggers", "--hex-blob", "--skip-dump-date"]
    options += [] if program == "mariadb" else ["--set-gtid-purged=OFF"]
    for way in ways:
        with way.server.connect(database=way.name) as connection, connection.cursor() as cursor:
            settings = shared(mariadb=way.server.mariadb)
            for statement in (*settings["setup"], *settings["everything"], *DUMPED):
                cursor.execute(statement)

    def dumped() -> tuple[str, str]:
        return run_both(ways, lambda way: [*dump, *address(way, program, line), *options, way.name], lambda _: "", env)

    def load(way: Way) -> list[str]:
        return [*client, *address(way, program, line), f"--database={way.name}"]

    first = dumped()
    assert_same(*first)
    loads = dict(zip(ways, first, strict=True))
    run_both(
        ways, load, lambda way: f"DROP DATABASE {way.name}; CREATE DATABASE {way.name} CHARACTER SET utf8mb4;", env
    )
    run_both(ways, load, lambda way: loads[way].replace("OURS", way.name), env)
    for before, after in zip(first, dumped(), strict=True):
        assert_same(before, after)
