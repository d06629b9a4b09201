"""The table against the servers' own: names and codes of ``enum_server_command`` in MySQL 9.7 and MariaDB 10.11."""

import pytest

from proxy.wire import commands
from proxy.wire.commands import NAMES, SHAPES, Shape

IN_ORDER = [
    *("sleep", "quit", "init_db", "query", "field_list", "create_db", "drop_db", "refresh", "shutdown"),
    *("statistics", "process_info", "connect", "process_kill", "debug", "ping", "time", "delayed_insert"),
    *("change_user", "binlog_dump", "table_dump", "connect_out", "register_slave", "stmt_prepare", "stmt_execute"),
    *("stmt_send_long_data", "stmt_close", "stmt_reset", "set_option", "stmt_fetch", "daemon", "binlog_dump_gtid"),
    *("reset_connection", "clone"),
]  # fmt: skip


def test_every_code_has_a_name_and_a_shape() -> None:
    assert list(NAMES[: len(IN_ORDER)]) == IN_ORDER
    assert NAMES[0xFA] == "stmt_bulk_execute"
    assert len(NAMES) == len(SHAPES) == 256


@pytest.mark.parametrize("code", [*range(len(IN_ORDER), 0xFA), *range(0xFB, 0x100)])
def test_an_unknown_code_is_relayed(code: int) -> None:
    assert NAMES[code] == "unknown"
    assert SHAPES[code] is Shape.RAW


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        (Shape.NOTHING, {"quit", "stmt_send_long_data", "stmt_close"}),
        (Shape.RESULTS, {"query", "process_info", "stmt_execute", "stmt_bulk_execute"}),
        (Shape.PREPARED, {"stmt_prepare"}),
        (Shape.FIELDS, {"field_list"}),
        (Shape.ROWS, {"stmt_fetch"}),
        (Shape.LOGIN, {"change_user"}),
        (Shape.RAW, {"binlog_dump", "table_dump", "connect_out", "binlog_dump_gtid", "clone", "unknown"}),
    ],
)
def test_the_shapes_of_replies(shape: Shape, names: set[str]) -> None:
    assert {NAMES[code] for code in range(256) if SHAPES[code] is shape} == names


def test_the_codes_that_the_session_names() -> None:
    named = {value: name.lower() for name, value in vars(commands).items() if name.isupper() and isinstance(value, int)}
    assert named == {code: NAMES[code] for code in named}
