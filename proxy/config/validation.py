"""The data of a YAML file as values of a model; what pydantic finds wrong is told in words for the file's writer."""

import re
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Final, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from proxy.config.document import Document, Loc, read_yaml
from proxy.config.problem import ConfigError, Problem
from proxy.config.wording import in_yaml, one_of

T = TypeVar("T")

_WANTED: Final = {
    "string_type": "text",
    "bool_type": "true or false",
    "dataclass_type": "a mapping of keys to values",
    "dict_type": "a mapping of keys to values",
    "list_type": "a list",
    "path_type": "the path of a file",
    "int_type": "a whole number",
}


def load_yaml(path: Path, model: type[T]) -> T:
    """Read a YAML file into `model`, a dataclass that pydantic can validate.

    Raises ConfigError with every mistake of the file: syntax, duplicate keys, unknown keys, wrong values.
    """
    value, problems = validate(read_yaml(path), model)
    if value is None or problems:
        raise ConfigError(problems)
    return value


def validate(document: Document, model: type[T], loc: Loc = ()) -> tuple[T | None, list[Problem]]:
    """Turn the data of a document (or the part of it at `loc`) into `model`.

    Returns the value, or None if it is wrong, and every mistake found; for the whole document also YAML's own.
    """
    data = document.data
    for step in loc:
        data = data[step]  # type: ignore[index]  # loc was walked by the caller
    problems = list(document.problems) if not loc else []
    try:
        adapter: TypeAdapter[T] = _adapter(model)  # type: ignore[arg-type]  # mypy: a class is not seen as hashable
        return adapter.validate_python({} if data is None and not loc else data), problems
    except ValidationError as error:
        problems += [_explained(document, model, loc, detail) for detail in error.errors(include_url=False)]
        return None, problems


@cache
def _adapter(model: type[Any]) -> TypeAdapter[Any]:
    """Build a model's validator once; for one rule that takes longer than reading it."""
    return TypeAdapter(model)


def _explained(document: Document, model: object, prefix: Loc, error: ErrorDetails) -> Problem:
    loc = (*prefix, *error["loc"])
    kind = error["type"]
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        names = _names(_model_at(model, error["loc"][:-1]))
        return document.problem(loc, f"unknown key ({one_of(str(loc[-1]), names)})")
    if kind == "missing":
        needed = _required(_model_at(model, error["loc"][:-1]))
        return document.problem(loc, f"missing (expected at least {', '.join(needed)})")
    if kind == "enum":
        choices = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        return document.problem(loc, f"{in_yaml(error['input'])} is not known ({one_of(error['input'], choices)})")
    if kind == "expected":
        return document.problem(loc, error["msg"])
    wanted = _WANTED.get(kind)
    if wanted is None:
        return document.problem(loc, f"{error['msg']} (found {in_yaml(error['input'])})")
    return document.problem(loc, f"{in_yaml(error['input'])} does not fit (expected {wanted})")


def _model_at(model: object, loc: Loc) -> object:
    """Follow `loc` through dataclasses; None where the way leaves them."""
    for step in loc:
        model = get_type_hints(model).get(str(step)) if is_dataclass(model) else None
        if isinstance(model, UnionType):
            model = next(filter(is_dataclass, model.__args__), None)
    return model


def _names(model: object) -> list[str]:
    # A key that is a word of Python's has an underscore behind it there.
    return [item.name.rstrip("_") for item in fields(model)] if is_dataclass(model) else []


def _required(model: object) -> list[str]:
    every = fields(model) if is_dataclass(model) else ()
    return [item.name for item in every if item.default is MISSING and item.default_factory is MISSING]
