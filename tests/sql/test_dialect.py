import pytest

from proxy.sql.dialect import Dialect


@pytest.mark.parametrize(
    ("text", "mariadb", "version", "row_alias"),
    [
        ("9.7.4-2", False, (9, 7, 4), True),
        ("9.7.0", False, (9, 7, 0), True),
        ("8.0.20", False, (8, 0, 20), True),
        ("8.0.19", False, (8, 0, 19), False),
        ("8.4", False, (8, 4, 0), True),
        ("5.7.44-log", False, (5, 7, 44), False),
        ("8.0.36-28.1", False, (8, 0, 36), True),
        ("8.0.40-0ubuntu0.22.04.1", False, (8, 0, 40), True),
        ("8.0.31-google", False, (8, 0, 31), True),
        ("9.1.0-u3-cloud", False, (9, 1, 0), True),
        ("8.0.mysql_aurora.3.04.0", False, (8, 0, 0), False),
        ("5.5.5-10.11.19-MariaDB-0+deb12u1", True, (10, 11, 19), False),
        ("10.11.4-MariaDB", True, (10, 11, 4), False),
        ("11.8.2-MariaDB-ubu2404", True, (11, 8, 2), False),
        ("5.5.5-10.6.12-log", True, (10, 6, 12), False),
        ("5.5.5-m3", False, (5, 5, 5), False),
        ("8.0.11-TiDB-v8.5.0", False, (8, 0, 11), False),
        ("8.0.30-Vitess", False, (8, 0, 30), False),
        ("8.0.32 (ProxySQL)", False, (8, 0, 32), False),
        ("9.9.9-something", False, (9, 9, 9), False),
        ("", False, (0, 0, 0), False),
        ("MariaDB", True, (0, 0, 0), False),
    ],
)
def test_parse(text: str, mariadb: bool, version: tuple[int, int, int], row_alias: bool) -> None:
    assert Dialect.parse(text) == Dialect(mariadb, version, row_alias)
