"""Generated INSERTs, read by the recogniser and by sqlglot."""

import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import expressions as exp

from tests.sql.texts import insert_of

_plain_name = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
_quoted_name = st.text(st.sampled_from("ab`,.() -\"';"), min_size=1, max_size=6).map(
    lambda name: "`" + name.replace("`", "``") + "`"
)
_name = _plain_name.map(lambda name: name + "_x") | _quoted_name
_content = st.text(st.sampled_from("ab'\"`\\,();?#-/* \n"), max_size=8)
_string = _content.map(lambda text: "'" + text.replace("\\", "\\\\").replace("'", "''") + "'") | _content.map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
_literal = st.one_of(
    st.integers(-99, 99).map(str), st.sampled_from(["NULL", "DEFAULT", "1.5", "1e3", "TRUE", "x'00'", "0x1F"]), _string
)
_call = st.lists(_literal, max_size=3).map(lambda values: "COALESCE(0, " + ", ".join(["1", *values]) + ")")
_value = (
    _literal
    | _call
    | st.builds("CASE WHEN {} = 1 THEN {} ELSE ({}) END".format, _string, _call, _literal)
    | st.builds("(SELECT MAX(a_x) FROM u_x WHERE b_x IN ({}, {}))".format, _string, _string)
    | st.builds("{} + {}".format, _call, _call)
)
_gap = st.sampled_from([" ", "  ", "\n", "\t", " /* x, ( ' */ ", " -- it's, (\n", " #\n"])
_near = _gap | st.just("")


@st.composite
def _inserts(draw: st.DrawFn) -> tuple[str, str | None, str, list[str] | None, int]:
    schema, table = draw(st.none() | _name), draw(_name)
    columns = draw(st.none() | st.lists(_name, min_size=1, max_size=4, unique_by=str.lower))
    width = len(columns) if columns else draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(_value, min_size=width, max_size=width), min_size=1, max_size=8))
    where = table if schema is None else schema + "." + table
    parts = [draw(st.sampled_from(["INSERT", "insert"])), draw(_gap), "INTO", draw(_gap), where, draw(_gap)]
    if columns:
        parts += ["(", (draw(_near) + "," + draw(_near)).join(columns), draw(_near), ")", draw(_near)]
    parts += ["VALUES", draw(_near)]
    parts.append(
        (draw(_near) + "," + draw(_near)).join(
            "(" + draw(_near) + (draw(_near) + "," + draw(_near)).join(row) + draw(_near) + ")" for row in rows
        )
    )
    return "".join(parts), schema, table, columns, len(rows)


def _meant(written: str) -> str:
    return written[1:-1].replace("``", "`") if written.startswith("`") else written


@settings(max_examples=300, deadline=None)
@given(_inserts(), st.sampled_from(["", ";", " ; -- end", " /* end */", "\n"]))
def test_reads_as_sqlglot_does(case: tuple[str, str | None, str, list[str] | None, int], tail: str) -> None:
    body, schema, table, columns, rows = case
    insert = insert_of((body + tail).encode())

    statement = sqlglot.parse_one(body, read="mysql")
    assert isinstance(statement, exp.Insert)
    target = statement.this
    named = target.expressions if isinstance(target, exp.Schema) else None
    into = target.this if isinstance(target, exp.Schema) else target
    assert insert.table == into.name == _meant(table)
    assert (insert.schema or "") == into.db == (_meant(schema) if schema else "")
    assert insert.columns == (None if named is None else tuple(column.name for column in named))
    assert insert.columns == (None if columns is None else tuple(map(_meant, columns)))
    assert insert.rows == len(statement.expression.expressions) == rows
    assert insert.body_end == len(body.encode())
