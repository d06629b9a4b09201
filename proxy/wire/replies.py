"""Finds the end of every reply.

A reply is followed packet by packet. Most packets are *dull*: rows, definitions, continuations of 16 MiB payloads. They
are passed over by their length alone, even when they are cut, so that nothing is gathered in memory. The others
*matter*: they say what comes next, and are looked at whole.

The part of the reply that the next packet belongs to decides what it means::

    FIRST ──► OK, ERR ─────────────────────────────► END (or FIRST again, while MORE_RESULTS)
      │  └──► LOCAL INFILE ──► FIRST
      └─────► DEFINITIONS ──► [EOF] ──► ROWS ──► EOF, OK, ERR ──► END (or FIRST again)
    FIELDS ──► (definitions) ──► EOF, OK, ERR ──► END
    PREPARED ──► OK ──► DEFINITIONS ──► [EOF] ──► DEFINITIONS ──► [EOF] ──► END
    LOGIN ──► (auth packets) ──► OK, ERR ──► END

Source: MySQL Internals, "COM_QUERY Response", "COM_STMT_PREPARE Response"; WL#7766 (DEPRECATE_EOF), WL#8134 (optional
metadata); MariaDB, "Result set packets".
"""

from enum import Enum, auto
from struct import Struct

from proxy.wire import capabilities as cap
from proxy.wire.answers import EOF, ERR, LOCAL_INFILE, OK, PROGRESS_REPORT, Ok, eof_status, parse_ok
from proxy.wire.commands import SHAPES, Shape
from proxy.wire.errors import ProtocolError
from proxy.wire.framing import HEADER, MAX_PAYLOAD
from proxy.wire.lenenc import read_int

_word = Struct("<I").unpack_from
_LARGEST_ANSWER = 1 << 20  # bytes of a packet that matters; an OK with many state changes is the largest kind
_EOF_SIZE = 9  # an EOF packet is shorter than this


class Part(Enum):
    """Where in a reply the next packet belongs."""

    IDLE = auto()
    FIRST = auto()
    DEFINITIONS = auto()
    DEFINITIONS_END = auto()
    ROWS = auto()
    FIELDS = auto()
    PREPARED = auto()
    SINGLE = auto()
    LOGIN = auto()


class Event(Enum):
    """What a packet that matters says about its reply."""

    PART = auto()  # it goes on
    LOCAL_INFILE = auto()  # the server waits for the client's data
    RESULT = auto()  # one result has ended, another follows
    END = auto()  # the reply has ended


_START = {
    Shape.NOTHING: Part.IDLE,
    Shape.SINGLE: Part.SINGLE,
    Shape.RESULTS: Part.FIRST,
    Shape.PREPARED: Part.PREPARED,
    Shape.FIELDS: Part.FIELDS,
    Shape.ROWS: Part.ROWS,
    Shape.LOGIN: Part.LOGIN,
    Shape.RAW: Part.IDLE,
}
_START_OF_COMMAND = tuple(_START[shape] for shape in SHAPES)


