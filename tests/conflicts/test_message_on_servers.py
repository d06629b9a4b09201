"""The texts that real servers send, in each of their languages and charsets."""

from collections.abc import Callable, Iterator

import pymysql
import pytest
from pymysql.cursors import Cursor

from proxy.conflicts.message import Duplicate, parse
from tests.servers.launch import Server

LANGUAGES = [
    *(
        "bg_BG",
        "cs_CZ",
        "da_DK",
        "de_DE",
        "el_GR",
        "en_US",
        "es_ES",
        "et_EE",
        "fr_FR",
        "hi_IN",
        "hu_HU",
        "it_IT",
        "ja_JP",
        "ko_KR",
        "nb_NO",
        "nl_NL",
    ),
    *("no_NO", "pl_PL", "pt_BR", "pt_PT", "ro_RO", "ru_RU", "sk_SK", "sr_RS", "sv_SE", "uk_UA", "zh_CN"),
]
CHARSETS = [
    *(
        "utf8mb4",
        "utf8mb3",
        "latin1",
        "latin2",
        "latin5",
        "latin7",
        "cp1250",
        "cp1251",
        "cp1257",
        "cp850",
        "cp852",
        "cp866",
        "greek",
        "koi8r",
    ),
    *(
        "koi8u",
        "macroman",
        "macce",
        "hp8",
        "sjis",
        "cp932",
        "ujis",
        "eucjpms",
        "euckr",
        "gbk",
        "gb2312",
        "big5",
        "ascii",
        "dec8",
        "hebrew",
    ),
    *("armscii8", "tis620", "cp1256", "binary", "NULL"),
]
ENTRIES = ["a", "", "O'Brien", "x' for key 'other.fake", "' は索引 'x", "line\nbreak", "back\\slash", '"', "é", "-"]

Fail = Callable[[str], tuple[int, bytes]]


@pytest.fixture
def cursor(server: Server, database: str) -> Iterator[Cursor]:
    with server.connect(database=database, charset="utf8mb4") as connection, connection.cursor() as cursor:
        yield cursor


@pytest.fixture
def fail(cursor: Cursor, monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Runs a statement that must fail; gives the error's number and its text as it came (PyMySQL decodes it)."""
    packets: list[bytes] = []
    raise_error = pymysql.err.raise_mysql_exception

    def keep(data: bytes) -> None:
        packets.append(data)
        raise_error(data)

    monkeypatch.setattr(pymysql.err, "raise_mysql_exception", keep)

    def run(statement: str) -> tuple[int, bytes]:
        with pytest.raises(pymysql.MySQLError):
            cursor.execute(statement)
        # 0xFF, the number in two bytes, "#" and the SQLSTATE.
        return int.from_bytes(packets[-1][1:3], "little"), packets[-1][9:]

    return run


def with_table(server: Server, entry: str, table: str, key: str) -> Duplicate:
    return Duplicate(entry, None if server.mariadb else table, key)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_in_every_charset(server: Server, cursor: Cursor, fail: Fail, language: str) -> None:
    cursor.execute("CREATE TABLE t (v VARCHAR(80), UNIQUE KEY uk (v))")
    cursor.execute("INSERT INTO t VALUES ('O''Brien')")
    cursor.execute(f"SET lc_messages = {language}")
    for charset in CHARSETS:
        cursor.execute(f"SET character_set_results = {charset}")
        errno, text = fail("INSERT INTO t VALUES ('O''Brien')")
        assert parse(errno, text, server.mariadb) == with_table(server, "O'Brien", "t", "uk"), (charset, text)


@pytest.mark.parametrize("language", ["en_US", "hu_HU", "ja_JP", "cs_CZ"])
def test_odd_values_and_names(server: Server, cursor: Cursor, fail: Fail, language: str) -> None:
    cursor.execute("CREATE TABLE `o'br.i``en` (v VARCHAR(80) COLLATE utf8mb4_bin, UNIQUE KEY `k.'q``z` (v))")
    cursor.execute(f"SET lc_messages = {language}")
    for entry in ENTRIES:
        insert = "INSERT INTO `o'br.i``en` VALUES (" + cursor.connection.escape(entry) + ")"
        cursor.execute(insert)
        errno, text = fail(insert)
        duplicate = parse(errno, text, server.mariadb, expected_table="o'br.i`en")
        assert duplicate == with_table(server, entry, "o'br.i`en", "k.'q`z")


def test_cut_values(server: Server, cursor: Cursor, fail: Fail) -> None:
    cursor.execute("CREATE TABLE t (v VARCHAR(100) PRIMARY KEY)")
    for value in ("a" * 100, "é" * 100):
        cursor.execute(f"INSERT INTO t VALUES ('{value}')")
        errno, text = fail(f"INSERT INTO t VALUES ('{value}')")
        duplicate = parse(errno, text, server.mariadb)
        assert duplicate.key == "PRIMARY"
        assert value.startswith((duplicate.entry or "").removesuffix("..."))


def test_resequencing(server: Server, cursor: Cursor, fail: Fail) -> None:
    cursor.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    cursor.execute("INSERT INTO t VALUES (0), (1)")
    errno, text = fail("ALTER TABLE t MODIFY id INT AUTO_INCREMENT")
    assert errno == 1062
    assert parse(errno, text, server.mariadb) == with_table(server, "1", "t", "PRIMARY")


def test_an_exhausted_auto_increment(server: Server, cursor: Cursor, fail: Fail) -> None:
    cursor.execute("CREATE TABLE t (id TINYINT AUTO_INCREMENT PRIMARY KEY)")
    cursor.execute("INSERT INTO t VALUES (127)")
    errno, text = fail("INSERT INTO t VALUES ()")
    if server.mariadb:
        assert errno == 167
    else:
        assert parse(errno, text, server.mariadb) == Duplicate("127", "t", "PRIMARY")


@pytest.mark.parametrize("language", ["en_US", "de_DE", "sv_SE", "es_ES", "zh_CN"])
def test_a_cascade(server: Server, cursor: Cursor, fail: Fail, language: str) -> None:
    cursor.execute("CREATE TABLE pb (k VARCHAR(20) PRIMARY KEY)")
    cursor.execute(
        "CREATE TABLE ch (k VARCHAR(20), UNIQUE KEY `u'x` (k), FOREIGN KEY (k) REFERENCES pb (k) ON UPDATE CASCADE)"
    )
    cursor.execute(f"SET lc_messages = {language}")
    cursor.execute("INSERT INTO pb VALUES ('1')")
    cursor.execute("INSERT INTO ch VALUES ('1')")
    cursor.execute("SET foreign_key_checks = 0")
    cursor.execute("INSERT INTO ch VALUES ('2')")
    cursor.execute("SET foreign_key_checks = 1")
    errno, text = fail("UPDATE pb SET k = '2' WHERE k = '1'")
    assert errno == 1761
    assert parse(errno, text, server.mariadb) == Duplicate("2", "ch", "u'x"), text


def test_a_trigger_names_its_own_table(server: Server, cursor: Cursor, fail: Fail) -> None:
    cursor.execute("CREATE TABLE t (v INT PRIMARY KEY)")
    cursor.execute("CREATE TABLE log (v INT, UNIQUE KEY ux (v))")
    cursor.execute("INSERT INTO log VALUES (1)")
    cursor.execute("CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW INSERT INTO log VALUES (1)")
    errno, text = fail("INSERT INTO t VALUES (5)")
    assert parse(errno, text, server.mariadb, expected_table="t") == with_table(server, "1", "log", "ux")
