"""Words for those who write the files."""

import difflib
from collections.abc import Mapping, Sequence


def in_yaml(value: object) -> str:
    """Name a value as its writer knows it: by its YAML, not by its Python."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, str) and value.isprintable():
        return f'"{value}"' if "'" in value else f"'{value}'"
    return repr(value)


def one_of(given: object, names: Sequence[str]) -> str:
    """Name what was expected in a value's place, and which of it may have been meant."""
    near = difflib.get_close_matches(str(given).lower(), [name.lower() for name in names], n=1, cutoff=0.6)
    meant = next((name for name in names if [name.lower()] == near), None)
    hint = "" if meant is None else f"; did you mean {meant}?"
    return f"expected one of {', '.join(names)}{hint}"
