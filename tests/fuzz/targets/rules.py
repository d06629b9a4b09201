"""Sessions with rules, between any client and a server that answers anything, in good order or not.

In good order, the client must hear one whole reply to each command, an OK only where the server's last word was one,
and no error that the server has not told. In no order at all, the session must survive, or end with a result.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from proxy.rules.match import RuleSet
from proxy.rules.table import Absence, Missing, Table
from proxy.rules.trips import Trips
from proxy.session import Session
from proxy.wire import capabilities as cap
from proxy.wire import commands
from proxy.wire.answers import ERR
from proxy.wire.commands import SHAPES, SHORTEST_UNANSWERED, Shape
from proxy.wire.framing import HEADER
from proxy.wire.replies import ReplyTracker
from proxy.wire.sequence import Headers
from tests.e2e.raw import framed
from tests.fuzz.sessions import CLOCK, MARIADB, TERMS, Counted, check_end, flags_of, logged_in
from tests.fuzz.target import SEPARATOR, Target, joined, pieces, random_of
from tests.session.conversation import rules
from tests.session.test_tables import USERS
from tests.wire import packets as payloads
from tests.wire.following import follow
from tests.wire.packets import DEFINITION

_HEAD: Final = "- {name: r, table: shop.users, key: ux_email, columns: [email], "
_ACTIONS: Final = (
    *(
        "action: ignore",
        "action: ignore, return_id: id, affected_rows: insert",
        "action: update, set: {name: new.name}",
    ),
    *("action: idempotent, returning: several", "action: replace, allow_replace: true", "action: observe"),
    *(
        "action: ignore, dry_run: true",
        "action: update, returning: several, set: {name: old.name}, affected_rows: insert",
    ),
)
RULES: Final[tuple[RuleSet, ...]] = (
    *(rules(f"{_HEAD}{action}, when: {when}}}") for action in _ACTIONS for when in ("conflict", "always")),
    rules("- {name: r, table: users, action: replace, allow_replace: true, when: always}"),
    rules(
        "- {name: a, table: '*', key: PRIMARY, columns: [id], action: ignore}\n"
        + _HEAD.replace("r,", "b,")
        + "action: ignore}"
    ),
    rules("- {name: r, table: shop.users, key: ux_email, action: ignore}"),
    rules("- {name: r, table: shop.users, action: ignore, when: always}"),
)
DEFINITIONS: Final = (None, USERS, Missing(Absence.NO_TABLE), Missing(Absence.FAILED))
COMMAND, RECIPE, CLIENT, BACKEND = range(4)
MORE: Final = cap.STATUS_MORE_RESULTS
ER_LOCK_DEADLOCK: Final = 1213
_HIDING: Final = re.compile(
    rb"'(?:[^'\\]|\\.?)*+'?|\"(?:[^\"\\]|\\.?)*+\"?|`[^`]*+`?|/\*.*?(?:\*/|\Z)|(?:\#|--(?=[\x01-\x20\x7f]|\Z))[^\n]*+",
    re.DOTALL,
)
"""What may hold a semicolon that ends no statement."""
_MOST: Final = 200
"""Commands that a conversation in good order takes at most, the proxy's own among them."""


@dataclass
class Definitions:
    """Tables that are looked up, and known in the next turn."""

    known: Table | Missing
    found: Table | Missing | None = None
    waiting: list[Callable[[], None]] = field(default_factory=list)

    def peek(self, schema: str, table: str) -> Table | Missing | None:
        return self.found

    def request(self, schema: str, table: str, done: Callable[[], None]) -> None:
        self.waiting.append(done)

    def forget(self, schema: str | None = None, table: str | None = None) -> None:
        self.found = None

    def tell(self) -> bool:
        """Let those know who wait; tell whether anybody did."""
        waiting, self.waiting = self.waiting, []
        self.found = self.known
        for done in waiting:
            done()
        return bool(waiting)


