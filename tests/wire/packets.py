"""Payloads of a server's packets, made by hand from the manual's layouts."""

from proxy.wire.lenenc import write_bytes, write_int

DEFINITION = bytes.fromhex("036465660000000131000c3f0002000000088100000000")  # of SELECT 1, MySQL 9.7
LARGEST = 0xFFFFFF

AUTOCOMMIT, MORE_RESULTS, CURSOR_EXISTS, LAST_ROW_SENT, PS_OUT_PARAMS = 0x0002, 0x0008, 0x0040, 0x0080, 0x1000


def packets(*payloads: bytes, sequence: int = 1) -> bytes:
    """Frame payloads, none longer than one packet, with sequence ids that count on."""
    return b"".join(
        len(payload).to_bytes(3, "little") + bytes(((sequence + number) & 0xFF,)) + payload
        for number, payload in enumerate(payloads)
    )


def ok(affected: int = 0, insert_id: int = 0, status: int = AUTOCOMMIT, warnings: int = 0, info: bytes = b"") -> bytes:
    """Make an OK packet."""
    numbers = write_int(affected) + write_int(insert_id)
    return b"\0" + numbers + _two(status) + _two(warnings) + (write_bytes(info) if info else b"")


def eof(status: int = AUTOCOMMIT, warnings: int = 0) -> bytes:
    """Make an EOF packet of a session without DEPRECATE_EOF."""
    return b"\xfe" + _two(warnings) + _two(status)


def ok_as_eof(status: int = AUTOCOMMIT, warnings: int = 0) -> bytes:
    """Make the OK packet that ends a result set under DEPRECATE_EOF."""
    return b"\xfe\0\0" + _two(status) + _two(warnings)


def error(number: int, message: str, state: str = "HY000") -> bytes:
    """Make an ERR packet."""
    return b"\xff" + _two(number) + b"#" + state.encode() + message.encode()


def progress(text: bytes = b"copy to tmp table") -> bytes:
    """Make MariaDB's progress report: ERR 0xFFFF, count 1, stage, stages, progress (3), text."""
    return b"\xff\xff\xff\x01\x01\x02\xcd\x1d\x00" + write_bytes(text)


def prepared(columns: int, parameters: int, metadata: bytes = b"") -> bytes:
    """Make PREPARE's OK: id 7, columns (2), parameters (2), filler, warnings (2), perhaps the metadata flag."""
    return b"\0\7\0\0\0" + _two(columns) + _two(parameters) + b"\0\0\0" + metadata


def row(*values: bytes | None) -> bytes:
    """Make a text row."""
    return b"".join(b"\xfb" if value is None else write_bytes(value) for value in values)


def _two(number: int) -> bytes:
    return number.to_bytes(2, "little")
