"""What the fast lane takes for a whole reply at a glance is one, by what its packets say one after the other."""

from typing import Final

from proxy.session.fast_lane import is_plain_result, status_of_ok
from proxy.wire import capabilities as cap
from proxy.wire import commands
from proxy.wire.replies import ReplyTracker
from tests.fuzz.target import Target
from tests.session.test_fast_lane import OTHERS, PLAIN, PLAIN_WITHOUT_EOF
from tests.wire.following import follow

CODES: Final = (commands.QUERY, commands.STMT_EXECUTE)
EXCEPTIONAL: Final = cap.STATUS_MORE_RESULTS | cap.STATUS_SESSION_STATE_CHANGED


def check(data: bytes) -> None:
    """Look at a chunk that begins with a packet; the first byte says under which terms."""
    how, data = (data[:1] or b"\0")[0], data[1:]
    if len(data) < 5:
        return  # the lane is given no less than a header and a byte
    deprecate_eof = how & 1 > 0
    status = status_of_ok(data)
    ok, result = status >= 0, is_plain_result(data, deprecate_eof)
    assert not (ok and result)
    if not ok and not result:
        return
    for code in CODES:
        # a session in which definitions may be left out says so at the first packet, which is then longer
        for more in (0, cap.OPTIONAL_METADATA):
            tracker = ReplyTracker(more | (cap.DEPRECATE_EOF if deprecate_eof else 0))
            found = follow(tracker, code, (data,))
            assert found.ended
            assert not found.rest
            assert not tracker.status & EXCEPTIONAL
            if ok:
                assert tracker.status == status


TARGET = Target(
    check,
    seeds=tuple(
        bytes((terms,)) + data for terms in (0, 1) for data in (*PLAIN, *PLAIN_WITHOUT_EOF, *OTHERS) if len(data) < 900
    ),
    words=(
        b"\xfe\0\0\2\0",
        b"\xfe\0\0\2\0\0\0",
        b"\5\0\0\3",
        b"\7\0\0\3",
        b"\1\0\0\1",
        b"\1\0\0\1\1",
        b"\0\0\0\5",
        b"\xff\xff\xff",
    ),
    longest=300,
)