@dataclass
class Server:
    """Answers each command by the next recipe, in good order.

    Attributes:
        told: the errors that it has told in answer to the newest command of the client's.
    """

    flags: int
    mariadb: bool
    recipes: list[bytes]
    heard: int = 0
    prepared: int = 0
    told: list[bytes] = field(default_factory=list)

    def answer(self, payload: bytes) -> bytes:
        """Give what answers a command; nothing if nothing does."""
        code = payload[0]
        shape = SHAPES[code]
        if shape is Shape.NOTHING:
            short = len(payload) < SHORTEST_UNANSWERED.get(code, 0) and not self.mariadb
            return payloads.packets(self._error(1047, "Unknown command")) if short else b""
        recipe = self.recipes.pop(0) if self.recipes else b""
        if shape is Shape.RESULTS:
            return payloads.packets(*self._results(payload, recipe))
        if shape is Shape.PREPARED:
            return payloads.packets(*self._prepare(payload, recipe))
        if shape in (Shape.FIELDS, Shape.ROWS):
            return payloads.packets(self._end(0))
        return payloads.packets(self._ok(0, 0))

    def _results(self, payload: bytes, recipe: bytes) -> list[bytes]:
        several = self.flags & cap.MULTI_STATEMENTS and payload[0] == commands.QUERY
        texts = _HIDING.sub(b"-", payload).rstrip(b"; ").count(b";") + 1 if several else 1
        found: list[bytes] = []
        for left in reversed(range(min(texts, 20))):
            result = self._result(recipe, MORE if left else 0)
            found += result
            if result[-1][0] == ERR:
                break
            recipe = self.recipes.pop(0) if self.recipes else b""
        return found

    def _result(self, recipe: bytes, more: int) -> list[bytes]:
        kind, rest = (recipe[0] % 10, recipe[1:]) if recipe else (0, b"")
        definitions = [b"\1", DEFINITION] + ([] if self.flags & cap.DEPRECATE_EOF else [payloads.eof(2 | more)])
        if kind == 1:
            return [self._error(1062, "Duplicate entry '" + rest.decode("latin-1") + "' for key 'users.ux_email'")]
        if kind == 2:
            return [self._error(int.from_bytes(rest[:2], "little") % 0xFFFF, rest[2:].decode("latin-1"))]
        if kind == 3:
            return [self._error(1690, "BIGINT UNSIGNED value is out of range in '(18446744073709551615 + 7001062)'")]
        if kind == 4:
            return [*definitions, payloads.row(rest[:50]), self._end(more)]
        if kind == 5:
            return [*definitions, self._error(1062, "Duplicate entry 'a' for key 'users.ux_email'")]
        if kind == 6:
            return [self._error(1213, "Deadlock found when trying to get lock")]
        if kind == 7:
            return [self._ok(1, more | cap.STATUS_IN_TRANS)]
        if kind == 8 and self.flags & cap.SESSION_TRACK:
            changes = b"\1\5\4" + (rest + b"shop")[:4]
            return [
                payloads.ok(0, 0, 2 | more | cap.STATUS_SESSION_STATE_CHANGED)
                + b"\0"
                + bytes((len(changes),))
                + changes
            ]
        if kind == 9:
            return [payloads.ok(3, 7, 2 | more, 0, b"Records: 3  Duplicates: 1  Warnings: 0")]
        return [self._ok(sum(rest[:1]), more)]

    def _prepare(self, payload: bytes, recipe: bytes) -> list[bytes]:
        if recipe and recipe[0] % 10 in (1, 2):
            return self._result(recipe, 0)
        self.prepared += 1
        parameters = payload.count(b"?") & 0xFFFF
        start = payloads.prepared(0, parameters)
        eof = [payloads.eof()] if parameters and not self.flags & cap.DEPRECATE_EOF else []
        return [start[:1] + self.prepared.to_bytes(4, "little") + start[5:], *[DEFINITION] * parameters, *eof]

    def _ok(self, affected: int, status: int) -> bytes:
        return payloads.ok(affected, 0, 2 | status)

    def _end(self, status: int) -> bytes:
        return (payloads.ok_as_eof if self.flags & cap.DEPRECATE_EOF else payloads.eof)(2 | status)

    def _error(self, number: int, message: str) -> bytes:
        error = payloads.error(number, "", "HY000") + message.encode("latin-1")
        self.told.append(error)
        return error


