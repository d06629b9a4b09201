import pytest

from proxy.session.variables import Variables, is_compound
from proxy.wire import capabilities as cap
from proxy.wire.answers import TRACK_SCHEMA, TRACK_VARIABLE
from proxy.wire.lenenc import write_bytes

AUTOCOMMIT = cap.STATUS_AUTOCOMMIT


def fresh(*, mariadb: bool = False, collation: int = 45, status: int = AUTOCOMMIT) -> Variables:
    return Variables(mariadb, "shop", collation, status)


def after(*texts: str, mariadb: bool = False, status: int = AUTOCOMMIT) -> Variables:
    """Variables after the server's OK to each of these."""
    variables = fresh(mariadb=mariadb)
    for text in texts:
        variables.succeeded(text.split()[0].lower(), text.encode(), status)
    return variables


# --------------------------------------------------------------------------------------------------------------------
# Character set


@pytest.mark.parametrize("collation", [1, 84, 13, 88, 28, 87, 95, 96, 248, 249, 250])
def test_a_login_with_an_unsafe_charset(collation: int) -> None:
    assert fresh(collation=collation).lexing().charset_safe is False


@pytest.mark.parametrize("collation", [8, 33, 45, 63, 224, 255, 24, 19])
def test_a_login_with_a_safe_charset(collation: int) -> None:
    assert fresh(collation=collation).lexing().charset_safe is True


@pytest.mark.parametrize("charset", ["gbk", "'GBK'", '"sjis"', "big5", "cp932 COLLATE cp932_bin", "gb18030;"])
def test_set_names_to_an_unsafe_charset(charset: str) -> None:
    assert after(f"SET NAMES {charset}").lexing().charset_safe is False


@pytest.mark.parametrize(
    "text",
    [
        "SET NAMES utf8mb4",
        "set  names 'utf8mb4' collate 'utf8mb4_bin' ;",
        "SET character_set_client = latin1",
        "SET @@session.character_set_client='gb2312'",
        "SET SESSION character_set_client=ujis",
    ],
)
def test_set_names_to_a_safe_charset(text: str) -> None:
    assert after("SET NAMES gbk", text).lexing().charset_safe is True


@pytest.mark.parametrize(
    "text",
    [
        "SET NAMES DEFAULT",
        "SET NAMES utf8mb4, @a = 1",
        "SET CHARACTER SET gbk",
        "SET CHARSET utf8mb4",
        "SET /* x */ NAMES utf8mb4",
        "SET @@character_set_client = @old",
        "SET a = 1, character_set_client = gbk",
    ],
)
def test_what_is_not_plain_makes_the_charset_unknown(text: str) -> None:
    assert after(text).lexing().charset_safe is None


@pytest.mark.parametrize("text", ["SET autocommit = 0", "SET @x = 1", "SET SESSION TRANSACTION READ ONLY"])
def test_what_is_about_something_else_changes_nothing(text: str) -> None:
    variables = after("SET NAMES utf8mb4", "SET sql_mode = ''")
    version = variables.version
    variables.succeeded("set", text.encode(), AUTOCOMMIT)
    assert variables.version == version
    assert (variables.lexing().charset_safe, variables.lexing().ansi_quotes) == (True, False)


# --------------------------------------------------------------------------------------------------------------------
# SQL mode


def test_the_sql_mode_is_not_known_at_first() -> None:
    assert fresh().lexing().ansi_quotes is None


@pytest.mark.parametrize(
    ("text", "ansi_quotes"),
    [
        ("SET sql_mode = ''", False),
        ("SET SESSION sql_mode='STRICT_TRANS_TABLES,NO_ZERO_DATE'", False),
        ('SET @@sql_mode="ANSI_QUOTES"', True),
        ("SET @@session.sql_mode='strict_all_tables, ansi'", True),
        ("SET LOCAL sql_mode = 'ORACLE';", True),
        ("SET sql_mode = @@global.sql_mode", None),
        ("SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')", None),
        ("SET @old = @@sql_mode, sql_mode = ''", None),
        ("SET GLOBAL sql_mode = 'ANSI'", None),
        ("SET sql_mode = 4", None),
    ],
)
def test_set_sql_mode(text: str, ansi_quotes: bool | None) -> None:
    assert after("SET sql_mode = 'ANSI'", text).lexing().ansi_quotes is ansi_quotes


