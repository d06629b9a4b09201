"""Generates conversations."""

import itertools
from collections.abc import Callable

from hypothesis import strategies as st

from tests import raw
from tests.diff import texts
from tests.diff.commands import (
    MAX_PAYLOAD,
    SCHEMA,
    BulkExecute,
    Command,
    Execute,
    OnStatement,
    Prepare,
    Query,
    Raw,
    Value,
)
from tests.diff.conversation import Batch, ChangeUser, Conversation, Last, Profile, Step, Upload

Draw = st.DrawFn
FETCH, CLOSE, RESET, LONG_DATA = 0x1C, 0x19, 0x1A, 0x18
_KNOWN_AFTERWARDS = (0x00, 0x05, 0x06, 0x07, 0x0B, 0x0F, 0x10, 0x1D)
_UNKNOWN = (0x13, 0x14, 0x20, 0x21, 0x40, 0x7F, 0xF0, 0xF9, 0xFB, 0xFE, 0xFF)


def _below(count: int) -> st.SearchStrategy[int]:
    return st.integers(0, count - 1)


_CHANCE = st.integers(0, 99)
_CUTS: st.SearchStrategy[tuple[int, ...]] = st.one_of(
    st.just(()),
    st.just(()),
    st.sampled_from([(1,), (2,), (3,), (4,), (5,), (4, 1), (1, 4), (5, 3), (7,), (9, 2)]),
    st.lists(st.integers(1, 300), min_size=1, max_size=5).map(tuple),
)
_VALUES: st.SearchStrategy[Value] = st.sampled_from(
    [1, 0, None, 2, 3, -1, 40, b"", b"one", b"x" * 250, b"x" * 251, 1.5, b"12", b"\xff\x00", b"x" * 70_000, 1 << 40]
)
_FILLERS = st.sampled_from([1, 200, 1000, 1024, 1300, 16_000, 65_530, 70_000, 300_000])
_WIDTHS = st.sampled_from([0, 1, 249, 250, 251, 252, 65_530, 65_535, 65_536, 200_000])
_ROWS = st.sampled_from([0, 1, 2, 10, 255, 256, 257, 900])


