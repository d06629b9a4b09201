"""Holds conversations twice, directly and through a proxy, and compares what comes back."""

from __future__ import annotations

import re
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from tests.diff.commands import SCHEMA, Command, Prepare, Query, Raw, framed
from tests.diff.conversation import Batch, ChangeUser, Conversation, Last, Profile, Step, Upload
from tests.diff.cutting import Knife
from tests.diff.line import Line, SilentError, mark, pump
from tests.diff.packets import Mask, Packet, masked_login, split
from tests.diff.schema import CLEAR, CLEAR_DDL, drop, make
from tests.e2e.running import Proxy
from tests.raw import MULTI_STATEMENTS

MOST_LOGINS = 20
HISTORY = 4
INIT_DB, SET_OPTION, RESET_CONNECTION = 2, 0x1B, 0x1F
_FILE = b"sent"
_WRITES = re.compile(rb"insert|update|delete|replace|call|load|truncate|drop|alter|create", re.IGNORECASE)
_MAKES = re.compile(rb"truncate|drop|alter|create table", re.IGNORECASE)
_TRACKED = frozenset((*range(0x12), *range(0x15, 0x1E), RESET_CONNECTION, 0xFA))
"""The codes of commands after which a proxy still follows the conversation."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the two sessions of a conversation differed.

    step: its number, 0 for the login, one more than there are for the clearing up.
    packet: its number in the step.
    direct, proxied: what was there, in words.
    before: the conversations that the same two sessions held before it.
    """

    conversation: Conversation
    step: int
    packet: int
    direct: str
    proxied: str
    before: tuple[Conversation, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.conversation}\n"
            f"They differ in the answer to {self.step}, at packet {self.packet}:\n"
            f"  directly:          {self.direct}\n"
            f"  through the proxy: {self.proxied}"
        )


class UnsoundError(Exception):
    """The server itself did not answer: the conversation proves nothing."""


@dataclass(slots=True)
class Pair:
    """A session directly and one through the proxy, with the same history."""

    direct: Line
    proxied: Line
    masks: tuple[Mask, Mask]
    held: deque[Conversation] = field(default_factory=lambda: deque(maxlen=HISTORY))

    @property
    def lines(self) -> tuple[Line, Line]:
        return self.direct, self.proxied

    def number_alike(self) -> None:
        """Make both sessions give the same ids to their next statements: MariaDB's threads hand their counters on."""
        last = [line.number_of_statement() for line in self.lines]
        for line, number in zip(self.lines, last, strict=True):
            line.memory.last_id = max(last)
            for _ in range(max(last) - number):
                line.number_of_statement()

    def close(self) -> None:
        self.direct.close()
        self.proxied.close()


@dataclass(slots=True)
class _FoundError(Exception):
    """Two answers differ."""

    packet: int
    direct: str
    proxied: str


