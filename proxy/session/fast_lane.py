"""The short way through a session: one whole packet that holds a command of no interest, then one whole reply.

Most of a session is this, and costs a few comparisons. All else goes the general way (`CommandPhase`), which gives the
same bytes; the fast lane only skips looking for what cannot be there. What can be compiled is: see `fast_lane.pxd`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from proxy.wire import capabilities as cap
from proxy.wire import commands

if TYPE_CHECKING:
    from proxy.conflicts.counters import Counters
    from proxy.session.insert_lane import InsertLane

SHORT: Final = 1024
"""Bytes of a command that is kept for the search of causes, or of the beginning that is kept of a longer one."""
_HEADER: Final = 4
_LARGEST: Final = 0xFFFFFF  # the payload of a packet that continues in the next one
_QUERY: Final = commands.QUERY
_STMT_EXECUTE: Final = commands.STMT_EXECUTE
_SHORTEST: Final = 6  # bytes of a payload that is looked at here: so many that a text's first letters are there
_TEXT: Final = 5  # where the text of a COM_QUERY begins
_TEXT_BEHIND_COUNTS: Final = 7  # the same in a session with query attributes, where this one has none
_KEPT: Final = SHORT
_SEMICOLON: Final = ord(";")  # of bytes in bytes, Python tries a number first, and makes an error of it
_AUTOCOMMIT: Final = cap.STATUS_AUTOCOMMIT
_IN_TRANS: Final = cap.STATUS_IN_TRANS
_EXCEPTIONAL: Final = cap.STATUS_MORE_RESULTS | cap.STATUS_SESSION_STATE_CHANGED
_NO_PLAIN_ROWS: Final = cap.STATUS_CURSOR_EXISTS | cap.STATUS_PS_OUT_PARAMS  # see `ReplyTracker`
_SHORT: Final = 0xFB  # a length-encoded integer below this is one byte
_TWO_BYTES: Final = 0xFC
_THREE_BYTES: Final = 0xFD
_EIGHT_BYTES: Final = 0xFE


class General(Protocol):
    """What the fast lane asks of the general path, as `CommandPhase` has it."""

    def insert_lane(self) -> "InsertLane":
        """Make the lane for INSERTs that are sent as texts."""

    def execute(self, data: bytes, started: float) -> None:
        """Tell of an execution of a prepared INSERT that no rules are for, a chunk that is one whole command."""


class FastLane:
    """Passes on what is plain, and hands all else to the general path.

    Args:
        general: the general path, where this asks.
        counters, clock: as a session has them.
        starts: how texts begin that are plain, see `plain_starts`.
        attributes: whether the session has query attributes: then their counts stand before the text.
        deprecate_eof: whether the session has DEPRECATE_EOF.
        keep: called with each short command that is passed on and is no INSERT.

    Attributes:
        clear: nothing is in flight, kept or under way; what the client sends next opens a command. The general path
            sets it.
        command: the chunk of a command that is in flight and came this way; b"" if none is.
        started: when that was.
        count: how many commands have gone this way.
        received, sent: how many bytes it has taken of the client and of the backend, and passed on.
        status: the status flags of the newest reply, as far as they were read.
        several: a text may hold several statements.
        watched: the ids of the prepared statements whose execution the general path wants to see, as they are sent.
        own_last: the server's last prepared statement is one of the proxy's own, so that no execution is plain.
        inserts: the ids of prepared INSERTs that no rules are for.
        insert_lane: takes the user's INSERTs that are sent as texts; None before the first one.
    """

    __slots__ = (
        "_attributes",
        "_clock",
        "_counters",
        "_deprecate_eof",
        "_general",
        "_keep",
        "_otherwise_from_backend",
        "_otherwise_from_client",
        "_starts",
        "_to_backend",
        "_to_client",
        "clear",
        "command",
        "count",
        "insert_lane",
        "inserts",
        "own_last",
        "received",
        "sent",
        "several",
        "started",
        "status",
        "watched",
    )

    def __init__(
        self,
        general: General,
        counters: "Counters",
        clock: Callable[[], float],
        *,
        starts: frozenset[int],
        attributes: bool,
        deprecate_eof: bool,
        keep: Callable[[bytes], None],
    ) -> None:
        self._general = general
        self._counters = counters
        self._clock = clock
        self._starts = starts
        self._attributes = attributes
        self._deprecate_eof = deprecate_eof
        self._keep = keep
        self.clear = True
        self.command = b""
        self.started = 0.0
        self.count = self.received = self.sent = 0
        self.status = 0
        self.several = True
        self.watched: set[bytes] = set()
        self.own_last = False
        self.inserts: dict[bytes, Any] = {}
        self.insert_lane: InsertLane | None = None

    def join(
        self,
        to_client: Callable[[bytes], None],
        to_backend: Callable[[bytes], None],
        otherwise_from_client: Callable[[bytes], None],
        otherwise_from_backend: Callable[[bytes], None],
    ) -> None:
        """Set where plain bytes go, and where all others do."""
        self._to_client = to_client
        self._to_backend = to_backend
        self._otherwise_from_client = otherwise_from_client
        self._otherwise_from_backend = otherwise_from_backend

    def client_data(self, data: bytes) -> None:
        """Take bytes that the client sent."""
        if self.clear:
            size = len(data) - _HEADER
            if size >= _SHORTEST and data[0] | data[1] << 8 | data[2] << 16 == size and not data[3]:
                code = data[4]
                if self._is_plain(code, data):
                    if size < _KEPT:
                        self._keep(data)
                    self._pass_on(code, data, size, self._clock())
                    return
                if self._is_insert(code, data):
                    started = self._clock()
                    if self._goes(code, data, started):
                        self._pass_on(code, data, size, started)
                        return
        self.clear = False
        self._otherwise_from_client(data)

    def backend_data(self, data: bytes) -> None:
        """Take bytes that the backend sent."""
        if not self.command:
            self._otherwise_from_backend(data)
            return
        status = status_of_ok(data)
        if status >= 0:  # an OK: one of a SELECT begins no transaction and ends none
            self.status = status
        elif not is_plain_result(data, self._deprecate_eof):
            self._otherwise_from_backend(data)
            return
        elif not self.status & _AUTOCOMMIT:
            self.status |= _IN_TRANS  # the rows' own flags are not read, and without autocommit it may
        self.command = b""
        self.clear = True
        size = len(data)
        self._counters.bytes_sent += size
        self.sent += size
        self._counters.command_durations.observe(self._clock() - self.started)
        self._to_client(data)

    def _is_plain(self, code: int, data: bytes) -> bool:
        """Tell whether a chunk that is one whole command is of no interest."""
        if code == _QUERY:
            return self._start(data) in self._starts and not (
                self.several and _SEMICOLON in data and data.find(_SEMICOLON, _HEADER, -1) > 0
            )
        return code == _STMT_EXECUTE and not self.own_last and not (self.watched and data[5:9] in self.watched)

    def _is_insert(self, code: int, data: bytes) -> bool:
        """Tell whether a chunk that is one whole command is an INSERT."""
        if code == _QUERY:
            return self._start(data) == _INSERT
        return code == _STMT_EXECUTE and not self.own_last and data[5:9] in self.inserts

    def _start(self, data: bytes) -> int:
        """Return how the text of a COM_QUERY begins; 0 if it has query attributes."""
        if not self._attributes:
            return start_of(data, _TEXT)
        # a parameter count (none) and the number of parameter sets
        return start_of(data, _TEXT_BEHIND_COUNTS) if not data[5] and data[6] == 1 else 0

    def _goes(self, code: int, data: bytes, started: float) -> bool:
        """Tell of an INSERT that goes as it is; False: it must be read first."""
        if code != _QUERY:
            self._general.execute(data, started)
            return True
        if self.insert_lane is None:
            self.insert_lane = self._general.insert_lane()
        begins = _TEXT_BEHIND_COUNTS if self._attributes else _TEXT
        return self.insert_lane.goes(data, begins, started, self.several)

    def _pass_on(self, code: int, data: bytes, size: int, started: float) -> None:
        self.clear = False
        self.command = data
        self.started = started
        counters = self._counters
        counters.commands[code] += 1
        counters.bytes_received += size + _HEADER
        self.count += 1
        self.received += size + _HEADER
        self._to_backend(data)


# --------------------------------------------------------------------------------------------------------------------
# What is plain


def start_of(text: bytes, position: int = 0) -> int:
    """Return the first three letters of a text that begins at a position, as a number; in any case the same one."""
    return (text[position] | text[position + 1] << 8 | text[position + 2] << 16) & 0xDFDFDF


_PLAIN: Final = frozenset(map(start_of, (b"SELECT", b"UPDATE", b"DELETE", b"COMMIT", b"ROLLBACK", b"SHOW")))
_PLAIN_ON_MYSQL: Final = _PLAIN | frozenset(map(start_of, (b"BEGIN", b"REPLACE")))
_INSERT: Final = start_of(b"INSERT")


def plain_starts(mariadb: bool) -> frozenset[int]:
    """Return how texts begin that no rules are for and that change nothing in how later ones read, see `start_of`.

    Args:
        mariadb: whether the server is MariaDB, where BEGIN NOT ATOMIC and REPEAT may hold a SET.
    """
    return _PLAIN if mariadb else _PLAIN_ON_MYSQL


def status_of_ok(data: bytes) -> int:
    """Return the status flags of a chunk that is one whole OK packet which ends its reply and changes nothing else.

    Any other chunk has -1.

    Args:
        data: a chunk that begins with a packet.
    """
    if len(data) < 11 or data[4] or _length(data, 0) != len(data) - _HEADER:
        return -1
    position = 7
    if data[5] >= _SHORT or data[6] >= _SHORT:  # ids that the server makes up are soon long
        position = _behind_number(data, 5)
        if position < len(data):
            position = _behind_number(data, position)
        if position + 4 > len(data):  # the flags, and how many warnings there are
            return -1
    status = data[position] | data[position + 1] << 8
    return -1 if status & _EXCEPTIONAL else status


def is_plain_result(data: bytes, deprecate_eof: bool) -> bool:
    """Tell whether a chunk is one whole result set (of fewer than 251 columns) that ends its reply.

    Args:
        data: a chunk that begins with a packet.
        deprecate_eof: whether the session has DEPRECATE_EOF: an OK ends the rows, and nothing the definitions.
    """
    size = len(data)
    last = size - _HEADER - 1  # the last offset at which a header and a first byte fit
    if size < 16 or data[0] != 1 or data[1] or data[2] or not 0 < data[4] < _SHORT:
        return False
    position = 5
    columns = data[4]
    while columns and position <= last:
        position += _HEADER + _length(data, position)
        columns -= 1
    if not deprecate_eof:
        if (
            position + 9 > size
            or data[position] ^ 5 | data[position + 1] | data[position + 2] | data[position + 4] ^ 0xFE
            or (data[position + 7] | data[position + 8] << 8) & _NO_PLAIN_ROWS
        ):
            return False
        position += 9
    while position <= last and data[position + _HEADER] < 0xFE:
        length = _length(data, position)
        if length == _LARGEST or not length:
            return False
        position += _HEADER + length
    if position > last or data[position + _HEADER] != 0xFE:
        return False
    if not deprecate_eof:
        return size == position + 9 and not (
            data[position] ^ 5
            | data[position + 1]
            | data[position + 2]
            | (data[position + 7] | data[position + 8] << 8) & _EXCEPTIONAL
        )
    return (
        size >= position + 11
        and _length(data, position) == size - position - _HEADER
        and not data[position + 5]
        and not data[position + 6]
        and not (data[position + 7] | data[position + 8] << 8) & _EXCEPTIONAL
    )


def _length(data: bytes, position: int) -> int:
    """Return the length of the payload behind the header at a position."""
    return data[position] | data[position + 1] << 8 | data[position + 2] << 16


def _behind_number(data: bytes, position: int) -> int:
    """Return where a length-encoded integer at a position ends; far behind everything if there is none."""
    first = data[position]
    if first < _SHORT:
        return position + 1
    if first == _TWO_BYTES:
        return position + 3
    if first == _THREE_BYTES:
        return position + 4
    return position + 9 if first == _EIGHT_BYTES else _LARGEST