class Writer:
    """Draws the commands of one conversation and remembers what it has prepared."""

    def __init__(self, draw: Draw, *, mariadb: bool) -> None:
        self._draw = draw
        self._mariadb = mariadb
        self._parameters: list[int] = []
        self._cursors: list[int] = []
        self._texts = _TEXTS[mariadb]

    def command(self) -> Command:
        """Draw a command."""
        return self._draw(_KINDS[self._mariadb])(self)

    def query(self) -> Query:
        return self._draw(self._texts)

    def making(self) -> Query:
        return self._draw(_MAKING)

    def several(self) -> Query:
        found = [self._draw(self._texts).text for _ in range(2 + self._draw(_below(3)))]
        return Query(b"; ".join(found))

    def long_query(self) -> Query:
        return Query(self._draw(self._texts).text, filler=self._draw(_FILLERS))

    def attributed(self) -> Query:
        values = [self._draw(_VALUES) for _ in range(1 + self._draw(_below(3)))]
        return Query(self._draw(self._texts).text, attributes=tuple(zip((b"a", b"", b"name"), values, strict=False)))

    def large_result(self) -> Query:
        if not self._draw(_below(4)):
            return Query(texts.MANY_COLUMNS.encode())
        width = self._draw(_WIDTHS)
        return Query(texts.many_rows(self._draw(_ROWS) if width < 1000 else 3, width).encode())

    def prepare(self) -> Prepare:
        text, parameters = self._draw(_PREPARABLE)
        self._parameters.append(parameters)
        self._cursors.append(self._draw(_CHANCE) // 67)
        return Prepare(text)

    def execute(self) -> Command:
        if not self._parameters:
            return self.prepare()
        number = self._number()
        chance = self._draw(_CHANCE)
        count = self._parameters[-1 if number is None else min(number, len(self._parameters) - 1)]
        count += 1 if chance == 99 else 0
        return Execute(
            number,
            tuple(self._draw(_VALUES) for _ in range(count)),
            cursor=self._cursor(number, chance),
            bound=chance % 10 != 9,
            named=chance % 7 != 6,
        )

    def _cursor(self, number: int | None, chance: int) -> int:
        """Say whether an execution opens a cursor.

        MySQL 9.7 answers with an OK in the middle of a result where a statement that once had a cursor is run without.
        """
        if not self._mariadb:
            return self._cursors[number] if number is not None and number < len(self._cursors) else 0
        return 1 if chance % 4 == 1 else 0

    def bulk_execute(self) -> Command:
        if not self._parameters:
            return self.prepare()
        number = self._number()
        count = self._parameters[-1 if number is None else min(number, len(self._parameters) - 1)]
        types = [self._draw(_VALUES) for _ in range(count)]
        rows = 1 + self._draw(_below(3))
        return BulkExecute(number, (tuple(types),) * rows, 0 if self._draw(_CHANCE) == 99 else 128)

    def on_statement(self) -> Command:
        if not self._parameters:
            return self.prepare()
        code = self._draw(_ON_STATEMENT)
        number = self._number()
        if code == FETCH:
            return OnStatement(code, number, self._draw(_FETCHED).to_bytes(4, "little"))
        if code == LONG_DATA:
            place = self._draw(_below(3)).to_bytes(2, "little")
            return OnStatement(code, number, place, self._draw(_FILLERS))
        return OnStatement(code, number)

    def simple(self) -> Raw:
        return self._draw(_SIMPLE)

    def known_otherwise(self) -> Raw:
        code = self._draw(_OTHERWISE)
        return Raw(code, SCHEMA if code == 0x05 else b"\x10")

    def malformed(self) -> Raw:
        return Raw(self._draw(_MALFORMED), self._draw(_GARBAGE))

    def unknown(self) -> Raw:
        return Raw(self._draw(_UNKNOWN_CODES), self._draw(_GARBAGE))

    def empty(self) -> Raw:
        return Raw(None)

    def upload(self) -> Upload:
        chance = self._draw(_CHANCE)
        chunks = tuple(self._draw(_CHUNKS) for _ in range(self._draw(_below(4))))
        return Upload(Query((b"SELECT 1; " if chance % 5 == 4 else b"") + self._draw(_LOADS)), chunks)

    def change_user(self) -> ChangeUser:
        chance = self._draw(_CHANCE)
        plugin = (b"caching_sha2_password", b"mysql_native_password", b"", b"no_such_plugin")[chance % 4]
        database = (SCHEMA, b"")[chance // 4 % 2]
        # MariaDB lets a client wait for a second after a failure
        failing = self._draw(_CHANCE) < (1 if self._mariadb else 20)
        if failing and chance % 3:
            database = b"missing"
        return ChangeUser(right=not failing or chance % 3 > 0, plugin=plugin, database=database)

    def huge(self) -> Command:
        """Draw a command or a result around 16 MiB, where payloads go on in a second packet."""
        size = MAX_PAYLOAD + self._draw(_AROUND)
        match self._draw(_below(4)):
            case 0:
                return Query(b"SELECT LENGTH(@v)", filler=size - 1 - len("SELECT LENGTH(@v)") - 5)
            case 1:
                return Query(b"SELECT REPEAT('x', %d)" % (size - 4))
            case 2:
                return Query(b"INSERT INTO t (k, s) VALUES (1, 'x')", filler=size - 42)
            case _:
                return OnStatement(LONG_DATA, 0, b"\0\0", size - 7)

    def last(self) -> Last:
        return self._draw(_LASTS)

    def _number(self) -> int | None:
        chance = self._draw(_CHANCE)
        if chance < 70:
            return len(self._parameters) - 1
        if chance < 92:
            return chance % len(self._parameters)
        return None if self._mariadb or chance < 94 else len(self._parameters)

    def step(self) -> Step:
        """Draw a step."""
        chance = self._draw(_CHANCE)
        if chance < 70:
            return Batch((self.command(),), pipelined=chance % 2 == 1)
        if chance < 90:
            commands = tuple(self.command() for _ in range(2 + self._draw(_below(4))))
            return Batch(commands, pipelined=chance % 2 == 1)
        return self.upload() if chance < 97 else self.change_user()


def _queries(*found: str) -> st.SearchStrategy[Query]:
    return st.sampled_from([Query(text.encode()) for text in found])


_TEXTS = {False: _queries(*texts.ANY_SERVER, *texts.MYSQL), True: _queries(*texts.ANY_SERVER, *texts.MARIADB)}
_MAKING = _queries(*texts.MAKING)
_PREPARABLE = st.sampled_from([(text.encode(), count) for text, count in texts.PREPARABLE])
_ON_STATEMENT = st.sampled_from([FETCH, FETCH, CLOSE, RESET, LONG_DATA])
_FETCHED = st.sampled_from([1, 2, 0, 5, 1000, 0xFFFFFFFF])
_SIMPLE = st.sampled_from(
    [
        Raw(0x0E),
        Raw(0x09),
        Raw(0x0D),
        Raw(0x0C, b"\xff\xff\xff\x3b"),
        Raw(0x1F),
        Raw(0x1B, b"\0\0"),
        Raw(0x1B, b"\1\0"),
        Raw(0x1B, b"\7\0"),
        Raw(0x02, SCHEMA),
        Raw(0x02, b"missing"),
        Raw(0x02, b""),
        Raw(0x02, b"information_schema"),
        *(Raw(0x04, body) for body in texts.FIELD_LISTS),
    ]
)
_OTHERWISE = st.sampled_from(_KNOWN_AFTERWARDS)
_MALFORMED = st.sampled_from([0x03, 0x0C, 0x0E, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1B, 0x1C, 0x1F])
_UNKNOWN_CODES = st.sampled_from(_UNKNOWN)
_GARBAGE = st.one_of(st.just(b""), st.binary(max_size=12), st.sampled_from([b"\xff" * 9, b"\0" * 30, b"\1\0\0\0"]))
_CHUNKS = st.sampled_from(
    [b"60,a\n", b"61,b\n62,", b"1,duplicate\n", b"x" * 3000, b"70,\\N\n" * 200, b"\xff\xfe\n", b"x" * 90_000]
)
_LOADS = st.sampled_from(
    [
        b"LOAD DATA LOCAL INFILE 'sent' INTO TABLE t FIELDS TERMINATED BY ',' (k, s)",
        b"LOAD DATA LOCAL INFILE 'sent' INTO TABLE t (s)",
        b"LOAD DATA LOCAL INFILE 'sent' IGNORE INTO TABLE nothing FIELDS TERMINATED BY ','; SELECT 1",
        b"LOAD DATA LOCAL INFILE 'sent' INTO TABLE missing",
        b"LOAD DATA LOCAL INFILE 'sent' INTO TABLE t (missing)",
    ]
)
_ENDS = [
    Last(),
    # Last(tail=b"\x20\0\0\0\x03SELECT 1"),
    # Last(tail=b"\x20\0"),
    Last(Raw(0x01)),
    Last(Query(b"KILL CONNECTION_ID()")),
    Last(Query(b"SELECT 1", sequence=3)),
]
_LASTS = st.sampled_from(_ENDS)
_AROUND = st.sampled_from([-1, 0, 1, -5, 5, 1000])

_Kind = Callable[[Writer], Command]
_WEIGHTS: list[tuple[_Kind, int]] = [
    (Writer.query, 30),
    (Writer.several, 6),
    (Writer.execute, 22),
    (Writer.prepare, 10),
    (Writer.on_statement, 10),
    (Writer.simple, 10),
    (Writer.attributed, 3),
    (Writer.large_result, 3),
    (Writer.long_query, 2),
    (Writer.known_otherwise, 2),
    (Writer.malformed, 2),
    (Writer.empty, 1),
]
_ANY = [kind for kind, weight in _WEIGHTS for _ in range(weight)]
_KINDS: dict[bool, st.SearchStrategy[_Kind]] = {
    False: st.sampled_from(_ANY),
    True: st.sampled_from([*_ANY, *[Writer.bulk_execute] * 6]),
}


def profiles(*, mariadb: bool) -> list[Profile]:
    """Return sensible sets of flags."""
    usual = raw.MULTI_STATEMENTS | raw.LOCAL_FILES
    more = itertools.product((0, raw.DEPRECATE_EOF), (0, raw.SESSION_TRACK), (0, 1, 2, 3))
    found = []
    for place, (eof, track, kind) in enumerate(more):
        flags = (usual if place % 5 else 0) | eof | track | (raw.FOUND_ROWS if place % 3 == 1 else 0)
        collation = (45, 33, 8, 28)[place % 4]
        if mariadb:
            own = (0, 0x1F, raw.MARIADB_BULK | raw.MARIADB_CACHE_METADATA, raw.MARIADB_EXTENDED_METADATA)[kind]
            found.append(Profile(flags, own & ~2, collation))
        else:
            extra = (0, raw.QUERY_ATTRIBUTES, raw.OPTIONAL_METADATA, raw.QUERY_ATTRIBUTES | raw.OPTIONAL_METADATA)[kind]
            found.append(Profile(flags | extra, 0, collation))
    return found


_PROFILES = {mariadb: st.sampled_from(profiles(mariadb=mariadb)) for mariadb in (False, True)}


@st.composite
def conversations(draw: Draw, *, mariadb: bool, most_steps: int = 8) -> Conversation:
    """Draw a conversation."""
    writer = Writer(draw, mariadb=mariadb)
    profile = draw(_PROFILES[mariadb])
    client_cuts, backend_cuts = draw(_CUTS), draw(_CUTS)
    steps: list[Step] = [writer.step() for _ in range(1 + draw(_below(most_steps)))]
    match draw(st.integers(0, 299)):
        case 299:
            steps.append(Batch((writer.huge(),)))
        case chance if chance > 285:
            steps.append(Batch((writer.unknown(),)))
            steps.append(writer.step())
        case chance if chance > 270:
            steps.append(writer.last())
        case chance if chance > 262:
            steps.append(Batch((writer.making(), writer.making())))
    return Conversation(profile, tuple(steps), client_cuts, backend_cuts)