class Recorder:
    """Holds conversations with one server.

    Attributes:
        conversations, answers: how many were compared.
        careful: let no conversation depend on what was before it: each has sessions of its own, and is held twice, as
            what it leaves behind may show in the next one only.
    """

    def __init__(self, proxy: Proxy, knife: Knife) -> None:
        self.conversations = self.answers = 0
        self._server = proxy.server
        self._through = proxy.running.address
        self._knife = knife
        token = secrets.token_hex(4)
        self._schemas = f"diff_{token}_d".encode(), f"diff_{token}_p".encode()
        self._user = f"diff_{token}".encode()
        self._password = secrets.token_hex(8).encode()
        self._pairs: OrderedDict[Profile, Pair] = OrderedDict()
        self._step = 0
        self._before: list[Conversation] = []
        self.careful = False
        make(self._server, self._schemas, self._user, self._password)

    def close(self) -> None:
        """Close all sessions and remove what they worked on."""
        self._close_pairs()
        drop(self._server, self._schemas, self._user)

    def run(self, conversation: Conversation) -> Difference | None:
        """Hold a conversation. Raises UnsoundError."""
        self._knife.client, self._knife.backend = conversation.client_cuts, conversation.backend_cuts
        self.conversations += 1
        if self.careful:
            self._close_pairs()
        try:
            for _ in range(2 if self.careful else 1):
                self._once(conversation)
        except (_FoundError, UnsoundError, SilentError) as found:
            self._begin_anew()
            if isinstance(found, _FoundError):
                before = () if self.careful else tuple(self._before)
                return Difference(conversation, self._step, found.packet, found.direct, found.proxied, before)
            raise UnsoundError(f"{found} at {self._step} in:\n{conversation}") from found
        return None

    def _once(self, conversation: Conversation) -> None:
        self._step = 0
        pair = self._pair(conversation.profile)
        self._before = list(pair.held)
        pair.held.append(conversation)
        alive = self._hold(pair, conversation)
        self._step = len(conversation.steps) + 1
        if not (alive and self._clear(pair, conversation)):
            self._forget(conversation.profile)

    # ----------------------------------------------------------------------------------------------------------------
    # Sessions

    def _pair(self, profile: Profile) -> Pair:
        pair = self._pairs.get(profile)
        if pair is not None:
            self._pairs.move_to_end(profile)
            return pair
        if len(self._pairs) >= MOST_LOGINS:
            self._pairs.popitem(last=False)[1].close()
        addresses = (self._server.host, self._server.port), (self._through.host, self._through.port)
        direct, proxied = (
            Line(address, profile, schema, self._user, self._password)
            for address, schema in zip(addresses, self._schemas, strict=True)
        )
        masks = Mask(direct.thread_id, b"", b""), Mask(proxied.thread_id, self._schemas[1], self._schemas[0])
        self._pairs[profile] = pair = Pair(direct, proxied, masks)
        self._compare_packets(
            [masked_login(packet) for packet in direct.transcript],
            [masked_login((sequence, masks[1].shared(payload))) for sequence, payload in proxied.transcript],
        )
        pair.number_alike()
        return pair

    def _forget(self, profile: Profile) -> None:
        self._pairs.pop(profile).close()

    def _close_pairs(self) -> None:
        for pair in self._pairs.values():
            pair.close()
        self._pairs.clear()

    def _begin_anew(self) -> None:
        """Make both sides equal again."""
        self._close_pairs()
        drop(self._server, self._schemas, self._user)
        make(self._server, self._schemas, self._user, self._password)

    # ----------------------------------------------------------------------------------------------------------------
    # Steps

    def _hold(self, pair: Pair, conversation: Conversation) -> bool:
        """Go through the steps; return whether the sessions live on."""
        for line in pair.lines:
            line.memory.prepared.clear()
        for number, step in enumerate(conversation.steps, 1):
            self._step = number
            if not self._take(pair, step, conversation):
                return False
        return True

    def _take(self, pair: Pair, step: Step, conversation: Conversation) -> bool:
        match step:
            case Batch():
                return self._batch(pair, step.commands, conversation.client_cuts, pipelined=step.pipelined)
            case Upload():
                return self._upload(pair, step, conversation)
            case ChangeUser():
                return self._change_user(pair, step)
            case Last():
                return self._last(pair, step, conversation.client_cuts)

    def _batch(self, pair: Pair, commands: tuple[Command, ...], cuts: tuple[int, ...], *, pipelined: bool) -> bool:
        for line in pair.lines:
            line.send(_bytes(commands, line), cuts)
        self._answers(pair, pipelined=pipelined, learn=_prepares_first(commands))
        return not pair.direct.closed

    def _answers(self, pair: Pair, *, pipelined: bool, learn: bool = False) -> None:
        """Compare all that is to come in answer to what was sent."""
        command, sign = mark()
        direct, proxied = pair.lines
        direct.send(command)
        if pipelined:
            proxied.send(command)
        ends = _until_marked(pair, direct, sign, UnsoundError)
        first = direct.take(ends)
        if not pipelined:
            self._wait(pair, lambda: proxied.closed or len(proxied.received) >= len(first), first)
            proxied.send(command)
        try:
            second = proxied.take(_until_marked(pair, proxied, sign, SilentError))
        except SilentError:
            self._compare(pair, first, bytes(proxied.received) + b"(silence)")
            raise
        self._compare(pair, first, second)
        if learn and first[3:5] == b"\1\0" and len(first) >= 16:
            for line in pair.lines:
                line.memory.last_id = int.from_bytes(first[5:9], "little")
                line.memory.prepared[-1:] = [line.memory.last_id]

    def _wait(self, pair: Pair, until: Callable[[], bool], first: bytes) -> None:
        try:
            pump(pair.lines, until)
        except SilentError:
            self._compare(pair, first, bytes(pair.proxied.received) + b"(silence)")
            raise

    def _upload(self, pair: Pair, step: Upload, conversation: Conversation) -> bool:
        for line in pair.lines:
            line.send(_bytes((step.query,), line), conversation.client_cuts)
        asked = [_heard(pair, line, partial(_asked, line)) for line in pair.lines]
        self._compare_packets(*([*map(mask.packet, packets)] for mask, packets in zip(pair.masks, asked, strict=True)))
        if asked[0][-1][1][:1] == b"\xfb":
            sequence = asked[0][-1][0]
            packets = [framed(chunk, sequence + place & 0xFF) for place, chunk in enumerate((*step.chunks, b""), 1)]
            for line in pair.lines:
                line.send(b"".join(packets), conversation.client_cuts)
        self._answers(pair, pipelined=True)
        return not pair.direct.closed

    def _change_user(self, pair: Pair, step: ChangeUser) -> bool:
        password = self._password if step.right else b"wrong"
        said = []
        for line in pair.lines:
            change = partial(line.change_user, step.plugin, password, step.database.replace(SCHEMA, line.memory.schema))
            said.append(_heard(pair, line, change))
        first, second = ([masked_login(packet) for packet in packets] for packets in said)
        self._compare_packets(first, [(number, pair.masks[1].shared(payload)) for number, payload in second])
        if first[-1][1][0]:
            return self._last(pair, Last())
        return True

    def _last(self, pair: Pair, step: Last, cuts: tuple[int, ...] = ()) -> bool:
        for line in pair.lines:
            line.send(_bytes((step.command,), line) if step.command else step.tail, cuts)
        if step.command is None:
            for line in pair.lines:
                line.end_writing()
        direct, proxied = pair.lines
        try:
            pump(pair.lines, lambda: direct.closed)
        except SilentError as error:
            raise UnsoundError("the server does not close") from error
        first = direct.take(-1)
        self._wait(pair, lambda: proxied.closed, first)
        self._compare(pair, first, proxied.take(-1))
        return False

    def _clear(self, pair: Pair, conversation: Conversation) -> bool:
        """Make the sessions and their schemas as they were; return whether they can be used again."""
        if not all(_is_followed(command) for command in conversation.commands):
            return False
        commands: list[Command] = [Raw(RESET_CONNECTION), Raw(INIT_DB, SCHEMA)]
        if SET_OPTION in conversation.codes:
            multi = conversation.profile.capabilities & MULTI_STATEMENTS
            commands.append(Raw(SET_OPTION, b"\0\0" if multi else b"\1\0"))
        if any(_MAKES.search(text) for text in conversation.texts):
            commands += [Query(text) for text in CLEAR_DDL]
        if any(_WRITES.search(text) for text in conversation.texts):
            commands += [Query(text) for text in CLEAR]
        alive = self._batch(pair, tuple(commands), conversation.client_cuts, pipelined=True)
        if alive:
            self._check_rest(pair.proxied.thread_id)
        return alive

    def _check_rest(self, thread_id: int) -> None:
        """The session has sent all; a moment later it must know that it has."""
        patience = time.monotonic() + 0.5
        while not self._knife.at_rest(thread_id):
            if time.monotonic() > patience:
                raise _FoundError(0, "all is answered", "the session still waits, or has lost track")
            time.sleep(0)

    # ----------------------------------------------------------------------------------------------------------------
    # Comparison

    def _compare(self, pair: Pair, first: bytes, second: bytes) -> None:
        self.answers += 1
        if first != pair.masks[1].shared(second):
            mine, other = pair.masks
            closed = {True: [(-1, b"connection closed")], False: []}
            self._compare_packets(
                [*map(mine.packet, split(first)), *closed[pair.direct.closed]],
                [*map(other.packet, split(second)), *closed[pair.proxied.closed]],
            )
        elif pair.direct.closed != pair.proxied.closed:
            said = {True: "connection closed", False: "connection open"}
            raise _FoundError(0, said[pair.direct.closed], said[pair.proxied.closed])

    def _compare_packets(self, first: list[Packet], second: list[Packet]) -> None:
        if first == second:
            return
        for place in range(max(len(first), len(second))):
            mine, other = first[place : place + 1], second[place : place + 1]
            if mine != other:
                raise _FoundError(place + 1, _described(mine), _described(other))


