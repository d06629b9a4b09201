"""Commands as values: what they are in bytes, and how they read in a script."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.raw import QUERY_ATTRIBUTES

MAX_PAYLOAD = 0xFFFFFF
LAST_PREPARED = 0xFFFFFFFF
SCHEMA = b"{schema}"
"""Stands in a text for the schema that the session works in."""

Value = int | float | bytes | None
PARAMETER_COUNT_AVAILABLE = 8
SEND_TYPES = 128


@dataclass(slots=True)
class Memory:
    """What the client's side of a session must know to write its commands.

    schema: the one it works in.
    last_id: the id of the statement prepared last.
    prepared: the ids of this conversation's prepared statements, as far as they can be foretold.
    """

    capabilities: int
    schema: bytes
    last_id: int = 0
    prepared: list[int] = field(default_factory=list)

    @property
    def query_attributes(self) -> bool:
        return bool(self.capabilities & QUERY_ATTRIBUTES)

    def statement(self, number: int) -> int:
        """Return the id of the conversation's statement of this number, an id that is none if there is no such."""
        return self.prepared[number] if number < len(self.prepared) else 0x7FFF0000 + number


@dataclass(frozen=True, slots=True)
class Raw:
    """A command of any code, or nothing at all (code None); filler: how many bytes more."""

    code: int | None
    body: bytes = b""
    filler: int = 0
    sequence: int = 0

    def payload(self, memory: Memory) -> bytes:
        code = b"" if self.code is None else bytes((self.code,))
        return code + self.body.replace(SCHEMA, memory.schema) + b"x" * self.filler

    def __str__(self) -> str:
        name = "no code" if self.code is None else f"code {self.code:#04x}"
        sequence = f", sequence id {self.sequence}" if self.sequence else ""
        return f"{name}, body {self.body!r}{_more(self.filler)}{sequence}"


@dataclass(frozen=True, slots=True)
class Query:
    """COM_QUERY; filler: how many bytes more a comment behind the text has; attributes: names and values."""

    text: bytes
    filler: int = 0
    attributes: tuple[tuple[bytes, Value], ...] = ()
    sequence: int = 0

    def payload(self, memory: Memory) -> bytes:
        text = self.text.replace(SCHEMA, memory.schema)
        if self.filler:
            text += b" /*" + b"x" * self.filler + b"*/"
        if not memory.query_attributes:
            return b"\x03" + text
        count = len(self.attributes)
        head = bytes((3, count, 1))
        if count:
            values = [value for _, value in self.attributes]
            names = [name for name, _ in self.attributes]
            head += _nulls(values) + b"\1" + _types(values, names) + _values(values)
        return head + text

    def __str__(self) -> str:
        attributes = f", attributes {self.attributes}" if self.attributes else ""
        return f"query {self.text!r}{_more(self.filler)}{attributes}"


@dataclass(frozen=True, slots=True)
class Prepare:
    """COM_STMT_PREPARE."""

    text: bytes
    sequence: int = 0

    def payload(self, memory: Memory) -> bytes:
        memory.last_id += 1
        memory.prepared.append(memory.last_id)
        return b"\x16" + self.text.replace(SCHEMA, memory.schema)

    def __str__(self) -> str:
        return f"prepare {self.text!r}"


@dataclass(frozen=True, slots=True)
class Execute:
    """COM_STMT_EXECUTE of the conversation's statement `number`, None: -1.

    cursor: its flags' lowest byte. bound: types are sent. named: their number is, where there are query attributes.
    """

    number: int | None
    values: tuple[Value, ...] = ()
    cursor: int = 0
    bound: bool = True
    named: bool = True
    sequence: int = 0

    def payload(self, memory: Memory) -> bytes:
        statement = LAST_PREPARED if self.number is None else memory.statement(self.number)
        named = self.named and memory.query_attributes
        flags = self.cursor | (PARAMETER_COUNT_AVAILABLE if named else 0)
        head = struct.pack("<BIBI", 0x17, statement, flags, 1)
        if named:
            head += bytes((len(self.values),))
        if not self.values:
            return head
        names = [b""] * len(self.values) if memory.query_attributes else None
        types = b"\1" + _types(self.values, names) if self.bound else b"\0"
        return head + _nulls(self.values) + types + _values(self.values)

    def __str__(self) -> str:
        flags = f", cursor {self.cursor}" if self.cursor else ""
        return f"execute {_number(self.number)} {_short(self.values)}{flags}{'' if self.bound else ', types unsent'}"


