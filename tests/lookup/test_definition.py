"""Definitions as both servers give them, read with the rights that config/proxy.yaml asks for and no others."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pymysql
import pytest
import pytest_asyncio
from pymysql.constants import ER

from proxy.lookup.definition import LookupFailedError, Row, read_definition
from proxy.lookup.reader import Reader
from proxy.rules.table import Absence, Column, KeyPart, Missing, Table, UniqueKey
from proxy.sql.dialect import Dialect
from tests.lookup.readers import execute, reading, source
from tests.servers.accounts import Account, AccountMaker
from tests.servers.launch import Server, running

NO_TABLE = Missing(Absence.NO_TABLE)
NOT_VISIBLE = Missing(Absence.NOT_VISIBLE)
PLAIN = Column("", "int", None, None, True, False, False, True)


@pytest_asyncio.fixture
async def reader(server: Server, database: str, make_account: AccountMaker) -> AsyncIterator[Reader]:
    account = make_account(grants=f"REFERENCES, TRIGGER ON {database}.*")
    async with reading(source(server, account)) as reader:
        yield reader


async def read(reader: Reader, database: str, name: str = "t") -> Table:
    found = await reader.read(database, name)
    assert isinstance(found, Table)
    return found


def keys(table: Table) -> dict[str, tuple[KeyPart, ...]]:
    return {key.name: key.parts for key in table.keys}


async def test_columns(server: Server, database: str, reader: Reader) -> None:
    execute(
        server,
        f"""CREATE TABLE {database}.t (
            id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
            Name VARCHAR(9) CHARACTER SET latin1 COLLATE latin1_german1_ci,
            n INT NOT NULL,
            d DECIMAL(9,2) NOT NULL DEFAULT 1,
            at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
            u VARCHAR(36) CHARACTER SET ascii NOT NULL DEFAULT (UUID()),
            b VARBINARY(4),
            e ENUM('x','y') CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
            v INT GENERATED ALWAYS AS (n + 1) VIRTUAL,
            s INT GENERATED ALWAYS AS (n + 1) STORED,
            i INT INVISIBLE DEFAULT 3,
            `q``uote %s` INT COMMENT 'two\n  `lines` of'
        )""",
    )
    table = await read(reader, database)
    assert (table.schema, table.name, table.engine, table.view) == (database, "t", "InnoDB", False)
    expected = (
        replace(PLAIN, name="id", type="bigint", nullable=False, auto_increment=True, has_default=False),
        replace(PLAIN, name="Name", type="varchar", charset="latin1", collation="latin1_german1_ci"),
        replace(PLAIN, name="n", nullable=False, has_default=False),
        replace(PLAIN, name="d", type="decimal", nullable=False),
        replace(PLAIN, name="at", type="timestamp", nullable=False),
        replace(PLAIN, name="u", type="varchar", charset="ascii", collation="ascii_general_ci", nullable=False),
        replace(PLAIN, name="b", type="varbinary"),
        replace(
            PLAIN,
            name="e",
            type="enum",
            charset="utf8mb4",
            collation="utf8mb4_bin",
            nullable=False,
            has_default=False,
        ),
        replace(PLAIN, name="v", generated=True, has_default=False),
        replace(PLAIN, name="s", generated=True, has_default=False),
        replace(PLAIN, name="i", invisible=True),
        replace(PLAIN, name="q`uote %s"),
    )
    assert table.columns == expected


async def test_an_insert_without_a_column_list_names_what_listed_says(
    server: Server, database: str, reader: Reader
) -> None:
    execute(
        server,
        f"CREATE TABLE {database}.t (a INT, i INT INVISIBLE, g INT GENERATED ALWAYS AS (a) VIRTUAL, z INT)",
        f"INSERT INTO {database}.t VALUES (1, DEFAULT, 2)",
    )
    table = await read(reader, database)
    assert [column.name for column in table.listed] == ["a", "g", "z"]


async def test_keys_are_in_the_order_of_show_index(server: Server, database: str, reader: Reader) -> None:
    execute(
        server,
        f"""CREATE TABLE {database}.t (a INT, b INT NOT NULL, c VARCHAR(9), d TEXT, id INT,
            UNIQUE KEY nullable (a), KEY plain (b), UNIQUE KEY `fi``xed %s` (b), UNIQUE KEY z_prefix (c(3), b),
            UNIQUE KEY a_text (d(10)), PRIMARY KEY (id))""",
        f"ALTER TABLE {database}.t ADD UNIQUE KEY late (b, id)",
    )
    table = await read(reader, database)
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SHOW INDEX FROM {database}.t")
        shown = list(dict.fromkeys(row[2] for row in cursor.fetchall() if not row[1]))
    assert list(keys(table)) == shown
    assert keys(table) == {
        "PRIMARY": (KeyPart("id"),),
        "fi`xed %s": (KeyPart("b"),),
        "late": (KeyPart("b"), KeyPart("id")),
        "nullable": (KeyPart("a"),),
        "z_prefix": (KeyPart("c", prefix=3), KeyPart("b")),
        "a_text": (KeyPart("d", prefix=10),),
    }


async def test_a_key_that_the_optimizer_ignores_is_unique_all_the_same(
    server: Server, database: str, reader: Reader
) -> None:
    hidden = "IGNORED" if server.mariadb else "INVISIBLE"
    execute(server, f"CREATE TABLE {database}.t (a INT, b INT, UNIQUE KEY k (a, b) {hidden})")
    assert (await read(reader, database)).key_columns("k") == ("a", "b")


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
async def test_functional_keys(server: Server, database: str, reader: Reader) -> None:
    execute(
        server,
        f"""CREATE TABLE {database}.t (a VARCHAR(50), b INT, j JSON, UNIQUE KEY f (b, (LOWER(a))),
            UNIQUE KEY q ((LEFT(REPLACE(a, '\\\\', 'it''s\n'), 9))),
            UNIQUE KEY m ((CAST(j->'$' AS UNSIGNED ARRAY))))""",
    )
    table = await read(reader, database)
    assert keys(table)["f"] == (KeyPart("b"), KeyPart(None, expression="lower(`a`)"))
    [quoted] = keys(table)["q"]
    assert quoted.expression == r"left(replace(`a`,_utf8mb4'\\',_utf8mb4'it\'s\n'),9)"
    execute(server, f"SELECT {quoted.expression} FROM {database}.t")
    assert keys(table)["m"][0].multi_valued


@pytest.mark.parametrize("server", ["mysql"], indirect=True)
async def test_a_generated_invisible_primary_key_is_seen(server: Server, database: str, reader: Reader) -> None:
    execute(
        server,
        "SET SESSION sql_generate_invisible_primary_key = ON",
        f"CREATE TABLE {database}.t (a INT)",
        "SET GLOBAL show_gipk_in_create_table_and_information_schema = OFF",
    )
    try:
        table = await read(reader, database)
    finally:
        execute(server, "SET GLOBAL show_gipk_in_create_table_and_information_schema = ON")
    assert table.key_columns("PRIMARY") == ("my_row_id",)
    assert [column.name for column in table.listed] == ["a"]


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
async def test_keys_that_only_mariadb_has(server: Server, database: str, reader: Reader) -> None:
    execute(
        server,
        f"""CREATE TABLE {database}.t (id INT, s DATE, e DATE, d TEXT, b BLOB, PERIOD FOR p (s, e),
            UNIQUE KEY w (id, p WITHOUT OVERLAPS), UNIQUE KEY l (d), UNIQUE KEY m (id, b),
            UNIQUE KEY n (id) COMMENT 'is WITHOUT OVERLAPS')""",
    )
    table = await read(reader, database)
    period = table.key("w")
    assert period == UniqueKey("w", (KeyPart("id"), KeyPart("e"), KeyPart("s")), without_overlaps=True)
    assert table.key_columns("w") is None
    assert (table.key_columns("l"), table.key_columns("m"), table.key_columns("n")) == (("d",), ("id", "b"), ("id",))


@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
async def test_what_else_only_mariadb_has(server: Server, database: str, reader: Reader) -> None:
    execute(
        server,
        f"CREATE TABLE {database}.t (j JSON, u UUID, i INET6, UNIQUE KEY u (u)) WITH SYSTEM VERSIONING",
        f"CREATE TABLE {database}.rows (a INT, f TIMESTAMP(6) GENERATED ALWAYS AS ROW START,"
        " u TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (f, u)) WITH SYSTEM VERSIONING",
        f"CREATE SEQUENCE {database}.counter",
    )
    table = await read(reader, database)
    assert [(column.name, column.type) for column in table.columns] == [
        ("j", "longtext"),
        ("u", "uuid"),
        ("i", "inet6"),
    ]
    assert table.key_columns("u") == ("u",)
    rows = await read(reader, database, "rows")
    assert [column.generated for column in rows.columns] == [False, True, True]
    assert (await read(reader, database, "counter")).keys == ()


@pytest.mark.parametrize(
    ("engine", "transactional"), [("InnoDB", True), ("MyISAM", False), ("MEMORY", False), ("Aria", False)]
)
async def test_engines(server: Server, database: str, reader: Reader, engine: str, transactional: bool) -> None:
    if engine == "Aria" and not server.mariadb:
        engine, transactional = "CSV", False
    execute(server, f"CREATE TABLE {database}.t (a INT NOT NULL) ENGINE={engine}")
    table = await read(reader, database)
    assert (table.engine, table.transactional) == (engine, transactional)


async def test_a_partitioned_table(server: Server, database: str, reader: Reader) -> None:
    execute(server, f"CREATE TABLE {database}.t (a INT, b INT, UNIQUE KEY k (a, b)) PARTITION BY KEY (a) PARTITIONS 3")
    table = await read(reader, database)
    assert (table.engine, table.transactional, table.key_columns("k")) == ("InnoDB", True, ("a", "b"))


async def test_triggers(server: Server, database: str, reader: Reader) -> None:
    execute(
        server,
        f"CREATE TABLE {database}.t (a INT)",
        f"CREATE TABLE {database}.none (a INT)",
        f"CREATE TRIGGER {database}.one BEFORE INSERT ON {database}.t FOR EACH ROW SET NEW.a = 1",
        f"CREATE TRIGGER {database}.two AFTER INSERT ON {database}.t FOR EACH ROW SET @a = 1",
        f"CREATE TRIGGER {database}.three AFTER DELETE ON {database}.t FOR EACH ROW SET @a = 1",
    )
    assert (await read(reader, database)).triggers == frozenset({"insert", "delete"})
    assert (await read(reader, database, "none")).triggers == frozenset()


async def test_a_view(server: Server, database: str, reader: Reader) -> None:
    execute(
        server,
        f"CREATE TABLE {database}.t (a INT PRIMARY KEY, b INT)",
        f"CREATE VIEW {database}.v AS SELECT a, b AS c FROM {database}.t",
    )
    view = await read(reader, database, "v")
    assert view.view
    assert [column.name for column in view.columns] == ["a", "c"]
    assert (view.keys, view.engine, view.transactional) == ((), None, False)


@pytest.mark.parametrize("name", ["u", "x" * 300, "a\0b", "😀", "\udcff", "", "it's %s `"])
async def test_what_names_no_table(server: Server, database: str, reader: Reader, name: str) -> None:
    assert await reader.read(database, name) == NO_TABLE
    assert await reader.read(name, "t") == NO_TABLE


async def test_letter_case_matters_where_it_does(server: Server, database: str, reader: Reader) -> None:
    execute(server, f"CREATE TABLE {database}.t (a INT)", f"CREATE TABLE {database}.T (b INT)")
    assert [column.name for column in (await read(reader, database, "t")).columns] == ["a"]
    assert [column.name for column in (await read(reader, database, "T")).columns] == ["b"]
    assert await reader.read(database.upper(), "t") == NO_TABLE


@pytest.mark.own_server
async def test_letter_case_does_not_matter_where_it_does_not() -> None:
    with running("mariadb", ["--lower-case-table-names=1"]) as server:
        execute(server, "CREATE DATABASE shop", "CREATE TABLE shop.Users (Id INT, UNIQUE KEY Ux (Id))")
        async with reading(source(server, Account(server.user, server.password))) as reader:
            table = await read(reader, "SHOP", "USERS")
    assert (table.schema, table.name, table.key_columns("ux")) == ("shop", "users", ("Id",))


async def test_settings_of_the_server_change_nothing(server: Server, database: str, make_account: AccountMaker) -> None:
    execute(server, f"CREATE TABLE {database}.t (a INT, UNIQUE KEY k (a))")
    account = make_account(grants=f"REFERENCES, TRIGGER ON {database}.*")
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.sql_mode")
        [[before]] = cursor.fetchall()
        cursor.execute("SET GLOBAL sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES', sql_quote_show_create = 0")
        try:
            async with reading(source(server, account)) as reader:
                table = await read(reader, database)
        finally:
            cursor.execute("SET GLOBAL sql_mode = %s, sql_quote_show_create = 1", (before,))
    assert table.key_columns("k") == ("a",)
    assert table.triggers == frozenset()


# --------------------------------------------------------------------------------------------------------------------
# Privileges


TABLE = "CREATE TABLE {}.t (a INT, b INT, UNIQUE KEY k (a))"
TRIGGER = "CREATE TRIGGER {0}.one BEFORE INSERT ON {0}.t FOR EACH ROW SET NEW.a = 1"


@pytest.mark.parametrize(
    ("grants", "found"),
    [
        ("REFERENCES, TRIGGER ON {}.*", {"insert"}),
        ("REFERENCES, TRIGGER ON {}.t", {"insert"}),
        ("SELECT, TRIGGER ON *.*", {"insert"}),
        ("ALL ON {}.*", {"insert"}),
        ("REFERENCES ON {}.*", None),
        ("SELECT ON {}.*", None),
        ("SELECT ON *.*", None),
        ("INSERT ON {}.t", None),
        ("TRIGGER ON {}.*", NOT_VISIBLE),
        ("DELETE ON {}.t", NOT_VISIBLE),
        ("SELECT (a, b) ON {}.t", NOT_VISIBLE),
        ("INSERT (a), SELECT (a) ON {}.t", NOT_VISIBLE),
        ("", NO_TABLE),
        ("EXECUTE ON {}.*", NO_TABLE),
    ],
)
async def test_privileges(
    server: Server, database: str, make_account: AccountMaker, grants: str, found: set[str] | Missing | None
) -> None:
    execute(server, TABLE.format(database), TRIGGER.format(database))
    account = make_account(grants=grants.format(database))
    async with reading(source(server, account)) as reader:
        table = await reader.read(database, "t")
    if isinstance(found, Missing):
        assert table == found
    else:
        assert isinstance(table, Table)
        assert ([column.name for column in table.columns], table.key_columns("k")) == (["a", "b"], ("a",))
        assert table.triggers == found


async def test_rights_on_the_table_and_on_a_column_do_not_add_up(
    server: Server, database: str, make_account: AccountMaker
) -> None:
    execute(server, TABLE.format(database))
    account = make_account(grants=f"DELETE ON {database}.t")
    execute(server, f"GRANT SELECT (a) ON {database}.t TO {account.user}@'%'")
    async with reading(source(server, account)) as reader:
        assert await reader.read(database, "t") == NOT_VISIBLE


async def test_rights_of_a_role(server: Server, database: str, make_account: AccountMaker) -> None:
    execute(server, TABLE.format(database), TRIGGER.format(database))
    account = make_account(grants="")
    role = f"role_{database}"
    default = f"{role} FOR" if server.mariadb else f"{role} TO"
    execute(
        server,
        f"CREATE ROLE {role}",
        f"GRANT REFERENCES, TRIGGER ON {database}.* TO {role}",
        f"GRANT {role} TO {account.user}@'%'",
        f"SET DEFAULT ROLE {default} {account.user}@'%'",
    )
    try:
        async with reading(source(server, account)) as reader:
            table = await read(reader, database)
    finally:
        execute(server, f"DROP ROLE {role}")
    assert table.triggers == frozenset({"insert"})


# --------------------------------------------------------------------------------------------------------------------
# A definition that changes while it is read


CREATED = "CREATE TABLE `t` (\n  `a` int DEFAULT NULL,\n  `b` int DEFAULT NULL{}\n) ENGINE=InnoDB AUTO_INCREMENT={}"


class Changing:
    """Answers as a server would whose table is altered between two of the questions."""

    def __init__(self, *keys: str) -> None:
        self.keys = list(keys)
        self.asked = 0

    def __call__(self, statement: str, values: Sequence[str] = ()) -> Sequence[Row]:
        if statement.startswith("SHOW CREATE"):
            self.asked += 1
            return [("t", CREATED.format(self.keys.pop(0), self.asked))]
        if "information_schema.TABLES" in statement:
            return [("s", "t", "BASE TABLE", "InnoDB", "YES", 0)]
        if "information_schema.COLUMNS" in statement:
            return [(name, "int", None, None, "YES", None, "", 0) for name in ("a", "b")]
        if "information_schema.STATISTICS" in statement:
            return [("k", "a", None, None)]
        return []


ON_A, ON_B = ",\n  UNIQUE KEY `k` (`a`)", ",\n  UNIQUE KEY `k` (`b`)"
DIALECT = Dialect.parse("9.7.4")


def test_a_definition_that_changes_is_read_again() -> None:
    ask = Changing(ON_B, ON_A, ON_A, ON_A)
    table = read_definition(ask, DIALECT, "s", "t")
    assert isinstance(table, Table)
    assert table.key_columns("k") == ("a",)
    assert ask.asked == 4


def test_a_definition_that_never_rests() -> None:
    with pytest.raises(LookupFailedError, match="changes while it is read"):
        read_definition(Changing(*[ON_A, ON_B] * 3), DIALECT, "s", "t")


def test_a_key_that_is_not_told_everywhere() -> None:
    assert read_definition(Changing("", ""), DIALECT, "s", "t") == NOT_VISIBLE


@pytest.mark.parametrize(("code", "found"), [(ER.NO_SUCH_TABLE, NO_TABLE), (ER.TABLEACCESS_DENIED_ERROR, NOT_VISIBLE)])
def test_a_table_that_goes_away_while_it_is_read(code: int, found: Missing) -> None:
    def ask(statement: str, values: Sequence[str] = ()) -> Sequence[Row]:
        if statement.startswith("SHOW CREATE"):
            raise pymysql.err.ProgrammingError(code, "")
        return Changing()(statement, values)

    assert read_definition(ask, DIALECT, "s", "t") == found


def test_other_errors_are_not_hidden() -> None:
    def ask(statement: str, values: Sequence[str] = ()) -> Sequence[Row]:
        raise pymysql.err.OperationalError(ER.LOCK_WAIT_TIMEOUT, "")

    with pytest.raises(pymysql.err.OperationalError):
        read_definition(ask, DIALECT, "s", "t")
