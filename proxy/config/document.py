"""A YAML file with the lines of its keys."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.tag import Tag

from proxy.config.problem import ConfigError, Problem

Loc = tuple[str | int, ...]
"""The way to a key: the keys and indices above it, and its own."""

_MERGE: Final = "tag:yaml.org,2002:merge"
_TEXT: Final = Tag(suffix="tag:yaml.org,2002:str")


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed YAML file: its plain data, the line of every key in it, and the mistakes that YAML itself forgives.

    version: the start of the text's SHA-256, 12 hexadecimal digits.
    """

    file: str
    data: object
    lines: Mapping[Loc, int]
    problems: tuple[Problem, ...]
    version: str

    def line(self, loc: Loc) -> int:
        """Give the line (from 1) of the key at `loc`, or of the nearest of its parents that is in the file."""
        while loc not in self.lines:
            loc = loc[:-1]
        return self.lines[loc]

    def problem(self, loc: Loc, message: str) -> Problem:
        """Tell a mistake at `loc`."""
        return Problem(self.file, self.line(loc), _dotted(loc), message)


def read_yaml(path: Path) -> Document:
    """Parse one YAML document; raises ConfigError if it cannot be read or is no YAML."""
    file = str(path)
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([Problem(file, 0, "", f"cannot be read: {error.strerror} (expected a YAML file)")]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(file, line, "", "a byte that is no UTF-8 (expected UTF-8 text)")]) from None
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True
    lines: dict[Loc, int] = {(): 1}
    problems: list[Problem] = []
    try:
        node = yaml.compose(text)
        if node is not None:
            _walk(node, (), _Walk(file, lines, problems, set()))
        data = None if node is None else yaml.constructor.construct_document(node)
    except YAMLError as error:
        raise ConfigError([_syntax(file, text, error)]) from None
    return Document(file, data, lines, tuple(problems), hashlib.sha256(content).hexdigest()[:12])


@dataclass(frozen=True, slots=True)
class _Walk:
    file: str
    lines: dict[Loc, int]
    problems: list[Problem]
    seen: set[int]


def _walk(node: Node, loc: Loc, walk: _Walk) -> None:
    """Note the line of every key and item; aliases are entered once only, so neither loops nor bombs hurt."""
    if id(node) in walk.seen:
        return
    walk.seen.add(id(node))
    if isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            walk.lines[*loc, index] = item.start_mark.line + 1
            _walk(item, (*loc, index), walk)
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            _walk_key(key, loc, walk)
            _walk(value, (*loc, str(key.value)), walk)


def _walk_key(key: Node, loc: Loc, walk: _Walk) -> None:
    """Note a key's line; `1:` and `null:` are the keys "1" and "null", as no key of ours is anything but text."""
    if isinstance(key, ScalarNode) and key.tag != _MERGE:
        key.ctag = _TEXT
    here, line = (*loc, str(key.value)), key.start_mark.line + 1
    if here in walk.lines:
        first = walk.lines[here]
        message = f"given twice, first in line {first} (expected each key once)"
        walk.problems.append(Problem(walk.file, line, _dotted(here), message))
    walk.lines.setdefault(here, line)


def _syntax(file: str, text: str, error: YAMLError) -> Problem:
    """Tell where the text stops being YAML."""
    if isinstance(error, MarkedYAMLError) and (mark := error.problem_mark or error.context_mark) is not None:
        what = ", ".join(part for part in (error.context, error.problem) if part)
        expected = "text that begins with * in quotes" if "undefined alias" in what else "YAML"
        return Problem(file, mark.line + 1, "", f"{what}, at column {mark.column + 1} (expected {expected})")
    position = getattr(error, "position", 0)
    reason = getattr(error, "reason", error)
    return Problem(file, text.count("\n", 0, position) + 1, "", f"{reason} (expected YAML)")


def _dotted(loc: Loc) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc).lstrip(".")
