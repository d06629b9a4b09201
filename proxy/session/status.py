"""What the status flags of a session's last reply tell of the next statement."""

from typing import Final

from proxy.sql.head import DEFINING
from proxy.wire import capabilities as cap
from proxy.wire import commands

_TRANSACTION: Final = cap.STATUS_AUTOCOMMIT | cap.STATUS_IN_TRANS
_CURSOR: Final = cap.STATUS_CURSOR_EXISTS | cap.STATUS_LAST_ROW_SENT
_MAY_BEGIN: Final = commands.EXECUTES | {commands.QUERY}
_BEGINS_NOTHING: Final = DEFINING | {"select", "insert", "update", "delete", "replace", "load", "show", "use"}
"""What leaves no transaction behind when it fails outside of one."""


def is_alone(status: int) -> bool:
    """Tell whether no transaction is open, and the next statement will be one of its own."""
    return status & _TRANSACTION == cap.STATUS_AUTOCOMMIT


def is_at_rest(status: int) -> bool:
    """Tell whether no transaction is open and no cursor."""
    return not status & cap.STATUS_IN_TRANS and status & _CURSOR != cap.STATUS_CURSOR_EXISTS


def after_error(status: int, code: int, verb: str) -> int:
    """Return the flags after an error, which tells none: a transaction is open if there may be one.

    Args:
        status: the flags before; MORE_RESULTS is set if the reply had begun with another statement's result.
        code: the command's.
        verb: of its statement.
    """
    harmless = verb in _BEGINS_NOTHING or code not in _MAY_BEGIN
    if status & cap.STATUS_AUTOCOMMIT and harmless and not status & cap.STATUS_MORE_RESULTS:
        return status
    return (status | cap.STATUS_IN_TRANS) & ~cap.STATUS_MORE_RESULTS
