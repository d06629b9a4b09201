"""INSERT ... SET: no parenthesis closes a value, so it must be proven to be whole."""

import pytest

from proxy.sql.form import Form
from proxy.sql.reason import Reason
from tests.sql.texts import ANSI, UNKNOWN, insert_of, reason_of


@pytest.mark.parametrize(
    "value",
    [
        b"1",
        b"-1.5e-3",
        b".5",
        b"1.",
        b"0xFF",
        b"- - 1",
        b"'a, b'",
        b"'a' 'b'",
        b"_utf8mb4'a' COLLATE utf8mb4_bin",
        b"_binary 0xFF",
        b"N'a'",
        b"x'00'",
        b"X'00'",
        b"DATE'2020-01-01'",
        b"TIMESTAMP '2020-01-01 00:00:00'",
        b"?",
        b"NULL",
        b"DEFAULT",
        b"DEFAULT(a)",
        b"CURRENT_TIMESTAMP",
        b"NOW()",
        b"now ( 6 )",
        b"IF(a, b, c)",
        b"LEFT('a', 1)",
        b"(SELECT MAX(a), 1 FROM u)",
        b"(1, 2)",
        b"(CASE WHEN a THEN b END)",
        b"(1 IN (1, 2))",
        b"EXISTS (SELECT 1)",
        b"t.a + `s`.`t`.`b` * f(1, 2) DIV 3",
        b"a->'$.x'",
        b"a ->> '$.x'",
        b"NOT a AND b OR ! c XOR d",
        b"a IS NULL",
        b"a IS NOT TRUE AND b",
        b"a LIKE 'x%'",
        b"BINARY a",
        b"@a",
        b"@'a b'",
        b"@@session.sql_mode",
        b"NOW() + INTERVAL 1 DAY",
        b"NOW() - INTERVAL -1 HOUR_MINUTE + INTERVAL ? YEAR",
        b"INTERVAL(1, 2)",
        b"1 /* , */ + /* + */ 2",
        b"1 -- , +\n + 2",
        b"a = b",
        b"a <=> b",
        b"a != b",
    ],
)
def test_value(value: bytes) -> None:
    text = b"INSERT INTO t SET a = " + value + b", b=1,`c` := " + value
    insert = insert_of(text + b" ; -- x")
    assert insert.form is Form.SET
    assert insert.columns == ("a", "b", "c")
    assert (insert.rows, insert.values, insert.body_end) == (1, 3, len(text))


@pytest.mark.parametrize(
    "value",
    [
        b"CASE WHEN a THEN b END",
        b"CASE",
        b"a IN (1, 2)",
        b"a BETWEEN 1 AND 2",
        b"a NOT LIKE 'x'",
        b"a LIKE 'x' ESCAPE '|'",
        b"a IS",
        b"a IS NOT",
        b"INTERVAL 1",
        b"INTERVAL 1 + 2 DAY",
        b"NOW() + INTERVAL 1 FORTNIGHT",
        b"_utf8mb4",
        b"_utf8mb4 COLLATE utf8mb4_bin",
        b"SELECT",
        b"EXISTS",
        b"ALL",
    ],
)
def test_a_value_that_is_not_followed(value: bytes) -> None:
    assert reason_of(b"INSERT INTO t SET a = " + value) is Reason.EXPRESSION


@pytest.mark.parametrize(
    "text",
    [
        b"INSERT INTO t SET",
        b"INSERT INTO t SET a",
        b"INSERT INTO t SET a =",
        b"INSERT INTO t SET a = ,",
        b"INSERT INTO t SET a = 1,",
        b"INSERT INTO t SET a = 1 b = 2",
        b"INSERT INTO t SET a = 1 2",
        b"INSERT INTO t SET a = 1 +",
        b"INSERT INTO t SET a = -",
        b"INSERT INTO t SET a = NOT",
        b"INSERT INTO t SET a = b COLLATE",
        b"INSERT INTO t SET a = b AND",
        b"INSERT INTO t SET a = b.",
        b"INSERT INTO t SET a = @",
        b"INSERT INTO t SET a = 1)",
        b"INSERT INTO t SET 1 = 1",
        b"INSERT INTO t SET 'a' = 1",
        b"INSERT INTO t SET a.b.c.d = 1",
        b"INSERT INTO t SET a = 1 WHERE b",
        b"INSERT INTO t SET a = 1 VALUES (1)",
    ],
)
def test_what_is_not_whole_is_malformed(text: bytes) -> None:
    assert reason_of(text) is Reason.MALFORMED


def test_double_quotes() -> None:
    assert insert_of(b'INSERT INTO t SET "a" = "b"', ANSI).columns == ("a",)
    assert insert_of(b'INSERT INTO t SET a = "b" "c"').columns == ("a",)
    assert reason_of(b'INSERT INTO t SET a = "b"', UNKNOWN) is Reason.ANSI_QUOTES
