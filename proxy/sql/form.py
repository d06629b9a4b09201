"""How an INSERT gives its rows."""

from enum import StrEnum


class Form(StrEnum):
    """What stands where the values do."""

    VALUES = "values"
    """VALUES (...), also VALUE."""
    SET = "set"
    SELECT = "select"
    """SELECT, WITH ... SELECT, or a query in parentheses."""
    TABLE = "table"
    """TABLE u, which is MySQL's SELECT * FROM u."""
    ROW = "values row"
    """VALUES ROW(...), MySQL's table value constructor, which is a query."""
    LOAD_DATA = "load data"
    """No INSERT at all: LOAD DATA or LOAD XML."""

    @property
    def is_query(self) -> bool:
        """Whether the rows come from a query, so that their number is not known."""
        return self in (Form.SELECT, Form.TABLE, Form.ROW)
