"""Each session has its line in the log, which may wait for others for a moment."""

import asyncio
import time
from dataclasses import replace

from structlog.testing import capture_logs

from proxy.conflicts.labels import REMARKABLE, Result
from proxy.net import endings
from proxy.net.endings import Endings
from tests.net.doubles import backend, logged_in, stage

ACCOUNT = {"user": "shop", "commands": 7}


def add(lines: Endings, number: int, result: Result = Result.QUIT) -> None:
    lines.add(f"10.0.0.9:{number}", result, "", ACCOUNT, usual="info")


async def test_lines_wait_for_a_moment_and_tell_when_the_sessions_ended() -> None:
    lines = Endings()
    with capture_logs() as logs:
        before = time.time()
        for number in range(3):
            add(lines, number)
        after = time.time()
        assert not logs
        await asyncio.sleep(endings._MOMENT)  # the timer of the lines is the older one
    assert [log["client"] for log in logs] == ["10.0.0.9:0", "10.0.0.9:1", "10.0.0.9:2"]
    moments = [log["timestamp"] for log in logs]
    assert before <= moments[0] <= moments[1] <= moments[2] <= after
    expected = {"event": "session ended", "log_level": "info", "result": "quit", "reason": "", **ACCOUNT}
    assert logs[0].items() >= expected.items()


async def test_the_next_ones_wait_for_a_moment_again() -> None:
    lines = Endings()
    with capture_logs() as logs:
        for number in range(3):
            add(lines, number)
            await asyncio.sleep(endings._MOMENT)
    assert len(logs) == 3


async def test_many_do_not_wait() -> None:
    lines = Endings()
    with capture_logs() as logs:
        for number in range(endings._MANY):
            add(lines, number)
        assert len(logs) == endings._MANY


async def test_a_remarkable_end_is_told_at_once_behind_those_before_it() -> None:
    lines = Endings()
    result = sorted(REMARKABLE)[0]
    with capture_logs() as logs:
        add(lines, 1)
        add(lines, 2, Result(result))
        assert [(log["client"], log["log_level"]) for log in logs] == [
            ("10.0.0.9:1", "info"),
            ("10.0.0.9:2", "warning"),
        ]


async def test_those_that_wait_are_told_of_when_a_listener_closes() -> None:
    with capture_logs() as logs:
        async with backend() as server, stage(server.address) as running:
            client, behind, _ = await logged_in(running, server)
            client.reset()
            behind.reset()
            await running.listener._all_ended.wait()
            running.listener.stop_accepting()
            assert [log["event"] for log in logs] == ["session ended"]


async def test_a_session_is_told_of_at_the_level_that_was_in_force_when_it_began() -> None:
    with capture_logs() as logs:
        async with backend() as server, stage(server.address) as running:
            await logged_in(running, server)
            running.listener.use(replace(running.listener._settings, log_sessions=False), ())
            await logged_in(running, server)
        assert sorted(log["log_level"] for log in logs) == ["debug", "info"]


async def test_none_is_missing_when_a_listener_has_closed() -> None:
    with capture_logs() as logs:
        async with backend() as server, stage(server.address) as running:
            for _ in range(3):
                await logged_in(running, server)
        assert [log["event"] for log in logs] == ["session ended"] * 3