def _until_marked(pair: Pair, line: Line, sign: bytes, error: type[Exception]) -> int:
    found = -1

    def ended() -> bool:
        nonlocal found
        found = line.marked(sign)
        return found >= 0 or line.closed

    try:
        pump(pair.lines, ended)
    except SilentError as silence:
        raise error("no answer") from silence
    return found


def _heard(pair: Pair, line: Line, read: Callable[[], list[Packet]]) -> list[Packet]:
    """Return what is read from a line, packet by packet; something must come."""
    try:
        return read()
    except (EOFError, SilentError) as error:
        if line is pair.direct:
            raise UnsoundError(f"{type(error).__name__} from the server") from error
        said = "connection closed" if line.closed else "silence"
        raise _FoundError(0, "an answer", said) from error


def _asked(line: Line) -> list[Packet]:
    """Read up to the packet that asks for a file, or the error in its place."""
    answers = [line.packet()]
    while not (answers[-1][1][:1] == b"\xff" or answers[-1][1] == b"\xfb" + _FILE):
        answers.append(line.packet())
    return answers


def _bytes(commands: tuple[Command, ...], line: Line) -> bytes:
    return b"".join(framed(command.payload(line.memory), command.sequence) for command in commands)


def _prepares_first(commands: tuple[Command, ...]) -> bool:
    """Whether the first reply to these commands, and it alone, tells the id of a prepared statement."""
    return [place for place, command in enumerate(commands) if isinstance(command, Prepare)] == [0]


def _is_followed(command: Command) -> bool:
    return not isinstance(command, Raw) or command.code is None or command.code in _TRACKED


def _described(packets: list[Packet]) -> str:
    if not packets:
        return "nothing"
    [(sequence, payload)] = packets
    number = "cut" if sequence < 0 else f"sequence id {sequence}"
    return f"{number}, {len(payload)} bytes: {payload[:160]!r}"
