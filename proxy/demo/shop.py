"""The shop of the demo: its schema and its tables."""

from __future__ import annotations

from typing import Final

import pymysql

SCHEMA: Final = "shop"
"""The schema that the demo works in."""

_TABLES: Final = (
    """CREATE TABLE users (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
        email VARCHAR(190) NOT NULL,
        name VARCHAR(100) NOT NULL,
        PRIMARY KEY (id),
        UNIQUE KEY ux_email (email)
    )""",
    """CREATE TABLE payments (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
        reference VARCHAR(64) NOT NULL,
        cents INT NOT NULL,
        PRIMARY KEY (id),
        UNIQUE KEY ux_reference (reference)
    )""",
    """CREATE TABLE page_views (
        page VARCHAR(190) NOT NULL,
        hits INT NOT NULL,
        PRIMARY KEY (page)
    )""",
    """CREATE TABLE coupons (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
        code VARCHAR(32) NOT NULL,
        PRIMARY KEY (id),
        UNIQUE KEY ux_code (code)
    )""",
)


def open_shop(host: str, port: int, user: str, password: str = "") -> None:
    """Create the schema and the tables on a backend that does not have them.

    Raises:
        pymysql.Error: if the backend refuses.
    """
    with (
        pymysql.connect(host=host, port=port, user=user, password=password, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"CREATE DATABASE {SCHEMA}")
        cursor.execute(f"USE {SCHEMA}")
        for table in _TABLES:
            cursor.execute(table)
