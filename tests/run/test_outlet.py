"""Lines of the log leave in order, and nobody waits for who does not read them."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import pytest

from proxy.run.outlet import WAITING, Outlet, outlet

LINE: Final = "x" * 999 + "\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue  # closed by the test


def read_all(reading: int) -> bytes:
    found = b""
    while data := os.read(reading, 1 << 16):
        found += data
    return found


def test_lines_are_written_in_their_order(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    with os.fdopen(writing, "w") as stream, outlet(stream) as lines:
        assert not lines.isatty()
        for number in range(100):
            assert lines.write(f"line {number} é\n") == len(f"line {number} é\n")
            lines.flush()
    assert read_all(reading).decode() == "".join(f"line {number} é\n" for number in range(100))


def test_a_pipe_that_nobody_reads_holds_nobody_up_and_lost_lines_are_told(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    lost: list[int] = []
    lines = Outlet(writing, False, lost.append)
    count = 5 * WAITING // len(LINE)
    started = time.monotonic()
    for _ in range(count):
        lines.write(LINE)
    assert time.monotonic() - started < 10
    found = b""
    os.set_blocking(reading, False)
    while found.count(b"\n") + sum(lost) < count:
        with suppress(BlockingIOError):
            found += os.read(reading, 1 << 16)
    assert lost
    assert set(found.splitlines()) == {LINE.encode().rstrip()}
    assert len(found) >= WAITING - len(LINE)
    lines.close()


def test_the_end_waits_for_a_reader_only_so_long(pipe: tuple[int, int]) -> None:
    _, writing = pipe
    lines = Outlet(writing, False, lambda lost: None)
    for _ in range(2 * WAITING // len(LINE)):
        lines.write(LINE)
    started = time.monotonic()
    lines.close()
    assert time.monotonic() - started < 10


def test_a_reader_that_is_gone_is_no_failure(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.close(reading)
    lines = Outlet(writing, False, lambda lost: None)
    lines.write("nobody hears this\n")
    lines.close()
    assert not lines._thread.is_alive()
