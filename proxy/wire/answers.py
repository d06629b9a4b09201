"""The packets that end things: OK, EOF and ERR.

Source: MySQL Internals, "OK_Packet", "EOF_Packet" and "ERR_Packet".
"""

from collections.abc import Iterator
from typing import NamedTuple

from proxy.wire import capabilities as cap
from proxy.wire.errors import ProtocolError
from proxy.wire.lenenc import read_bytes, read_int, write_int

OK = 0x00
EOF = 0xFE
ERR = 0xFF
LOCAL_INFILE = 0xFB
PROGRESS_REPORT = 0xFFFF  # MariaDB sends progress as an ERR of this number

TRACK_VARIABLE = 0
TRACK_SCHEMA = 1


class Ok(NamedTuple):
    """An OK packet, or the OK that ends a result set under DEPRECATE_EOF (first byte 0xFE)."""

    affected_rows: int
    insert_id: int
    status: int
    warnings: int
    info_offset: int  # where the info string and the session's state changes begin

    @property
    def more_results(self) -> bool:
        """Whether another result follows in the same reply."""
        return bool(self.status & cap.STATUS_MORE_RESULTS)


class Err(NamedTuple):
    """An ERR packet of protocol 4.1."""

    number: int
    state: str
    message: bytes


def parse_ok(payload: bytes) -> Ok:
    """Parse an OK packet.

    Layout: 0x00 or 0xFE, affected rows and insert id (length-encoded), status (2), warnings (2), info, state changes.

    Raises:
        ProtocolError: it is cut.
    """
    affected_rows, at = read_int(payload, 1)
    insert_id, at = read_int(payload, at)
    if len(payload) < at + 4:
        raise ProtocolError("an OK packet is cut")
    status = payload[at] | payload[at + 1] << 8
    warnings = payload[at + 2] | payload[at + 3] << 8
    return Ok(affected_rows, insert_id, status, warnings, at + 4)


def with_affected_rows(payload: bytes, affected_rows: int) -> bytes:
    """Return an OK packet's payload with another number of affected rows and every other byte as it was."""
    _, behind = read_int(payload, 1)
    return payload[:1] + write_int(affected_rows) + payload[behind:]


def info(payload: bytes, ok: Ok) -> bytes:
    """Return an OK packet's info string, empty where there is none; its text is localised, its digits are not.

    The manual calls it a string up to the packet's end in sessions without SESSION_TRACK; both servers send it
    length-encoded always (``net_send_ok``). One that is not is taken for none.
    """
    if ok.info_offset >= len(payload):
        return b""
    try:
        return read_bytes(payload, ok.info_offset)[0]
    except ProtocolError:
        return b""


def state_changes(payload: bytes, ok: Ok) -> Iterator[tuple[int, bytes]]:
    """Yield the session state changes of an OK packet of a session with SESSION_TRACK: their type and data.

    Raises:
        ProtocolError: the block is cut.
    """
    if not ok.status & cap.STATUS_SESSION_STATE_CHANGED:
        return
    _, at = read_bytes(payload, ok.info_offset)
    block, _ = read_bytes(payload, at)
    at = 0
    while at < len(block):
        data, behind = read_bytes(block, at + 1)
        yield block[at], data
        at = behind


def eof_status(payload: bytes) -> int:
    """Return the status flags of an EOF packet: 0xFE, warnings (2), status (2)."""
    return payload[3] | payload[4] << 8 if len(payload) >= 5 else 0


def parse_err(payload: bytes) -> Err:
    """Parse an ERR packet.

    Layout: 0xFF, number (2), ``#`` and the SQL state (5; both missing in a login's early errors), the message.

    Raises:
        ProtocolError: it is cut.
    """
    if len(payload) < 3:
        raise ProtocolError("an ERR packet is cut")
    number = payload[1] | payload[2] << 8
    if payload[3:4] == b"#":
        return Err(number, payload[4:9].decode("latin-1"), payload[9:])
    return Err(number, "", payload[3:])


def err(number: int, state: str, message: str) -> bytes:
    """Make an ERR packet's payload; without a state in the form of errors that come before the server's greeting."""
    marked = f"#{state}" if state else ""
    return b"\xff" + number.to_bytes(2, "little") + marked.encode("ascii") + message.encode()