@dataclass(frozen=True, slots=True)
class BulkExecute:
    """MariaDB's COM_STMT_BULK_EXECUTE; a row's value may be an indicator: 1 NULL, 2 DEFAULT, 3 ignore (as bytes)."""

    number: int | None
    rows: tuple[tuple[Value, ...], ...]
    flags: int = SEND_TYPES
    sequence: int = 0

    def payload(self, memory: Memory) -> bytes:
        statement = LAST_PREPARED if self.number is None else memory.statement(self.number)
        types = _types(self.rows[0], None) if self.rows and self.flags & SEND_TYPES else b""
        rows = b"".join(b"\1" if value is None else b"\0" + _values([value]) for row in self.rows for value in row)
        return struct.pack("<BIH", 0xFA, statement, self.flags) + types + rows

    def __str__(self) -> str:
        return f"bulk execute {_number(self.number)} flags {self.flags} {[_short(row) for row in self.rows]}"


@dataclass(frozen=True, slots=True)
class OnStatement:
    """A command whose body begins with a statement's id: FETCH, CLOSE, RESET, SEND_LONG_DATA."""

    code: int
    number: int | None
    rest: bytes = b""
    filler: int = 0
    sequence: int = 0

    def payload(self, memory: Memory) -> bytes:
        statement = LAST_PREPARED if self.number is None else memory.statement(self.number)
        return struct.pack("<BI", self.code, statement) + self.rest + b"x" * self.filler

    def __str__(self) -> str:
        name = {0x18: "long data", 0x19: "close", 0x1A: "reset", 0x1C: "fetch"}[self.code]
        return f"{name} {_number(self.number)} {self.rest!r}{_more(self.filler)}"


Command = Raw | Query | Prepare | Execute | BulkExecute | OnStatement


def framed(payload: bytes, sequence: int = 0) -> bytes:
    """Put a payload into as many packets as it needs."""
    if len(payload) < MAX_PAYLOAD:
        return len(payload).to_bytes(3, "little") + bytes((sequence,)) + payload
    parts = []
    for number, start in enumerate(range(0, len(payload) + 1, MAX_PAYLOAD)):
        part = payload[start : start + MAX_PAYLOAD]
        parts += [len(part).to_bytes(3, "little"), bytes((sequence + number & 0xFF,)), part]
    return b"".join(parts)


def lenenc(value: bytes) -> bytes:
    """Put the length in front of a string."""
    size = len(value)
    if size < 251:
        return bytes((size,)) + value
    if size < 1 << 16:
        return b"\xfc" + size.to_bytes(2, "little") + value
    if size < 1 << 24:
        return b"\xfd" + size.to_bytes(3, "little") + value
    return b"\xfe" + size.to_bytes(8, "little") + value


_TYPES: dict[type, bytes] = {int: b"\x08\0", float: b"\x05\0", bytes: b"\xfd\0", type(None): b"\x06\0"}
_WRITERS: dict[type, Callable[..., bytes]] = {
    int: lambda value: struct.pack("<q", value),
    float: lambda value: struct.pack("<d", value),
    bytes: lenenc,
    type(None): lambda _: b"",
}


def _types(values: tuple[Value, ...] | list[Value], names: list[bytes] | None) -> bytes:
    if names is None:
        return b"".join(_TYPES[type(value)] for value in values)
    return b"".join(_TYPES[type(value)] + lenenc(name) for value, name in zip(values, names, strict=True))


def _values(values: tuple[Value, ...] | list[Value]) -> bytes:
    return b"".join(_WRITERS[type(value)](value) for value in values)


def _nulls(values: tuple[Value, ...] | list[Value]) -> bytes:
    bits = sum(1 << place for place, value in enumerate(values) if value is None)
    return bits.to_bytes((len(values) + 7) // 8, "little")


def _number(number: int | None) -> str:
    return "the last statement (-1)" if number is None else f"statement #{number}"


def _more(filler: int) -> str:
    return f" and {filler} bytes more" if filler else ""


def _short(values: tuple[Value, ...]) -> str:
    shown = [
        f"{value[:8]!r}... ({len(value)} bytes)" if isinstance(value, bytes) and len(value) > 40 else repr(value)
        for value in values
    ]
    return f"({', '.join(shown)})"
