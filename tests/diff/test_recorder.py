"""The tester finds what is planted, and tells it in few words."""

from collections.abc import Callable
from unittest.mock import patch

import pytest

from proxy.session import Session
from tests.diff.campaign import campaign
from tests.diff.commands import Query
from tests.diff.conversation import Batch, Conversation, Profile
from tests.diff.recorder import Recorder

pytestmark = pytest.mark.parametrize("server", ["mysql"], indirect=True)

HONEST = Session.backend_data


def planted(change: Callable[[bytes], bytes]) -> Callable[[Session, bytes], None]:
    def backend_data(session: Session, data: bytes) -> None:
        HONEST(session, change(data) if session.user else data)

    return backend_data


def test_a_changed_byte_is_found_and_the_script_is_short(recorder: Recorder) -> None:
    with patch.object(Session, "backend_data", planted(lambda data: data.replace(b"\x03two", b"\x03too"))):
        report = campaign(recorder, 500, 1, mariadb=False)
    [script] = report.differences
    assert "\\x03two" in script
    assert "\\x03too" in script
    assert "\n1. send: query" in script
    assert "\n2." not in script


def test_a_packet_too_many_is_found(recorder: Recorder) -> None:
    ask = Batch((Query(b"SELECT 'a'"),), pipelined=True)
    extra = b"\1\0\0\7\0"
    with patch.object(
        Session, "backend_data", planted(lambda data: data.replace(b"\2\0\0\4\1a", b"\2\0\0\4\1a" + extra))
    ):
        difference = recorder.run(Conversation(Profile(0), (ask,)))
    assert difference is not None
    assert (difference.step, difference.packet) == (1, 5)
    assert difference.proxied == "sequence id 7, 1 bytes: b'\\x00'"


def test_a_missing_packet_is_found(recorder: Recorder) -> None:
    ask = Batch((Query(b"SELECT 'a'"),), pipelined=True)
    with patch.object(Session, "backend_data", planted(lambda data: data.replace(b"\2\0\0\4\1a", b""))):
        difference = recorder.run(Conversation(Profile(0), (ask,)))
    assert difference is not None
    assert difference.direct == "sequence id 4, 2 bytes: b'\\x01a'"
