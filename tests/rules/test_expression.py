"""The expressions of `set`."""

import pytest

from proxy.rules.expression import Expression, New, Old
from proxy.rules.expression_parser import ExpressionError, parse


def test_the_text_is_cut_at_its_columns_and_else_kept() -> None:
    assert parse("IF( new.a>old . b ,'x''y',NEW.`my``c`+0x41)").parts == (
        b"IF( ",
        New("a"),
        b">",
        Old("b"),
        b" ,'x''y',",
        New("my`c"),
        b"+0x41)",
    )


@pytest.mark.parametrize(
    "source",
    [
        "new.name",
        "old.hits + new.hits",
        "0",
        "'text'",
        "NULL",
        "TRUE",
        "-1.5e3",
        "0x41",
        "x'41'",
        "b'101'",
        "_utf8mb4 x'C3A4'",
        "NOW(6)",
        "CURRENT_TIMESTAMP",
        "UUID()",
        "IF(new.a > old.a, new.a, old.a)",
        "CASE WHEN new.a = 1 THEN 'x' ELSE old.b END",
        "CASE old.a WHEN 1 THEN 2 END",
        "old.ts + INTERVAL 1 DAY",
        "DATE_ADD(old.a, INTERVAL new.b HOUR)",
        "TIMESTAMPDIFF(DAY, old.a, new.a)",
        "EXTRACT(YEAR FROM new.a)",
        "TRIM(BOTH 'x' FROM new.a)",
        "SUBSTRING(new.a FROM 2 FOR 3)",
        "CAST(new.a AS UNSIGNED)",
        "CAST(new.a AS CHAR CHARACTER SET latin1)",
        "CONVERT(new.a USING utf8mb4)",
        "new.a COLLATE utf8mb4_bin",
        "JSON_SET(old.doc, '$.n', new.n)",
        "JSON_MERGE_PATCH(old.doc, new.doc)",
        "new.a DIV 2 + new.a MOD 2 + new.a % 3",
        "new.a BETWEEN 1 AND 2",
        "new.a IN (1, 2)",
        "NOT (new.a <=> old.a)",
        "new.a REGEXP '^x'",
        "new.a LIKE 'x%'",
        "COALESCE(new.a, old.a)",
        "new.order + old.key",
        "new.new + old.old",
        "(new.a)",
        "a_function_of_ours(new.a)",
    ],
)
def test_expressions_that_are_accepted_render_as_they_were_written(source: str) -> None:
    rendered = parse(source).render(lambda name: f"new.{name}".encode(), lambda name: f"old.{name}".encode())
    assert rendered.decode() == source


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("-- x", "is empty"),
        (
            "hits + 1",
            "names the column 'hits' bare (expected new.hits for the row offered or old.hits for the row there)",
        ),
        ("DEFAULT", "names the column 'DEFAULT' bare"),
        ("users.hits", "names 'users.hits'"),
        ("shop.new.hits", "names 'shop.new.hits'"),
        ("new.a.b", "names 'new.a.b'"),
        ("new.*", "'*' for columns"),
        ("COUNT(*)", "aggregate"),
        ("MAX(new.a)", "aggregate"),
        ("GROUP_CONCAT(new.a)", "aggregate"),
        ("ROW_NUMBER() OVER ()", "window function"),
        ("(SELECT 1)", "subquery"),
        ("EXISTS (SELECT 1)", "subquery"),
        ("new.a IN (SELECT 1)", "subquery"),
        ("VALUES(a)", "VALUES() (expected new.column)"),
        ("?", "placeholder"),
        (":name", "placeholder"),
        ("@x", "variable"),
        ("@@sql_mode", "variable"),
        ("@x := 1", "assignment"),
        ("1; DROP TABLE t", "';'"),
        ("new.a; ", "';'"),
        ("1), (2", "parentheses that do not pair"),
        ("(1", "parentheses that do not pair"),
        ("1) FROM (t", "parentheses that do not pair"),
        ("new.a, new.b", "several expressions"),
        ("new.a AS b", "an alias"),
        ("new.a /* c */", "a comment"),
        ("new.a -- c", "a comment"),
        ("new.a # c", "a comment"),
        ("/*+ hint */ new.a", "a comment"),
        ("new.a /*! + 1 */", "a comment"),
        ("'a\\nb'", "backslash"),
        ('"text"', "double quotes"),
        ("new.a || old.a", "'||'"),
        ("old.doc->'$.a'", "JSON_EXTRACT()"),
        ("old.doc->>'$.a'", "JSON_UNQUOTE"),
        ("'ä'", "outside ASCII"),
        ("new.a +", "does not read as SQL"),
        ("'open", "does not read as SQL"),
        ("CASE", "does not read as SQL"),
        ("DROP TABLE t", "does not read as SQL"),
    ],
)
def test_expressions_that_are_refused_say_why(source: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(source)
    assert message in str(caught.value)


def test_names_outside_ascii_are_columns_like_others() -> None:
    assert parse("new.ключ + old.`ä ö`").parts == (New("ключ"), b" + ", Old("ä ö"))


def test_reads_are_the_columns_of_the_row_there() -> None:
    assert parse("old.A + new.b + old.c").reads == {"a", "c"}
    assert Expression("1", (b"1",)).reads == frozenset()