@dataclass
class Held:
    """A conversation: a session with rules between a client and a server."""

    session: Session
    wires: Counted
    server: Server
    tables: Definitions | None
    cut: Callable[[bytes], Iterable[bytes]]
    ends: list[bytes] = field(default_factory=list)

    def says(self, data: bytes) -> None:
        for piece in self.cut(data):
            self.session.client_data(piece)

    def answers(self, data: bytes) -> None:
        for piece in self.cut(data):
            self.session.backend_data(piece)

    def go_on(self) -> None:
        """Let those go on who wait for a turn, or for a definition."""
        self.wires.run_waiting()
        while self.tables is not None and self.tables.tell():
            self.wires.run_waiting()

    def answer_all(self) -> None:
        """Answer all that the server has heard, in good order, until there is no more."""
        said = self.wires.said_to_backend
        for _ in range(_MOST):
            self.go_on()
            start = self.server.heard
            if start == len(said):
                return
            end = start + HEADER + int.from_bytes(said[start : start + 3], "little")
            assert said[start + 3] == 0
            assert end <= len(said)
            self.server.heard = end
            answer = self.server.answer(bytes(said[start + HEADER : end]))
            if answer:
                self.ends.append(_packets(answer)[-1])
                self.answers(answer)
        raise AssertionError("it does not come to an end")


def check(data: bytes) -> None:
    """Hold a conversation; the first two bytes say under which terms and rules."""
    terms, which, data = (data[:1] or b"\0")[0], (data[1:2] or b"\0")[0], data[2:]
    steps = [(step[0] & 3, step[1:]) if step else (RECIPE, b"") for step in data.split(SEPARATOR)]
    if all(kind in (COMMAND, RECIPE) for kind, _ in steps):
        whole = _in_order(terms % TERMS, which, steps, lambda data: (data,))
        # Whether a statement is sent again after a deadlock hangs on flags that the fast lane reads in OKs alone.
        if which & 1 and not any(kind == RECIPE and _is_deadlock(step) for kind, step in steps):
            random = random_of(data)
            assert whole == _in_order(terms % TERMS, which, steps, lambda data: pieces(data, random))
    else:
        _in_no_order(terms % TERMS, which, steps, random_of(data))