class ReplyTracker:
    """Follows the replies of one session, one at a time.

    Args:
        capabilities: those that client and backend agreed on.
        mariadb_capabilities: MariaDB's own, likewise.

    Attributes:
        part: where the next packet belongs.
        status: the status flags of the newest OK or EOF packet.
        ok: the newest packet's OK, if it was one.
    """

    __slots__ = (
        "_behind",
        "_continued",
        "_deprecate_eof",
        "_left",
        "_metadata_flag",
        "_more",
        "_prepare_flag",
        "_sections",
        "_shortest_row",
        "_stream",
        "ok",
        "part",
        "status",
    )

    def __init__(self, capabilities: int, mariadb_capabilities: int = 0) -> None:
        self._deprecate_eof = bool(capabilities & cap.DEPRECATE_EOF)
        self._prepare_flag = bool(capabilities & cap.OPTIONAL_METADATA)
        self._metadata_flag = self._prepare_flag or bool(mariadb_capabilities & cap.MARIADB_CACHE_METADATA)
        # a row may begin with 0xFE too, when its first value has 16 MiB or more; then its packet is at least this long
        self._shortest_row = MAX_PAYLOAD if self._deprecate_eof else _EOF_SIZE
        self._stream = 0  # bytes of a dull packet that are still to come
        self._continued = False  # the next packet continues a payload of 16 MiB - 1
        self._left = 0  # definitions still to come
        self._sections: list[int] = []  # PREPARE: the lengths of the definition lists still to come
        self._behind = Part.ROWS  # what follows the last list of definitions
        self._more = 0  # MORE_RESULTS, where the EOF behind the definitions has told it for the one behind the rows
        self.part = Part.IDLE
        self.status = 0
        self.ok: Ok | None = None

    @property
    def ended(self) -> bool:
        """Whether the whole reply has been passed over."""
        return self.part is Part.IDLE and not self._stream

    def begin(self, command: int) -> None:
        """Expect the reply to a command of this code."""
        self.part = _START_OF_COMMAND[command]
        if self._sections:
            self._sections = []

    def pass_over(self, data: bytes, position: int) -> int:
        """Pass over dull packets.

        Args:
            data: bytes as they came from the backend.
            position: where to begin: the start of a packet, unless the last call ended within one.

        Returns:
            The offset of the next packet that matters, or is cut before that can be told; else the data's length.
        """
        if self._stream:
            position = self._advance(data, position + self._stream)
            if self._stream:
                return position
        if self.part is Part.DEFINITIONS:
            position = self._pass_definitions(data, position)
        if self.part is Part.ROWS and not self._stream:
            position = self._pass_rows(data, position)
        return position

    def measure(self, data: bytes, position: int) -> int:
        """Return the end of the packet that matters at ``position``, or 0 while it is cut.

        Raises:
            ProtocolError: it is larger than any packet that ends or opens a reply.
        """
        if position + HEADER > len(data):
            return 0
        length = _word(data, position)[0] & MAX_PAYLOAD
        if length > _LARGEST_ANSWER and position + HEADER < len(data):  # else it may be a row
            raise ProtocolError(f"the backend sent an answer of {length} bytes")
        end: int = position + HEADER + length
        return end if end <= len(data) else 0

    def packet(self, payload: bytes) -> Event:
        """Take a packet that matters.

        Raises:
            ProtocolError: it cannot stand at this place of a reply.
        """
        self.ok = None
        if not payload:
            raise ProtocolError("the backend sent an empty packet")
        first = payload[0]
        if first == ERR:
            return self._error(payload)
        match self.part:
            case Part.FIRST:
                return self._first(payload)
            case Part.ROWS:
                return self._result_end(payload)
            case Part.FIELDS:
                return self._fields(payload)
            case Part.SINGLE:
                return self._single(payload)
            case Part.PREPARED:
                return self._prepared(payload)
            case Part.DEFINITIONS_END:
                return self._definitions_end(payload)
            case Part.LOGIN:
                return self._login(payload)
            case _:
                raise ProtocolError("the backend sent a packet that answers no command")

    def _advance(self, data: bytes, target: int) -> int:
        """Go to ``target``, or to the end of the data and remember the rest."""
        self._stream = max(0, target - len(data))
        return min(target, len(data))

    def _pass_definitions(self, data: bytes, position: int) -> int:
        size = len(data)
        while self.part is Part.DEFINITIONS and position + HEADER <= size:
            position += HEADER + (_word(data, position)[0] & MAX_PAYLOAD)
            self._left -= 1
            if not self._left:
                self._after_definitions()
        return self._advance(data, position) if position > size else position

    def _after_definitions(self) -> None:
        if not self._deprecate_eof:
            self.part = Part.DEFINITIONS_END
        else:
            self._next_section()

    def _next_section(self) -> None:
        """Go from one list of definitions to what follows it."""
        if not self._sections:
            self.part = self._behind
            return
        self._left = self._sections.pop(0)
        self.part = Part.DEFINITIONS
        if not self._left:
            self._after_definitions()

    def _pass_rows(self, data: bytes, position: int) -> int:
        last = len(data) - HEADER - 1  # the last offset at which a header and a first byte fit
        shortest = self._shortest_row
        continued = self._continued
        while position <= last:
            length = _word(data, position)[0] & MAX_PAYLOAD
            first = data[position + HEADER]
            if first >= EOF and not continued and length and (first == ERR or length < shortest):
                break
            position += HEADER + length
            continued = length == MAX_PAYLOAD
        if position == last + 1:  # a header alone is enough where the first byte does not count, or there is none
            length = _word(data, position)[0] & MAX_PAYLOAD
            if continued or not length:
                position += HEADER + length
                continued = length == MAX_PAYLOAD
        self._continued = continued
        return self._advance(data, position) if position > len(data) else position

    def _error(self, payload: bytes) -> Event:
        if len(payload) < 3:
            raise ProtocolError("an ERR packet is cut")
        if payload[1] | payload[2] << 8 == PROGRESS_REPORT:
            return Event.PART
        self.part = Part.IDLE
        return Event.END

    def _first(self, payload: bytes) -> Event:
        first = payload[0]
        if first == OK:
            return self._ok(payload)
        if first == LOCAL_INFILE:
            return Event.LOCAL_INFILE
        count, behind = read_int(payload, 0)
        left_out = self._metadata_flag and payload[behind : behind + 1] == b"\0"
        self._sections = [0 if left_out else count]
        self._behind = Part.ROWS
        self._next_section()
        return Event.PART

    def _ok(self, payload: bytes) -> Event:
        self.ok = ok = parse_ok(payload)
        return self._end_of_result(ok.status)

    def _end_of_result(self, status: int) -> Event:
        self.status = status
        if status & cap.STATUS_MORE_RESULTS:
            self.part = Part.FIRST
            return Event.RESULT
        self.part = Part.IDLE
        return Event.END

    def _result_end(self, payload: bytes) -> Event:
        if self._deprecate_eof:
            return self._ok(payload)
        more, self._more = self._more, 0
        return self._end_of_result(eof_status(payload) | more)

    def _fields(self, payload: bytes) -> Event:
        # MariaDB answers with a bare OK where a session has no schema (measured on 10.11, after a COM_CHANGE_USER)
        if payload[0] == OK:
            return self._ok(payload)
        return self._result_end(payload) if payload[0] == EOF else Event.PART

    def _single(self, payload: bytes) -> Event:
        first = payload[0]
        if first == OK or (first == EOF and len(payload) >= 7):
            self.ok = parse_ok(payload)
            self.status = self.ok.status
        elif first == EOF:
            self.status = eof_status(payload)
        self.part = Part.IDLE
        return Event.END

    def _prepared(self, payload: bytes) -> Event:
        if payload[0] != OK or len(payload) < 9:
            raise ProtocolError("the backend's answer to COM_STMT_PREPARE is malformed")
        columns = payload[5] | payload[6] << 8
        parameters = payload[7] | payload[8] << 8
        left_out = self._prepare_flag and payload[12:13] == b"\0"
        # definitions that are left out leave the EOF behind them in place
        self._sections = [0 if left_out else count for count in (parameters, columns) if count]
        self._behind = Part.IDLE
        self._next_section()
        return Event.PART if self.part is not Part.IDLE else Event.END

    def _definitions_end(self, payload: bytes) -> Event:
        if payload[0] == OK and not self._sections:
            # MySQL 9.7 ends a result here, without rows, where a statement that once had a cursor is run without one
            return self._ok(payload)
        self.status = status = eof_status(payload)
        # MySQL sets MORE_RESULTS for the values of a procedure's OUT parameters only here, not in the EOF behind them
        self._more = status & cap.STATUS_MORE_RESULTS if status & cap.STATUS_PS_OUT_PARAMS else 0
        if status & cap.STATUS_CURSOR_EXISTS and not self._sections:
            self.part = Part.IDLE  # the rows come by COM_STMT_FETCH
        else:
            self._next_section()
        return Event.PART if self.part is not Part.IDLE else Event.END

    def _login(self, payload: bytes) -> Event:
        if payload[0] != OK:
            return Event.PART
        self.ok = parse_ok(payload)
        self.status = self.ok.status
        self.part = Part.IDLE
        return Event.END
