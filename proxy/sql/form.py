"""How an INSERT gives its rows."""

from enum import StrEnum


class Form(StrEnum):
    """The word before the values: VALUES (also VALUE) or SET."""

    VALUES = "values"
    SET = "set"
