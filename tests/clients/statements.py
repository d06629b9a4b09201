"""The tables and statements that the programs of all languages run, and the data that they load."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

BLOB_BYTES = 2 << 20
LOADED_LINES = "1\tone\n2\tzwei \U0001f600\n3\t\\N\n3\tagain\nfour\ttext\n"
LONG_TEXT = "'" + "long " * 200 + "'"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its type, a usual value, and one at the edge of what it can hold, as SQL."""

    name: str
    type: str
    usual: str
    edge: str


COLUMNS = (
    Column("c_tiny", "TINYINT", "1", "-128"),
    Column("c_tiny_unsigned", "TINYINT UNSIGNED", "1", "255"),
    Column("c_bool", "BOOL", "TRUE", "FALSE"),
    Column("c_small", "SMALLINT", "2", "-32768"),
    Column("c_medium", "MEDIUMINT", "3", "-8388608"),
    Column("c_int", "INT", "4", "-2147483648"),
    Column("c_int_zerofill", "INT(7) ZEROFILL", "5", "4294967295"),
    Column("c_big", "BIGINT", "6", "-9223372036854775808"),
    Column("c_big_unsigned", "BIGINT UNSIGNED", "7", "18446744073709551615"),
    Column("c_decimal", "DECIMAL(30,10)", "8.5", "-99999999999999999999.9999999999"),
    Column("c_float", "FLOAT", "0.25", "-3.40282e38"),
    Column("c_double", "DOUBLE", "0.1", "-1.7976931348623157e308"),
    Column("c_bit", "BIT(1)", "b'1'", "b'0'"),
    Column("c_bits", "BIT(20)", "b'101'", "b'11111111111111111111'"),
    Column("c_year", "YEAR", "2024", "1901"),
    Column("c_date", "DATE", "'2024-02-29'", "'9999-12-31'"),
    Column("c_time", "TIME", "'12:34:56'", "'-838:59:59'"),
    Column("c_time_6", "TIME(6)", "'12:34:56.789012'", "'838:59:58.999999'"),
    Column("c_datetime", "DATETIME", "'2024-02-29 12:34:56'", "'1000-01-01'"),
    Column("c_datetime_6", "DATETIME(6)", "'2024-02-29 12:34:56.789012'", "'9999-12-31 23:59:59.999999'"),
    Column("c_timestamp", "TIMESTAMP(3) NULL", "'2024-02-29 12:34:56.789'", "'1970-01-01 00:00:01'"),
    Column("c_char", "CHAR(10)", "'char'", "''"),
    Column("c_varchar", "VARCHAR(100)", "'it''s \U0001f600 \\\\ \"'", "''"),
    Column("c_latin", "VARCHAR(20) CHARACTER SET latin1", "'äöü€'", "' '"),
    Column("c_utf16", "VARCHAR(20) CHARACTER SET utf16", "'äöü\U0001f600'", "' '"),
    Column("c_binary", "BINARY(5)", "X'00FF27'", "X'0000000000'"),
    Column("c_varbinary", "VARBINARY(100)", "X'00FF275C22C328'", "X''"),
    Column("c_tinyblob", "TINYBLOB", "X'00FF'", "REPEAT(X'00', 255)"),
    Column("c_blob", "BLOB", "X'C328'", "REPEAT(X'FE', 65535)"),
    Column("c_mediumblob", "MEDIUMBLOB", "X'FF'", "REPEAT(X'FF', 70000)"),
    Column("c_longblob", "LONGBLOB", "'blob'", "REPEAT(X'27', 300)"),
    Column("c_tinytext", "TINYTEXT", "'tiny'", "REPEAT('x', 251)"),
    Column("c_text", "TEXT", LONG_TEXT, "REPEAT('y', 65535)"),
    Column("c_mediumtext", "MEDIUMTEXT", "'日本語'", "REPEAT('z', 65536)"),
    Column("c_longtext", "LONGTEXT", "'Ж'", "''"),
    Column("c_enum", "ENUM('a','b b','ü')", "'ü'", "'a'"),
    Column("c_set", "SET('x','y','z')", "'x,z'", "''"),
    Column("c_json", "JSON", """'{"a": [1, null, "\U0001f600"]}'""", "'null'"),
    Column("c_point", "POINT", "ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('POINT(-1 0)')"),
    Column("c_geometry", "GEOMETRY", "ST_GeomFromText('LINESTRING(0 0,1 1)')", "ST_GeomFromText('POINT(0 0)')"),
)
MARIADB_COLUMNS = (
    Column("c_uuid", "UUID", "'123e4567-e89b-12d3-a456-426655440000'", "'00000000-0000-0000-0000-000000000000'"),
    Column("c_inet4", "INET4", "'127.0.0.1'", "'0.0.0.0'"),
    Column("c_inet6", "INET6", "'::1'", "'::'"),
)

SETUP = (
    "CREATE TABLE users (id INT AUTO_INCREMENT PRIMARY KEY, email VARCHAR(100) UNIQUE, name VARCHAR(100), "
    "visits INT NOT NULL DEFAULT 0)",
    "CREATE TABLE numbers (n INT PRIMARY KEY, text VARCHAR(50))",
    "CREATE TABLE files (id INT PRIMARY KEY, content LONGBLOB, note LONGTEXT)",
    "CREATE PROCEDURE double_it(IN a INT, INOUT b INT, OUT c VARCHAR(20)) "
    "BEGIN SELECT a AS first; SELECT a, b, 'two' AS second UNION ALL SELECT NULL, NULL, NULL; "
    "SET b = b * 2; SET c = CONCAT('<', a, '>'); END",
    "CREATE PROCEDURE fail_late() BEGIN SELECT 1 AS before_the_error; INSERT INTO numbers VALUES (1, 'x'), (1, 'x'); "
    "SELECT 2 AS never; END",
)


# A type that half of the drivers fail to read, wherever it comes from.
VECTORS = (
    "CREATE TABLE vectors (id INT PRIMARY KEY, v VECTOR(3))",
    "INSERT INTO vectors VALUES (1, STRING_TO_VECTOR('[1,2,3]')), (2, STRING_TO_VECTOR('[-0.5]')), (3, NULL)",
)


def everything(*, mariadb: bool) -> Iterator[str]:
    """Yield the statements that make and fill a table with a column of every type."""
    columns = COLUMNS + (MARIADB_COLUMNS if mariadb else ())
    definitions = ", ".join(f"{column.name} {column.type}" for column in columns)
    yield f"CREATE TABLE everything (id INT PRIMARY KEY, {definitions}) CHARACTER SET utf8mb4"
    yield f"INSERT INTO everything VALUES (1, {', '.join(column.usual for column in columns)})"
    yield f"INSERT INTO everything VALUES (2, {', '.join(column.edge for column in columns)})"
    yield "INSERT INTO everything (id) VALUES (3)"
    if not mariadb:
        yield from VECTORS


def shared(*, mariadb: bool) -> dict[str, Any]:
    """Return what every program is handed to run."""
    return {"setup": SETUP, "everything": list(everything(mariadb=mariadb)), "blob_bytes": BLOB_BYTES}
