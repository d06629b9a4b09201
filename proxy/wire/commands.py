"""The command table: every client request's code, name, and the shape of what answers it.

Sources: MySQL, ``enum_server_command``; MariaDB, "2 - Text protocol" and "3 - Binary protocol".
"""

from enum import Enum, auto

QUIT = 0x01
INIT_DB = 0x02
QUERY = 0x03
FIELD_LIST = 0x04
PING = 0x0E
CHANGE_USER = 0x11
STMT_PREPARE = 0x16
STMT_EXECUTE = 0x17
STMT_SEND_LONG_DATA = 0x18
STMT_CLOSE = 0x19
STMT_RESET = 0x1A
SET_OPTION = 0x1B
STMT_FETCH = 0x1C
RESET_CONNECTION = 0x1F
STMT_BULK_EXECUTE = 0xFA  # MariaDB

EXECUTES = frozenset({STMT_EXECUTE, STMT_BULK_EXECUTE})
ON_STATEMENTS = EXECUTES | {STMT_CLOSE, STMT_FETCH, STMT_RESET, STMT_SEND_LONG_DATA}
"""The commands that carry the id of a prepared statement behind their first byte."""


class Shape(Enum):
    """What a server's answer to a command looks like."""

    NOTHING = auto()  # no reply at all
    SINGLE = auto()  # one packet: OK, EOF, ERR, or a bare string
    RESULTS = auto()  # OK, ERR, LOCAL INFILE or result sets, repeated while MORE_RESULTS
    PREPARED = auto()  # PREPARE's OK with parameter and column definitions
    FIELDS = auto()  # column definitions up to EOF
    ROWS = auto()  # rows up to EOF
    LOGIN = auto()  # an authentication conversation that ends in OK or ERR
    RAW = auto()  # not followed: from here on bytes are only relayed


_KNOWN: dict[int, tuple[str, Shape]] = {
    0x00: ("sleep", Shape.SINGLE),
    QUIT: ("quit", Shape.NOTHING),
    INIT_DB: ("init_db", Shape.SINGLE),
    QUERY: ("query", Shape.RESULTS),
    FIELD_LIST: ("field_list", Shape.FIELDS),
    0x05: ("create_db", Shape.SINGLE),
    0x06: ("drop_db", Shape.SINGLE),
    0x07: ("refresh", Shape.SINGLE),
    0x08: ("shutdown", Shape.SINGLE),
    0x09: ("statistics", Shape.SINGLE),
    0x0A: ("process_info", Shape.RESULTS),
    0x0B: ("connect", Shape.SINGLE),
    0x0C: ("process_kill", Shape.SINGLE),
    0x0D: ("debug", Shape.SINGLE),
    PING: ("ping", Shape.SINGLE),
    0x0F: ("time", Shape.SINGLE),
    0x10: ("delayed_insert", Shape.SINGLE),
    CHANGE_USER: ("change_user", Shape.LOGIN),
    0x12: ("binlog_dump", Shape.RAW),
    0x13: ("table_dump", Shape.RAW),
    0x14: ("connect_out", Shape.RAW),
    0x15: ("register_slave", Shape.SINGLE),
    STMT_PREPARE: ("stmt_prepare", Shape.PREPARED),
    STMT_EXECUTE: ("stmt_execute", Shape.RESULTS),
    STMT_SEND_LONG_DATA: ("stmt_send_long_data", Shape.NOTHING),
    STMT_CLOSE: ("stmt_close", Shape.NOTHING),
    STMT_RESET: ("stmt_reset", Shape.SINGLE),
    SET_OPTION: ("set_option", Shape.SINGLE),
    STMT_FETCH: ("stmt_fetch", Shape.ROWS),
    0x1D: ("daemon", Shape.SINGLE),
    0x1E: ("binlog_dump_gtid", Shape.RAW),
    RESET_CONNECTION: ("reset_connection", Shape.SINGLE),
    0x20: ("clone", Shape.RAW),
    STMT_BULK_EXECUTE: ("stmt_bulk_execute", Shape.RESULTS),
}

# Commands without a reply that have at least so many bytes; MySQL answers a shorter one with ERR 1835.
SHORTEST_UNANSWERED = {STMT_SEND_LONG_DATA: 7, STMT_CLOSE: 5}

NAMES: tuple[str, ...] = tuple(_KNOWN[code][0] if code in _KNOWN else "unknown" for code in range(256))
SHAPES: tuple[Shape, ...] = tuple(_KNOWN[code][1] if code in _KNOWN else Shape.RAW for code in range(256))