def test_mariadb_tells_ansi_quotes_by_a_status_flag() -> None:
    assert fresh(mariadb=True).lexing().ansi_quotes is False
    assert fresh(mariadb=True, status=AUTOCOMMIT | cap.STATUS_ANSI_QUOTES).lexing().ansi_quotes is True
    flags = AUTOCOMMIT | cap.STATUS_ANSI_QUOTES
    assert after("SET sql_mode = @mode", mariadb=True, status=flags).lexing().ansi_quotes is True


def test_backslashes() -> None:
    assert fresh().lexing().no_backslash_escapes is False
    assert fresh(status=AUTOCOMMIT | cap.STATUS_NO_BACKSLASH_ESCAPES).lexing().no_backslash_escapes is True
    flags = AUTOCOMMIT | cap.STATUS_NO_BACKSLASH_ESCAPES
    assert after("SET sql_mode = @mode", status=flags).lexing().no_backslash_escapes is True


# --------------------------------------------------------------------------------------------------------------------
# Schema, and all at once


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("USE stock", "stock"),
        ("use `st``ock`;", "st`ock"),
        ("USE  größe ", "größe"),
        ("USE /* x */ stock", None),
    ],
)
def test_use(text: str, schema: str | None) -> None:
    assert after(text).schema == schema


@pytest.mark.parametrize("verb", ["execute"])
def test_what_runs_other_texts_makes_all_unknown(verb: str) -> None:
    variables = after("SET sql_mode = ''")
    version = variables.version
    variables.succeeded(verb, b"EXECUTE s", AUTOCOMMIT)
    lexing = variables.lexing()
    assert (lexing.ansi_quotes, lexing.charset_safe, lexing.no_backslash_escapes) == (None, None, None)
    assert variables.version > version


def test_a_call_changes_nothing() -> None:
    variables = after("SET sql_mode = ''", "CALL p()")
    assert variables.lexing().ansi_quotes is False


# --------------------------------------------------------------------------------------------------------------------
# What the server tracks


def tracked(name: bytes, value: bytes) -> bytes:
    return write_bytes(name) + write_bytes(value)


def test_tracked_variables() -> None:
    variables = fresh()
    variables.tracked(TRACK_VARIABLE, tracked(b"character_set_client", b"gbk"))
    assert variables.lexing().charset_safe is False
    variables.tracked(TRACK_VARIABLE, tracked(b"character_set_client", b"utf8mb4"))
    assert variables.lexing().charset_safe is True
    variables.tracked(TRACK_VARIABLE, tracked(b"sql_mode", b"REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,ANSI"))
    assert variables.lexing().ansi_quotes is True
    variables.tracked(TRACK_VARIABLE, tracked(b"sql_mode", b""))
    assert variables.lexing().ansi_quotes is False
    version = variables.version
    variables.tracked(TRACK_VARIABLE, tracked(b"autocommit", b"ON"))
    variables.tracked(2, b"1")
    assert variables.version == version


def test_a_tracked_schema() -> None:
    variables = fresh()
    variables.tracked(TRACK_SCHEMA, write_bytes("größe".encode()))
    assert variables.schema == "größe"
    variables.tracked(TRACK_SCHEMA, write_bytes(b""))
    assert variables.schema is None


@pytest.mark.parametrize(
    ("text", "compound"),
    [
        (b"BEGIN NOT ATOMIC SET NAMES gbk; END", True),
        (b"if 1 then set names gbk; end if", True),
        (b"again: LOOP SET NAMES gbk; LEAVE again; END LOOP", True),
        (b"REPEAT SET NAMES gbk; UNTIL 1 END REPEAT", True),
        (b"BEGIN", False),
        (b"begin work", False),
        (b"REPLACE INTO t VALUES (1)", False),
        (b"FORCE", False),
    ],
)
def test_compound_statements(text: bytes, compound: bool) -> None:
    assert is_compound(text) is compound