def _begun(terms: int, which: int, recipes: list[bytes], cut: Callable[[bytes], Iterable[bytes]]) -> Held:
    in_force, known = RULES[which % len(RULES)], DEFINITIONS[which // len(RULES) % len(DEFINITIONS)]
    tables = None if known is None else Definitions(known)
    trips = Trips(CLOCK, lambda rule, tripped: None)
    session, wires = logged_in(terms, rules=lambda: in_force, tables=tables, trips=trips)
    return Held(session, wires, Server(flags_of(terms), bool(terms & MARIADB), recipes), tables, cut)


def _in_order(
    terms: int, which: int, steps: list[tuple[int, bytes]], cut: Callable[[bytes], Iterable[bytes]]
) -> tuple[bytes, bytes]:
    held = _begun(terms, which, [step for kind, step in steps if kind == RECIPE], cut)
    said = [step for kind, step in steps if kind == COMMAND and _is_followed(step)]
    if which & 2:  # all in one go
        held.says(b"".join(framed(command) for command in said))
        held.answer_all()
    else:
        for command in said:
            before = len(held.wires.said_to_client)
            held.server.told.clear()
            held.ends.clear()
            held.says(framed(command))
            held.answer_all()
            _check_honest(command, held, bytes(held.wires.said_to_client[before:]))
    assert not held.session.closed, held.session.reason
    assert held.session.idle
    _check_replies(held, said)
    heard = bytes(held.wires.said_to_client), bytes(held.wires.said_to_backend)
    check_end(held.session, held.wires)
    return heard


def _is_deadlock(recipe: bytes) -> bool:
    kind = recipe[0] % 10 if recipe else 0
    return kind == 6 or (kind == 2 and int.from_bytes(recipe[1:3], "little") % 0xFFFF == ER_LOCK_DEADLOCK)


def _is_followed(command: bytes) -> bool:
    return bool(command) and SHAPES[command[0]] not in (Shape.RAW, Shape.LOGIN) and command[0] != commands.QUIT


def _is_answered(command: bytes, *, mariadb: bool) -> bool:
    if SHAPES[command[0]] is not Shape.NOTHING:
        return True
    return len(command) < SHORTEST_UNANSWERED.get(command[0], 0) and not mariadb


def _check_honest(command: bytes, held: Held, heard: bytes) -> None:
    """The client hears of success where that was the server's last word, and else an error that the server has told."""
    if SHAPES[command[0]] is Shape.RESULTS:
        last = _packets(heard)[-1]
        if last[0] == ERR:
            assert last in held.server.told
        else:
            assert held.ends[-1][0] != ERR


def _check_replies(held: Held, said: list[bytes]) -> None:
    """Each command has one whole reply, whose packets are numbered from 1 on."""
    rest = bytes(held.wires.said_to_client)
    tracker = ReplyTracker(held.server.flags)
    for command in said:
        if _is_answered(command, mariadb=held.server.mariadb):
            short = SHAPES[command[0]] is Shape.NOTHING
            found = follow(tracker, commands.PING if short else command[0], (rest,))
            assert found.ended
            reply = rest[: len(rest) - len(found.rest)]
            assert [reply[at] for at in Headers().walk(reply)] == [
                number & 0xFF for number in range(1, len(_packets(reply)) + 1)
            ]
            rest = found.rest
    assert not rest


def _in_no_order(terms: int, which: int, steps: list[tuple[int, bytes]], random: Random) -> None:
    def cut(data: bytes) -> Iterable[bytes]:
        return pieces(data, random) if which & 1 else (data,) if data else ()

    held = _begun(terms, which, [], cut)
    for kind, step in steps:
        if kind == COMMAND:
            held.says(framed(step))
        elif kind == CLIENT:
            held.says(step)
        elif kind == BACKEND:
            held.answers(step)
        else:
            held.server.recipes = [step]
            said, start = held.wires.said_to_backend, held.server.heard
            end = start + HEADER + int.from_bytes(said[start : start + 3], "little")
            if start + HEADER < end <= len(said):
                held.server.heard = end
                held.answers(held.server.answer(bytes(said[start + HEADER : end])))
        held.go_on()
    held.session.client_ended()
    check_end(held.session, held.wires)
    held.go_on()


def _packets(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        end = at + HEADER + int.from_bytes(data[at : at + 3], "little")
        found.append(data[at + HEADER : end])
        at = end
    return found


_INSERT = b"INSERT INTO users (email, name) VALUES ('a@x', 'A')"
_TEXT = b"\x03" + _INSERT
_PREPARE = b"\x16INSERT INTO users (email) VALUES (?)"
_EXECUTE = b"\x17\1\0\0\0\0\1\0\0\0\0\1\xfe\0\3a@x"
_ROWS = b"\x03INSERT INTO users (email, name) VALUES ('a@x', 'A'), ('b@x', 'B') RETURNING id"
_OK, _DUPLICATE, _GUARD, _GONE = b"\0\1", b"\1a@x", b"\3", b"\2\x28\4Unknown"


def _steps(terms: int, which: int, *steps: tuple[int, bytes]) -> bytes:
    return bytes((terms, which)) + joined(*(bytes((kind,)) + step for kind, step in steps))


TARGET = Target(
    check,
    seeds=(
        *(
            _steps(terms, which, (COMMAND, said), *((RECIPE, recipe) for recipe in recipes))
            for which in range(0, len(RULES) * 4, 3)
            for terms, said, recipes in (
                (0, _TEXT, (_DUPLICATE, _OK)),
                (1, _TEXT, (_DUPLICATE, _GUARD)),
                (2, _TEXT, (_GUARD, _DUPLICATE)),
                (MARIADB, _TEXT, (b"\6", _DUPLICATE, _OK)),
                (MARIADB, _ROWS, (b"\5", b"\4abc")),
            )
        ),
        _steps(0, 0, (COMMAND, _PREPARE), (COMMAND, _EXECUTE), (RECIPE, _OK), (RECIPE, _DUPLICATE), (RECIPE, _OK)),
        _steps(0, 1, (COMMAND, _PREPARE), (COMMAND, _EXECUTE), (RECIPE, _OK), (RECIPE, _OK), (RECIPE, _GUARD)),
        _steps(
            *(MARIADB, 2, (COMMAND, _PREPARE), (COMMAND, _EXECUTE.replace(b"\1\0\0\0\0", b"\xff\xff\xff\xff\0", 1))),
            *((RECIPE, _OK), (RECIPE, _DUPLICATE)),
        ),
        _steps(
            *(
                0,
                1,
                (COMMAND, _PREPARE),
                (COMMAND, b"\x18\1\0\0\0\0\0long"),
                (COMMAND, b"\x17\1\0\0\0\0\1\0\0\0\0\1\xfe\0"),
            ),
            *(
                (RECIPE, _OK),
                (RECIPE, _OK),
                (RECIPE, _DUPLICATE),
                (COMMAND, b"\x1a\1\0\0\0"),
                (COMMAND, b"\x19\1\0\0\0"),
            ),
        ),
        *(
            _steps(terms, which, (COMMAND, b"\x03BEGIN; " + _INSERT + b"; DO 1; " + _INSERT + b"; COMMIT"), *recipes)
            for terms in (8, 9)
            for which in (0, 1, 2, 3)
            for recipes in (
                ((RECIPE, b"\7"), (RECIPE, _DUPLICATE), (RECIPE, _OK), (RECIPE, _OK), (RECIPE, _DUPLICATE)),
                ((RECIPE, _OK), (RECIPE, _OK), (RECIPE, _GONE)),
            )
        ),
        _steps(
            0,
            2,
            (COMMAND, _TEXT),
            (COMMAND, b"\2shop"),
            (COMMAND, b"\x03USE x"),
            (COMMAND, _TEXT),
            (RECIPE, _DUPLICATE),
        ),
        _steps(
            2,
            0,
            (COMMAND, b"\x03SET sql_mode = 'ANSI_QUOTES'"),
            (COMMAND, _TEXT),
            (RECIPE, b"\x08test"),
            (RECIPE, _DUPLICATE),
        ),
        _steps(
            4, 0, (COMMAND, b"\x03\0\1" + _INSERT), (RECIPE, _DUPLICATE), (COMMAND, b"\x1f"), (COMMAND, b"\x1b\0\0")
        ),
        _steps(0, 1, (COMMAND, b"\x03LOAD DATA INFILE 'x' INTO TABLE users"), (RECIPE, b"\x09")),
        _steps(64, 0, (COMMAND, _TEXT), (RECIPE, b"\1" + b"x" * 100), (COMMAND, _ROWS)),
        _steps(
            0,
            0,
            (COMMAND, _TEXT),
            (BACKEND, framed(b"\xff\x26\4#23000Duplicate entry 'a' for key 'users.ux_email'", 1)),
        ),
        _steps(0, 0, (COMMAND, _TEXT), (CLIENT, framed(b"\x0e")), (RECIPE, _DUPLICATE), (BACKEND, b"\0\0\0\1")),
        _steps(0, 0, (COMMAND, b"\x11bob\0\0shop\0"), (BACKEND, framed(b"\0\0\0\2\0\0\0", 1)), (COMMAND, _TEXT)),
        _steps(
            0,
            1,
            (COMMAND, b"\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE users"),
            (BACKEND, framed(b"\xfbx", 1)),
            (CLIENT, framed(b"", 2)),
        ),
    ),
    words=(
        *(
            SEPARATOR,
            SEPARATOR + b"\0\x03",
            SEPARATOR + b"\0\x17\1\0\0\0\0\1\0\0\0",
            SEPARATOR + b"\1\1a",
            SEPARATOR + b"\1\3",
        ),
        *(
            SEPARATOR + b"\1\0\1",
            SEPARATOR + b"\1\5",
            SEPARATOR + b"\1\6",
            SEPARATOR + b"\1\2\x22\4",
            SEPARATOR + b"\1\x07",
        ),
        *(
            SEPARATOR + b"\0" + _PREPARE,
            SEPARATOR + b"\0" + _TEXT,
            _INSERT,
            b"; " + _INSERT,
            b" RETURNING id",
            b"ROW_COUNT()",
        ),
        *(
            b"SET NAMES gbk",
            b"SET autocommit = 0",
            b"USE shop",
            b"CREATE TEMPORARY TABLE users (a INT)",
            b"ALTER TABLE users",
        ),
        *(
            b"CALL p()",
            b"EXECUTE s",
            b"/* x */",
            b"LAST_INSERT_ID()",
            b"\xff\xff\xff\xff",
            b"INSERT INTO users SET email = 'a'",
        ),
        *(b"INSERT INTO users (email) SELECT email FROM t", b"users", b"PRIMARY", b"\x1b\0\0", b"\x1f", b"\x2fxff"),
    ),
    longest=500,
)
