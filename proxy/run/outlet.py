"""Where the lines of the log leave the process: a reader that does not read, or a full disk, holds nobody up."""

import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Final, TextIO

import structlog

_log = structlog.get_logger(__name__)

WAITING: Final = 1 << 20
"""Bytes that may wait to be written; lines beyond them are lost, and counted."""
_LAST_WAIT: Final = 1.0
"""Seconds that the last lines may take."""
_GATHER: Final = 0.02
"""Seconds from one writing to the next: a thread that woke up for every line would take the interpreter from the event
loop each time, which was a tenth of all that a connection costs."""


class Outlet:
    """Takes text as a stream does, and writes it in a thread of its own.

    Args:
        fd: a file descriptor.
        terminal: whether that is one.
        lost: called in that thread with the number of lines that were lost, once there is room again.
    """

    def __init__(self, fd: int, terminal: bool, lost: Callable[[int], None]) -> None:
        self._fd = fd
        self._terminal = terminal
        self._lost = lost
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._lock = threading.Lock()  # for the two numbers, never held while something is written
        self._waiting = 0
        self._dropped = 0
        # A daemon, and no buffer of Python's: the process can end while nobody reads.
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return self._terminal

    def write(self, text: str) -> int:
        """Have a line written, or lose it if too much waits already."""
        line = text.encode("utf-8", "backslashreplace")
        with self._lock:
            if self._waiting + len(line) > WAITING:
                self._dropped += 1
                return len(text)
            self._waiting += len(line)
        self._lines.put(line)
        return len(text)

    def flush(self) -> None:
        """Do nothing: lines are written as soon as they can be."""

    def close(self) -> None:
        """Write what waits, for as long as the last lines may take."""
        self._lines.put(None)
        self._thread.join(_LAST_WAIT)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            self._write_all(line)
            time.sleep(_GATHER)

    def _write_all(self, line: bytes) -> None:
        """Write a line and those that wait behind it, together as far as no other process's lines come in between."""
        together = line
        while not self._lines.empty():
            following = self._lines.get()
            if following is None:  # the end comes behind them
                self._lines.put(None)
                break
            if len(together) + len(following) > select.PIPE_BUF:
                self._write(together)
                together = b""
            together += following
        self._write(together)

    def _write(self, lines: bytes) -> None:
        left = lines
        while left:
            try:
                left = left[os.write(self._fd, left) :]
            except OSError:  # nobody reads any more, or the disk is full: the proxy goes on
                break
        with self._lock:
            self._waiting -= len(lines)
            dropped, self._dropped = self._dropped, 0
        if dropped:
            self._lost(dropped)


@contextmanager
def outlet(stream: TextIO) -> Iterator[Outlet]:
    """Let lines leave by a stream's descriptor for the length of the block."""
    stream.flush()
    found = Outlet(stream.fileno(), stream.isatty(), _tell)
    try:
        yield found
    finally:
        found.close()


def _tell(lines: int) -> None:
    _log.warning("log lines lost", lines=lines, reason="they were not read or written as fast as they came")
